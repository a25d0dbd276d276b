"""What BCQ and BEAR compute: soft-clipped double Q, bounded perturbation, and MMD. Pure functions of tensors.

BCQ: Fujimoto et al. 2019 (arXiv 1812.02900), algorithm 1. BEAR: Kumar et al. 2019 (arXiv 1906.00949), algorithm 1.
Constants of the public code: facts/peers_algorithms.md 1.5.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Kernel = Callable[[Tensor, Tensor, float], Tensor]


def soft_clipped_q(q: Tensor, lam: float) -> Tensor:
    """``lambda * min_i Q_i + (1 - lambda) * max_i Q_i`` over the critics (n, ...) -> (...)."""
    return lam * q.amin(0) + (1.0 - lam) * q.amax(0)


def best_of_samples(q: Tensor, lam: float) -> Tensor:
    """``max_k`` of the soft-clipped Q of K sampled actions: (n, K, B) -> (B,)."""
    return soft_clipped_q(q, lam).amax(0)


def perturbed(action: Tensor, raw: Tensor, phi: float) -> Tensor:
    """``clip(a + phi * tanh(raw), -1, 1)``: the perturbation lies within +-phi (BCQ)."""
    return (action + phi * torch.tanh(raw)).clamp(-1.0, 1.0)


def laplacian_kernel(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    """``exp(-||x - y||_1 / (2 sigma))`` (n, m, B) of actions (n, B, A) and (m, B, A)."""
    return torch.exp(-(x[:, None] - y[None]).abs().sum(-1) / (2.0 * sigma))


def gaussian_kernel(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    """``exp(-||x - y||_2^2 / (2 sigma))`` (n, m, B), with the Laplacian kernel's width; ng."""
    return torch.exp(-(x[:, None] - y[None]).square().sum(-1) / (2.0 * sigma))


def mmd(x: Tensor, y: Tensor, sigma: float, kernel: Kernel) -> Tensor:
    """``sqrt(mean k(x, x') - 2 mean k(x, y) + mean k(y, y') + 1e-6)`` (B,), BEAR's distance.

    ``x`` (n, B, A) of the behaviour model, ``y`` (m, B, A) of the policy; pairs of one and the same action count.
    """
    within_x, across, within_y = (kernel(a, b, sigma).mean((0, 1)) for a, b in ((x, x), (x, y), (y, y)))
    square = within_x - 2.0 * across + within_y
    return (square.clamp(min=0.0) + 1e-6).sqrt()


def constrained_policy_loss(q: Tensor, distance: Tensor, log_alpha: Tensor, rl_weight: float = 1.0) -> Tensor:
    """``mean(-Q + alpha * MMD)``: the policy's part of BEAR's Lagrangian; ``log_alpha`` gets no gradient.

    ``q`` and ``distance`` (B,). ``rl_weight`` 0 is the warm start by the constraint alone.
    """
    return (log_alpha.detach().exp() * distance - rl_weight * q).mean()


def constraint_multiplier_loss(log_alpha: Tensor, distance: Tensor, threshold: float) -> Tensor:
    """``alpha * (threshold - mean MMD)``: descending it raises alpha while the bound is broken."""
    return log_alpha.exp() * (threshold - distance.detach().mean())
