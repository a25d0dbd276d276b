"""SAC: rows 8.11 and 9.19."""

import pytest
import torch
from reach import Reach
from small_agents import batch, copies, make_linear, moved, sac

from priorrl_core.agents.squashed_gaussian import squashed_sample
from priorrl_core.data.transitions import TransitionBatch

SLOPES = torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0, 2.0]])
GOLDEN = [-5.7765, -5.8247, -3.1663, -1.7239, -1.0067, -0.9494]
GOLDEN_IMAGES = [-5.9936, -5.9928]


def test_9_19_sac_target_by_hand():
    agent = sac(seed=3, alpha_init=0.5)
    make_linear(agent.critics.target, SLOPES, torch.tensor([4.0, 3.0]))
    with torch.no_grad():
        agent.actor.weights[-1].zero_()
        agent.actor.biases[-1].copy_(torch.tensor([[[0.5, 1.0, -1.0, -2.0]]]))
    rows = TransitionBatch(torch.zeros(2, 2), torch.zeros(2, 2), torch.tensor([1.0, -1.0]), torch.ones(2, 2),
                           torch.tensor([0.0, 1.0]))
    noise = torch.randn(2, 2, generator=torch.Generator().manual_seed(3))
    a, log_prob = squashed_sample(torch.tensor([0.5, 1.0]), torch.tensor([-1.0, -2.0]), noise)
    first = 1.0 + 0.9 * (a[0, 0] + 2.0 * a[0, 1] + 3.0 - 0.5 * log_prob[0])
    assert agent.target(rows).tolist() == pytest.approx([float(first), -1.0], abs=1e-4)


def test_9_19_actor_climbs_the_lower_critic():
    agent = sac(critic_rate=1e-12, alpha_init=1e-3, alpha_rate=0.0)
    slopes = torch.tensor([[0.0, 0.0, -9.0, 9.0], [0.0, 0.0, 1.0, -1.0]])
    make_linear(agent.critics.online, slopes, torch.tensor([100.0, 0.0]))  # the second is the lower one
    for _ in range(300):
        agent.update(batch())
    assert agent.act(batch().obs, True).mean(0).tolist() == pytest.approx([1.0, -1.0], abs=0.1)


def test_9_19_one_backward_pass_gives_every_loss_its_own_network():
    agent, rows = sac(images=True), batch(images=True)
    loss, log_prob = agent.actor_loss(agent.encoder(rows.obs))
    loss.backward(retain_graph=True)
    assert all(p.grad is not None for p in agent.actor.parameters())
    others = [*agent.encoder.parameters(), *agent.critics.parameters(), agent.log_alpha]
    assert all(p.grad is None for p in others)
    target = agent.target(rows)
    assert not target.requires_grad and log_prob.requires_grad
    agent.zero_grad(set_to_none=True)
    agent.critics(agent.encoder(rows.obs), rows.action).sum().backward()
    assert all(p.grad is not None for p in agent.encoder.parameters())
    assert all(p.grad is None for p in [*agent.actor.parameters(), agent.log_alpha])


def test_9_19_targets_follow_by_the_polyak_formula():
    agent = sac(target_rate=0.3)
    before = copies(agent.critics.target.parameters())
    agent.update(batch())
    pairs = zip(before, agent.critics.target.parameters(), agent.critics.online.parameters(), strict=True)
    assert all(torch.allclose(new, 0.7 * old + 0.3 * fast, atol=1e-6) for old, new, fast in pairs)


@pytest.mark.parametrize(("log_std", "grows"), [(-4.0, True), (-0.5, False)])
def test_9_19_entropy_temperature_moves_towards_its_target(log_std, grows):
    agent = sac(log_std_init=log_std, alpha_rate=1e-2)
    before = float(agent.alpha)
    for _ in range(3):
        entropy = float(agent.update(batch(64))["entropy"])
    assert (entropy < agent.target_entropy) is grows and agent.target_entropy == -2.0
    assert (float(agent.alpha) > before) is grows


def test_9_19_temperature_can_be_kept():
    agent = sac(alpha_rate=0.0)
    before = copies([agent.log_alpha])
    agent.update(batch())
    assert not moved(before, [agent.log_alpha])


def test_8_11_initial_residual_is_near_zero_without_exploration():
    for images in (False, True):
        assert float(sac(images=images).act(batch(256, images=images).obs, True).abs().max()) < 0.05


def test_8_07_exploration_is_the_policys_own_and_absent_when_deterministic():
    agent, obs = sac(log_std_init=-1.0), torch.zeros(20_000, 2)
    u = torch.atanh(agent.act(obs, False, torch.Generator().manual_seed(0)).double())
    assert float(u.std()) == pytest.approx(0.368, abs=0.01)
    assert torch.equal(agent.act(obs, True), agent.act(obs, True))


def test_9_19_sac_learns_and_its_curve_is_golden(steady_torch):
    agent = sac()
    curve = Reach(agent).curve(750, 150)
    assert curve == pytest.approx(GOLDEN, abs=0.05)
    assert Reach(sac()).curve(150, 150) == curve[:2]  # the same bits
    assert abs(float(agent.alpha) - 0.2) > 0.02


def test_9_19_sac_learns_from_images(steady_torch):
    """Golden after 25 and 50 updates, before rounding has grown; see the same test of TD3."""
    reach = Reach(sac(images=True), images=True, batch_size=32)
    assert reach.curve(150, 25)[-2:] == pytest.approx(GOLDEN_IMAGES, abs=0.002)
    assert reach.curve(750, 750)[-1] > -2.0
