"""Trajectory snippets from a replay of transitions, each for one task whose reward is computed when it is drawn.

Siegel et al. 2020 (seeds/behavior_priors.txt), section 2: sub-trajectories of a data set, rewards computed
post hoc; appendix C, table 5: each task draws its snippets independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError


class TaskReward(Protocol):
    """A task's reward of a step: a function of what was seen and done."""

    def __call__(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """(N, ...), (N, A), (N, ...) -> (N,)."""


@dataclass(frozen=True)
class SnippetBatch:
    """B snippets of T steps; steps past the end of an episode have ``valid`` 0 and repeat its last step.

    ``obs`` and ``next_obs`` (B, T, ...), ``action`` (B, T, A), ``reward``, ``terminated``, ``valid`` (B, T)
    float32, ``task`` (B,) int64.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor
    valid: Tensor
    task: Tensor


class SnippetSampler:
    """Draws snippets of up to ``length`` consecutive steps, from any step of any episode.

    Without ``rewards`` there is one task, the stored reward's. A step is followed by the next one in the replay
    unless it ended, was cut off, or the next one starts from another observation.
    """

    def __init__(self, replay: TransitionReplay, length: int, rewards: Sequence[TaskReward] = ()) -> None:
        if length < 1:
            raise ValueError("length must be at least 1")
        self.replay, self.length, self.rewards = replay, length, tuple(rewards)

    @property
    def tasks(self) -> int:
        return max(len(self.rewards), 1)

    def sample(self, batch_size: int, generator: torch.Generator) -> SnippetBatch:
        """``batch_size`` snippets drawn uniformly with replacement, each for a uniformly drawn task."""
        if not self.replay.size:
            raise DataError("the replay is empty; add a transition first")
        first = torch.randint(self.replay.size, (batch_size,), generator=generator)
        return self.batch(first, torch.randint(self.tasks, (batch_size,), generator=generator))

    def batch(self, first: Tensor, task: Tensor) -> SnippetBatch:
        """The snippets that start at rows ``first`` (B,), for ``task`` (B,)."""
        rows, valid = self._follow(first)
        flat = self.replay.batch(rows.flatten())
        shape = (len(first), self.length)
        return SnippetBatch(
            flat.obs.unflatten(0, shape), flat.action.unflatten(0, shape),
            self._reward(flat, task.repeat_interleave(self.length)).unflatten(0, shape),
            flat.next_obs.unflatten(0, shape), flat.terminated.unflatten(0, shape),
            valid.float(), task)

    def _reward(self, flat, task: Tensor) -> Tensor:
        if not self.rewards:
            return flat.reward
        every = torch.stack([r(flat.obs, flat.action, flat.next_obs) for r in self.rewards])
        return every.gather(0, task[None]).squeeze(0)

    def _follow(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, T) from ``first`` (B,) on, the last one repeated behind an end, and which are not repeated."""
        rows, valid = [first], [torch.ones_like(first, dtype=torch.bool)]
        for _ in range(self.length - 1):
            after = (rows[-1] + 1) % self.replay.size
            valid.append(valid[-1] & self._linked(rows[-1], after))
            rows.append(torch.where(valid[-1], after, rows[-1]))
        return torch.stack(rows, 1), torch.stack(valid, 1)

    def _linked(self, row: Tensor, after: Tensor) -> Tensor:
        columns, newest = self.replay.columns, (self.replay.added - 1) % self.replay.capacity
        same = (columns["next_obs"][row] == columns["obs"][after]).flatten(1).all(1)
        return same & ~columns["terminated"][row] & ~columns["truncated"][row] & (row != newest)
