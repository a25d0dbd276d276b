"""The behaviour model and its advantage-weighted kin (BM, ABM): pure functions of tensors.

Siegel et al. 2020 (seeds/behavior_priors.txt), equations 1, 3 and 4. Settled here: algorithm 1 prints V(s_t) in
the TD target where (1) has V(s_t+1), and R of the whole snippet where (4) has the return from t on.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sampled_value(q: Tensor) -> Tensor:
    """``V(s) = (1/M) sum_j Q(s, a_j)`` (N,) of ``q`` (M, N), a_j ~ pi (equation 1)."""
    return q.mean(0)


def snippet_returns(reward: Tensor, terminated: Tensor, valid: Tensor, last_value: Tensor, discount: float) -> Tensor:
    """``R(tau_t:N) = gamma^(N-t) V(s_N) + sum_j gamma^(j-t) r_j`` (B, T), equation 4, without gradient.

    ``reward``, ``terminated``, ``valid`` (B, T); ``last_value`` (B,) is V of the state after the last valid step. A
    terminated step has no value after it, a truncated one has (law 5). Invalid steps carry ``last_value`` on.
    """
    running, out = last_value.detach(), []
    for t in range(reward.shape[1] - 1, -1, -1):
        step = reward[:, t] + discount * (1.0 - terminated[:, t]) * running
        running = torch.where(valid[:, t] > 0.0, step, running)
        out.append(running)
    return torch.stack(out[::-1], 1).detach()


def step_weight(returns: Tensor, value: Tensor) -> Tensor:
    """``f(R - V) = 1[R - V >= 0]`` elementwise, without gradient; a tie counts (section 3.2)."""
    return (returns >= value).detach().to(value.dtype)


def prior_loss(log_prob: Tensor, weight: Tensor, valid: Tensor) -> Tensor:
    """``-sum(weight log pi_prior(a | s)) / number of valid steps``, all (B, T): (3) with weight 1, else (4)."""
    return -(weight.detach() * valid * log_prob).sum() / valid.sum()
