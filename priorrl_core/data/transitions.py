"""Replay of single transitions for the online agents: pre-allocated, uint8 images kept as uint8, on disk and back.

The replay holds the policy's action, and beside it the base's and the executed command (law 4); a truncated
step is kept apart from a terminated one (law 5). Demonstrations are a second replay of the same kind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import DataError

KIND = "transitions"


@dataclass(frozen=True)
class Transition:
    """One step, as it is added. ``action`` is the policy's with its exploration noise, in [-1, 1]."""

    obs: np.ndarray
    action: np.ndarray
    base: np.ndarray
    """Command of the base controller, in its own units."""
    executed: np.ndarray
    """Command that was sent, in the same units."""
    reward: float
    next_obs: np.ndarray
    terminated: bool
    truncated: bool = False
    policy_version: int = 0
    observation_age_s: float = 0.0
    config_hash: str = ""


@dataclass(frozen=True)
class TransitionBatch:
    """B transitions as an agent sees them; ``terminated`` is 0 or 1, time-outs are 0.

    ``obs`` and ``next_obs`` (B, ...) float32 or uint8, ``action`` (B, A), ``reward`` and ``terminated`` (B,).
    The last ``demos`` rows are demonstrations.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor
    demos: int = 0


class TransitionReplay:
    """The latest ``capacity`` transitions; when it is full the oldest gives way."""

    def __init__(self, capacity: int, obs_shape: tuple[int, ...], action_size: int,
                 command_size: int | None = None, images: bool = False) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity, self.obs_shape, self.action_size = capacity, tuple(obs_shape), action_size
        self.command_size = action_size if command_size is None else command_size
        self.images = images
        self.added, self.config_hashes = 0, [""]
        self.columns = {name: _untouched((capacity, *shape), dtype)
                        for name, (shape, dtype) in self._layout().items()}
        self._rows = {name: column.numpy() for name, column in self.columns.items()}

    def _layout(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        seen = (self.obs_shape, torch.uint8 if self.images else torch.float32)
        command = ((self.command_size,), torch.float64)
        return {"obs": seen, "next_obs": seen, "action": ((self.action_size,), torch.float32),
                "base": command, "executed": command, "reward": ((), torch.float32),
                "terminated": ((), torch.bool), "truncated": ((), torch.bool),
                "policy_version": ((), torch.int64), "observation_age_s": ((), torch.float32),
                "config": ((), torch.int32)}

    @property
    def size(self) -> int:
        return min(self.added, self.capacity)

    def add(self, transition: Transition) -> None:
        """Stores one step; DataError names the field that is misshapen, not finite or out of range."""
        self.put(self.added % self.capacity, transition)
        self.added += 1

    def put(self, row: int, transition: Transition) -> None:
        """As ``add``, into a given row; ``added`` is the caller's."""
        self.check(transition)
        if transition.config_hash not in self.config_hashes:
            self.config_hashes.append(transition.config_hash)
        for name, column in self._rows.items():
            column[row] = (self.config_hashes.index(transition.config_hash) if name == "config"
                           else getattr(transition, name))

    def check(self, transition: Transition) -> None:
        """As ``add``, storing nothing."""
        for name in ("obs", "next_obs", "action", "base", "executed", "reward", "observation_age_s"):
            value, column = np.asarray(getattr(transition, name)), self._rows[name]
            if value.shape != column.shape[1:]:
                raise DataError(f"transition {self.added}: '{name}' has shape {value.shape}, "
                                f"expected {column.shape[1:]}")
            if name.endswith("obs") and (value.dtype == np.uint8) != self.images:
                raise DataError(f"transition {self.added}: '{name}' is {value.dtype}; give "
                                f"{'uint8 images' if self.images else 'numbers in their units, not uint8'}")
            if value.dtype != np.uint8 and not np.isfinite(value).all():
                raise DataError(f"transition {self.added}: '{name}' is not finite; the step is refused")
        if np.abs(transition.action).max(initial=0.0) > 1.0:
            raise DataError(f"transition {self.added}: 'action' lies outside [-1, 1]; store the policy's "
                            "action, not the command")

    def sample(self, batch_size: int, generator: torch.Generator) -> TransitionBatch:
        """``batch_size`` rows drawn uniformly with replacement."""
        if not self.size:
            raise DataError("the replay is empty; add a transition first")
        return self.batch(torch.randint(self.size, (batch_size,), generator=generator))

    def batch(self, rows: Tensor) -> TransitionBatch:
        """The given rows (B,) as a batch."""
        obs, action, reward, next_obs, terminated = (
            self.columns[name].index_select(0, rows)
            for name in ("obs", "action", "reward", "next_obs", "terminated"))
        return TransitionBatch(obs, action, reward, next_obs, terminated.float())

    # ---- files ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """One safetensors file of the filled rows."""
        shape = {"capacity": self.capacity, "obs_shape": self.obs_shape, "action_size": self.action_size,
                 "command_size": self.command_size, "images": self.images}
        write_tensors(path, KIND, {name: column[:self.size] for name, column in self.columns.items()}, {
            "shape": json.dumps(shape), "added": str(self.added), "configs": json.dumps(self.config_hashes)})

    @classmethod
    def load(cls, path: str | Path) -> TransitionReplay:
        """The replay that ``save`` wrote, bit for bit; DataError if the file is not one."""
        tensors, meta = read_tensors(path, KIND)
        shape = json.loads(meta["shape"])
        replay = cls(**{**shape, "obs_shape": tuple(shape["obs_shape"])})
        replay.added, replay.config_hashes = int(meta["added"]), json.loads(meta["configs"])
        for name, column in replay.columns.items():
            wanted = (replay.size, *column.shape[1:])
            got = tensors.get(name)
            if got is None or tuple(got.shape) != wanted or got.dtype != column.dtype:
                raise DataError(f"'{path}': column '{name}' is missing or not {wanted} {column.dtype}; "
                                "record the data again")
            column[:replay.size] = got
        return replay


def _untouched(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros that take no memory before they are written (``torch.zeros`` writes them at once)."""
    return torch.from_numpy(np.zeros(shape, torch.empty(0, dtype=dtype).numpy().dtype))


def sample_with_demos(replay: TransitionReplay, demos: TransitionReplay, batch_size: int, demo_size: int,
                      generator: torch.Generator) -> TransitionBatch:
    """``batch_size`` rows of practice and, after them, ``demo_size`` extra demonstration rows (spec 1.2)."""
    own, shown = replay.sample(batch_size, generator), demos.sample(demo_size, generator)
    joined = {name: torch.cat([getattr(own, name), getattr(shown, name)])
              for name in ("obs", "action", "reward", "next_obs", "terminated")}
    return TransitionBatch(**joined, demos=demo_size)
