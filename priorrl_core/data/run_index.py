"""``index.jsonl`` of a run folder: one line an episode, appended whole, never changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from priorrl_core.errors import DataError

INDEX = "index.jsonl"


def append_line(path: str | Path, entry: dict[str, Any]) -> None:
    """Appends one JSON line with one write, flushed to the disk; DataError when it did not fit.

    A line that was torn by a crash or a full disk is cut off or closed first, so that it spoils no other.
    """
    path = Path(path)
    line = (json.dumps(entry, allow_nan=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _append(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise DataError(f"cannot append to '{path}' ({error.strerror}); free disk space or choose another "
                        "run folder") from error


def _append(handle: int, line: bytes) -> None:
    end = _end_of_whole_lines(handle)
    os.lseek(handle, end, os.SEEK_SET)
    os.ftruncate(handle, end)
    try:
        written = os.write(handle, line)
        if written != len(line):
            raise OSError(28, "No space left on device")
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def _end_of_whole_lines(handle: int) -> int:
    size = os.lseek(handle, 0, os.SEEK_END)
    tail = os.pread(handle, min(size, 65536), max(size - 65536, 0))
    return size - (len(tail) - (tail.rfind(b"\n") + 1))


def read_lines(path: str | Path) -> list[dict[str, Any]]:
    """All whole lines; a torn last line is skipped, a broken earlier one is a DataError that names it."""
    path = Path(path)
    if not path.is_file():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    out = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
        try:
            out.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"'{path}' line {number} is not JSON; remove that line") from error
    return out


def closed_episodes(run_dir: str | Path, kind: str = "") -> list[dict[str, Any]]:
    """Entries of closed episodes (of ``kind``, or of all), one an episode_id, in the order of closing."""
    found = {e["episode_id"]: e for e in read_lines(Path(run_dir) / INDEX) if e.get("closed")}
    return [e for e in found.values() if not kind or e["kind"] == kind]
