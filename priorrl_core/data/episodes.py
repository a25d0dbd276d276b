"""Prior data on disk: one HDF5 file a connector, checked on the way out and on the way in.

Datasets of a file with N episodes of T steps (image t is seen before action t, image t + 1 after it):

====================  =====================  =======  =================================================
key                   shape                  kind     meaning
====================  =====================  =======  =================================================
images                (N, T+1, 48, 48, 3)    uint8    wrist camera, RGB
proprio               (N, T+1, 6)            float32  tip minus believed goal [m], force [N]
wrench                (N, T+1, 6)            float32  force [N], torque [Nm]
labels                (N, T+1)               uint8    task done in this image
actions               (N, T, 3)              float32  the policy's action in [-1, 1]
base_m, executed_m    (N, T, 3)              float64  base controller's and executed increment [m]
noisy                 (N, T)                 bool     action was replaced by a random one
rewards               (N, T)                 float32  labels[:, 1:]
terminated, truncated (N,)                   bool     how the episode ended (law 5)
episode_seed          (N,)                   int64    seed that made the episode
ground_truth/...                             float32  offset_m (N, T+1, 3), goal_error_m (N, 3): for the
                                                      Localize baseline and evaluation only
====================  =====================  =======  =================================================

Attributes: connector, family, robot, background, schema, config_hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from priorrl_core.errors import DataError, nearest

SCHEMA = 1
IMAGE_SHAPE = (48, 48, 3)
ATTRIBUTES = ("connector", "family", "robot", "background", "schema", "config_hash")
GROUND_TRUTH = ("offset_m", "goal_error_m")

_KINDS: dict[str, Any] = {
    "images": np.uint8, "proprio": np.float32, "wrench": np.float32, "labels": np.uint8,
    "actions": np.float32, "base_m": np.float64, "executed_m": np.float64, "noisy": np.bool_,
    "rewards": np.float32, "terminated": np.bool_, "truncated": np.bool_, "episode_seed": np.int64,
    "offset_m": np.float32, "goal_error_m": np.float32}


@dataclass
class EpisodeBatch:
    """Arrays of N whole episodes of T steps; shapes in the module's table."""

    images: np.ndarray
    proprio: np.ndarray
    wrench: np.ndarray
    labels: np.ndarray
    actions: np.ndarray
    base_m: np.ndarray
    executed_m: np.ndarray
    noisy: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    episode_seed: np.ndarray
    offset_m: np.ndarray
    goal_error_m: np.ndarray

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def steps(self) -> int:
        """T, the number of actions of an episode."""
        return int(self.actions.shape[1])

    def select(self, rows: np.ndarray) -> EpisodeBatch:
        """The episodes at ``rows`` (indices or a mask)."""
        return EpisodeBatch(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass
class PriorData:
    """Episodes of several connectors; ``connector`` (N,) int64 indexes ``names`` and ``families``."""

    episodes: EpisodeBatch
    connector: np.ndarray
    names: tuple[str, ...]
    families: tuple[str, ...]
    """Family of each name, same order."""
    robots: tuple[str, ...] = ()
    """Robot id of each name, same order."""

    @property
    def images(self) -> np.ndarray:
        return self.episodes.images

    @property
    def labels(self) -> np.ndarray:
        return self.episodes.labels

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def n_connectors(self) -> int:
        return len(self.names)

    def subset(self, names: Iterable[str]) -> PriorData:
        """Only the connectors of ``names``, ids renumbered in the order of this data set."""
        wanted = set(names)
        for name in wanted:
            if name not in self.names:
                raise DataError(f"the prior data has no connector '{name}'{nearest(name, self.names)}")
        keep = [i for i, n in enumerate(self.names) if n in wanted]
        rows = np.flatnonzero(np.isin(self.connector, keep))
        new_id = np.full(len(self.names), -1, np.int64)
        new_id[keep] = np.arange(len(keep))
        robots = tuple(self.robots[i] for i in keep) if self.robots else ()
        return PriorData(self.episodes.select(rows), new_id[self.connector[rows]],
                         tuple(self.names[i] for i in keep), tuple(self.families[i] for i in keep), robots)

    def without_families(self, families: Iterable[str]) -> PriorData:
        """The connectors of all other families."""
        out = set(families)
        return self.subset(n for n, f in zip(self.names, self.families, strict=True) if f not in out)


def _shapes(n: int, t: int) -> dict[str, tuple[int, ...]]:
    seen, done = (n, t + 1), (n, t)
    return {"images": (*seen, *IMAGE_SHAPE), "proprio": (*seen, 6), "wrench": (*seen, 6), "labels": seen,
            "actions": (*done, 3), "base_m": (*done, 3), "executed_m": (*done, 3), "noisy": done,
            "rewards": done, "terminated": (n,), "truncated": (n,), "episode_seed": (n,),
            "offset_m": (*seen, 3), "goal_error_m": (n, 3)}


def check_episodes(batch: EpisodeBatch, where: str) -> None:
    """DataError naming ``where``, the key and the first bad row if the batch breaks the schema."""
    if batch.actions.ndim != 3:
        raise DataError(f"'{where}': 'actions' has shape {batch.actions.shape}, not (episodes, steps, 3); "
                        "collect it again")
    n, t = batch.actions.shape[:2]
    for key, shape in _shapes(n, t).items():
        value = getattr(batch, key)
        if value.shape != shape:
            raise DataError(f"'{where}': '{key}' has shape {value.shape}, expected {shape}; collect it again")
        if value.dtype != _KINDS[key]:
            raise DataError(f"'{where}': '{key}' has type {value.dtype}, expected {np.dtype(_KINDS[key])}; "
                            "collect it again")
        if value.dtype.kind == "f":
            _check_rows(~np.isfinite(value), where, key, "is not finite (NaN or infinity)")
    _check_rows(np.abs(batch.actions) > 1.0, where, "actions", "lies outside [-1, 1]")
    _check_rows(batch.labels > 1, where, "labels", "is neither 0 nor 1")
    wrong = batch.rewards != batch.labels[:, 1:]
    _check_rows(wrong, where, "rewards", "differs from the label after the action")


def _check_rows(bad: np.ndarray, where: str, key: str, what: str) -> None:
    if bad.any():
        row = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(f"'{where}': '{key}' {what} at index {row}; collect it again")


def _path_in_file(key: str) -> str:
    return f"ground_truth/{key}" if key in GROUND_TRUTH else key


def write_connector_file(path: str | Path, batch: EpisodeBatch, attrs: dict[str, Any]) -> None:
    """Checks and writes one connector's episodes; the file appears whole or not at all."""
    path = Path(path)
    check_episodes(batch, str(path))
    for name in ATTRIBUTES:
        if name not in attrs:
            raise DataError(f"'{path}': attribute '{name}' is missing; pass it to write_connector_file")
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            for field in fields(batch):
                _write(file, _path_in_file(field.name), getattr(batch, field.name))
            for name, value in attrs.items():
                file.attrs[name] = value
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot write '{path}' ({error}); check the path and the free disk space") from error


def _write(file: h5py.File, key: str, value: np.ndarray) -> None:
    if key == "images":
        file.create_dataset(key, data=value, chunks=(1, *value.shape[1:]), compression="gzip",
                            compression_opts=4, track_times=False)
    else:
        file.create_dataset(key, data=value, track_times=False)


def read_connector_file(path: str | Path) -> tuple[EpisodeBatch, dict[str, Any]]:
    """Episodes and attributes of one file; DataError names file, key and row of whatever is wrong."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"'{path}' does not exist; run 'priorrl collect' first")
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            attrs = {name: _plain(value) for name, value in file.attrs.items()}
            for name in _KINDS:
                arrays[name] = _read(file, path, _path_in_file(name))
    except (OSError, RuntimeError) as error:
        raise DataError(f"'{path}' is not a whole HDF5 file ({error}); collect it again") from error
    if attrs.get("schema") != SCHEMA:
        raise DataError(f"'{path}' has schema {attrs.get('schema')}, this version reads {SCHEMA}; "
                        "collect it again")
    for name in ATTRIBUTES:
        if name not in attrs:
            raise DataError(f"'{path}': attribute '{name}' is missing; collect it again")
    batch = EpisodeBatch(**arrays)
    check_episodes(batch, str(path))
    return batch, attrs


def _read(file: h5py.File, path: Path, key: str) -> np.ndarray:
    if key not in file:
        raise DataError(f"'{path}': key '{key}' is missing; collect it again")
    return file[key][()]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def load_prior(folder: str | Path, exclude_families: Iterable[str] = (),
               exclude_connectors: Iterable[str] = ()) -> PriorData:
    """All connector files of ``folder`` in the order of their names, less the excluded (row 10.18)."""
    folder = Path(folder)
    files = sorted(folder.glob("*.h5"))
    if not files:
        raise DataError(f"'{folder}' holds no prior data (*.h5); run 'priorrl collect --out {folder}' first")
    families_out, names_out = set(exclude_families), set(exclude_connectors)
    batches: list[EpisodeBatch] = []
    names: list[str] = []
    families: list[str] = []
    robots: list[str] = []
    for path in files:
        name, family = _identity(path)
        if name in names_out or family in families_out:
            continue
        batch, attrs = read_connector_file(path)
        if batches and batch.steps != batches[0].steps:
            raise DataError(f"'{path}' has {batch.steps} steps an episode, '{files[0]}' has "
                            f"{batches[0].steps}; collect them with one task")
        batches.append(batch)
        names.append(name)
        families.append(family)
        robots.append(str(attrs["robot"]))
    if not batches:
        raise DataError(f"every connector in '{folder}' is excluded; exclude fewer families")
    connector = np.concatenate([np.full(len(b), i, np.int64) for i, b in enumerate(batches)])
    joined = EpisodeBatch(**{f.name: np.concatenate([getattr(b, f.name) for b in batches])
                             for f in fields(EpisodeBatch)})
    return PriorData(joined, connector, tuple(names), tuple(families), tuple(robots))


def _identity(path: Path) -> tuple[str, str]:
    """Connector and family of a file, without reading its arrays."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs["connector"]), str(file.attrs["family"])
    except (OSError, KeyError) as error:
        raise DataError(f"'{path}' is not a whole connector file ({error}); collect it again") from error
