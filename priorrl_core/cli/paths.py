"""Where things lie: checkpoints by name, run folders, the newest run."""

from __future__ import annotations

import os
import time
from pathlib import Path

from priorrl_core.config import config_dir
from priorrl_core.errors import DataError, UserError, nearest


def weights_dir() -> Path:
    """Folder of the checkpoints that come with the package."""
    return config_dir().parent / "weights"


def checkpoint_path(text: str) -> Path:
    """A checkpoint folder by path, or by name among the packaged ones; DataError names the nearest."""
    for path in (Path(text), weights_dir() / text):
        if (path / "manifest.json").is_file():
            return path.resolve()
    if Path(text).exists():
        raise DataError(
            f"'{text}' is not a checkpoint (it has no manifest.json); make one with 'priorrl train'"
        )
    names = [p.parent.name for p in weights_dir().glob("*/manifest.json")]
    hint = nearest(text, names) if names else "; make one with 'priorrl train'"
    raise DataError(f"unknown checkpoint '{text}'{hint}")


def new_run(runs: Path, name: str) -> Path:
    """``runs/<stamp>_<name>``, new, with ``runs/latest`` pointing at it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    runs.mkdir(parents=True, exist_ok=True)
    for extra in range(1000):
        path = runs / (f"{stamp}_{name}" + (f"_{extra}" if extra else ""))
        try:
            path.mkdir()
        except FileExistsError:
            continue
        point_latest(path)
        return path.resolve()
    raise UserError(f"cannot make a run folder in '{runs}'; remove some of its folders")


def point_latest(run: Path) -> None:
    """``latest`` beside ``run`` points at it; replaced in one step."""
    link, fresh = run.parent / "latest", run.parent / f".latest.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(run.name)
    os.replace(fresh, link)


def existing_run(text: str, runs: Path) -> Path:
    """A run folder by path or by name under ``runs`` (``latest``, ``20260101-120000_demo``)."""
    for path in (Path(text), runs / text):
        if path.is_dir():
            return path.resolve()
    names = [p.name for p in runs.glob("*") if p.is_dir()] if runs.is_dir() else []
    hint = (
        nearest(text, names) if names else f"; there is no run under '{runs}' yet, start with 'priorrl demo'"
    )
    raise UserError(f"no run folder '{text}'{hint}")
