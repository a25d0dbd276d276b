"""MPO's E-step, M-step and duals (Siegel et al. 2020, equations 5 to 12): closed forms, differences, stop gradients."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from priorrl_core.agents import mpo_losses as losses

Q = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]])  # three actions, two states


def law(seed, rows=4):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 3, generator=g), torch.rand(rows, 3, generator=g) + 0.3


def test_abm_eq_7_weights_of_two_actions_by_hand():
    weight = losses.action_weights(torch.tensor([[1.0], [3.0]], requires_grad=True), torch.tensor(2.0))
    assert weight.flatten().tolist() == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)])
    assert not weight.requires_grad


def test_abm_eq_8_dual_by_hand_with_the_mean_over_actions():
    eta = torch.tensor(2.0)
    first = math.log((math.exp(0.5) + math.exp(1.5) + math.exp(1.0)) / 3)
    second = math.log((1.0 + 1.0 + math.exp(3.0)) / 3)
    assert float(losses.temperature_loss(eta, Q, 0.1)) == pytest.approx(2 * 0.1 + 2 * (first + second) / 2, rel=1e-5)
    assert float(losses.temperature_loss(eta, torch.ones(5, 2), 0.1)) == pytest.approx(0.2 + 1.0)


def test_abm_eq_8_gradient_is_that_of_a_difference_and_reaches_eta_alone():
    q, eta = Q.double().requires_grad_(), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    losses.temperature_loss(eta, q, 0.1).backward()
    up, down = (losses.temperature_loss(eta.detach() + d, q.detach(), 0.1) for d in (1e-5, -1e-5))
    assert float(eta.grad) == pytest.approx(float(up - down) / 2e-5, rel=1e-6) and q.grad is None


def test_abm_eq_8_is_convex_and_at_its_minimum_the_weights_diverge_by_epsilon():
    grid = [float(losses.temperature_loss(torch.tensor(e), Q, 0.1)) for e in torch.linspace(0.3, 9.0, 50).tolist()]
    assert all(a + c >= 2 * b - 1e-5 for a, b, c in zip(grid, grid[1:], grid[2:], strict=False))
    eta = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.Adam([eta], lr=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        losses.temperature_loss(eta, Q, 0.1).backward()
        optimizer.step()
    weight = losses.action_weights(Q, eta)
    assert float((weight * (3.0 * weight).log()).sum(0).mean()) == pytest.approx(0.1, abs=1e-3)


def test_abm_eq_5_step_of_the_mean_is_the_weighted_mean_and_of_the_std_the_weighted_spread():
    action = torch.tensor([[[0.0]], [[2.0]]])
    weight = torch.tensor([[0.25], [0.75]])
    mean, log_std = torch.zeros(1, 1, requires_grad=True), torch.zeros(1, 1, requires_grad=True)
    old = (torch.ones(1, 1), torch.full((1, 1), 0.5))
    optimizer = torch.optim.Adam([mean, log_std], lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        losses.weighted_likelihood(action, weight, (mean, log_std.exp()), old).backward()
        optimizer.step()
    assert float(mean.detach()) == pytest.approx(1.5, abs=1e-3)
    assert float(log_std.detach().exp()) == pytest.approx(1.0, abs=1e-3)  # about the old mean, 1


def test_abm_eq_5_value_by_hand_and_its_stop_gradients():
    action, weight = torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[0.25], [0.75]], requires_grad=True)
    new = [torch.full((1, 1), v, requires_grad=True) for v in (0.5, 2.0)]
    old = [torch.full((1, 1), v, requires_grad=True) for v in (1.0, 1.0)]
    loss = losses.weighted_likelihood(action, weight, tuple(new), tuple(old))
    loss.backward()
    fit = [float(Normal(0.5, 1.0).log_prob(a) + Normal(1.0, 2.0).log_prob(a)) for a in torch.tensor([0.0, 2.0])]
    assert float(loss.detach()) == pytest.approx(-(0.25 * fit[0] + 0.75 * fit[1]), rel=1e-5)
    assert weight.grad is None and all(t.grad is None for t in old) and all(t.grad is not None for t in new)


def test_kl_of_diagonal_gaussians_is_that_of_torch():
    p, q = law(0), law(1)
    wanted = kl_divergence(Normal(*p), Normal(*q)).sum(-1)
    assert torch.allclose(losses.gaussian_kl(p, q), wanted, atol=1e-5)


def test_abm_eq_10_split_holds_one_part_of_the_old_law_each():
    old, new = law(0), law(1)
    kl_mean, kl_covariance = losses.split_kl(old, new)
    assert torch.allclose(kl_mean, kl_divergence(Normal(*old), Normal(new[0], old[1])).sum(-1).mean(), atol=1e-5)
    assert torch.allclose(kl_covariance, kl_divergence(Normal(*old), Normal(old[0], new[1])).sum(-1).mean(), atol=1e-5)
    free = [tuple(t.clone().requires_grad_() for t in x) for x in (old, new)]
    kl_mean, _ = losses.split_kl(*free)
    kl_mean.backward()
    assert free[1][0].grad is not None and free[1][1].grad is None and all(t.grad is None for t in free[0])


@pytest.mark.parametrize(("kl", "grows"), [(0.3, True), (0.1, False)])
def test_abm_eq_12_a_multiplier_grows_exactly_while_its_bound_is_broken(kl, grows):
    alpha, divergence = torch.tensor(2.0, requires_grad=True), torch.tensor(kl, requires_grad=True)
    loss = losses.multiplier_loss(alpha, divergence, 0.2)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2.0 * (0.2 - kl))
    assert (float(alpha.grad) < 0.0) is grows and divergence.grad is None


def test_abm_eq_6_the_penalty_pushes_the_policy_alone():
    alpha, divergence = torch.tensor(2.0, requires_grad=True), torch.tensor(0.3, requires_grad=True)
    losses.kl_penalty(alpha, divergence).backward()
    assert float(divergence.grad) == 2.0 and alpha.grad is None


def test_multipliers_are_projected_to_a_thousandth():
    values = torch.tensor([-1.0, 0.5], requires_grad=True)
    losses.project(values)
    assert values.tolist() == pytest.approx([1e-3, 0.5])
