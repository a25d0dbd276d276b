"""DDPG with demonstrations: rows 5.1 to 5.4, 5.6 to 5.8, 5.14 and 5.15."""

import dataclasses

import numpy as np
import pytest
import torch
from goal_reach import goal_demonstrations, goal_episodes, successes
from reach import demonstrations
from small_agents import batch, copies, ddpg, make_linear, moved

from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.data.her import HERConfig
from priorrl_core.data.transitions import TransitionBatch, sample_with_demos

PLAIN = {"l2": 0.0, "rl_weight": 1.0, "bc_weight": 0.0}


def actor_gradient(agent, rows):
    agent.zero_grad(set_to_none=True)
    agent.actor_loss(agent.encoder(rows.obs), rows)[0].backward()
    return torch.cat([p.grad.flatten() for p in agent.actor.parameters()])


def with_actions(agent, *action):
    with torch.no_grad():
        agent.weights[-1].zero_()
        agent.biases[-1].copy_(torch.atanh(torch.tensor(action)).view(1, 1, -1))


def test_5_01_target_and_loss_of_three_rows_by_hand():
    agent = ddpg(discount=0.5)
    make_linear(agent.critics.target, torch.tensor([[1.0, 0.0, 2.0, 0.0]]), torch.tensor([3.0]))
    make_linear(agent.critics.online, torch.zeros(1, 4), torch.tensor([1.0]))
    with_actions(agent.actor_target, 0.5, -0.5)
    rows = TransitionBatch(torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([1.0, 0.0, -1.0]),
                           torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]]), torch.tensor([0.0, 0.0, 1.0]))
    assert agent.target(rows).tolist() == pytest.approx([1 + 0.5 * 5.0, 0.5 * 2.0, -1.0], rel=1e-4)
    assert float(agent.update(rows)["critic_loss"]) == pytest.approx((2.5**2 + 0.0 + 4.0) / 3, rel=1e-3)


def test_5_01_targets_can_be_clipped_and_carry_no_gradient():
    agent, rows = ddpg(return_range=(-0.5, 0.0)), batch()
    target = agent.target(rows)
    assert float(target.min()) >= -0.5 and float(target.max()) <= 0.0 and not target.requires_grad


def test_5_01_targets_follow_by_the_polyak_formula():
    agent = ddpg(target_rate=0.3)
    slow = [*agent.critics.target.parameters(), *agent.actor_target.parameters()]
    before = copies(slow)
    agent.update(batch())
    fast = [*agent.critics.online.parameters(), *agent.actor.parameters()]
    assert all(torch.allclose(new, 0.7 * old + 0.3 * f, atol=1e-6) for old, new, f in
               zip(before, slow, fast, strict=True))


def test_5_02_gradient_is_that_of_finite_differences_on_a_quadratic_q():
    agent, rows = ddpg(**PLAIN), batch(4)

    def quadratic(features, action, members):
        return -(action - 0.3).square().sum(-1).expand(members, -1)

    agent.critics.of_action = quadratic
    got, bias = actor_gradient(agent, rows)[-2:], agent.actor.biases[-1]
    for i in range(2):
        values = []
        for step in (1e-2, -2e-2):
            with torch.no_grad():
                bias[0, 0, i] += step
                values.append(float(agent.actor_loss(rows.obs, rows)[0]))
        with torch.no_grad():
            bias[0, 0, i] += 1e-2
        assert float(got[i]) == pytest.approx((values[0] - values[1]) / 2e-2, abs=1e-3)


def test_5_02_the_actor_climbs_the_critic_and_its_loss_reaches_it_alone():
    agent = ddpg(**PLAIN, critic_rate=1e-12)
    make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, 1.0, -1.0]]), torch.zeros(1))
    for _ in range(150):
        agent.update(batch())
    assert agent.act(batch().obs, True).mean(0).tolist() == pytest.approx([1.0, -1.0], abs=0.05)
    agent, rows = ddpg(bc_weight=1.0), batch(demos=3)
    features = rows.obs.clone().requires_grad_()
    agent.actor_loss(features, rows)[0].backward()
    others = [*agent.critics.parameters(), *agent.actor_target.parameters()]
    assert features.grad is None and all(p.grad is None for p in others)
    assert all(p.grad is not None for p in agent.actor.parameters())


def test_5_03_actions_stay_in_range_at_extreme_inputs_and_depend_on_the_goal():
    agent = ddpg(size=4)
    obs = torch.tensor([[1e6, -1e6, 1e6, 0.0], [0.1, 0.2, 0.0, 1.0], [0.1, 0.2, 1.0, 0.0]])
    action = agent.act(obs, True)
    assert float(action.abs().max()) <= 1.0 and not torch.equal(action[1], action[2])


def test_5_04_exploration_is_uniform_in_one_of_ten_steps_and_near_the_policy_else():
    agent, obs = ddpg(), torch.zeros(100_000, 2)
    still = agent.act(obs, True)
    away = (agent.act(obs, False, torch.Generator().manual_seed(0)) - still).abs().amax(1)
    near = away <= 0.1
    mean = still[0]
    inside = float(((mean + 0.1).clamp(max=1) - (mean - 0.1).clamp(min=-1)).prod() / 4.0)
    assert float(near.float().mean()) == pytest.approx(0.9 + 0.1 * inside, abs=0.005)
    assert float(away[near].max()) > 0.0999 and float(away.max()) > 0.8
    noise = (agent.act(obs, False, torch.Generator().manual_seed(0)) - still)[near]
    assert float(noise.std()) == pytest.approx(0.1 / np.sqrt(3.0), rel=0.02)


def test_5_07_cloning_gradient_by_hand_and_none_of_the_agents_own_rows():
    """Equation 17 with a constant Q: the loss's gradient wrt row i of the actor's output is (2 / N_D)(pi - a)."""
    agent, rows = ddpg(l2=0.0, rl_weight=1e-3, bc_weight=1.0, q_filter=False), batch(8, demos=4)
    make_linear(agent.critics.online, torch.zeros(1, 4), torch.ones(1))
    seen = []
    policy = agent.policy
    agent.policy = lambda f: seen.append(policy(f)) or seen[-1]
    loss, metrics = agent.actor_loss(rows.obs, rows)
    (got,) = torch.autograd.grad(loss, seen[0])
    assert torch.allclose(got[4:], 2.0 / 4.0 * (seen[0] - rows.action)[4:].detach(), atol=1e-6)
    assert not got[:4].any() and float(metrics["bc_kept"]) == 1.0


def test_5_08_a_constant_q_is_a_tie_and_filters_everything():
    agent, rows = ddpg(l2=0.0, rl_weight=1e-3, bc_weight=1.0), batch(8, demos=4)
    make_linear(agent.critics.online, torch.zeros(1, 4), torch.ones(1))
    assert not actor_gradient(agent, rows).any()


@pytest.mark.parametrize("keep", [0, 1])
def test_5_08_the_filter_flips_each_row_and_all_off_is_plain_ddpg(keep):
    agent = ddpg(l2=0.0, bc_weight=1.0)
    make_linear(agent.critics.online, torch.tensor([[0.0, 0.0, 1.0, 0.0]]), torch.zeros(1))
    rows = batch(6, demos=2)
    rows.action[-2:] = -1.0
    other = ddpg(l2=0.0, bc_weight=0.0)
    make_linear(other.critics.online, torch.tensor([[0.0, 0.0, 1.0, 0.0]]), torch.zeros(1))
    plain = actor_gradient(other, rows)
    assert torch.allclose(actor_gradient(agent, rows), plain, atol=1e-9)
    rows.action[-1 - keep] = 1.0
    assert float(agent.actor_loss(rows.obs, rows)[1]["bc_kept"]) == 0.5
    assert not torch.allclose(actor_gradient(agent, rows), plain, atol=1e-6)


def test_5_08_the_filter_begins_at_the_update_it_is_told():
    agent = ddpg(l2=0.0, bc_weight=1.0, filter_from=2)
    make_linear(agent.critics.online, torch.zeros(1, 4), torch.ones(1))
    rows, kept = batch(8, demos=4), []
    for agent.updates in (0, 1, 2, 3):
        kept.append(float(agent.actor_loss(rows.obs, rows)[1]["bc_kept"]))
    assert kept == [1.0, 1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="filter_from"):
        ddpg(filter_from=-1)


def test_5_08_bug_an_untrained_critic_rejected_nearly_every_demonstration(steady_torch):
    """It ranks actions by its initial weights, and the actor climbs these: in truth the demonstrations are better."""
    success, kept = {}, {}
    for start in (0, 100):
        agent, g = ddpg(size=4, l2=0.0, return_range=(-10.0, 0.0), filter_from=start), torch.Generator().manual_seed(0)
        own, demos = goal_episodes(20, HERConfig(k=4.0)), goal_demonstrations(20)
        seen = [agent.update(sample_with_demos(own, demos, 64, 32, g))["bc_kept"] for _ in range(100)]
        kept[start], success[start] = float(torch.stack(seen[:25]).mean()), successes(agent)
    assert kept[0] < 0.3 and kept[100] == 1.0
    assert success[100] > 0.6 and success[100] > success[0] + 0.3


def test_5_06_demonstrations_train_both_networks():
    rows, agents = batch(8, demos=4), [ddpg(bc_weight=1.0, q_filter=False) for _ in range(2)]
    own = TransitionBatch(rows.obs[:4], rows.action[:4], rows.reward[:4], rows.next_obs[:4], rows.terminated[:4])
    for agent, seen in zip(agents, (rows, own), strict=True):
        agent.update(seen)
    for part in ("critics", "actor"):
        one, two = (copies(getattr(a, part).parameters()) for a in agents)
        assert moved(one, two)


def test_5_07_thesis_settings():
    c = DDPGConfig()
    assert c.hidden == (256,) * 4 and c.discount == 0.98 and c.actor_rate == c.critic_rate == 1e-3
    assert (c.rl_weight, c.bc_weight, c.l2, c.random_probability, c.exploration_range) == (1e-3, 1.0, 5e-3, 0.1, 0.1)


def test_l2_pulls_weights_and_not_biases_or_else_actions():
    rows = dataclasses.replace(batch(), reward=torch.zeros(8), terminated=torch.ones(8))
    agent = ddpg(l2=0.5, rl_weight=0.0, bc_weight=0.0)
    make_linear(agent.critics.online, torch.zeros(1, 4), torch.zeros(1))
    before, bias = copies(agent.actor.weights), copies(agent.actor.biases)
    agent.update(rows)
    assert all(float(p.detach().norm()) < float(b.norm()) for p, b in zip(agent.actor.weights, before, strict=True))
    assert not moved(bias, agent.actor.biases)
    agent = ddpg(l2=0.5, l2_of="actions", rl_weight=0.0, bc_weight=0.0)
    wanted = 0.5 * agent.policy(rows.obs).square().sum(-1).mean()
    assert torch.allclose(agent.actor_loss(rows.obs, rows)[0], wanted)


def test_5_15_hindsight_learns_from_episodes_that_never_saw_their_goal(steady_torch):
    rates = {}
    for k in (4.0, 0.0):
        agent, g = ddpg(size=4, **PLAIN, return_range=(-10.0, 0.0)), torch.Generator().manual_seed(0)
        replay = goal_episodes(150, HERConfig(k=k))
        for _ in range(700):
            agent.update(replay.sample(64, g))
        rates[k] = successes(agent)
    assert rates[4.0] > 0.8 and rates[4.0] > rates[0.0] + 0.3


def test_5_14_cloning_alone_follows_the_demonstrations(steady_torch):
    demos, g = demonstrations(200), torch.Generator().manual_seed(0)
    agent = ddpg(l2=0.0, rl_weight=0.0, bc_weight=1.0, q_filter=False)
    every = demos.batch(torch.arange(200))

    def error():
        return float((agent.act(every.obs, True) - every.action).square().sum(-1).mean())

    before = error()
    for _ in range(500):
        agent.update(sample_with_demos(demos, demos, 8, 64, g))
    assert error() < 0.1 * before
