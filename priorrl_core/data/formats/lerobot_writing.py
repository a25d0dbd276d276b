"""Writes LeRobotDataset v3; the layout and what we add to it: ``lerobot.py``."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from priorrl_core.data.formats.check import checked
from priorrl_core.data.formats.episode_set import Episode, EpisodeSet
from priorrl_core.data.formats.lerobot import EXTRA, FINAL, INFO, META, OBS
from priorrl_core.errors import DataError

FPS = 10
"""Of a set that does not say (meta ``fps``): LeRobot wants a rate."""
TASK = "priorrl"
FILE = "chunk-000/file-000.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
NUMBERING = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def write(episodes: EpisodeSet, path: str | Path) -> None:
    """A folder that LeRobotDataset opens with ``root=path``; whole or not at all, an episode at a time."""
    path = Path(path)
    if path.exists():
        raise DataError(f"'{path}' exists; remove it or choose another name")
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write(episodes, part)
        part.rename(path)
    except OSError as error:
        raise DataError(f"cannot write '{path}' ({error}); check the path and the free disk space") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(episodes: EpisodeSet, root: Path) -> None:
    for folder in ("meta/episodes/chunk-000", "data/chunk-000"):
        (root / folder).mkdir(parents=True)
    fps, task = float(episodes.meta.get("fps", FPS)), str(episodes.meta.get("task", TASK))
    about: list[dict[str, Any]] = []
    stats: dict[str, _Stats] = {}
    features: dict[str, Any] = {}
    writer: pq.ParquetWriter | None = None
    begin = 0
    try:
        for index, episode in enumerate(checked(episodes)):
            columns = _columns(episode)
            features = features or {key: _feature(value) for key, value in columns.items()}
            table = pa.table({key: _arrow(value) for key, value in columns.items()}
                             | _numbering(len(episode), index, begin, fps))
            writer = writer or pq.ParquetWriter(root / "data" / FILE, table.schema, write_page_checksum=True)
            writer.write_table(table)
            own = {key: _Stats.of(value) for key, value in columns.items()}
            stats = {key: stats[key].with_(s) if key in stats else s for key, s in own.items()}
            about.append(_about(episode, index, begin, task, own))
            begin += len(episode)
    finally:
        if writer is not None:
            writer.close()
    pq.write_table(pa.Table.from_pylist(about), root / "meta/episodes" / FILE, write_page_checksum=True)
    _write_tasks(root / "meta/tasks.parquet", task)
    _write_json(root / "meta/stats.json", {key: s.as_json() for key, s in stats.items()})
    _write_json(root / INFO, _info(features, len(about), begin, fps, episodes.meta))


def _columns(episode: Episode) -> dict[str, np.ndarray]:
    """The features of one episode, (T, ...) each."""
    steps = len(episode)
    last = np.arange(steps) == steps - 1
    return {**{OBS + key: value[:-1] for key, value in episode.obs.items()}, "action": episode.action,
            "next.reward": episode.reward, "next.done": last & (episode.terminated or episode.truncated),
            "next.terminated": last & episode.terminated, "next.truncated": last & episode.truncated,
            **{EXTRA + key: value for key, value in episode.extra.items()}}


def _is_image(value: np.ndarray) -> bool:
    return value.dtype == np.uint8 and value.ndim == 4 and value.shape[-1] == 3


def _feature(value: np.ndarray) -> dict[str, Any]:
    shape = list(value.shape[1:]) or [1]
    if _is_image(value):
        return {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
    return {"dtype": str(value.dtype), "shape": shape, "names": ["value"] if value.shape[1:] == (1,) else None}


def _arrow(value: np.ndarray) -> pa.Array:
    """One row a frame: numbers, PNG images, or lists as deep as the shape."""
    if _is_image(value):
        return pa.array([{"bytes": _png(v), "path": None} for v in value],
                        pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    shape = () if value.shape[1:] == (1,) else value.shape[1:]
    flat = pa.array(np.ascontiguousarray(value).reshape(-1))
    for size in reversed(shape):
        flat = (pa.FixedSizeListArray.from_arrays(flat, size) if len(shape) == 1
                else pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, size, dtype=np.int32), flat))
    return flat


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def _numbering(steps: int, index: int, begin: int, fps: float) -> dict[str, pa.Array]:
    rows = np.arange(steps)
    values = ((rows / fps).astype(np.float32), rows, np.full(steps, index), begin + rows, np.zeros(steps, np.int64))
    return dict(zip(NUMBERING, map(pa.array, values), strict=True))


def _about(episode: Episode, index: int, begin: int, task: str, stats: dict[str, _Stats]) -> dict[str, Any]:
    """The episode's row in ``meta/episodes``."""
    final = {FINAL + key: np.ascontiguousarray(value[-1]).tobytes() if episode.final_obs else None
             for key, value in episode.obs.items()}
    return {"episode_index": index, "tasks": [task], "length": len(episode), "data/chunk_index": 0,
            "data/file_index": 0, "dataset_from_index": begin, "dataset_to_index": begin + len(episode),
            "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0, **final,
            **{f"stats/{key}/{name}": value for key, s in stats.items() for name, value in s.as_json().items()}}


def _write_tasks(path: Path, task: str) -> None:
    """One task; LeRobot reads its text as the index of a pandas frame."""
    table = pa.table({"task_index": pa.array([0]), "__index_level_0__": pa.array([task])})
    pandas = {"index_columns": ["__index_level_0__"], "column_indexes": [], "pandas_version": "2.0.0", "columns": [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
         "metadata": None},
        {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode", "numpy_type": "object",
         "metadata": None}]}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4))


def _info(features: dict[str, Any], episodes: int, frames: int, fps: float, meta: dict[str, Any]) -> dict[str, Any]:
    numbering = {name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
                 for name in NUMBERING}
    return {"codebase_version": "v3.0", "robot_type": meta.get("robot"), "total_episodes": episodes,
            "total_frames": frames, "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200, "fps": int(fps) if fps.is_integer() else fps,
            "splits": {"train": f"0:{episodes}"}, "data_path": DATA_PATH, "video_path": None,
            "features": {**features, **numbering}, META: meta}


class _Stats:
    """Minimum, maximum, mean, standard deviation and count over frames; of an image by channel, in [0, 1]."""

    def __init__(self, low: np.ndarray, high: np.ndarray, total: np.ndarray, squares: np.ndarray, count: int,
                 frames: int) -> None:
        self.low, self.high, self.total, self.squares = low, high, total, squares
        self.count, self.frames = count, frames

    @classmethod
    def of(cls, value: np.ndarray) -> _Stats:
        frames, wide = len(value), value.astype(np.float64)
        if _is_image(value):
            wide = (wide / 255.0).reshape(-1, 3)
        elif wide.ndim == 1:
            wide = wide[:, None]
        out = cls(wide.min(0), wide.max(0), wide.sum(0), np.square(wide).sum(0), len(wide), frames)
        if _is_image(value):
            for name in ("low", "high", "total", "squares"):
                setattr(out, name, getattr(out, name)[:, None, None])
        return out

    def with_(self, other: _Stats) -> _Stats:
        return _Stats(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.total + other.total,
                      self.squares + other.squares, self.count + other.count, self.frames + other.frames)

    def as_json(self) -> dict[str, list[Any]]:
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - np.square(mean), 0.0))
        parts = {"min": self.low, "max": self.high, "mean": mean, "std": std}
        return {**{key: value.tolist() for key, value in parts.items()}, "count": [self.frames]}
