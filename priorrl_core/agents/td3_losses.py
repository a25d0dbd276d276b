"""Losses of TD3 and of its behaviour-cloning term, pure functions of tensors.

TD3: Fujimoto et al. 2018 (arXiv 1802.09477), algorithm 1; the TD target and the critics' loss are those of
``iql.td_target`` and ``iql.critic_loss``. Learning from demonstrations: thesis equations 17 to 19.
"""

from __future__ import annotations

import torch
from torch import Tensor


def smoothed_action(action: Tensor, noise: Tensor, std: float, clip: float) -> Tensor:
    """Target policy smoothing: ``clamp(a + clamp(std * noise, -clip, clip), -1, 1)``.

    ``action`` (B, A) of the target actor, ``noise`` (B, A) standard normal.
    """
    return (action + (std * noise).clamp(-clip, clip)).clamp(-1.0, 1.0)


def clipped_double_q(q: Tensor) -> Tensor:
    """``min_i Q_i(s, a)`` (B,) of the n critics' values (n, B)."""
    return q.amin(0)


def policy_loss(q: Tensor) -> Tensor:
    """``-mean Q_1(s, pi(s))`` of (B,): the gradient of this is minus the deterministic policy gradient."""
    return -q.mean()


def q_filter(q_demo: Tensor, q_policy: Tensor) -> Tensor:
    """``1[Q(s, a) > Q(s, pi(s))]`` (N_D,) without gradient; a tie is 0 (thesis equation 19)."""
    return (q_demo > q_policy).detach().to(q_demo.dtype)


def behaviour_cloning_loss(action: Tensor, demo_action: Tensor, keep: Tensor | None = None) -> Tensor:
    """Mean over the N_D demonstration rows of ``keep * ||pi(s) - a||^2``: 17 or, with ``keep``, 19 by N_D.

    ``action`` (N_D, A) of the actor, ``demo_action`` (N_D, A), ``keep`` (N_D,) of ``q_filter``. The mean is
    over all N_D rows, kept or not: the thesis's lambda_2 = 1 / N_D on a sum.
    """
    error = (action - demo_action.detach()).square().sum(-1)
    return torch.mean(error if keep is None else error * keep)
