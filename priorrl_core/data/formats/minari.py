"""Minari data sets (https://minari.farama.org), by the minari library: a folder with ``metadata.json`` and HDF5 files.

Episodes hold T + 1 observations and keep terminations and truncations apart. What else we know of a step goes into
``infos``, the rest into a key ``priorrl`` of the metadata. Images are stored as they are, not as JPEG.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.data.formats.check import checked
from priorrl_core.data.formats.episode_set import STATE, Episode, EpisodeSet, Labels
from priorrl_core.data.formats.reading import ReadOptions, ending, flags, library, refuse, same_length
from priorrl_core.errors import DataError

LABELS = Labels(obs="observations/{}", action="actions", reward="rewards", end="terminations")
META = "priorrl"
METADATA = "metadata.json"


def data_folder(path: str | Path) -> Path:
    """The folder that holds the metadata: ``path`` or ``path/data``."""
    path = Path(path)
    return path / "data" if (path / "data" / METADATA).is_file() else path


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """All episodes, and the bounds of the action space."""
    minari, folder = library("minari"), data_folder(path)
    try:
        data = minari.MinariDataset(folder)
    except Exception as error:  # of JSON, of Gymnasium's spaces, of HDF5, of assertions
        raise _broken(path, error) from error
    space = data.action_space
    if not isinstance(space, gym.spaces.Box):
        raise refuse(path, "actions", f"are of the space {space}", "only continuous actions (Box) can be read")
    bounds = tuple(zip(space.low.ravel().tolist(), space.high.ravel().tolist(), strict=True))
    ids = [int(i) for i in data.episode_indices]
    meta = data.storage.metadata.get(META)
    return EpisodeSet(str(path), len(ids), lambda i: _load(data, ids[i], str(path), options, meta is not None),
                      meta or {}, LABELS, bounds)


def _broken(path: Any, error: Exception) -> DataError:
    return DataError(f"'{path}' is missing or not a whole Minari data set ({type(error).__name__}: {error}); copy or "
                     "download it again")


def _load(data: Any, index: int, path: str, options: ReadOptions, own: bool) -> Episode:
    """``own``: we wrote the set; the infos of others are not read."""
    try:
        stored = next(iter(data.iterate_episodes([index])))
    except Exception as error:
        raise _broken(path, error) from error
    name = f"episode_{index}"
    action = np.asarray(stored.actions)
    steps = len(action)
    terminated = flags(stored.terminations, path, f"{name}/terminations")
    truncated = flags(stored.truncations, path, f"{name}/truncations")
    columns = {"rewards": np.asarray(stored.rewards), "terminations": terminated, "truncations": truncated}
    same_length(path, {f"{name}/{key}": value for key, value in columns.items()}, steps, "actions")
    kept, ended, cut = ending(terminated, truncated, options, path, f"{name}/terminations")
    obs = _observations(stored.observations, path, name)
    same_length(path, {f"{name}/observations/{k}": v for k, v in obs.items()}, steps + 1, "actions, and one more")
    extra = dict(stored.infos or {}) if own else {}
    known = bool(extra.pop("final_obs", [True])[0])
    same_length(path, {f"{name}/infos/{k}": v for k, v in extra.items()}, steps, "actions")
    return Episode({k: v[:kept + 1] for k, v in obs.items()}, action[:kept], columns["rewards"][:kept], ended, cut,
                   name, final_obs=known, extra={k: v[:kept] for k, v in extra.items()})


def _observations(stored: Any, path: str, name: str) -> dict[str, np.ndarray]:
    found = stored if isinstance(stored, dict) else {STATE: stored}
    for key, value in found.items():
        if not isinstance(value, np.ndarray):
            raise refuse(path, f"{name}/observations/{key}", "is not an array", "only Box and Dict of Box can be read")
    return {str(key): value for key, value in found.items()}


def write(episodes: EpisodeSet, path: str | Path) -> None:
    """A folder that ``minari.load_dataset`` finds by its name when it lies in ~/.minari/datasets."""
    minari, path = library("minari"), Path(path)
    if path.exists():
        raise DataError(f"'{path}' exists; remove it or choose another name")
    rows = checked(episodes)
    first = next(rows)
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "data").mkdir(parents=True)
        storage = minari.dataset.minari_storage.MinariStorage.new(
            part / "data", _obs_space(first), _action_space(first), jpeg_encoding=False)
        name = re.sub(r"[^\w-]", "-", path.name) or META
        storage.update_metadata({"dataset_id": name, "minari_version": minari.__version__, META: episodes.meta})
        storage.update_episodes(_buffer(minari, e) for e in _all(first, rows))
        part.rename(path)
    except OSError as error:
        raise DataError(f"cannot write '{path}' ({error}); check the path and the free disk space") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _all(first: Episode, rest: Iterator[Episode]) -> Iterator[Episode]:
    yield first
    yield from rest


def _box(value: np.ndarray, bound: float | None = None) -> gym.spaces.Box:
    if value.dtype == np.uint8:
        return gym.spaces.Box(0, 255, value.shape[1:], np.uint8)
    bound = np.inf if bound is None else bound
    return gym.spaces.Box(-bound, bound, value.shape[1:], value.dtype.type)


def _obs_space(first: Episode) -> gym.Space:
    if set(first.obs) == {STATE}:
        return _box(first.obs[STATE])
    return gym.spaces.Dict({key: _box(value) for key, value in first.obs.items()})


def _action_space(first: Episode) -> gym.spaces.Box:
    return _box(first.action, 1.0)


def _buffer(minari: Any, episode: Episode) -> Any:
    steps = len(episode)
    last = np.arange(steps) == steps - 1
    infos = dict(episode.extra) | ({} if episode.final_obs else {"final_obs": np.zeros(1, bool)})
    return minari.data_collector.EpisodeBuffer(
        observations=episode.obs[STATE] if set(episode.obs) == {STATE} else dict(episode.obs),
        actions=episode.action, rewards=episode.reward, terminations=last & episode.terminated,
        truncations=last & episode.truncated, infos=infos or None)
