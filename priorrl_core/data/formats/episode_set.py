"""The form that every data set format is read into and written from: episodes, loaded one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

STATE = "state"
"""Name of the only observation of a format that does not name observations."""


@dataclass(frozen=True)
class Episode:
    """T steps. ``obs[k][t]`` is seen before ``action[t]``, ``obs[k][t + 1]`` after it."""

    obs: dict[str, np.ndarray]
    """(T + 1, ...) each: floats, or uint8 images."""
    action: np.ndarray
    """(T, A) in [-1, 1]."""
    reward: np.ndarray
    """(T,)."""
    terminated: bool
    """The last step ended the task: nothing is gained after it."""
    truncated: bool
    """The last step was the last one recorded, by a time limit or a stop: the task went on (law 5)."""
    name: str = ""
    """What the file calls it."""
    row: int = 0
    """Of its first step, in files that number all steps through."""
    final_obs: bool = True
    """False: the format has no observation after the last step, ``obs[k][T]`` repeats ``obs[k][T - 1]``."""
    one_flag: bool = False
    """The file has one flag for both ends (``dones``); how the episode ended is taken from it."""
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    """(T, ...) each: what else is known of a step (base, executed, policy_version, ...)."""

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True)
class Labels:
    """What a format calls the parts of an episode, for messages; ``obs`` holds ``{}`` for the observation's name."""

    obs: str = "obs/{}"
    action: str = "actions"
    reward: str = "rewards"
    end: str = "dones"


@dataclass(frozen=True)
class EpisodeSet:
    """Episodes of one file or folder; ``load(i)`` reads the i-th, so that a large set need not fit the memory."""

    path: str
    size: int
    load: Callable[[int], Episode]
    meta: dict[str, Any] = field(default_factory=dict)
    """JSON values: ``configs`` (hashes that ``extra['config']`` indexes), ``fps``, ``task``, ``env_args`` ..."""
    labels: Labels = field(default_factory=Labels)
    bounds: tuple[tuple[float, float], ...] = ()
    """Lowest and highest value of each action, where the file gives them."""

    @classmethod
    def of(cls, episodes: Sequence[Episode], path: str = "memory", meta: dict[str, Any] | None = None) -> EpisodeSet:
        """Of episodes in memory."""
        return cls(path, len(episodes), episodes.__getitem__, meta or {})

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Episode]:
        return (self.load(i) for i in range(self.size))

    def map(self, change: Callable[[Episode], Episode], **meta: Any) -> EpisodeSet:
        """The same set with each episode changed as it is loaded."""
        return EpisodeSet(self.path, self.size, lambda i: change(self.load(i)), {**self.meta, **meta}, self.labels,
                          self.bounds)
