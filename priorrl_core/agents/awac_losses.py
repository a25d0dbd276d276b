"""Weights of advantage-weighted actor-critic (thesis chapter 6), pure functions of tensors.

The critics' loss and the TD target are those of ``iql``; the actor's loss is ``iql.policy_loss`` with the
weights below. ``lam`` is the thesis's lambda: it divides the advantage. The clip is not in the thesis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def advantage(q: Tensor, value: Tensor) -> Tensor:
    """``A(s, a) = min_i Q_i(s, a) - V(s)`` (B,) without gradient; ``q`` (n, B), ``value`` (B,)."""
    return (q.amin(0) - value).detach()


def sampled_value(q: Tensor) -> Tensor:
    """``V(s) = (1/K) sum_k min_i Q_i(s, a_k)`` (B,) of ``q`` (n, K, B), a_k ~ pi."""
    return q.amin(0).mean(0)


def plain_weight(adv: Tensor, lam: float, clip: float) -> Tensor:
    """``min(exp(A / lambda), clip)`` (B,), equation 35: Z(s) is omitted."""
    return (adv / lam).clamp(max=math.log(clip)).exp().detach()


def batch_weight(adv: Tensor, lam: float, clip: float) -> Tensor:
    """The plain weights scaled to mean 1 over the batch (B,): the softmax of the authors' public code."""
    return torch.softmax((adv / lam).clamp(max=math.log(clip)), 0).detach() * len(adv)


def state_weight(adv: Tensor, sampled_adv: Tensor, lam: float, clip: float) -> Tensor:
    """``exp(A / lambda) / Z(s)`` (B,), equation 79, ``Z(s) = (1/K) sum_k exp(A(s, a_k) / lambda)``, a_k ~ pi.

    ``sampled_adv`` (K, B). The printed last equality of D.2 drops the exp (spec 5, row 5).
    """
    top = math.log(clip)
    normaliser = (sampled_adv / lam).clamp(max=top).exp().mean(0)
    return ((adv / lam).clamp(max=top).exp() / normaliser).detach()
