"""Actions from their own units into [-1, 1]."""

from __future__ import annotations

import dataclasses

import numpy as np

from priorrl_core.data.formats.episode_set import Episode, EpisodeSet
from priorrl_core.errors import UserError

Bounds = tuple[tuple[float, float], ...]


def parse_bounds(text: str) -> Bounds:
    """``-2:2`` for all actions, or ``-2:2,0:1`` one pair for each."""
    out = []
    for pair in text.split(","):
        try:
            low, high = (float(part) for part in pair.split(":"))
        except ValueError:
            raise UserError(f"--scale: '{pair}' is not LOW:HIGH; write --scale=-2:2 or --scale=-2:2,0:1") from None
        if not (np.isfinite([low, high]).all() and low < high):
            raise UserError(f"--scale: '{pair}' must be finite, with LOW below HIGH")
        out.append((low, high))
    return tuple(out)


def to_unit(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """``2 (u - low) / (high - low) - 1``, in the type of ``action`` (T, A); ``low``, ``high`` (A,)."""
    wide = action.astype(np.float64)
    return (2.0 * (wide - low) / (high - low) - 1.0).astype(action.dtype)


def scaled(episodes: EpisodeSet, bounds: Bounds = ()) -> EpisodeSet:
    """Actions scaled from ``bounds``, or from those that the file gives; ``executed`` keeps its units."""
    bounds = bounds or episodes.bounds
    if not bounds or not np.isfinite(bounds).all():
        raise UserError(f"'{episodes.path}' does not give finite bounds of its actions; write --scale=LOW:HIGH")

    def change(episode: Episode) -> Episode:
        size = episode.action.shape[-1]
        if len(bounds) not in (1, size):
            raise UserError(f"--scale gives {len(bounds)} pairs for {size} actions; give 1 or {size}")
        low, high = np.array(bounds * (size // len(bounds))).T
        extra = {"executed": episode.action.astype(np.float64), **episode.extra}
        return dataclasses.replace(episode, action=to_unit(episode.action, low, high), extra=extra)

    return episodes.map(change, scaled_from=[list(b) for b in bounds])
