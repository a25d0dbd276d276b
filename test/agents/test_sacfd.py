"""SAC from demonstrations: row 6.13 (SACfD-prior, SACfD-pretrain, SAC + BC)."""

import dataclasses

import pytest
import torch
from small_agents import batch, copies, moved, sac, sacfd


def actor_gradient(agent, rows, loss):
    agent.zero_grad(set_to_none=True)
    loss.backward()
    return torch.cat([p.grad.flatten() for p in agent.actor.parameters()])


def test_6_13_without_its_settings_it_is_sac_to_the_bit():
    """SACfD-prior: the data are in the buffer and that is all."""
    plain, own = sac(), sacfd()
    for i in range(5):
        one, two = plain.update(batch(seed=i, demos=3)), own.update(batch(seed=i, demos=3))
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert not moved(copies(plain.parameters()), own.parameters())


def test_6_13_pretraining_moves_the_actor_alone_and_then_all_learn():
    agent = sacfd(clone_updates=3)
    others = [*agent.critics.parameters(), agent.log_alpha]
    for i in range(5):
        actor, rest = copies(agent.actor.parameters()), copies(others)
        names = set(agent.update(batch(seed=i)))
        assert moved(actor, agent.actor.parameters()) and moved(rest, others) is (i >= 3)
        assert names == {"critic_loss", "mean_q", "actor_loss", "temperature_loss", "alpha", "entropy", "bc_loss"}


def test_6_13_cloning_is_the_squashed_policys_log_likelihood_but_for_a_constant():
    agent, rows = sacfd(), batch()
    mean, log_std = agent.policy(rows.obs)
    raw = torch.atanh(rows.action)
    law = torch.distributions.Normal(mean, log_std.exp())
    wanted = (law.log_prob(raw) - torch.log(1.0 - rows.action.square())).sum(-1)
    got = -agent.cloning_loss(rows.obs, rows.action) - torch.log(1.0 - rows.action.square()).sum(-1).mean()
    assert torch.allclose(got, wanted.mean(), atol=1e-5)
    edge = agent.cloning_loss(rows.obs, torch.ones_like(rows.action))
    assert torch.isfinite(edge)
    features = rows.obs.clone().requires_grad_()
    agent.cloning_loss(features, rows.action).backward()
    assert features.grad is not None and all(p.grad is not None for p in agent.actor.parameters())


def test_6_13_cloning_learns_mean_and_spread_of_the_data():
    agent, g = sacfd(clone_updates=400, actor_rate=1e-2), torch.Generator().manual_seed(0)
    for _ in range(400):
        obs = torch.rand(64, 2, generator=g) * 2.0 - 1.0
        raw = obs + 0.3 * torch.randn(64, 2, generator=g)
        agent.update(dataclasses.replace(batch(64), obs=obs, action=torch.tanh(raw)))
    mean, log_std = agent.policy(torch.tensor([[0.5, -0.5]]))
    assert mean.tolist()[0] == pytest.approx([0.5, -0.5], abs=0.1)
    assert log_std.exp().tolist()[0] == pytest.approx([0.3, 0.3], abs=0.06)


def test_6_13_bc_term_by_hand_on_demonstration_rows_alone():
    agent, rows = sacfd(bc_weight=2.0), batch(8, demos=3)
    action = torch.tanh(agent.policy(rows.obs)[0])
    wanted = 2.0 * (action - rows.action)[-3:].square().sum(-1).mean()
    agent.update(rows)  # it knows the batch from here on
    agent, twin = sacfd(bc_weight=2.0), sacfd()
    agent._batch = twin._batch = rows
    difference = agent.actor_loss(rows.obs)[0] - twin.actor_loss(rows.obs)[0]
    assert torch.allclose(difference, wanted, atol=1e-5)
    features = rows.obs.clone().requires_grad_()
    agent.zero_grad(set_to_none=True)
    agent.actor_loss(features)[0].backward()
    assert features.grad is None and all(p.grad is None for p in agent.critics.parameters())


def test_6_13_demonstrations_pull_the_policy_and_own_rows_do_not():
    rows, agents = batch(8, demos=4), [sacfd(bc_weight=1.0), sacfd()]
    changed = dataclasses.replace(rows, demos=0)
    for agent, seen in zip(agents, (changed, rows), strict=True):
        agent.update(seen)
    assert not moved(copies(agents[0].parameters()), agents[1].parameters())
    agent = sacfd(bc_weight=1.0)
    agent.update(rows)
    assert moved(copies(agent.actor.parameters()), agents[0].actor.parameters())
    assert not moved(copies(agent.critics.parameters()), agents[0].critics.parameters())


@pytest.mark.parametrize(("better", "kept"), [(True, True), (False, False)])
def test_6_13_the_filter_keeps_demonstrations_that_the_critic_prefers(better, kept):
    agent, rows = sacfd(bc_weight=1.0, q_filter=True), batch(4, demos=4)
    sign = 1.0 if better else -1.0

    class Judge(torch.nn.Module):
        def forward(self, features, action):
            return sign * (action == rows.action).all(-1).float().expand(2, -1)

    agent.critics = Judge()
    loss = agent.demo_loss(rows.obs, rows)
    assert bool(actor_gradient(agent, rows, loss).any()) is kept
