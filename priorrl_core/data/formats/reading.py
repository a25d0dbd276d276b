"""What the readers of all formats share: how an episode ended, and refusals that name file, key and row."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from priorrl_core.errors import DataError, UserError, nearest

ENDS = ("file", "cut", "first", "terminated", "truncated")
REWARDS = ("file", "zero", "last")
REQUIREMENTS = {"h5py": "h5py", "minari": "minari>=0.5.4,<0.6", "pyarrow": "pyarrow>=21"}
"""What pip installs for a format; the extras of setup.cfg say the same."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read what a file leaves open."""

    ends: str = "file"
    """``file``: each episode says itself how it ended. ``cut``: one that does not was truncated. ``first``: as
    ``cut``, and the first done ends the episode. ``terminated``, ``truncated``: all ended so, whatever it says."""
    reward: str = "file"
    """For a file without rewards: ``zero``, or ``last``: 1 on the last step, else 0."""
    obs: tuple[str, ...] = ()
    """Only these observations, in this order; others are not looked at. Empty: all."""
    mask: str = ""
    """robomimic: only the demonstrations of this filter key."""


def refuse(path: Any, key: str, what: str, fix: str, row: int | None = None) -> DataError:
    """The error that names file, key and row."""
    at = "" if row is None else f" at row {row}"
    return DataError(f"'{path}': '{key}' {what}{at}; {fix}")


def library(name: str) -> ModuleType:
    """An optional library; UserError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"this format needs {name}, which cannot be imported ({error}); install it with: pip install "
                        f"'{REQUIREMENTS[name]}'") from error


def loads_unique(text: str | bytes, path: Any) -> Any:
    """JSON; DataError if it is not, or if an object has a key twice (Python keeps the last silently)."""
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        for key, _ in pairs:
            if sum(key == other for other, _ in pairs) > 1:
                raise refuse(path, key, "is there twice", "remove one of the two")
        return out

    try:
        return json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        raise DataError(f"'{path}' is not whole JSON ({error}); copy or export it again") from error


def chosen(keys: Iterable[str], options: ReadOptions) -> list[str]:
    """``options.obs``, or all of ``keys``; UserError names the nearest key to one that is not there."""
    found = list(keys)
    for key in options.obs:
        if key not in found:
            raise UserError(f"there is no observation '{key}'{nearest(key, found)}")
    return list(options.obs) or found


def flags(value: np.ndarray, path: Any, key: str) -> np.ndarray:
    """(T,) of 0 and 1 in any type, as bool."""
    value = np.asarray(value)
    if value.dtype.kind not in "biuf":
        raise refuse(path, key, f"has type {value.dtype}", "store 0 or 1 for each step")
    if value.ndim != 1:
        raise refuse(path, key, f"has shape {value.shape}", "store one flag for each step")
    bad = np.flatnonzero((value != 0) & (value != 1))
    if len(bad):
        raise refuse(path, key, "is neither 0 nor 1", "store 0 or 1 for each step", int(bad[0]))
    return value.astype(bool)


def ending(terminated: np.ndarray, truncated: np.ndarray, options: ReadOptions, path: Any, key: str
           ) -> tuple[int, bool, bool]:
    """Steps, terminated and truncated of an episode whose flags (T,) are given.

    A done that is not on the last row is refused unless ``options.ends`` says what it means. An episode that does
    not say how it ended comes back with both False; the checker refuses it.
    """
    steps = len(terminated)
    if options.ends in ("terminated", "truncated"):
        return steps, options.ends == "terminated", options.ends == "truncated"
    done = np.flatnonzero(terminated | truncated)
    if len(done) and done[0] < steps - 1:
        if options.ends != "first":
            raise refuse(path, key, f"is 1 before the last of {steps} rows",
                         "'--ends first' ends the episode there, '--ends terminated' or '--ends truncated' goes on",
                         int(done[0]))
        steps = int(done[0]) + 1
    if not steps:
        return 0, False, False
    ended, cut = bool(terminated[steps - 1]), bool(truncated[steps - 1])
    return steps, ended, cut or (options.ends in ("cut", "first") and not ended)


def rewards(steps: int, options: ReadOptions, path: Any, key: str) -> np.ndarray:
    """Rewards (T,) float32 for a file that has none."""
    if options.reward == "file":
        raise refuse(path, key, "is missing", "'--reward zero' or '--reward last' (1 on the last step) fills it in")
    return ((np.arange(steps) == steps - 1) & (options.reward == "last")).astype(np.float32)


def rows_with(mask: np.ndarray) -> np.ndarray:
    """Rows of ``mask`` (N, ...) in which anything is true."""
    return np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim))))


def same_length(path: Any, columns: dict[str, np.ndarray], steps: int, first: str) -> None:
    """DataError naming the first column whose length is not ``steps``, that of ``first``."""
    for key, value in columns.items():
        if len(value) != steps:
            raise refuse(path, key, f"has {len(value)} rows, '{first}' has {steps}",
                         "every step needs one row in each", min(len(value), steps))


def with_final(seen: np.ndarray, last: np.ndarray | None) -> np.ndarray:
    """Observations before each step (T, ...) and the one after the last: (T + 1, ...)."""
    return np.concatenate([seen, seen[-1:] if last is None else last[None].astype(seen.dtype)])
