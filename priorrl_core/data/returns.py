"""Returns of the episodes in a replay of transitions, and the scale of rewards that they give."""

from __future__ import annotations

import numpy as np

from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError

BLOCK = 4096
"""Rows that are compared at once: images of all rows would be a copy of the data."""


def episode_ends(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Rows, in the order of recording, after which another episode begins: a flag says so, or the observation jumps."""
    size = len(columns["reward"])
    if not size:
        return np.zeros(0, int)
    last = columns["terminated"] | columns["truncated"]
    for first in range(0, size - 1, BLOCK):
        rows = slice(first, min(first + BLOCK, size - 1))
        jump = columns["next_obs"][rows] != columns["obs"][1:][rows]
        last[rows] |= jump.any(axis=tuple(range(1, jump.ndim)))
    last[-1] = True
    return np.flatnonzero(last)


def episode_returns(replay: TransitionReplay) -> np.ndarray:
    """Undiscounted return (E,) of each episode, from the oldest on; an episode whose start is gone counts as it is."""
    order = np.arange(replay.added - replay.size, replay.added) % replay.capacity
    taken = order if replay.added > replay.capacity else slice(replay.size)  # a slice makes no copy
    names = ("obs", "next_obs", "reward", "terminated", "truncated")
    columns = {name: replay.columns[name].numpy()[taken] for name in names}
    ends = episode_ends(columns)
    total = np.cumsum(columns["reward"], dtype=np.float64)[ends]
    return np.diff(total, prepend=0.0)


def return_range(replay: TransitionReplay) -> float:
    """Best minus worst return, which divides locomotion rewards in thesis appendix E; DataError if it is 0."""
    returns = episode_returns(replay)
    if not len(returns) or returns.max() == returns.min():
        raise DataError("all episodes of the data have the same return; rewards cannot be divided by its range, "
                        "leave 'return_range' out")
    return float(returns.max() - returns.min())
