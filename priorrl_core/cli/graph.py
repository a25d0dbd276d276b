"""The ROS 2 graph as a child process: started, watched, stopped. This side never imports rclpy."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO

from priorrl_core.config import ROOT
from priorrl_core.errors import UserError

POLL_S = 0.5
STOP_S, TERM_S = 20.0, 5.0
"""How long SIGINT and then SIGTERM may take."""


def require_ros() -> None:
    """UserError where rclpy or the built interfaces are missing."""
    for name, fix in (
        ("rclpy", "run 'make setup', or source a ROS 2 installation"),
        ("priorrl", "build the interfaces with 'make setup' or 'colcon build' and source them"),
    ):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"the Python package '{name}' is missing; {fix}")


class Child:
    """A Python module in a process group of its own, so that Ctrl-C reaches it once and in order."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: Path | None = None,
        pipe: bool = False,
        inherit: bool = False,
    ) -> None:
        """Output goes to ``log``; standard output to a pipe with ``pipe``; all to ours with ``inherit``."""
        self.module = module
        self._log: IO[bytes] | None = log.open("ab") if log else None
        self._log_file, self._log_begin = log, log.stat().st_size if log else 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            text=pipe or None,
            start_new_session=True,
            stdout=subprocess.PIPE if pipe else None if inherit else self._log or subprocess.DEVNULL,
            stderr=None if inherit else self._log or subprocess.DEVNULL,
            env=child_environment(),
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def lines(self, while_running: Child | None = None) -> Iterator[str]:
        """Lines of its standard output until it ends, or until ``while_running`` has ended."""
        queue: Queue[str | None] = Queue()
        Thread(target=self._read_into, args=(queue,), daemon=True).start()
        while True:
            try:
                line = queue.get(timeout=POLL_S)
            except Empty:
                if while_running is not None and not while_running.running:
                    return
                continue
            if line is None:
                return
            yield line

    def _read_into(self, queue: Queue[str | None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            queue.put(line)
        queue.put(None)

    def own_log(self) -> str:
        """What this child has logged, without what an earlier one left in the same file."""
        if self._log_file is None:
            return ""
        with self._log_file.open("rb") as stream:
            stream.seek(self._log_begin)
            return stream.read().decode(errors="replace")

    def write_log(self, line: str) -> None:
        """Adds a line to the child's log."""
        if self._log is not None:
            self._log.write(line.encode())
            self._log.flush()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Ends it and everything that it started: SIGINT, then SIGTERM, then SIGKILL; its exit status."""
        for number, wait_s in (
            (signal.SIGINT, timeout_s),
            (signal.SIGTERM, TERM_S),
            (signal.SIGKILL, TERM_S),
        ):
            if not self.running:
                break
            self._signal(number, everyone=number == signal.SIGKILL)
            try:
                self.process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
        self._signal(signal.SIGKILL, everyone=True)  # whatever outlived its parent
        for stream in (self.process.stdout, self._log):
            if stream is not None:
                stream.close()
        return self.process.returncode

    def _signal(self, number: signal.Signals, everyone: bool) -> None:
        try:
            if everyone:
                os.killpg(self.process.pid, number)
            elif self.running:
                self.process.send_signal(number)
        except ProcessLookupError:
            return


def child_environment() -> dict[str, str]:
    """Ours, with one numeric thread, discovery on this machine unless said otherwise, and this source."""
    out = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **os.environ}
    paths = [str(ROOT), *(p for p in out.get("PYTHONPATH", "").split(os.pathsep) if p and p != str(ROOT))]
    return {**out, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths)}


def last_words(log: Path, lines: int = 1) -> str:
    """The last lines of a log, for a message to the user."""
    if not log.is_file():
        return ""
    words = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(words[-lines:])
