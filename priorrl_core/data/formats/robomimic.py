"""robomimic HDF5 (https://robomimic.github.io/docs/datasets/overview.html), by h5py.

``data/demo_N/{actions, rewards, dones}``, ``obs/KEY`` and ``next_obs/KEY``; attributes ``num_samples``, ``data.total``
and ``data.env_args``; ``mask/KEY`` lists demonstrations. The format has one ``dones`` for both ends: we write it as
terminated, and beside it ``terminated`` and ``truncated`` (T,) and ``extra/KEY``, which robomimic does not read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from priorrl_core.data.formats.check import checked
from priorrl_core.data.formats.episode_set import Episode, EpisodeSet, Labels
from priorrl_core.data.formats.hdf5 import opened
from priorrl_core.data.formats.reading import (
    ReadOptions,
    chosen,
    ending,
    flags,
    loads_unique,
    refuse,
    rewards,
    rows_with,
    same_length,
    with_final,
)
from priorrl_core.errors import DataError, nearest

LABELS = Labels(obs="obs/{}", action="actions", reward="rewards", end="dones")
ENV_ARGS = {"env_name": "priorrl", "env_type": 2, "env_kwargs": {}}
"""``env_type`` 2: Gym, in robomimic's numbering."""
META = "priorrl"


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """The demonstrations in the order of their numbers."""
    path = Path(path)
    with opened(path) as file:
        if "data" not in file or not isinstance(file["data"], h5py.Group):
            raise refuse(path, "data", "is missing", "this is not a robomimic file")
        names = _names(file, path, options.mask)
        attributes = {key: file["data"].attrs[key] for key in ("env_args", META) if key in file["data"].attrs}
    meta = {} if META not in attributes else loads_unique(attributes[META], path)
    if "env_args" in attributes:
        meta.setdefault("env_args", loads_unique(attributes["env_args"], path))
    return EpisodeSet(str(path), len(names), lambda i: _load(path, names[i], options), meta, LABELS)


def _names(file: h5py.File, path: Path, mask: str) -> list[str]:
    masks = file["mask"] if "mask" in file else {}
    for key in masks:
        listed = [_text(name) for name in masks[key]]
        for row, name in enumerate(listed):
            if name not in file["data"]:
                raise refuse(path, f"mask/{key}", f"names '{name}', which is not in 'data'", "mend the mask", row)
            if name in listed[:row]:
                raise refuse(path, f"mask/{key}", f"names '{name}' twice", "remove one", row)
    if mask and mask not in masks:
        raise DataError(f"'{path}' has no mask '{mask}'{nearest(mask, masks)}")
    names = [_text(name) for name in (masks[mask] if mask else file["data"])]
    numbers: dict[int, str] = {}
    for name in names:
        number = int(found[1]) if (found := re.search(r"(\d+)$", name)) else -1 - len(numbers)
        if number in numbers:
            raise refuse(path, f"data/{name}", f"has the number of '{numbers[number]}'", "rename one of the two")
        numbers[number] = name
    return [numbers[number] for number in sorted(numbers)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _load(path: Path, name: str, options: ReadOptions) -> Episode:
    with opened(path) as file:
        return _episode(file["data"][name], path, f"data/{name}", options)


def _episode(demo: h5py.Group, path: Path, name: str, options: ReadOptions) -> Episode:
    action = _dataset(demo, path, name, "actions")
    steps = len(action)
    said = int(demo.attrs.get("num_samples", steps))
    if said != steps:
        raise refuse(path, f"{name}/actions", f"has {steps} rows, the attribute num_samples says {said}",
                     "record the demonstration again", min(said, steps))
    reward = (_dataset(demo, path, name, "rewards") if "rewards" in demo
              else rewards(steps, options, path, f"{name}/rewards"))
    extra = {str(key): value[()] for key, value in demo.get("extra", {}).items()}
    same_length(path, {f"{name}/rewards": reward, **{f"{name}/extra/{k}": v for k, v in extra.items()}}, steps,
                "actions")
    terminated, truncated, key = _flags(demo, path, name, steps, options)
    one_flag = key.endswith("dones") and options.ends not in ("terminated", "truncated")
    kept, ended, cut = ending(terminated, truncated, options, path, key)
    obs, known = _observations(demo, path, name, steps, kept, options)
    if reward.dtype.kind in "iub":
        reward = reward.astype(np.float32)
    return Episode(obs, action[:kept], reward[:kept], ended, cut, name, final_obs=known, one_flag=one_flag,
                   extra={k: v[:kept] for k, v in extra.items()})


def _dataset(group: h5py.Group, path: Path, name: str, key: str) -> np.ndarray:
    if key not in group or not isinstance(group[key], h5py.Dataset):
        raise refuse(path, f"{name}/{key}", "is missing", "record the demonstration again")
    value = np.asarray(group[key][()])
    if not value.ndim:
        raise refuse(path, f"{name}/{key}", "is a single number", "store one row for each step")
    return value


def _flags(demo: h5py.Group, path: Path, name: str, steps: int, options: ReadOptions
           ) -> tuple[np.ndarray, np.ndarray, str]:
    own = "terminated" in demo and "truncated" in demo
    if not own and "dones" not in demo and options.ends == "file":
        raise refuse(path, f"{name}/dones", "is missing", "'--ends truncated' or '--ends terminated' fills it in")
    first, second = ("terminated", "truncated") if own else ("dones", "")
    none = np.zeros(steps, bool)
    out = []
    for key in (first, second):
        value = flags(demo[key][()], path, f"{name}/{key}") if key and key in demo else none
        same_length(path, {f"{name}/{key}": value}, steps, "actions")
        out.append(value)
    return out[0], out[1], f"{name}/{first}"


def _observations(demo: h5py.Group, path: Path, name: str, steps: int, kept: int,
                  options: ReadOptions) -> tuple[dict[str, np.ndarray], bool]:
    """(kept + 1, ...) of each key, and whether the file has the last of them."""
    if "obs" not in demo or not isinstance(demo["obs"], h5py.Group) or not len(demo["obs"]):
        raise refuse(path, f"{name}/obs", "is missing or empty",
                     "add observations with robomimic's dataset_states_to_obs.py")
    out, known = {}, True
    for key in chosen(map(str, demo["obs"]), options):
        seen, last = _dataset(demo["obs"], path, f"{name}/obs", key), None
        same_length(path, {f"{name}/obs/{key}": seen}, steps, "actions")
        if "next_obs" in demo:
            following = _dataset(demo["next_obs"], path, f"{name}/next_obs", key)
            same_length(path, {f"{name}/next_obs/{key}": following}, steps, "actions")
            _check_following(seen, following, path, f"{name}/next_obs/{key}")
            last = following[-1] if steps else None
        elif kept < steps:
            last = seen[kept]
        known &= last is not None
        whole = with_final(seen, last)
        out[key] = whole[:kept + 1]
    return out, known


def _check_following(seen: np.ndarray, following: np.ndarray, path: Path, key: str) -> None:
    if seen.shape != following.shape:
        raise refuse(path, key, f"has shape {following.shape}, 'obs' {seen.shape}", "record it again")
    same = (seen[1:] == following[:-1]) | ((seen[1:] != seen[1:]) & (following[:-1] != following[:-1]))
    bad = rows_with(~same)
    if len(bad):
        raise refuse(path, key, "is not the observation of the next row", "record the demonstration again",
                     int(bad[0]))


def write(episodes: EpisodeSet, path: str | Path) -> None:
    """One HDF5 file, whole or not at all, an episode at a time."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            data = file.create_group("data", track_order=True)
            total = sum(_write_demo(data.create_group(f"demo_{i}"), e) for i, e in enumerate(checked(episodes)))
            data.attrs["total"] = total
            data.attrs["env_args"] = json.dumps(episodes.meta.get("env_args", ENV_ARGS))
            data.attrs[META] = json.dumps({k: v for k, v in episodes.meta.items() if k != "env_args"})
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"cannot write '{path}' ({error}); check the path and the free disk space") from error
    finally:
        part.unlink(missing_ok=True)


def _write_demo(demo: h5py.Group, episode: Episode) -> int:
    steps = len(episode)
    last = np.arange(steps) == steps - 1
    columns: Iterable[tuple[str, np.ndarray]] = [
        ("actions", episode.action), ("rewards", episode.reward),
        ("dones", (last & episode.terminated).astype(np.int64)),
        ("terminated", last & episode.terminated), ("truncated", last & episode.truncated),
        *((f"obs/{key}", value[:-1]) for key, value in episode.obs.items()),
        *((f"next_obs/{key}", value[1:]) for key, value in episode.obs.items() if episode.final_obs),
        *((f"extra/{key}", value) for key, value in episode.extra.items())]
    for key, value in columns:
        squeeze = {"compression": "gzip", "chunks": (1, *value.shape[1:])} if value.dtype == np.uint8 else {}
        demo.create_dataset(key, data=value, track_times=False, **squeeze)
    demo.attrs["num_samples"] = steps
    return steps
