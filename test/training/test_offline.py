"""Offline training: determinism, resume, losses and encoders (rows 10.15, 10.16, 10.32, S.08)."""

import dataclasses

import pytest
import torch
from small import small_method, small_prior

from priorrl_core.agents.heads import LOSSES, total_loss
from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.errors import DataError
from priorrl_core.training.offline import OfflineData, OfflineRun, make_cache, train_offline


def flat(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([v.detach().double().flatten() for v in module.state_dict().values()])


def test_same_seed_same_agent_bit_for_bit_and_another_seed_another():
    prior, method = small_prior(), small_method()
    a, b, c = (train_offline(prior, method, seed) for seed in (0, 0, 1))
    assert torch.equal(flat(a), flat(b)) and not torch.equal(flat(a), flat(c))


def test_s_08_stopped_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    prior, method = small_prior(), small_method()
    whole = train_offline(prior, method, 0)
    run = OfflineRun(prior, method, 0)
    for _ in range(5):
        run.step()
    run.save(tmp_path / "offline_state.safetensors")
    resumed = train_offline(prior, method, 0, tmp_path, resume=True)
    assert torch.equal(flat(whole), flat(resumed))


def test_s_08_state_of_other_settings_or_truncated_is_refused(tmp_path):
    prior, method = small_prior(), small_method()
    path = tmp_path / "state.safetensors"
    OfflineRun(prior, method, 0).save(path)
    with pytest.raises(DataError, match="other settings"):
        OfflineRun(prior, method, 1).restore(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"state.safetensors.*not a whole"):
        OfflineRun(prior, method, 0).restore(path)


def test_10_15_no_parameter_is_shared_between_policy_q_and_v_by_default():
    agent = IQLAgent(small_method().agent, 3)
    owners = [{id(p) for p in agent.encoder(n).parameters()} for n in ("policy", "critic", "value")]
    assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
    shared = IQLAgent(dataclasses.replace(small_method().agent, shared_encoder=True), 3)
    assert shared.encoder("critic") is shared.encoder("policy") is shared.encoder("value")


def losses_of(agent: IQLAgent, progress: float = 1.0) -> dict[str, torch.Tensor]:
    data = OfflineData(small_prior(), small_method().offline)
    return agent.losses(data.batch(torch.Generator().manual_seed(0)), progress,
                        torch.Generator().manual_seed(1))


def test_10_16_without_daib_the_loss_is_plain_iql():
    config = dataclasses.replace(small_method().agent, policy_mode="erm", critic_mode="erm", value_mode="erm")
    losses = losses_of(IQLAgent(config, 3))
    assert float(losses["daib"]) == 0.0


def test_10_16_policy_loss_is_awr_plus_daib_term():
    agent = IQLAgent(small_method().agent, 3)
    losses = losses_of(agent)
    beta = agent.config.daib.beta_ib
    wanted = sum(float(losses[f"{n}_domain_ce"]) + beta * float(losses[f"{n}_kl"])
                 for n in ("policy", "critic", "value"))
    assert float(losses["daib"].detach()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("network", ["policy", "critic", "value"])
def test_10_15_each_loss_trains_only_its_own_encoder(network):
    agent = IQLAgent(small_method().agent, 3)
    losses_of(agent)[network].backward()
    touched = {n for n in ("policy", "critic", "value")
               if any(p.grad is not None and p.grad.abs().sum() > 0 for p in agent.encoder(n).parameters())}
    assert touched == {network}


def test_one_backward_of_the_sum_equals_three():
    grads = []
    for together in (True, False):
        agent = IQLAgent(small_method().agent, 3)
        losses = losses_of(agent)
        if together:
            total_loss(losses, (*LOSSES, "daib")).backward()
        else:
            for name in (*LOSSES, "daib"):
                losses[name].backward(retain_graph=True)
        grads.append(torch.cat([p.grad.flatten() for p in agent.parameters() if p.grad is not None]))
    assert torch.allclose(grads[0], grads[1], atol=1e-6)


def test_10_32_offline_images_are_augmented_once_each():
    data = OfflineData(small_prior(), small_method().offline)
    data.batch(torch.Generator().manual_seed(0))
    assert data.augment.images_seen == 2 * data.batch_size


def test_offline_batch_pairs_an_image_with_its_successor_and_its_own_domain():
    prior, method = small_prior(), small_method()
    data = OfflineData(prior, method.offline)
    steps = prior.episodes.steps
    for row in (0, steps - 1, steps, len(data) - 1):
        episode, t = divmod(row, steps)
        assert torch.equal(data.images[data.start[row]], torch.from_numpy(prior.images[episode, t]))
        assert int(data.domain[row]) == int(prior.connector[episode])
        assert float(data.reward[row]) == float(prior.labels[episode, t + 1])


def test_training_lowers_the_policy_loss_on_the_point_world():
    method = small_method()
    plain = dataclasses.replace(method.agent, policy_mode="erm", critic_mode="erm", value_mode="erm")
    offline = dataclasses.replace(method.offline, updates=120, learning_rate=3e-3)
    run = OfflineRun(small_prior(20), dataclasses.replace(method, agent=plain, offline=offline), 0)
    seen = []
    while run.done < 120:
        run.step()
        if run.done % 40 == 0:
            seen.append(run.metrics.read()["policy"])
    assert seen[-1] < seen[0] - 0.2


def test_cache_is_even_over_connectors_and_deterministic():
    prior, method = small_prior(), small_method()
    agent = IQLAgent(method.agent, 3)
    a, b = (make_cache(agent, prior, method, 0) for _ in range(2))
    assert torch.equal(a.features, b.features)
    assert a.features.shape == (2, 10, 9, 48) and a.features.dtype == torch.float16
    assert not torch.equal(a.features[0], a.features[1])
