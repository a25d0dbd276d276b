"""A Gaussian squashed by tanh into (-1, 1), as in soft actor-critic: pure functions of tensors.

Source: Haarnoja et al. 2018 (arXiv 1801.01290), appendix on enforcing action bounds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


def log_tanh_slope(u: Tensor) -> Tensor:
    """``log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u))``, elementwise; finite and exact for any u."""
    return 2.0 * (math.log(2.0) - u - softplus(-2.0 * u))


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """``a = tanh(u)``, ``u = mean + exp(log_std) * noise``, and ``log pi(a | s)``: (B, A) and (B,).

    ``log pi(a | s) = sum_i log N(u_i; mean_i, std_i) - log(1 - tanh(u_i)^2)``. ``mean``, ``log_std`` and the
    standard normal ``noise`` are (B, A). Reparameterised: both results carry gradients to mean and log_std.
    """
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - HALF_LOG_2_PI
    return torch.tanh(u), (gaussian - log_tanh_slope(u)).sum(-1)
