"""Peak memory and CPU of a process and everything that it started."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil


class PeakMemory:
    """Samples in a thread while the ``with`` block runs.

    ``rss_mb`` is the largest sum of resident sizes of all processes (pages shared by several count for each);
    ``pss_mb`` the largest sum of proportional sizes, where each shared page counts once (0: not available).
    """

    def __init__(self, period_s: float = 1.0) -> None:
        self._period_s = period_s
        self._root = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.rss_mb = 0.0
        self.pss_mb = 0.0

    def __enter__(self) -> PeakMemory:
        self.sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self.sample()

    def _watch(self) -> None:
        while not self._done.wait(self._period_s):
            self.sample()

    def sample(self) -> None:
        """One look at all processes; those that end meanwhile count as nothing."""
        rss = pss = 0
        for process in [self._root, *self._children()]:
            try:
                rss += process.memory_info().rss
                pss += getattr(process.memory_full_info(), "pss", 0)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.rss_mb = max(self.rss_mb, rss / 2**20)
        self.pss_mb = max(self.pss_mb, pss / 2**20)

    def _children(self) -> list[psutil.Process]:
        try:
            return list(self._root.children(recursive=True))
        except psutil.NoSuchProcess:
            return []
