"""E-step, M-step and duals of MPO, and the divergences of diagonal Gaussians: pure functions of tensors.

Abdolmaleki et al. 2018 (arXiv 1806.06920) as used by Siegel et al. 2020, appendix B.1 (equation numbers are
theirs). Settled here: (9) drops the 1/M of (8), which would shift the bound by log M, so (8) is used, and is
minimised (the text says maximised; it is a dual); the trust region is KL(old || new) as in (10), where algorithm 1
prints KL(new || prior); the M-step's bound is split into mean and covariance, as table 1 has one for each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorrl_core.agents.iql import gaussian_log_prob


def action_weights(q: Tensor, eta: Tensor) -> Tensor:
    """``exp(Q / eta) / sum_j exp(Q_j / eta)`` (M, N) of M sampled actions, without gradient (equation 7)."""
    return torch.softmax(q / eta, 0).detach()


def temperature_loss(eta: Tensor, q: Tensor, epsilon: float) -> Tensor:
    """``g(eta) = eta epsilon + eta mean_s log (1/M) sum_j exp(Q(s, a_j) / eta)`` (equation 8).

    Convex in ``eta``, the only one with a gradient; at its minimum KL(weights || samples) = epsilon.
    """
    log_mean = torch.logsumexp(q.detach() / eta, 0) - math.log(len(q))
    return eta * (epsilon + log_mean.mean())


def weighted_likelihood(action: Tensor, weight: Tensor, new: tuple[Tensor, Tensor],
                        old: tuple[Tensor, Tensor]) -> Tensor:
    """``-mean_s sum_j w_j log pi(a_j | s)`` (equation 5), once with the old std and once with the old mean.

    ``action`` (M, N, A), ``weight`` (M, N), laws (mean, std) (N, A). The first trains the mean, the second the
    std: the step of one does not hang on that of the other.
    """
    (mean, std), (old_mean, old_std) = new, (old[0].detach(), old[1].detach())
    fit = (gaussian_log_prob(action, mean, old_std.log()) + gaussian_log_prob(action, old_mean, std.log()))
    return -(weight.detach() * fit).sum(0).mean()


def gaussian_kl(p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor]) -> Tensor:
    """``KL(p || q)`` (N,) of diagonal Gaussians (mean, std) (N, A)."""
    ratio, shift = p[1] / q[1], (p[0] - q[0]) / q[1]
    return (0.5 * (ratio.square() + shift.square() - 1.0) - ratio.log()).sum(-1)


def split_kl(old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """``KL(old || N(new mean, old std))`` and ``KL(old || N(old mean, new std))``, means over states."""
    fixed = (old[0].detach(), old[1].detach())
    return gaussian_kl(fixed, (new[0], fixed[1])).mean(), gaussian_kl(fixed, (fixed[0], new[1])).mean()


def kl_penalty(alpha: Tensor, kl: Tensor) -> Tensor:
    """``alpha * KL``; its gradient reaches the policy alone (the theta part of equations 6 and 10)."""
    return alpha.detach() * kl


def multiplier_loss(alpha: Tensor, kl: Tensor, epsilon: float) -> Tensor:
    """``alpha * (epsilon - KL)``: descending it raises ``alpha`` while the bound is broken (10, 12)."""
    return alpha * (epsilon - kl.detach())


@torch.no_grad()
def project(multiplier: Tensor, floor: float = 1e-3) -> None:
    """``max(x, 0.001)`` in place, after each gradient step (appendix B)."""
    multiplier.clamp_(min=floor)
