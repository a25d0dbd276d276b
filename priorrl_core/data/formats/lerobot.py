"""LeRobotDataset v3 (codebase_version v3.x), by pyarrow: its library asks for another torch than ours.

``meta/info.json`` (features, fps), ``meta/tasks.parquet``, ``meta/episodes/**.parquet``, ``data/**.parquet`` with one
row a frame: ``observation.KEY``, ``action``, ``next.reward``, ``next.done``. The format has T observations for T steps
and one ``next.done`` for both ends. We write ``next.done`` as LeRobot does (either end), beside it ``next.terminated``
and ``next.truncated``, and the observation after the last step into the episode's metadata as ``final/KEY``. A file
without it gets its last observation twice.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from priorrl_core.data.formats.episode_set import Episode, EpisodeSet, Labels
from priorrl_core.data.formats.lerobot_frames import Frames, broken, parquet_files
from priorrl_core.data.formats.reading import (
    ReadOptions,
    chosen,
    ending,
    flags,
    loads_unique,
    refuse,
    rewards,
    same_length,
    with_final,
)
from priorrl_core.errors import DataError

OBS, EXTRA, FINAL, META = "observation.", "extra.", "final/", "priorrl"
LABELS = Labels(obs=OBS + "{}", action="action", reward="next.reward", end="next.done")
INFO = "meta/info.json"
Table = dict[str, Any]


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """All episodes, by the rows that ``meta/episodes`` gives them."""
    path = Path(path)
    info = _info(path)
    listed = _episodes(path / "meta/episodes").to_pylist()
    numbers: set[Any] = {None}
    for row, number in enumerate(e.get("episode_index") for e in listed):
        if number in numbers:
            raise refuse(path / "meta/episodes", "episode_index", f"is {number}" + " twice" * (number is not None),
                         "record or convert the data set again", row)
        numbers.add(number)
    if info.get("total_episodes", len(listed)) != len(listed):
        raise refuse(path / INFO, "total_episodes", f"is {info['total_episodes']}, meta/episodes lists {len(listed)}",
                     "a file of the data set is missing", len(listed))
    features = info["features"]
    if "action" not in features:
        raise refuse(path, "action", "is missing", "a data set needs actions")
    features = {key: features[key] for key in _wanted(features, options)}
    for key, feature in features.items():
        if feature["dtype"] == "video":
            raise refuse(path, key, "is a video, which is not bit-exact and is not read",
                         "choose others with --obs, or record images (use_videos=False)")
    frames = Frames(path)
    return EpisodeSet(str(path), len(listed), lambda i: _load(path, frames, features, listed[i], options),
                      info.get(META, {}), LABELS)


def _wanted(features: dict[str, Any], options: ReadOptions) -> list[str]:
    """Features that are read."""
    seen = [key.removeprefix(OBS) for key, f in features.items() if key.startswith(OBS) and f["dtype"] != "string"]
    ours = {"action", "next.reward", "next.done", "next.terminated", "next.truncated"}
    return [*(OBS + key for key in chosen(seen, options)),
            *(key for key in features if key in ours or key.startswith(EXTRA))]


def _info(path: Path) -> dict[str, Any]:
    try:
        info = loads_unique((path / INFO).read_bytes(), path / INFO)
    except OSError as error:
        raise DataError(f"'{path / INFO}' cannot be read ({error.strerror}); give the folder of a LeRobot data set"
                        ) from error
    version = str(info.get("codebase_version"))
    if not version.startswith("v3."):
        raise DataError(f"'{path}' is of LeRobot's {version}, this reads v3; convert it with "
                        "'python -m lerobot.datasets.v30.convert_dataset_v21_to_v30'")
    if not isinstance(info.get("features"), dict):
        raise refuse(path / INFO, "features", "is missing", "record or convert the data set again")
    return info


def _episodes(folder: Path) -> pa.Table:
    """What is said of each episode, without its statistics."""
    tables = []
    for file in parquet_files(folder):
        try:
            table = pq.ParquetFile(file, page_checksum_verification=True)
            names = [n for n in table.schema_arrow.names if not n.startswith("stats/")]
            tables.append(table.read(names, use_threads=False))
        except (OSError, pa.ArrowException) as error:
            raise broken(file, error) from error
    return pa.concat_tables(tables, promote_options="default")


def _load(path: Path, frames: Frames, features: dict[str, Any], about: dict[str, Any], options: ReadOptions
          ) -> Episode:
    number = int(about["episode_index"])
    name = f"episode {number}"
    table = frames.of_episode(number)
    if len(table) != about.get("length", len(table)):
        raise refuse(path, f"{name}/action", f"has {len(table)} rows, meta/episodes says {about['length']}",
                     "a file of the data set is missing or cut off", len(table))
    _check_order(table, path, name)
    columns = {key: _column(table, key, feature, path, name) for key, feature in features.items()}
    steps = len(table)
    terminated, truncated, key = _flags(columns, path, name, steps, options)
    kept, ended, cut = ending(terminated, truncated, options, path, f"{name}/{key}")
    one_flag = key == "next.done" and options.ends not in ("terminated", "truncated")
    reward = (columns["next.reward"].reshape(steps) if "next.reward" in columns
              else rewards(steps, options, path, f"{name}/next.reward"))
    obs, known = _observations(columns, about, kept)
    if not obs:
        raise refuse(path, "observation.*", "is missing", "a data set needs observations")
    extra = {k.removeprefix(EXTRA): v[:kept] for k, v in columns.items() if k.startswith(EXTRA)}
    return Episode(obs, columns["action"][:kept], reward[:kept], ended, cut, name, final_obs=known, one_flag=one_flag,
                   extra=extra)


def _check_order(table: pa.Table, path: Path, name: str) -> None:
    """Frames are numbered 0, 1, 2, ...; DataError names the first that is there twice or missing."""
    found = table["frame_index"].to_numpy() if "frame_index" in table.column_names else np.arange(len(table))
    bad = np.flatnonzero(found != np.arange(len(found)))
    if len(bad):
        what = "is there twice" if found[bad[0]] in found[:bad[0]] else "is out of order"
        raise refuse(path, f"{name}/frame_index", f"{int(found[bad[0]])} {what}", "record or convert it again",
                     int(bad[0]))


def _column(table: pa.Table, key: str, feature: dict[str, Any], path: Path, name: str) -> np.ndarray:
    """(T, ...) of one feature in its own type."""
    where = f"{name}/{key}"
    if key not in table.column_names:
        raise refuse(path, where, "is named in meta/info.json but missing in the data", "convert it again")
    column, shape = table[key], tuple(feature["shape"])
    if column.null_count:
        row = next(i for i, v in enumerate(column) if not v.is_valid)
        raise refuse(path, where, "is missing", "record the episode again", row)
    if feature["dtype"] == "image":
        return np.stack([_image(v["bytes"], path, where, i) for i, v in enumerate(column.to_pylist())])
    flat, rows = column.combine_chunks(), len(table)
    if isinstance(flat, pa.ExtensionArray):
        flat = flat.storage
    while pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type) or pa.types.is_large_list(flat.type):
        flat = flat.flatten()
    value = flat.to_numpy(zero_copy_only=False)
    if value.dtype.kind not in "fiub":
        raise refuse(path, where, f"has type {value.dtype}", "store numbers")
    scalar = shape == (1,) and key != "action" and not key.startswith(OBS) and not feature.get("names")
    shape = () if scalar else shape
    if len(value) != rows * int(np.prod(shape, dtype=int)):
        raise refuse(path, where, f"does not have {shape} numbers in each row", "record the episode again",
                     _odd_row(column, shape))
    return value.reshape(rows, *shape)


def _odd_row(column: pa.ChunkedArray, shape: tuple[int, ...]) -> int:
    size = int(np.prod(shape, dtype=int))
    return next((i for i, v in enumerate(column.to_pylist()) if len(_flat(v)) != size), 0)


def _flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _flat(item)] if isinstance(value, list) else [value]


def _image(data: bytes | None, path: Path, where: str, row: int) -> np.ndarray:
    from PIL import Image

    try:
        return np.asarray(Image.open(io.BytesIO(data or b"")))
    except OSError as error:
        raise refuse(path, where, f"is not a whole image ({error})", "record the episode again", row) from error


def _flags(columns: Table, path: Path, name: str, steps: int, options: ReadOptions
           ) -> tuple[np.ndarray, np.ndarray, str]:
    own = "next.terminated" in columns and "next.truncated" in columns
    none = np.zeros(steps, bool)
    if not own and "next.done" not in columns:
        if options.ends == "file":
            raise refuse(path, f"{name}/next.done", "is missing",
                         "'--ends truncated' or '--ends terminated' fills it in")
        return none, none, "next.done"
    first, second = ("next.terminated", "next.truncated") if own else ("next.done", "next.truncated")
    cut = flags(columns[second].reshape(-1), path, f"{name}/{second}") if second in columns else none
    ended = flags(columns[first].reshape(-1), path, f"{name}/{first}")
    same_length(path, {f"{name}/{first}": ended}, steps, "action")
    return (ended if own else ended & ~cut), cut, first


def _observations(columns: Table, about: dict[str, Any], kept: int) -> tuple[dict[str, np.ndarray], bool]:
    obs, known = {}, True
    for key, seen in columns.items():
        if not key.startswith(OBS):
            continue
        name, last = key.removeprefix(OBS), None
        if kept < len(seen):
            last = seen[kept]
        elif about.get(FINAL + name) is not None:
            last = np.frombuffer(about[FINAL + name], seen.dtype).reshape(seen.shape[1:])
        known &= last is not None
        obs[name] = with_final(seen[:kept], last)
    return obs, known
