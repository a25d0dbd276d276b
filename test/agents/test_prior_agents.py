"""MPO and SVG with the priors BM and ABM, and without one (Siegel et al. 2020, algorithm 1)."""

import copy
import dataclasses

import pytest
import torch
from offline import mixed_episodes
from reach import STARTS, evaluate
from small_agents import copies, moved, mpo, snippets, svg

from priorrl_core.agents import mpo_losses
from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.agents.prior_agent import Steps
from priorrl_core.agents.svg import SVGConfig
from priorrl_core.data.snippets import SnippetSampler

BOTH = pytest.mark.parametrize("make", [mpo, svg])


def touched(agent):
    return {n.split(".")[0] for n, p in agent.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def steps(rows, tasks=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Steps(torch.randn(rows, 2, generator=g), torch.rand(rows, 2, generator=g),
                 torch.randint(tasks, (rows,), generator=g))


def set_law(network, mean, std):
    """The network's mean and std become constants."""
    with torch.no_grad():
        network.heads.weights[-1].zero_()
        raw = torch.log(torch.expm1(torch.tensor(std) - network.min_std))
        network.heads.biases[-1].copy_(torch.cat([torch.tensor(mean), raw]).view(1, 1, -1))


@BOTH
def test_abm_eq_1_value_is_the_mean_q_of_the_target_policys_actions(make):
    agent, rows = make(seed=3, action_samples=4000), steps(3)
    set_law(agent.policy_target, [0.3, -0.1], [0.2, 0.2])
    set_law(agent.policy, [0.9, 0.9], [0.2, 0.2])
    agent.target_q = lambda features, action, task: 2.0 * action[..., 0] + features[:, 0]
    wanted = (0.6 + rows.features[:, 0]).tolist()
    assert agent.value(rows.features, rows.task).tolist() == pytest.approx(wanted, abs=0.03)


@BOTH
def test_abm_eq_1_td_error_by_hand_over_valid_steps(make):
    agent = make(discount=0.5)
    rows = dataclasses.replace(snippets(2, 2), reward=torch.tensor([[1.0, 2.0], [3.0, 9.0]]),
                               terminated=torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    with torch.no_grad():
        agent.critic.heads.weights[-1].zero_()
        agent.critic.heads.biases[-1].fill_(1.0)
    following = torch.tensor([4.0, 4.0, -2.0, 7.0])
    loss = agent._critic_loss(rows, rows.obs.flatten(0, 1), following, torch.zeros(4, dtype=torch.int64))
    wanted = ((1 + 2 - 1) ** 2 + (2 - 1) ** 2 + (3 - 1 - 1) ** 2) / 3  # the fourth step is not valid
    assert float(loss.detach()) == pytest.approx(wanted)


@BOTH
@pytest.mark.parametrize("prior", ["none", "bm", "abm"])
def test_each_loss_reaches_its_own_networks_alone(make, prior):
    agent, rows = make(prior=prior), snippets()
    task = rows.task.repeat_interleave(3)
    fixed = rows.obs.flatten(0, 1).requires_grad_()
    agent.improvement(Steps(fixed, rows.action.flatten(0, 1), task))[0].backward()
    assert touched(agent) == {"policy", "multipliers"}
    assert all(m.grad is not None for m in agent.multipliers.values())
    agent.zero_grad(set_to_none=True)
    value = agent.value(rows.next_obs.flatten(0, 1), task)
    assert not value.requires_grad
    agent._critic_loss(rows, fixed, value, task).backward()
    assert touched(agent) == {"critic"}
    agent.zero_grad(set_to_none=True)
    loss, kept = agent._prior_loss(rows, fixed.detach(), task, torch.zeros(6))
    if prior == "none":
        assert float(loss) == 0.0 and float(kept) == 0.0
    else:
        loss.backward()
        assert touched(agent) == {"prior"} and 0.0 < float(kept) <= 1.0


@BOTH
def test_targets_are_copied_at_every_period_and_stand_still_between(make):
    agent = make(target_period=3)
    slow = [*agent.critic_target.parameters(), *agent.policy_target.parameters()]
    fast = [*agent.critic.parameters(), *agent.policy.parameters()]
    for call in range(1, 7):
        before = copies(slow)
        agent.update(snippets(seed=call))
        assert moved(before, slow) is (call % 3 == 0)
        assert moved(copies(slow), fast) is (call % 3 != 0)


@BOTH
@pytest.mark.parametrize(("rate", "wanted"), [(0.0, 5e-3), (0.05, 0.05)])
def test_multipliers_move_at_their_own_rate_where_they_have_one(make, rate, wanted):
    """Adam's first step is its rate, whatever the gradient."""
    agent = make(multiplier_rate=rate)
    bounds, weights = (copies(p.parameters()) for p in (agent.multipliers, agent.critic))
    agent.update(snippets())
    steps = [float((new.detach() - old).abs()) for old, new in zip(bounds, agent.multipliers.parameters(), strict=True)]
    assert steps == pytest.approx([wanted] * len(steps), rel=1e-2)
    assert max(float((new - old).abs().max()) for old, new in zip(weights, agent.critic.parameters(), strict=True)
               ) == pytest.approx(5e-3, rel=1e-2)


def test_abm_weights_of_two_snippets_by_hand():
    agent, rows, task = mpo(discount=0.5), snippets(2, 2), torch.zeros(4, dtype=torch.int64)
    rows = dataclasses.replace(rows, reward=torch.tensor([[1.0, 2.0], [3.0, 9.0]]), terminated=torch.zeros(2, 2))
    agent.value = lambda features, task: torch.tensor([3.9, 4.1, 3.1, 0.0])
    # R = 1 + 0.5 * (2 + 0.5 * 4) = 3 and 4; R = 3 + 0.5 * 0.2 = 3.1 (a tie) in the snippet of one step
    weight = agent.prior_weight(rows, rows.obs.flatten(0, 1), task, torch.tensor([4.0, 0.2]))
    assert weight[0].tolist() == [0.0, 0.0] and float(weight[1, 0]) == 1.0
    agent.value = lambda features, task: torch.tensor([2.9, 4.1, 3.2, 0.0])
    weight = agent.prior_weight(rows, rows.obs.flatten(0, 1), task, torch.tensor([4.0, 0.2]))
    assert weight[0].tolist() == [1.0, 0.0] and float(weight[1, 0]) == 0.0
    assert mpo(prior="bm").prior_weight(rows, rows.obs.flatten(0, 1), rows.task, torch.zeros(2)).all()


def drawn_from(agent, rows):
    """Means of the actions of which the E-step asks Q."""
    asked = []
    real = agent.target_q
    agent.target_q = lambda features, action, task: asked.append(action) or real(features, action, task)
    agent.improvement(rows)
    return asked[0].mean((0, 1)).tolist()


def test_abm_eq_5_the_e_step_draws_from_the_prior_or_without_one_from_the_target_policy():
    for prior, wanted in (("abm", [0.5, -0.5]), ("none", [-0.2, 0.2])):
        agent = mpo(prior=prior, action_samples=500)
        set_law(agent.prior, [0.5, -0.5], [0.15, 0.15])
        set_law(agent.policy_target, [-0.2, 0.2], [0.15, 0.15])
        assert drawn_from(agent, steps(8)) == pytest.approx(wanted, abs=0.02)


def test_abm_eq_5_and_10_mpo_loss_is_the_sum_of_its_parts():
    agent, rows = mpo(seed=5), steps(6)
    set_law(agent.policy, [0.3, -0.4], [0.5, 0.9])  # no longer the target policy
    noise = agent._normal((10, 6, 2))
    agent.generator.manual_seed(5)
    law, old, new = (n.law(rows.features, rows.task) for n in (agent.prior, agent.policy_target, agent.policy))
    action = law[0] + law[1] * noise
    q = agent.target_q(rows.features, action, rows.task)
    weight = torch.softmax(q / 3.0, 0)
    kl = mpo_losses.split_kl(old, new)
    policy = mpo_losses.weighted_likelihood(action.detach(), weight, new, old) + kl[0] + kl[1]
    duals = mpo_losses.temperature_loss(torch.tensor(3.0), q, 0.1) + (5e-3 - kl[0]) + (1e-5 - kl[1])
    loss, metrics = agent.improvement(rows)
    assert torch.allclose(loss, policy + duals, atol=1e-5)
    assert torch.allclose(torch.stack([metrics["kl_mean"], metrics["kl_covariance"]]), torch.stack(kl), atol=1e-6)
    got, wanted = (torch.autograd.grad(x, agent.policy.heads.biases[-1], retain_graph=True)[0] for x in (loss, policy))
    assert torch.allclose(got, wanted, atol=1e-5) and got.all()


def test_abm_eq_11_svg_gradient_is_that_of_a_finite_difference():
    agent, rows = svg(seed=5, eta_init=2.0), steps(6)
    bias = agent.policy.heads.biases[-1]
    agent.target_q = lambda features, action, task: -(action - 0.3).square().sum(-1)

    def loss():
        agent.generator.manual_seed(1)
        return agent.improvement(rows)[0]

    def policy_part():  # the multiplier's own loss has no gradient to the policy: take it off
        value = loss()
        law, prior = (n.law(rows.features, rows.task) for n in (agent.policy, agent.prior))
        return float(value - 2.0 * (0.2 - mpo_losses.gaussian_kl(law, prior).mean()))

    loss().backward()
    got = bias.grad.flatten().clone()
    for i in range(4):
        values = []
        for step in (1e-2, -2e-2):
            with torch.no_grad():
                bias[0, 0, i] += step
                values.append(policy_part())
        with torch.no_grad():
            bias[0, 0, i] += 1e-2
        assert float(got[i]) == pytest.approx((values[0] - values[1]) / 2e-2, abs=2e-3)


def test_abm_eq_6_svg_is_bound_to_the_prior_or_without_one_to_the_target_policy():
    for prior, same in (("abm", "prior"), ("none", "policy_target")):
        agent, rows = svg(prior=prior), steps(6)
        set_law(agent.policy, [0.1, 0.2], [0.3, 0.4])
        set_law(agent.prior, [0.5, -0.5], [0.15, 0.15])
        set_law(getattr(agent, same), [0.1, 0.2], [0.3, 0.4])
        assert float(agent.improvement(rows)[1]["kl"]) == pytest.approx(0.0, abs=1e-6)


def test_actions_are_clipped_before_q_sees_them_and_weights_of_q_are_constants():
    agent, rows = mpo(), steps(2)
    beyond, edge = torch.full((1, 2, 2), 3.0, requires_grad=True), torch.ones(1, 2, 2)
    q = agent.target_q(rows.features, beyond, rows.task)
    assert torch.equal(q, agent.target_q(rows.features, edge, rows.task))
    inner, features = torch.full((1, 2, 2), 0.2, requires_grad=True), rows.features.clone().requires_grad_()
    agent.target_q(features, inner, rows.task).sum().backward()
    assert inner.grad.any() and features.grad is None and all(p.grad is None for p in agent.parameters())


def test_tables_1_and_2():
    m, s = MPOConfig(), SVGConfig()
    for c in (m, s):
        assert (*c.policy_trunk, *c.policy_head) == (256, 256)
        assert (*c.critic_trunk, *c.critic_head) == (256, 256, 256)
        assert (c.action_samples, c.discount, c.learning_rate, c.target_period) == (20, 0.99, 2e-4, 200)
        assert c.min_std**2 == pytest.approx(0.01)
    assert (m.epsilon, m.epsilon_mean, m.epsilon_covariance, m.eta_init, m.alpha_init) == (0.1, 5e-3, 1e-5, 3.0, 1.0)
    assert (s.epsilon, s.eta_init) == (0.2, 1.0)
    _, std = mpo().policy.law(1e3 * steps(50).features, torch.zeros(50, dtype=torch.int64))
    assert float(std.detach().min()) >= 0.1


def test_rates_below_zero_are_refused():
    with pytest.raises(ValueError, match="multiplier_rate"):
        mpo(multiplier_rate=-1e-3)


# ---- several tasks -----------------------------------------------------------------------------------


@BOTH
def test_a_task_trains_its_own_heads_and_the_shared_trunk(make):
    agent, rows = make(tasks=3), snippets(tasks=3)
    rows = dataclasses.replace(rows, task=torch.full((6,), 1))
    parts = ("critic", "policy", "prior")
    before = {p: copy.deepcopy(getattr(agent, p)) for p in parts}
    agent.update(rows)
    for part in parts:
        old, new = before[part], getattr(agent, part)
        assert moved(copies(old.trunk.parameters()), new.trunk.parameters())
        for a, b in zip(old.heads.weights, new.heads.weights, strict=True):
            assert torch.equal(a[0], b[0]) and torch.equal(a[2], b[2]) and not torch.equal(a[1], b[1])


def test_rows_of_different_tasks_get_their_own_head():
    agent, x = mpo(tasks=3), torch.tensor([[0.3, -0.8]]).expand(3, 2)
    mean, _ = agent.policy.law(x, torch.tensor([0, 1, 2]))
    assert len({tuple(row) for row in mean.tolist()}) == 3
    for k in range(3):
        assert torch.allclose(agent.policy.law(x[:1], torch.tensor([k]))[0][0], mean[k], atol=1e-6)


def test_one_data_set_teaches_two_tasks_one_of_which_nobody_tried(steady_torch):
    """The data's good episodes go to the middle; the second task's reward is the first coordinate."""
    rewards = [lambda obs, action, following: -following.norm(dim=1), lambda obs, action, following: following[:, 0]]
    sampler, g = SnippetSampler(mixed_episodes(), 4, rewards), torch.Generator().manual_seed(0)
    agent = mpo(tasks=2)
    for _ in range(350):
        agent.update(sampler.sample(32, g))
    assert evaluate(agent) > -1.5
    agent.task = 1
    assert float(agent.act(torch.from_numpy(STARTS), True)[:, 0].mean()) > 0.5


# ---- learning ----------------------------------------------------------------------------------------


class AsPrior:
    """Acts as an agent's prior does."""

    def __init__(self, agent):
        self.act = agent.act_as_prior


@BOTH
def test_abm_keeps_doing_what_worked_where_the_plain_model_averages(make, steady_torch):
    sampler, policy, prior, kept = SnippetSampler(mixed_episodes(), 4), {}, {}, {}
    for kind in ("abm", "bm"):
        agent, g = make(prior=kind), torch.Generator().manual_seed(0)
        for _ in range(250):
            metrics = agent.update(sampler.sample(24, g))
        policy[kind], prior[kind], kept[kind] = evaluate(agent), evaluate(AsPrior(agent)), float(metrics["prior_kept"])
    assert policy["abm"] > -1.5 and prior["abm"] > -1.5
    assert prior["bm"] < -3.0 and policy["bm"] > prior["bm"] + 0.5 and policy["bm"] < policy["abm"]
    assert kept["bm"] == 1.0 and 0.2 < kept["abm"] < 0.8
