"""The ABM paper's BEAR (appendix C.2, table 4) and its ABM without an improvement step (epsilon 0, table 6)."""

import dataclasses

import pytest
import torch
from offline import mixed_episodes
from reach import STARTS, evaluate
from small_agents import copies, kl_bear, moved, mpo, snippets, svg
from test_prior_agents import set_law, steps, touched

from priorrl_core.agents.kl_bear import KLBEARConfig, best_value
from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.data.snippets import SnippetSampler

# ---- BEAR with a KL bound ----------------------------------------------------------------------------


def test_kl_bear_target_is_the_best_of_the_target_policys_actions():
    agent, rows = kl_bear(action_samples=500), steps(3)
    set_law(agent.policy_target, [0.3, -0.1], [0.2, 0.2])
    set_law(agent.policy, [0.9, 0.9], [0.2, 0.2])
    asked = []
    agent.target_q = lambda features, action, task: asked.append(action) or action[..., 0] + features[:, 0]
    value = agent.value(rows.features, rows.task)
    assert torch.equal(value, (asked[0][..., 0] + rows.features[:, 0]).amax(0)) and not value.requires_grad
    assert asked[0].mean((0, 1)).tolist() == pytest.approx([0.3, -0.1], abs=0.03) and len(asked[0]) == 500
    assert best_value(torch.tensor([[1.0, -3.0], [0.0, -2.0]])).tolist() == [1.0, -2.0]


def test_kl_bear_executes_the_best_of_its_samples():
    agent = kl_bear(action_samples=200)
    set_law(agent.policy, [0.2, -0.2], [0.1, 0.1])
    agent.critic.forward = lambda seen, task: -(seen[:, 2:] - torch.tensor([0.3, -0.1])).square().sum(-1, True)
    obs = torch.from_numpy(STARTS)
    assert agent.act(obs, True).tolist() == [pytest.approx([0.3, -0.1], abs=0.06)] * len(obs)
    assert torch.equal(agent.act(obs, True), agent.act(obs, True))
    one, two = (agent.act(obs, False, torch.Generator().manual_seed(s)) for s in (1, 2))
    assert not torch.equal(one, two)


def test_kl_bear_bounds_the_kl_from_the_behaviour_model_by_the_multiplier_of_svg():
    agent, rows = kl_bear(), steps(6)
    loss, metrics = agent.improvement(rows)
    loss.backward()
    assert touched(agent) == {"policy", "multipliers"}
    assert float(agent.multipliers["eta"].grad) == pytest.approx(0.2 - float(metrics["kl"]), rel=1e-4)
    assert agent.prior_weight(snippets(), rows.features, rows.task, torch.zeros(6)).all()  # all data count


def test_kl_bear_table_4():
    c = KLBEARConfig()
    assert (c.prior, c.epsilon, c.action_samples, c.discount, c.learning_rate) == ("bm", 0.2, 20, 0.99, 2e-4)
    assert (c.target_period, (*c.policy_trunk, *c.policy_head)) == (200, (256, 256))
    assert (*c.critic_trunk, *c.critic_head) == (256, 256, 256) and c.min_std**2 == pytest.approx(0.01)
    for wrong in ({"prior": "abm"}, {"epsilon": 0.0}):
        with pytest.raises(ValueError, match="behaviour model"):
            KLBEARConfig(**wrong)


def learned(agent, updates: int, length: int) -> float:
    sampler, g = SnippetSampler(mixed_episodes(), length), torch.Generator().manual_seed(0)
    for _ in range(updates):
        agent.update(sampler.sample(32, g))
    return evaluate(agent)


def test_kl_bear_learns_from_a_mixed_data_set(steady_torch):
    """Cloning's mean stays below -3 (test_bc)."""
    assert learned(kl_bear(), 350, 4) > -2.0


# ---- ABM alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [mpo, svg])
def test_abm_epsilon_0_the_policy_is_the_prior_and_q_its_value(make):
    agent = make(epsilon=0.0, target_period=3)
    obs = torch.from_numpy(STARTS)
    idle = [*agent.policy.parameters(), *agent.multipliers.parameters()]
    before = copies(idle)
    for call in range(1, 7):
        agent.update(snippets(seed=call))
        assert torch.equal(agent.act(obs, True), agent.act_as_prior(obs, True))
        if call % 3 == 0:
            assert not moved(copies(agent.policy_target.parameters()), agent.prior.parameters())
    assert not moved(before, idle)
    set_law(agent.policy_target, [0.3, -0.1], [0.2, 0.2])
    asked = []
    agent.target_q = lambda features, action, task: asked.append(action) or action[..., 0]
    agent.value(obs, torch.zeros(16, dtype=torch.int64))
    assert asked[0].mean((0, 1)).tolist() == pytest.approx([0.3, -0.1], abs=0.06)


def test_abm_epsilon_0_needs_a_prior_and_the_bound_is_never_negative():
    with pytest.raises(ValueError, match="needs a prior"):
        MPOConfig(epsilon=0.0, prior="none")
    with pytest.raises(ValueError, match="epsilon"):
        dataclasses.replace(MPOConfig(), epsilon=-0.1)


def test_abm_epsilon_0_with_snippets_of_two_steps_learns_what_the_behaviour_model_cannot(steady_torch):
    """Table 6, last column; the behaviour model (bm) is cloning."""
    abm, bm = (learned(mpo(epsilon=0.0, prior=prior), 350, 2) for prior in ("abm", "bm"))
    assert abm > bm + 1.0
