"""AWAC: rows 6.2 to 6.9."""

import dataclasses

import pytest
import torch
from offline import mixed_episodes
from reach import Reach, evaluate
from small_agents import awac, batch, copies, make_linear, moved

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.gaussian_actor import GaussianConfig
from priorrl_core.data.transitions import TransitionBatch

SLOPES = torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0, 2.0]])


def set_mean(agent, *mean):
    with torch.no_grad():
        agent.actor.network.weights[-1].zero_()
        agent.actor.network.biases[-1].copy_(torch.atanh(torch.tensor(mean)).view(1, 1, -1))


def test_6_02_target_by_hand():
    agent = awac(seed=3, gaussian=GaussianConfig(log_std_init=-1.0))
    make_linear(agent.critics.target, SLOPES, torch.tensor([4.0, 3.0]))
    set_mean(agent, 0.5, -0.5)
    rows = TransitionBatch(torch.zeros(2, 2), torch.zeros(2, 2), torch.tensor([1.0, -1.0]), torch.ones(2, 2),
                           torch.tensor([0.0, 1.0]))
    noise = torch.randn(2, 2, generator=torch.Generator().manual_seed(3))[0]
    a = (torch.tensor([0.5, -0.5]) + torch.exp(torch.tensor(-1.0)) * noise).clamp(-1, 1)
    assert agent.target(rows).tolist() == pytest.approx([float(1.0 + 0.9 * (a[0] + 2 * a[1] + 3.0)), -1.0], abs=1e-4)


def test_6_02_targets_follow_by_the_polyak_formula():
    agent = awac(target_rate=0.3)
    before = copies(agent.critics.target.parameters())
    agent.update(batch())
    pairs = zip(before, agent.critics.target.parameters(), agent.critics.online.parameters(), strict=True)
    assert all(torch.allclose(new, 0.7 * old + 0.3 * fast, atol=1e-6) for old, new, fast in pairs)


@pytest.mark.parametrize("normalise", ["none", "batch", "state"])
def test_6_03_weights_by_hand_with_v_at_the_mode(normalise):
    agent = awac(seed=3, lam=0.5, value_samples=0, normalise=normalise, normaliser_samples=2)
    make_linear(agent.critics.online, SLOPES, torch.tensor([4.0, 3.0]))
    set_mean(agent, 0.2, 0.0)
    obs, action = torch.zeros(2, 2), torch.tensor([[0.4, 0.1], [-0.3, 0.0]])
    plain = torch.exp(torch.tensor([0.4, -0.5]) / 0.5)  # A = a_1 + 2 a_2 - 0.2
    wanted = {"none": plain, "batch": plain / plain.mean()}
    if normalise == "state":
        noise = torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(3))
        drawn = (torch.tensor([0.2, 0.0]) + torch.exp(torch.tensor(-1.0)) * noise).clamp(-1, 1)
        z = torch.exp((drawn[..., 0] + 2 * drawn[..., 1] - 0.2) / 0.5).mean(0)
        wanted["state"] = plain / z
    assert torch.allclose(agent.weight(obs, action), wanted[normalise], rtol=1e-3)


def test_6_03_v_is_one_sample_of_the_policy_by_default():
    agent = awac(seed=3, lam=0.5)
    make_linear(agent.critics.online, SLOPES, torch.tensor([4.0, 3.0]))
    set_mean(agent, 0.2, 0.0)
    noise = torch.randn(1, 1, 2, generator=torch.Generator().manual_seed(3)).flatten()
    a = (torch.tensor([0.2, 0.0]) + torch.exp(torch.tensor(-1.0)) * noise).clamp(-1, 1)
    weight = agent.weight(torch.zeros(1, 2), torch.tensor([[0.4, 0.1]]))
    assert float(weight) == pytest.approx(float(torch.exp((0.6 - a[0] - 2 * a[1]) / 0.5)), rel=1e-3)


def test_6_03_the_actors_loss_reaches_the_actor_alone():
    agent, rows = awac(), batch()
    features = rows.obs.clone().requires_grad_()
    agent.actor_loss(features, rows.action, agent.weight(features, rows.action)).backward()
    assert all(p.grad is not None for p in agent.actor.parameters())
    assert features.grad is None and all(p.grad is None for p in agent.critics.parameters())
    assert not agent.target(rows).requires_grad


def test_6_03_gradient_is_the_weighted_log_likelihoods():
    agent, rows = awac(value_samples=0), batch()
    weight = agent.weight(rows.obs, rows.action)
    agent.actor_loss(rows.obs, rows.action, weight).backward()
    got = torch.cat([p.grad.flatten() for p in agent.actor.parameters()])
    law = torch.distributions.Normal(agent.actor.mean(rows.obs), agent.actor.log_std.exp())
    wanted = torch.autograd.grad(-(weight * law.log_prob(rows.action).sum(-1)).mean(), list(agent.actor.parameters()))
    assert torch.allclose(got, torch.cat([w.flatten() for w in wanted]), atol=1e-6)


def test_6_06_a_ceiling_on_q_holds_in_target_and_weight():
    agent, rows = awac(q_max=0.0, value_samples=0), batch()
    for network in (agent.critics.target, agent.critics.online):
        make_linear(network, SLOPES, torch.tensor([9.0, 9.0]))
    rows = dataclasses.replace(rows, reward=-torch.ones(8))
    assert torch.equal(agent.target(rows), -torch.ones(8))
    assert torch.equal(agent.weight(rows.obs, rows.action), torch.ones(8))  # all at the ceiling: A = 0
    before = copies(agent.critics.online.parameters())
    agent.update(rows)
    assert moved(before, agent.critics.online.parameters())  # the regression itself keeps its gradient


def test_6_07_table_16():
    c = AWACConfig()
    assert c.hidden == (256,) * 4 and c.actor_rate == c.critic_rate == 3e-4 and c.actor_weight_decay == 1e-4
    assert (c.discount, c.target_rate, c.lam, c.normaliser_samples) == (0.99, 5e-3, 0.3, 10)
    groups = awac().optimizer.param_groups
    assert groups[0]["weight_decay"] == 0.0 and groups[1]["weight_decay"] == 1e-4


def test_6_09_it_explores_by_sampling_and_is_evaluated_at_the_mean():
    agent, obs = awac(gaussian=GaussianConfig(log_std_init=-2.0)), torch.zeros(20_000, 2)
    action = agent.act(obs, False, torch.Generator().manual_seed(0))
    assert float((action - agent.act(obs, True)).std()) == pytest.approx(0.1353, abs=0.003)
    assert torch.equal(agent.act(obs, True), agent.act(obs, True))


def test_6_08_offline_data_then_practice_in_the_same_buffer(steady_torch):
    agent, data, g = awac(seed=1), mixed_episodes(), torch.Generator().manual_seed(0)
    start = evaluate(agent)
    for _ in range(500):
        agent.update(data.sample(64, g))
    offline, reach = evaluate(agent), Reach(agent)
    assert start < -4.0 and offline > -2.0  # cloning stays below -3: test_bc
    reach.replay = data
    for _ in range(200):
        reach.step()
    assert data.added == 1200 and agent.updates == 700
    assert evaluate(agent) > -2.0
