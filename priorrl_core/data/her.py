"""Hindsight relabelling: a replay of goal-directed episodes, some of whose steps are read with another goal.

Andrychowicz et al. 2017 (arXiv 1707.01495): ``future`` with k = 4. Thesis chapter 5: ``final``, each episode stored
twice; here a step is relabelled when it is drawn, with the chance k / (k + 1) that k copies beside the original have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.errors import DataError

KIND = "goal_transitions"

GoalFunction = Callable[[Tensor, Tensor], Tensor]
"""Achieved and desired goals (B, G) -> (B,): a reward, or whether the state ends the episode."""


@dataclass(frozen=True)
class HERConfig:
    """``k`` relabelled copies of each step beside the original; 0: none (the ablation "No HER")."""

    strategy: Literal["future", "final"] = "future"
    """Goals taken from a later step of the episode, or from its end."""
    k: float = 4.0
    """4 with ``future`` in the HER paper; chapter 5 has ``final`` and 1."""

    def __post_init__(self) -> None:
        if self.k < 0.0:
            raise ValueError("k must not be below 0")

    @property
    def share(self) -> float:
        """Of drawn steps whose goal is replaced."""
        return self.k / (self.k + 1.0)


@dataclass(frozen=True)
class GoalEpisode:
    """T steps with one goal. ``achieved`` is the goal that the state *after* each step satisfies."""

    obs: np.ndarray
    """(T + 1, D), without the goal."""
    action: np.ndarray
    """(T, A) in [-1, 1]."""
    achieved: np.ndarray
    """(T, G)."""
    desired: np.ndarray
    """(G,)."""
    terminated: bool = False
    """The last step ended the task; False if time cut it off (law 5)."""


def sparse_reward(achieved: Tensor, desired: Tensor, tolerance: float = 0.05) -> Tensor:
    """``0 if ||x - g|| < delta else -1`` (B,), thesis equation 20; delta [m] is 5 cm there."""
    return ((achieved - desired).norm(dim=-1) < tolerance).to(achieved.dtype) - 1.0


def distance_reward(achieved: Tensor, desired: Tensor) -> Tensor:
    """``-||x - g||`` (B,) [m]: pushing in thesis section 6.6.1."""
    return -(achieved - desired).norm(dim=-1)


class GoalReplay:
    """The latest ``capacity`` steps of whole episodes; drawn observations are [obs, goal] (B, D + G).

    ``reward`` judges every drawn step anew. ``ends``, if given, judges anew whether it terminates; without it the
    stored flag holds for any goal, which is right where the end does not depend on the goal.
    """

    def __init__(self, capacity: int, obs_size: int, action_size: int, goal_size: int, reward: GoalFunction,
                 config: HERConfig | None = None, ends: GoalFunction | None = None) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity, self.reward, self.ends = capacity, reward, ends
        self.config, self.added = config or HERConfig(), 0
        sizes = {"obs": (obs_size,), "next_obs": (obs_size,), "action": (action_size,), "achieved": (goal_size,),
                 "desired": (goal_size,), "terminated": ()}
        self.columns = {name: torch.zeros((capacity, *size)) for name, size in sizes.items()}
        self.columns["later"] = torch.zeros(capacity, dtype=torch.int64)  # steps that follow in the episode

    @property
    def size(self) -> int:
        return min(self.added, self.capacity)

    def add_episode(self, episode: GoalEpisode) -> None:
        """Stores all steps; DataError names the part that is misshapen, not finite or out of range."""
        steps = len(episode.action)
        self._check(episode, steps)
        rows = torch.arange(self.added, self.added + steps) % self.capacity
        last = np.arange(steps) == steps - 1
        values = {"obs": episode.obs[:-1], "next_obs": episode.obs[1:], "action": episode.action,
                  "achieved": episode.achieved, "desired": np.broadcast_to(episode.desired, episode.achieved.shape),
                  "terminated": last * float(episode.terminated), "later": np.arange(steps)[::-1]}
        for name, value in values.items():
            column = self.columns[name]
            column[rows] = torch.as_tensor(np.ascontiguousarray(value)).to(column.dtype)
        self.added += steps

    def _check(self, episode: GoalEpisode, steps: int) -> None:
        if not 1 <= steps <= self.capacity:
            raise DataError(f"an episode of {steps} steps does not fit a replay of {self.capacity}; record at "
                            "least one step or give more capacity")
        goal = self.columns["desired"].shape[1:]
        wanted = {"obs": (steps + 1, *self.columns["obs"].shape[1:]), "achieved": (steps, *goal), "desired": goal,
                  "action": (steps, *self.columns["action"].shape[1:])}
        for name, shape in wanted.items():
            value = np.asarray(getattr(episode, name))
            if value.shape != tuple(shape):
                raise DataError(f"episode at step {self.added}: '{name}' has shape {value.shape}, expected "
                                f"{tuple(shape)}")
            if not np.isfinite(value).all():
                raise DataError(f"episode at step {self.added}: '{name}' is not finite; the episode is refused")
        if np.abs(episode.action).max() > 1.0:
            raise DataError(f"episode at step {self.added}: 'action' lies outside [-1, 1]; store the policy's "
                            "action, not the command")

    def sample(self, batch_size: int, generator: torch.Generator) -> TransitionBatch:
        """``batch_size`` steps drawn uniformly with replacement, a share of them with a goal of hindsight."""
        if not self.size:
            raise DataError("the replay is empty; add an episode first")
        rows = torch.randint(self.size, (batch_size,), generator=generator)
        replaced = torch.rand(batch_size, generator=generator) < self.config.share
        ahead = torch.rand(batch_size, generator=generator, dtype=torch.float64)
        return self.batch(rows, replaced, self._hindsight(rows, ahead))

    def _hindsight(self, rows: Tensor, ahead: Tensor) -> Tensor:
        """Rows (B,) whose achieved goal replaces the desired one: a uniform one of this and later steps, or the last.

        ``ahead`` (B,) is uniform in [0, 1).
        """
        later = self.columns["later"][rows]
        steps = (ahead * (later + 1)).long() if self.config.strategy == "future" else later
        return (rows + steps) % self.capacity

    def batch(self, rows: Tensor, replaced: Tensor, source: Tensor) -> TransitionBatch:
        """The given rows (B,); where ``replaced`` (B,) with the goal achieved at row ``source`` (B,)."""
        c = self.columns
        desired = torch.where(replaced[:, None], c["achieved"][source], c["desired"][rows])
        achieved = c["achieved"][rows]
        ended = c["terminated"][rows] if self.ends is None else self.ends(achieved, desired).float()
        return TransitionBatch(torch.cat([c["obs"][rows], desired], -1), c["action"][rows],
                               self.reward(achieved, desired), torch.cat([c["next_obs"][rows], desired], -1), ended)

    # ---- files ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """One safetensors file of the filled rows; the reward is code and is not in it."""
        meta = {"capacity": self.capacity, "added": self.added, "her": asdict(self.config)}
        write_tensors(path, KIND, {name: column[:self.size] for name, column in self.columns.items()},
                      {"shape": json.dumps(meta)})

    @classmethod
    def load(cls, path: str | Path, reward: GoalFunction, ends: GoalFunction | None = None) -> GoalReplay:
        """The replay that ``save`` wrote, bit for bit; DataError if the file is not one."""
        tensors, meta = read_tensors(path, KIND)
        shape = json.loads(meta["shape"])
        try:
            obs, action, goal = (tensors[name].shape[1] for name in ("obs", "action", "desired"))
            replay = cls(shape["capacity"], obs, action, goal, reward, HERConfig(**shape["her"]), ends)
            replay.added = shape["added"]
            for name, column in replay.columns.items():
                column[:replay.size] = tensors[name]
        except (KeyError, IndexError, RuntimeError) as error:
            raise DataError(f"'{path}': a column is missing or misshapen ({error}); record the data again") from error
        return replay
