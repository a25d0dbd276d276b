"""What a verb prints: progress on standard error, its result on standard output."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any


def emit(args: Any, result: dict[str, Any], lines: list[str]) -> None:
    """Prints ``lines`` and, with ``--json``, ``result`` as one object on the last line (NaN as null)."""
    for line in lines:
        sys.stdout.write(line + "\n")
    if args.json:
        sys.stdout.write(json.dumps(plain(result), allow_nan=False) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """``value`` as JSON types: NumPy scalars and arrays, paths and non-finite numbers included."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


class Progress:
    """``progress(what, done, total)``: a line that is rewritten on a terminal, plain lines elsewhere."""

    def __init__(self, every_s: float = 5.0, stream: Any = None) -> None:
        self._stream = stream or sys.stderr
        self._live = bool(getattr(self._stream, "isatty", lambda: False)())
        self._every_s = 0.2 if self._live else every_s
        self._begin = time.monotonic()
        self._last = -math.inf
        self._first_done: int | None = None
        self._open = False

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if self._first_done is None:
            self._first_done, self._begin = done, now
        if done < total and now - self._last < self._every_s:
            return
        self._last = now
        text = f"{what}: {done}/{total}{self._left(done, total, now)}{'  ' + note if note else ''}"
        self._stream.write(f"\r\x1b[K{text}" if self._live else f"{text}\n")
        self._open = self._live
        self._stream.flush()

    def _left(self, done: int, total: int, now: float) -> str:
        made = done - (self._first_done or 0)
        if made < 1 or done >= total:
            return ""
        return f", {duration((now - self._begin) / made * (total - done))} left"

    def close(self) -> None:
        """Ends a line that is being rewritten."""
        if self._open:
            self._stream.write("\n")
            self._open = False


def duration(seconds: float) -> str:
    """``95`` as ``1 min 35 s``."""
    whole = int(round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
