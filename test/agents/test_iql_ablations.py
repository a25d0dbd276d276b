"""Row 7.14: IQL with one critic, and with V by samples of the policy (thesis table 22)."""

import math

import pytest
import torch
from small_agents import batch, copies, iql, iql_ablation, make_linear, moved

from priorrl_core.agents.iql_ablations import IQLAblationConfig


def test_7_14_with_nothing_taken_away_it_is_iql_to_the_bit():
    plain, own = iql(), iql_ablation()
    for i in range(5):
        one, two = plain.update(batch(seed=i)), own.update(batch(seed=i))
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert not moved(copies(plain.parameters()), own.parameters())


def test_7_14_one_critic_has_no_lower_one():
    agent, rows = iql_ablation(critics=1, expectile=0.9, inverse_temperature=1.0, discount=0.5), batch(1)
    make_linear(agent.critics.target, torch.zeros(1, 4), torch.tensor([3.0]))
    make_linear(agent.v, torch.zeros(1, 2), torch.tensor([1.0]))
    losses = agent.losses(rows)
    assert float(losses["value_loss"].detach()) == pytest.approx(0.9 * 4.0, rel=1e-4)
    assert float(losses["mean_weight"]) == pytest.approx(math.exp(2.0), rel=1e-4)
    before = copies(agent.critics.parameters())
    agent.update(rows)
    assert agent.critics.online.members == 1 and moved(before, agent.critics.parameters())


def test_7_14_sampled_value_is_the_mean_lower_target_critic_of_the_policys_actions():
    agent = iql_ablation(value="sampled", value_samples=4000)
    slopes = torch.tensor([[1.0, 0.0, 2.0, 0.0], [1.0, 0.0, 2.0, 0.0]])
    make_linear(agent.critics.target, slopes, torch.tensor([0.5, 9.0]))
    make_linear(agent.critics.online, torch.zeros(2, 4), torch.tensor([70.0, 70.0]))
    with torch.no_grad():
        agent.actor.network.weights[-1].zero_()
        agent.actor.network.biases[-1].copy_(torch.atanh(torch.tensor([0.3, -0.2])).view(1, 1, 2))
        agent.actor.log_std.fill_(-3.0)
    rows = batch(4)
    value = agent.value(rows.obs)
    assert value.tolist() == pytest.approx((rows.obs[:, 0] + 2.0 * 0.3 + 0.5).tolist(), abs=0.01)
    assert not value.requires_grad


def test_7_14_sampled_value_trains_no_v_and_makes_target_and_weight():
    agent, rows = iql_ablation(value="sampled"), batch()
    before = copies(agent.v.parameters())
    names = set(agent.update(rows))
    assert not moved(before, agent.v.parameters()) and names == set(iql().update(rows))
    agent.generator.manual_seed(3)
    losses = agent.losses(rows)
    agent.generator.manual_seed(3)
    following = agent.sampled_value(rows.next_obs)
    now = agent.sampled_value(rows.obs)
    target = rows.reward + 0.9 * (1.0 - rows.terminated) * following
    q = agent.critics(rows.obs, rows.action)
    assert torch.allclose(losses["critic_loss"], (q - target).square().mean(1).sum(), atol=1e-5)
    assert torch.allclose(losses["mean_v"], now.mean(), atol=1e-6)


def test_7_14_refused_settings():
    for wrong in ({"critics": 0}, {"value_samples": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            IQLAblationConfig(**wrong)
    assert IQLAblationConfig().value_samples == 20
