"""RLPD's options of SAC, each by a hand-computed case; without them nothing changes (the golden curves say so)."""

from __future__ import annotations

import math

import pytest
import torch
from small_agents import batch, copies, make_linear, moved, sac

from priorrl_core.agents.critics import frozen
from priorrl_core.agents.networks import EnsembleMLP, layer_norm
from priorrl_core.agents.sac_losses import mean_policy_loss


def test_layer_norm_by_hand():
    x = torch.tensor([[[1.0, 2.0, 3.0, 6.0]], [[2.0, 2.0, 2.0, 2.0]]])
    scale, shift = torch.tensor([[[2.0]], [[5.0]]]).expand(2, 1, 4), torch.tensor([[[1.0]], [[7.0]]]).expand(2, 1, 4)
    std = math.sqrt(3.5 + 1e-6)  # of deviations -2, -1, 0, 3
    expected = [[[1 - 4 / std, 1 - 2 / std, 1.0, 1 + 6 / std]], [[7.0] * 4]]
    assert torch.allclose(layer_norm(x, scale, shift), torch.tensor(expected))


def test_layer_norm_stands_before_each_relu_and_not_after_the_last_layer():
    net = EnsembleMLP(2, (3, 4, 4, 1), torch.Generator().manual_seed(0), layer_norm=True)
    with torch.no_grad():
        for tensor in [*net.norm_scales, *net.norm_shifts]:
            tensor.add_(torch.rand(tensor.shape, generator=torch.Generator().manual_seed(1)))
    x, got = torch.randn(5, 3, generator=torch.Generator().manual_seed(2)), []
    for m in range(2):
        h = x
        for i in range(2):
            h = h @ net.weights[i][m] + net.biases[i][m]
            h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
            h = torch.relu(h * net.norm_scales[i][m] + net.norm_shifts[i][m])
        got.append(h @ net.weights[2][m] + net.biases[2][m])
    assert torch.allclose(net(x), torch.stack(got), atol=1e-6)
    assert torch.allclose(frozen(net, x, 2), torch.stack(got), atol=1e-6)
    assert torch.allclose(frozen(net, x, torch.tensor([1])), got[1][None], atol=1e-6)


def test_layer_norm_is_learned_and_has_slow_copies():
    agent = sac(layer_norm=True, target_rate=0.5)
    online, slow = agent.critics.online.norm_scales, agent.critics.target.norm_scales
    before = copies(online), copies(slow)
    agent.update(batch())
    assert moved(before[0], online) and moved(before[1], slow)
    for old, new, lagged in zip(before[1], online, slow, strict=True):
        assert torch.allclose(lagged, 0.5 * old + 0.5 * new)


def test_mean_policy_loss_by_hand():
    q, log_prob = torch.tensor([[1.0, 4.0], [3.0, 0.0], [2.0, 5.0]]), torch.tensor([0.5, -1.0])
    alpha = torch.tensor(0.2, requires_grad=True)
    assert float(mean_policy_loss(q, log_prob, alpha)) == pytest.approx(((0.1 - 2.0) + (-0.2 - 3.0)) / 2)
    assert not mean_policy_loss(q, log_prob, alpha).requires_grad


@pytest.mark.parametrize("actor_q", ["min", "mean"])
def test_actor_ascends_the_minimum_or_the_mean_of_all_critics(actor_q):
    agent = sac(critics=3, actor_q=actor_q, initial_scale=1.0)
    slopes = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 4.0, 0.0], [0.0, 0.0, 7.0, 0.0]])
    make_linear(agent.critics.online, slopes, torch.tensor([-20.0, 0.0, 5.0]))
    state, obs = agent.generator.get_state(), batch(16).obs
    loss, log_prob = agent.actor_loss(obs)
    agent.generator.set_state(state)
    action, _ = agent._sample(obs)
    q = action[:, 0] - 20.0 if actor_q == "min" else 4.0 * action[:, 0] - 5.0
    assert float(loss.detach()) == pytest.approx(float((0.2 * log_prob - q).mean().detach()), abs=1e-4)


def constant_targets(agent, values) -> None:
    make_linear(agent.critics.target, torch.zeros(len(values), 4), torch.tensor(values))


def test_target_is_the_minimum_of_a_random_few():
    agent, seen = sac(critics=4, target_critics=2, backup_entropy=False, discount=0.5), []
    constant_targets(agent, [10.0, 20.0, 30.0, 40.0])
    b = batch(8)
    for _ in range(600):
        value = (agent.target(b) - b.reward) / 0.5
        alive = b.terminated == 0.0
        assert torch.equal(value[~alive], torch.zeros(int((~alive).sum())))
        assert float(value[alive].std()) < 1e-3  # one draw serves the whole batch
        seen.append(round(float(value[alive][0])))
    shares = [seen.count(v) / 600 for v in (10, 20, 30, 40)]
    assert shares == pytest.approx([3 / 6, 2 / 6, 1 / 6, 0.0], abs=0.07)  # pairs of four whose minimum it is


def test_target_of_all_critics_draws_no_subset():
    agents = [sac(critics=3, target_critics=n) for n in (0, 3)]
    assert torch.equal(*[a.target(batch()) for a in agents])
    assert torch.equal(*[a.generator.get_state() for a in agents])


def test_entropy_leaves_the_target_and_nothing_else():
    agent = sac(backup_entropy=False, discount=0.5)
    constant_targets(agent, [3.0, 5.0])
    b = batch()
    assert torch.allclose(agent.target(b), b.reward + 0.5 * (1.0 - b.terminated) * 3.0, atol=1e-4)
    with_entropy = sac(backup_entropy=True, discount=0.5)
    constant_targets(with_entropy, [3.0, 5.0])
    assert not torch.allclose(with_entropy.target(b), agent.target(b), atol=1e-3)


def test_actor_and_temperature_move_at_every_nth_update_alone():
    agent = sac(actor_every=3)
    actor, critic = list(agent.actor.parameters()) + [agent.log_alpha], list(agent.critics.online.parameters())
    for number in range(1, 7):
        before = copies(actor), copies(critic)
        metrics = agent.update(batch(seed=number))
        assert moved(before[0], actor) is (number % 3 == 0) and moved(before[1], critic)
        assert set(metrics) == {"critic_loss", "mean_q", "actor_loss", "temperature_loss", "alpha", "entropy"}
    latest = metrics["actor_loss"]
    assert torch.equal(agent.update(batch(seed=9))["actor_loss"], latest)


def test_default_settings_add_nothing_to_the_state():
    assert not [n for n in sac().state_dict() if "norm" in n or "metrics" in n]


@pytest.mark.parametrize("wrong", [{"critics": 0}, {"target_critics": 3}, {"actor_every": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="critics|actor_every"):
        sac(**wrong)
