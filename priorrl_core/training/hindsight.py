"""Hindsight on the one buffer of data and practice (``learn_buffer``): a share of drawn steps gets another goal.

Rows hold [observation, desired goal, achieved goal] (D + 2 G); what is achieved after a step stands in its
``next_obs``. Sources and strategies as in ``data.her``; data are relabelled as practice is. Of the episode that is
under way, what it has achieved so far counts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.her import GoalFunction, HERConfig
from priorrl_core.data.returns import episode_ends
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.training.learn_buffer import LearnBuffer


@dataclass(frozen=True)
class GoalTask:
    """G, and who judges achieved and desired goals (B, G); ``ends`` None: the stored end holds for any goal."""

    size: int
    reward: GoalFunction
    ends: GoalFunction | None = None


class Hindsight:
    """Which rows follow each row in its episode, and batches with some goals replaced."""

    def __init__(self, buffer: LearnBuffer, config: HERConfig, task: GoalTask) -> None:
        self.buffer, self.config, self.task = buffer, config, task
        self.later = torch.zeros(buffer.prior + buffer.capacity, dtype=torch.int64)
        self._open = 0
        self.recount()

    def recount(self) -> None:
        """Counts anew from what the buffer holds; no episode may be under way."""
        b = self.buffer
        first = 0 if not b.prior_added else b.prior_added % b.prior
        self._count(np.roll(np.arange(b.prior), -first))
        self._count(b.prior + (np.arange(b.practice) + max(0, b.added - b.capacity)) % b.capacity)
        self._open = 0

    def _count(self, order: np.ndarray) -> None:
        """``later`` of rows whose order of recording is ``order``."""
        names = ("obs", "next_obs", "reward", "terminated", "truncated")
        ends = episode_ends({name: self.buffer.table.columns[name].numpy()[order] for name in names})
        left = np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(len(order))
        self.later[torch.from_numpy(order)] = torch.from_numpy(left)

    def added(self, ended: bool) -> None:
        """Takes note of the row that was just added; ``ended``: it was the last of its episode."""
        b = self.buffer
        newest = b.added - 1
        before = torch.arange(max(newest - self._open, b.added - b.capacity), newest) % b.capacity
        self.later[b.prior + before] += 1
        self.later[b.prior + newest % b.capacity] = 0
        self._open = 0 if ended else self._open + 1

    def batch(self, rows: Tensor, demos: int, generator: torch.Generator) -> TransitionBatch:
        """The given rows (B,) as the agent sees them: [observation, goal] (B, D + G)."""
        replaced = torch.rand(len(rows), generator=generator) < self.config.share
        ahead = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        return self.relabelled(rows, replaced, self.sources(rows, ahead), demos)

    def sources(self, rows: Tensor, ahead: Tensor) -> Tensor:
        """Rows (B,) whose achieved goal replaces the desired one; ``ahead`` (B,) is uniform in [0, 1)."""
        b, later = self.buffer, self.later[rows]
        steps = (ahead * (later + 1)).long() if self.config.strategy == "future" else later
        own = b.prior + (rows - b.prior + steps) % b.capacity
        return own if not b.prior else torch.where(rows < b.prior, (rows + steps) % b.prior, own)

    def relabelled(self, rows: Tensor, replaced: Tensor, source: Tensor, demos: int = 0) -> TransitionBatch:
        """The given rows; where ``replaced`` with the goal achieved after row ``source``."""
        batch, size = self.buffer.batch(rows, demos), self.task.size
        achieved, goal = batch.next_obs[:, -size:], batch.obs[:, -2 * size:-size]
        goal = torch.where(replaced[:, None], self.buffer.table.columns["next_obs"][source, -size:], goal)
        reward = torch.where(replaced, self.task.reward(achieved, goal), batch.reward)
        ended = batch.terminated
        if self.task.ends is not None:
            ended = torch.where(replaced, self.task.ends(achieved, goal).float(), ended)
        obs, next_obs = (torch.cat([seen[:, :-2 * size], goal], -1) for seen in (batch.obs, batch.next_obs))
        return dataclasses.replace(batch, obs=obs, next_obs=next_obs, reward=reward, terminated=ended)
