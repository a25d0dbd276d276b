"""Losses of implicit Q-learning (thesis equations 55 to 57), pure functions of tensors.

Misprints of the thesis settled as in spec section 4.4: the reward of (55) is r(s, a), (56) has one square,
(57) is an objective to maximise (here: its negative), and it divides the advantage by the temperature.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


def expectile(error: Tensor, tau: float) -> Tensor:
    """``L2^tau(u) = |tau - 1(u < 0)| u^2``, elementwise (thesis section 7.2)."""
    return torch.where(error < 0.0, 1.0 - tau, tau) * error.square()


def value_loss(target_q: Tensor, value: Tensor, tau: float) -> Tensor:
    """Equation 56: mean expectile of ``min_i Qbar_i(s, a) - V(s)``.

    ``target_q`` (n, B) of the n target critics, ``value`` (B,). No gradient reaches ``target_q``.
    """
    return expectile(target_q.detach().amin(0) - value, tau).mean()


def td_target(reward: Tensor, next_value: Tensor, terminated: Tensor, discount: float) -> Tensor:
    """``r + gamma * (1 - terminated) * Vbar(s')``, all (B,). A truncated step is not terminated (law 5)."""
    return reward + discount * (1.0 - terminated) * next_value.detach()


def critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """Equation 55: mean squared TD error, summed over the n critics; ``q`` (n, B), ``target`` (B,)."""
    return (q - target.detach()).square().mean(1).sum()


def advantage_weight(target_q: Tensor, value: Tensor, temperature: float, clip: float = 100.0) -> Tensor:
    """``min(exp((min_i Qbar_i - V) / T_awr), clip)`` (B,), without gradient (equation 57, appendix E)."""
    advantage = (target_q.amin(0) - value).detach()
    return (advantage / temperature).exp().clamp(max=clip)


def gaussian_log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """``log N(a; mean, diag exp(log_std)^2)`` (B,) of actions (B, A)."""
    z = (action - mean) * torch.exp(-log_std)
    return (-0.5 * z.square() - log_std - HALF_LOG_2_PI).sum(-1)


def policy_loss(log_prob: Tensor, weight: Tensor) -> Tensor:
    """Negative of equation 57: ``-mean(weight * log pi(a | s))``."""
    return -(weight.detach() * log_prob).mean()


def value_ascent(q: Tensor, scale: Tensor) -> Tensor:
    """``-mean(min_i Q_i(s, pi(s))) / mean|scale|``: deterministic policy gradient, in units of the values.

    Not in the thesis: added to (57) it lets practice leave the data's actions (TD3+BC, Fujimoto and Gu 2021,
    equation 3). ``q`` (n, B) must carry a gradient to the action alone; ``scale`` (n, B) has none.
    """
    return -q.amin(0).mean() / scale.detach().abs().mean().clamp(min=1e-6)
