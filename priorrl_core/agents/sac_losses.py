"""Losses of soft actor-critic with an automatic temperature, pure functions of tensors.

Haarnoja et al. 2018, arXiv 1812.05905 (the version without a value network, with two critics). The TD target
and the critics' loss are those of ``iql.td_target`` and ``iql.critic_loss``.
"""

from __future__ import annotations

from torch import Tensor


def soft_value(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """``V(s) = min_i Q_i(s, a) - alpha * log pi(a | s)`` (B,), a ~ pi; ``q`` (n, B), ``log_prob`` (B,)."""
    return q.amin(0) - alpha.detach() * log_prob


def policy_loss(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """``mean(alpha * log pi(a | s) - min_i Q_i(s, a))``, a reparameterised; no gradient reaches ``alpha``."""
    return -soft_value(q, log_prob, alpha).mean()


def mean_policy_loss(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """``mean(alpha * log pi(a | s) - (1/n) sum_i Q_i(s, a))`` as in RLPD's public code; shapes of ``policy_loss``."""
    return (alpha.detach() * log_prob - q.mean(0)).mean()


def temperature_loss(log_alpha: Tensor, log_prob: Tensor, target_entropy: float) -> Tensor:
    """``mean(-alpha * (log pi(a | s) + target_entropy))`` with ``alpha = exp(log_alpha)``.

    Only ``log_alpha`` gets a gradient: it grows while the policy's entropy is below the target.
    """
    return -(log_alpha.exp() * (log_prob.detach() + target_entropy)).mean()
