"""Stacking of N blocks (thesis section 5.7): goals, the two rewards and success, for goal-directed replay.

Achieved and desired goals are the positions [m] of all blocks side by side, (..., 3 N), as ``data.her`` has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_M = 0.05
"""Edge of a block, and delta."""
STEPS_A_BLOCK = 50


def stack_goals(positions: Tensor) -> Tensor:
    """``g_1 = x_1``, ``g_i = g_(i-1) + (0, 0, 5 cm)``: a tower (..., 3 N) on the first of the blocks (..., 3 N)."""
    first = positions[..., :3].unsqueeze(-2)
    count = positions.shape[-1] // 3
    up = torch.arange(count, dtype=positions.dtype)[:, None] * torch.tensor([0.0, 0.0, BLOCK_M], dtype=positions.dtype)
    return (first + up).flatten(-2)


def in_place(achieved: Tensor, desired: Tensor, tolerance_m: float = BLOCK_M) -> Tensor:
    """``1[||x_i - g_i|| < delta]`` (..., N); delta itself is too far."""
    error = (achieved - desired).unflatten(-1, (-1, 3)).norm(dim=-1)
    return (error < tolerance_m).to(achieved.dtype)


def sparse_stack_reward(achieved: Tensor, desired: Tensor, tolerance_m: float = BLOCK_M) -> Tensor:
    """Equation 21: ``min_i 1[||x_i - g_i|| < delta]`` (...): 1 with all blocks in place, else 0."""
    return in_place(achieved, desired, tolerance_m).amin(-1)


def step_stack_reward(achieved: Tensor, desired: Tensor, tolerance_m: float = BLOCK_M) -> Tensor:
    """Equation 22: ``-1 + sum_i 1[||x_i - g_i|| < delta]`` (...): 0 at the start, N - 1 at the end."""
    return in_place(achieved, desired, tolerance_m).sum(-1) - 1.0


def stacked(final_achieved: Tensor, desired: Tensor, tolerance_m: float = BLOCK_M) -> Tensor:
    """Success (...) of an episode: all blocks in place in its final state, whichever reward it had."""
    return sparse_stack_reward(final_achieved, desired, tolerance_m) > 0.0


def stack_horizon(blocks: int) -> int:
    """``50 (N - 1)`` steps: the first block is in place. ValueError for less than two blocks."""
    if blocks < 2:
        raise ValueError("a stack has at least two blocks")
    return STEPS_A_BLOCK * (blocks - 1)
