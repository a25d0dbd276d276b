"""Formats by name, found by looking at the file."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path

from priorrl_core.data.formats.episode_set import EpisodeSet
from priorrl_core.data.formats.reading import ReadOptions, chosen, library
from priorrl_core.errors import DataError, UserError, nearest

READERS = {"robomimic": "robomimic", "minari": "minari", "lerobot": "lerobot", "d4rl": "d4rl", "replay": "replay",
           "run": "runs", "prior": "prior"}
NEEDS = {"robomimic": "h5py", "d4rl": "h5py", "minari": "minari", "lerobot": "pyarrow"}
WRITERS = {"robomimic": "robomimic", "minari": "minari", "lerobot": "lerobot_writing", "replay": "replay"}


def read(path: str | Path, name: str = "", options: ReadOptions | None = None) -> EpisodeSet:
    """The episodes of a file or folder; DataError if it is not there or broken."""
    if not Path(path).exists():
        raise DataError(f"'{path}' does not exist; check the path")
    options = options or ReadOptions()
    found = _function(READERS, name or detect(path), "read")(path, options)
    return found.map(lambda e: dataclasses.replace(e, obs={k: e.obs[k] for k in chosen(e.obs, options)}))


def write(episodes: EpisodeSet, path: str | Path, name: str) -> None:
    """Checks and writes all episodes; DataError at the first problem, and then nothing is left at ``path``."""
    _function(WRITERS, name, "write")(episodes, path)


def detect(path: str | Path) -> str:
    """Name of the format of a file or folder; UserError if it is none of ours."""
    path = Path(path)
    marks = {"meta/info.json": "lerobot", "metadata.json": "minari", "data/metadata.json": "minari",
             "index.jsonl": "run"}
    for mark, name in marks.items():
        if (path / mark).is_file():
            return name
    if path.is_file():
        with open(path, "rb") as file:
            head = file.read(9)
        if head.startswith(b"\x89HDF"):
            return _hdf5(path)
        if head.startswith(b"\x89MCAP"):
            return "run"
        if head[8:] == b"{":
            return "replay"
    raise UserError(f"cannot tell the format of '{path}'; give it with --format {'|'.join(READERS)}")


def _hdf5(path: Path) -> str:
    """``prior``, ``d4rl`` or ``robomimic``; a broken file is left to the reader, which says what is wrong."""
    h5py = library("h5py")
    from priorrl_core.data.formats.d4rl import is_d4rl

    try:
        with h5py.File(path, "r") as file:
            if is_d4rl(file):
                return "d4rl"
            return "prior" if "connector" in file.attrs and "data" not in file else "robomimic"
    except OSError:
        return "robomimic"


def _function(modules: dict[str, str], name: str, what: str) -> Callable[..., EpisodeSet]:
    if name not in modules:
        raise UserError(f"cannot {what} the format '{name}'{nearest(name, modules)}")
    if name in NEEDS:
        library(NEEDS[name])
    module = importlib.import_module(f"priorrl_core.data.formats.{modules[name]}")
    function: Callable[..., EpisodeSet] = getattr(module, what)
    return function
