"""Returns of the episodes in a replay of transitions, and the scale of rewards that they give."""

from __future__ import annotations

import numpy as np

from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError


def episode_ends(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Rows, in the order of recording, after which another episode begins: a flag says so, or the observation jumps."""
    size = len(columns["reward"])
    if not size:
        return np.zeros(0, int)
    last = columns["terminated"] | columns["truncated"]
    jump = columns["next_obs"][:-1] != columns["obs"][1:]
    last[np.flatnonzero(jump.any(axis=tuple(range(1, jump.ndim))))] = True
    last[-1] = True
    return np.flatnonzero(last)


def episode_returns(replay: TransitionReplay) -> np.ndarray:
    """Undiscounted return (E,) of each episode, from the oldest on; an episode whose start is gone counts as it is."""
    order = np.arange(replay.added - replay.size, replay.added) % replay.capacity
    names = ("obs", "next_obs", "reward", "terminated", "truncated")
    columns = {name: replay.columns[name].numpy()[order] for name in names}
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
