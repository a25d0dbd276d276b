"""Behaviour cloning: row 5.14 (baseline BC) and 6.13."""

import pytest
import torch
from offline import mixed_episodes
from reach import demonstrations, evaluate
from small_agents import batch, bc, copies, moved

from priorrl_core.agents.gaussian_actor import GaussianConfig
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.data.transitions import TransitionBatch


def test_5_14_gaussian_cloning_is_the_negative_log_likelihood():
    agent, rows = bc(), batch(6)
    wanted = torch.distributions.Normal(agent.actor.mean(rows.obs), agent.actor.log_std.exp())
    assert torch.allclose(agent.loss(rows), -wanted.log_prob(rows.action).sum(-1).mean(), atol=1e-6)


def test_5_14_deterministic_cloning_by_hand():
    agent, rows = bc(deterministic=True), batch(2)
    error = (agent.act(rows.obs, False) - rows.action).square()
    assert float(agent.loss(rows).detach()) == pytest.approx(float(error.sum()) / 2, abs=1e-6)
    assert torch.equal(agent.act(rows.obs, False), agent.act(rows.obs, True))


def test_5_14_rewards_and_next_observations_do_not_matter():
    rows, agents = batch(8), [bc(), bc()]
    other = TransitionBatch(rows.obs, rows.action, rows.reward + 5.0, rows.next_obs * 0.0, 1.0 - rows.terminated)
    for agent, seen in zip(agents, (rows, other), strict=True):
        agent.update(seen)
    assert not moved(copies(agents[0].parameters()), agents[1].parameters())


def test_the_std_is_learned_to_be_that_of_the_data(steady_torch):
    g, agent = torch.Generator().manual_seed(0), bc(hidden=(8,), learning_rate=2e-2)
    obs, noise = torch.zeros(512, 2), torch.randn(512, 2, generator=g)
    action = torch.tensor([0.3, -0.2]) + torch.tensor([0.2, 0.05]) * noise
    rows = TransitionBatch(obs, action, torch.zeros(512), obs, torch.zeros(512))
    for _ in range(400):
        agent.update(rows)
    assert agent.act(obs[:1], True).flatten().tolist() == pytest.approx([0.3, -0.2], abs=0.03)
    assert agent.actor.log_std.exp().tolist() == pytest.approx([0.2, 0.05], rel=0.1)


def test_7_10_dropout_is_of_training_alone_and_keeps_the_mean_of_a_unit():
    agent, obs = bc(gaussian=GaussianConfig(dropout=0.5)), batch(64).obs
    assert torch.equal(agent.act(obs, True), agent.act(obs, True))
    drawn = [agent.actor.mean(obs, torch.Generator().manual_seed(i)) for i in range(2)]
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], agent.actor.mean(obs, torch.Generator().manual_seed(0)))


def test_7_10_dropout_keeps_the_mean_of_a_unit():
    network = EnsembleMLP(1, (1, 20_000, 1), torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.weights[0].fill_(1.0), network.biases[0].zero_()
        network.weights[1].fill_(1.0 / 20_000), network.biases[1].zero_()
    half = network(torch.ones(1, 1), 0.3, torch.Generator().manual_seed(0)).detach()
    assert float(half) == pytest.approx(1.0, abs=0.02) and float(half) != 1.0


def test_cloning_clones_a_good_teacher_and_only_averages_a_mixed_one(steady_torch):
    returns = []
    for data in (demonstrations(300), mixed_episodes()):
        agent, g = bc(deterministic=True), torch.Generator().manual_seed(0)
        for _ in range(500):
            agent.update(data.sample(64, g))
        returns.append(evaluate(agent))
    assert returns[0] > -1.2 and returns[1] < -3.0
