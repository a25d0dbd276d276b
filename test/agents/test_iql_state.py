"""IQL on states: rows 7.3 to 7.7, 7.10 and 7.13. The losses themselves: test_iql_losses."""

import math

import pytest
import torch
from offline import mixed_episodes
from reach import evaluate
from small_agents import TINY_ENCODER, batch, copies, iql, make_linear, moved

from priorrl_core.agents.iql_state import IQL, IQLConfig, domain_config
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import SmallEncoder

ROWS = TransitionBatch(torch.zeros(2, 2), torch.tensor([[0.5, 0.0], [0.0, -0.5]]), torch.tensor([1.0, -1.0]),
                       torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0.0, 1.0]))


def by_hand(**config):
    """Target critics Q = a_1 + 2 a_2 + (2, 1); V = 3 s_1 + 0.25; online critics 0 and 1."""
    agent = iql(**config)
    make_linear(agent.critics.target, torch.tensor([[0.0, 0.0, 1.0, 2.0]] * 2), torch.tensor([2.0, 1.0]))
    make_linear(agent.critics.online, torch.zeros(2, 4), torch.tensor([0.0, 1.0]))
    make_linear(agent.v, torch.tensor([[3.0, 0.0]]), torch.tensor([0.25]))
    return agent


def test_7_03_losses_of_two_samples_by_hand():
    losses = by_hand(expectile=0.9, discount=0.5).losses(ROWS)
    # min Qbar = 1.5 and 0; V = 0.25: u = 1.25 and -0.25
    assert float(losses["value_loss"].detach()) == pytest.approx((0.9 * 1.25**2 + 0.1 * 0.25**2) / 2, rel=1e-4)
    # y = 1 + 0.5 * 3.25 and -1 (terminated); both critics regress to the same target
    first, second = 1.0 + 0.5 * 3.25, -1.0
    wanted = ((first**2 + second**2) + ((first - 1) ** 2 + (second - 1) ** 2)) / 2
    assert float(losses["critic_loss"].detach()) == pytest.approx(wanted, rel=1e-4)


def test_7_05_weight_multiplies_by_beta_is_clipped_and_beta_0_is_cloning():
    weight = by_hand(inverse_temperature=2.0).losses(ROWS)["mean_weight"]
    assert float(weight) == pytest.approx((math.exp(2.5) + math.exp(-0.5)) / 2, rel=1e-4)
    assert float(by_hand(inverse_temperature=1e3).losses(ROWS)["mean_weight"]) == pytest.approx(50.0)
    agent = by_hand(inverse_temperature=0.0)
    cloning = -agent.actor.log_prob(ROWS.obs, ROWS.action).mean()
    assert torch.allclose(agent.losses(ROWS)["actor_loss"], cloning)


@pytest.mark.parametrize(("loss", "own"), [("value_loss", "v."), ("critic_loss", "critics.online"),
                                           ("actor_loss", "actor.")])
def test_7_03_each_loss_reaches_only_its_own_network(loss, own):
    agent = iql()
    agent.losses(batch(16))[loss].backward()
    touched = {n for n, p in agent.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched and all(name.startswith(own) for name in touched)


@pytest.mark.parametrize(("loss", "trains"), [("value_loss", False), ("critic_loss", True), ("actor_loss", False)])
def test_7_03_an_image_encoder_learns_of_the_critics_loss_alone(loss, trains):
    agent = IQL(IQLConfig(hidden=(16,)), SmallEncoder(TINY_ENCODER), 2)
    agent.losses(batch(4, images=True))[loss].backward()
    assert all((p.grad is not None) is trains for p in agent.encoder.parameters())


def test_7_03_targets_follow_by_the_polyak_formula():
    agent = iql(target_rate=0.3)
    before = copies(agent.critics.target.parameters())
    agent.update(batch())
    pairs = zip(before, agent.critics.target.parameters(), agent.critics.online.parameters(), strict=True)
    assert all(torch.allclose(new, 0.7 * old + 0.3 * fast, atol=1e-6) for old, new, fast in pairs)


def test_7_04_q_is_never_asked_for_an_action_that_the_batch_lacks(monkeypatch):
    agent, rows, asked = iql(), batch(), []
    for name in ("forward", "slow"):
        real = getattr(agent.critics, name)

        def spy(features, action, real=real):
            asked.append(action)
            return real(features, action)

        monkeypatch.setattr(agent.critics, name, spy)
    agent.update(rows)
    assert len(asked) == 2 and all(action is rows.action for action in asked)


def test_7_06_the_policy_does_not_influence_the_values():
    agents = [iql(), iql(inverse_temperature=0.0, initial_scale=0.1, actor_rate=1e-2)]
    for agent in agents:
        for i in range(20):
            agent.update(batch(seed=i))
    for part in ("critics", "v"):
        one, two = (copies(getattr(a, part).parameters()) for a in agents)
        assert not moved(one, two)
    assert moved(copies(agents[0].actor.parameters()), agents[1].actor.parameters())


def test_7_07_luck_is_not_taken_for_skill(steady_torch):
    """One action, reward 0 or 1: V is the mean 0.5, though the expectile of the reward at 0.95 is 0.95."""
    agent, g = iql(hidden=(16,), expectile=0.95, target_rate=0.1), torch.Generator().manual_seed(0)
    obs, action, ends = torch.zeros(256, 2), torch.zeros(256, 2), torch.ones(256)
    for _ in range(500):
        reward = torch.randint(2, (256,), generator=g).float()
        agent.update(TransitionBatch(obs, action, reward, obs, ends))
    with torch.no_grad():
        assert float(agent.value(obs[:1])) == pytest.approx(0.5, abs=0.05)


def test_7_10_std_is_state_independent_and_the_actors_rate_follows_a_cosine():
    agent = iql(actor_rate=1e-2, actor_decay_updates=4)
    rates = []
    for i in range(6):
        agent.update(batch(seed=i))
        rates.append(agent.optimizer.param_groups[1]["lr"])
    assert rates == pytest.approx([1e-2, 1e-2 * (1 + math.sqrt(0.5)) / 2, 5e-3, 1e-2 * (1 - math.sqrt(0.5)) / 2, 0, 0])
    assert agent.actor.log_std.shape == (2,)
    assert iql(actor_rate=1e-2)._actor_rate() == 1e-2


def test_7_13_appendix_e():
    c = IQLConfig()
    assert c.hidden == (256, 256) and c.actor_rate == c.critic_rate == 3e-4
    assert c.target_rate == 0.005 and c.weight_clip == 100.0
    table = {"antmaze": (0.9, 10.0, 0.0), "locomotion": (0.7, 3.0, 0.0), "kitchen": (0.7, 0.5, 0.1),
             "adroit": (0.7, 0.5, 0.1), "dexterous": (0.8, 3.0, 0.0)}
    for name, values in table.items():
        d = domain_config(name)
        assert (d.expectile, d.inverse_temperature, d.gaussian.dropout) == values
    assert domain_config("adroit", discount=0.9).discount == 0.9


def test_7_12_it_learns_from_a_mixed_data_set_what_cloning_cannot(steady_torch):
    data, returns = mixed_episodes(), []
    for beta in (5.0, 0.0):
        agent, g = iql(expectile=0.8, inverse_temperature=beta), torch.Generator().manual_seed(0)
        for _ in range(500):
            agent.update(data.sample(64, g))
        returns.append(evaluate(agent))
    assert returns[0] > -1.5 and returns[1] < -3.0
