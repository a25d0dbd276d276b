"""Action chunks: h steps of a data set as one decision (Q-chunking, Li et al. 2025, arXiv 2507.07969).

A critic of chunks, ``Q(s_t, a_t .. a_{t+h-1})``, learns from the h rewards that were received and bootstraps h steps
on: an h-step return without its bias, for the actions in it are the critic's own argument.
"""

from __future__ import annotations

import numpy as np
import torch

from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError


def chunked(data: TransitionReplay, size: int, discount: float) -> TransitionReplay:
    """Every window of ``size`` steps within an episode as one transition, in the order of their starts.

    Action (size * A,) is the actions one after another; reward ``sum_i discount^i r_{t+i}``; next observation, ends and
    all else those of the window's last step. A window that a termination cuts short counts, its other actions 0; one
    that a time limit or the end of the data cuts short has no next observation and is left out. Rows must be in the
    order of time, as every writer here leaves them. The learner's discount is ``discount ** size``. DataError if no
    window is left.
    """
    count = data.size
    rows = {name: column[:count].numpy() for name, column in data.columns.items()}
    last, whole = _windows(rows["terminated"], rows["truncated"], size)
    starts = np.flatnonzero(whole)
    if not len(starts):
        raise DataError(f"no episode of the data has {size} steps; take shorter chunks")
    out = TransitionReplay(len(starts), data.obs_shape, data.action_size * size, data.command_size * size,
                           images=data.images)
    steps = starts[:, None] + np.arange(size)
    inside = steps <= last[starts, None]
    steps = np.where(inside, steps, starts[:, None])
    for name, column in out.columns.items():
        values = rows["obs" if name == "obs" else name]
        if name in ("action", "base", "executed"):
            joined = np.where(inside[..., None], values[steps], 0.0).reshape(len(starts), -1)
        elif name == "reward":
            joined = (np.where(inside, values[steps], 0.0) * discount ** np.arange(size)).sum(1)
        else:
            joined = values[starts if name in ("obs", "observation_age_s") else last[starts]]
        column[:] = torch.from_numpy(joined.astype(values.dtype, copy=False))
    out.added, out.config_hashes = len(starts), list(data.config_hashes)
    return out


def _windows(terminated: np.ndarray, truncated: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """For a window from each row: its last row (N,), and whether it has ``size`` steps or ends by termination."""
    count = len(terminated)
    ends = np.flatnonzero(terminated | truncated)
    index = np.searchsorted(ends, np.arange(count))
    end = np.append(ends, count - 1)[index]
    closed = np.append(terminated[ends], False)[index]
    last = np.minimum(np.arange(count) + size - 1, end)
    return last, (last - np.arange(count) == size - 1) | closed
