"""How the thread of an episode waits for what the callbacks of its node hear."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SLICE_S = 0.5


class NodeLost(Exception):
    """A peer does not answer; the episode is given up and repeated."""


class Patience:
    """One condition for all news. ``check`` is called while waiting and raises to end it (cancelled)."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.news = threading.Condition()
        self._check = check
        self.moved_s = time.monotonic()

    def wake(self) -> None:
        with self.news:
            self.news.notify_all()

    def touch(self) -> None:
        """The arm moved."""
        self.moved_s = time.monotonic()

    def pause(self, seconds: float) -> None:
        with self.news:
            self._check()
            self.news.wait(seconds)

    def wait_still(self, ready: Callable[[], bool], still_s: float) -> bool:
        """Waits for ``ready`` as long as the arm moves; False when it stood still for ``still_s``."""
        with self.news:
            while not ready():
                self._check()
                left = self.moved_s + still_s - time.monotonic()
                if left <= 0.0:
                    return False
                self.news.wait(min(left, SLICE_S))
        return True

    def wait_for(self, ready: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
        """Waits at most ``timeout_s``; NodeLost names ``what`` did not come."""
        with self.news:
            if not self.comes(ready, timeout_s):
                raise NodeLost(f"{what()} did not come in {timeout_s:.1f} s")

    def comes(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Waits at most ``timeout_s`` for ``ready``, which is asked with the news locked."""
        end = time.monotonic() + timeout_s
        with self.news:
            while not ready():
                self._check()
                left = end - time.monotonic()
                if left <= 0.0:
                    return False
                self.news.wait(min(left, SLICE_S))
        return True
