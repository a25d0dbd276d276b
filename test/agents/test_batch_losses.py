"""BCQ's and BEAR's functions against hand-computed cases; the action VAE's loss; stop gradients."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from priorrl_core.agents import batch_losses as losses
from priorrl_core.agents.action_vae import ActionVAE, vae_loss


def test_bcq_soft_clipped_double_q_by_hand():
    q = torch.tensor([[4.0, 1.0], [2.0, 3.0]])
    assert losses.soft_clipped_q(q, 0.75).tolist() == pytest.approx([2.5, 1.5])
    assert losses.soft_clipped_q(q, 1.0).tolist() == [2.0, 1.0]


def test_bcq_the_best_sample_is_chosen_after_the_clipping():
    q = torch.tensor([[[9.0], [4.0]], [[0.0], [4.0]]])  # (critics, samples, states): 2.25 and 4
    assert losses.best_of_samples(q, 0.75).tolist() == [4.0]


def test_bcq_perturbation_is_bounded_and_the_action_stays_in_range():
    action = torch.tensor([[0.5, 0.99], [-0.99, 0.0]])
    raw = torch.tensor([[50.0, 50.0], [-50.0, 0.0]])
    assert losses.perturbed(action, raw, 0.05).flatten().tolist() == pytest.approx([0.55, 1.0, -1.0, 0.0])


def test_bcq_vae_loss_is_the_squared_error_and_half_the_divergence_as_means():
    g = torch.Generator().manual_seed(0)
    decoded, action, mean, log_std = (torch.randn(5, 4, generator=g) for _ in range(4))
    kl = kl_divergence(Normal(mean, log_std.exp()), Normal(torch.zeros(5, 4), torch.ones(5, 4)))
    wanted = (decoded - action).square().mean() + 0.5 * kl.mean()
    assert torch.allclose(vae_loss(decoded, action, mean, log_std), wanted, atol=1e-5)
    assert float(vae_loss(action, action, torch.zeros(5, 4), torch.zeros(5, 4))) == 0.0


def test_bcq_latents_are_clamped_where_actions_are_drawn_and_log_stds_where_they_are_read():
    vae, x = ActionVAE(2, 2, (8,), 4, torch.Generator().manual_seed(0)), torch.zeros(3, 2)
    assert torch.equal(vae.sample(x, torch.full((3, 4), 9.0)), vae.decode(x, torch.full((3, 4), 0.5)))
    with torch.no_grad():
        vae.encoder.biases[-1].fill_(-99.0)
    assert vae.encode(x, x)[1].tolist() == [[-4.0] * 4] * 3


def test_bcq_the_vae_learns_two_modes_that_a_mean_would_merge(steady_torch):
    g, vae = torch.Generator().manual_seed(0), ActionVAE(1, 1, (32, 32), 2, torch.Generator().manual_seed(0))
    optimizer, features = torch.optim.Adam(vae.parameters(), lr=3e-3), torch.zeros(128, 1)
    for _ in range(600):
        action = torch.randint(2, (128, 1), generator=g) * 1.6 - 0.8
        optimizer.zero_grad()
        vae.loss(features, action, torch.randn(128, 2, generator=g)).backward()
        optimizer.step()
    drawn = torch.tanh(vae.sample(torch.zeros(500, 1), torch.randn(500, 2, generator=g))).detach()
    assert float((drawn.abs() - 0.8).abs().mean()) < 0.3 and 0.3 < float((drawn > 0).float().mean()) < 0.7


def test_bear_kernels_by_hand():
    x, y = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]]), torch.tensor([[[3.0, 4.0]]])
    assert losses.laplacian_kernel(x, y, 10.0)[:, 0, 0].tolist() == pytest.approx([math.exp(-7 / 20), math.exp(-0.25)])
    assert losses.gaussian_kernel(x, y, 10.0)[:, 0, 0].tolist() == pytest.approx([math.exp(-1.25), math.exp(-13 / 20)])


@pytest.mark.parametrize("kernel", [losses.laplacian_kernel, losses.gaussian_kernel])
def test_bear_mmd_of_two_samples_by_hand(kernel):
    x, y = torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[[1.0]]])

    def k(a, b):
        return float(kernel(torch.tensor([[[a]]]), torch.tensor([[[b]]]), 0.5))

    wanted = (2.0 + 2.0 * k(0.0, 2.0)) / 4 - 2.0 * (k(0.0, 1.0) + k(2.0, 1.0)) / 2 + 1.0
    assert float(losses.mmd(x, y, 0.5, kernel)) == pytest.approx(math.sqrt(wanted + 1e-6), rel=1e-5)
    assert float(losses.mmd(x, x, 0.5, kernel)) == pytest.approx(1e-3, abs=1e-6)


def test_bear_mmd_gradient_is_finite_at_equal_samples_and_that_of_a_difference_elsewhere():
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(4, 3, 2, generator=g, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda v: losses.mmd(x, v, 0.7, losses.gaussian_kernel), [y.requires_grad_()])
    same = x.clone().requires_grad_()
    losses.mmd(x, same, 0.7, losses.laplacian_kernel).sum().backward()
    assert same.grad.isfinite().all()


def test_bear_policy_loss_by_hand_and_its_stop_gradient():
    q, distance = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.5, 0.1], requires_grad=True)
    log_alpha = torch.tensor(math.log(2.0), requires_grad=True)
    loss = losses.constrained_policy_loss(q, distance, log_alpha)
    loss.backward()
    assert float(loss.detach()) == pytest.approx((1.0 - 1.0 + 0.2 - 3.0) / 2)
    assert q.grad.tolist() == [-0.5, -0.5] and distance.grad.tolist() == pytest.approx([1.0, 1.0])
    assert log_alpha.grad is None
    assert float(losses.constrained_policy_loss(q, distance, log_alpha, 0.0).detach()) == pytest.approx(0.6)


@pytest.mark.parametrize(("distance", "grows"), [(0.3, True), (0.01, False)])
def test_bear_multiplier_grows_exactly_while_the_bound_is_broken(distance, grows):
    log_alpha, d = torch.tensor(0.0, requires_grad=True), torch.full((4,), distance, requires_grad=True)
    losses.constraint_multiplier_loss(log_alpha, d, 0.05).backward()
    assert (float(log_alpha.grad) < 0.0) is grows and d.grad is None
    assert float(log_alpha.grad) == pytest.approx(0.05 - distance)
