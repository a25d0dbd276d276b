"""What the terminal view shows, as plain numbers and text; no ROS and no terminal here."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass
class LiveState:
    """Filled by the monitor node; ``total`` is the planned number of trials, 0 if unknown."""

    total: int = 0
    started_s: float = field(default_factory=time.monotonic)
    episode_id: str = ""
    kind: str = ""
    step: int = 0
    finished: int = 0
    kinds: dict[str, list[bool]] = field(default_factory=dict)
    """Judged results of each kind of episode, oldest first."""
    probability: float = math.nan
    force_n: float = math.nan
    version: int = 0
    updates_per_s: float = math.nan
    fault: str = ""
    seen: set[str] = field(default_factory=set)

    def end_episode(self, episode_id: str, kind: str, success: bool, probability: float,
                    force_n: float) -> bool:
        """Counts a finished episode; False if it is known (sent again after a restart)."""
        if episode_id in self.seen:
            return False
        self.seen.add(episode_id)
        self.finished += 1
        self.kinds.setdefault(kind, []).append(success)
        self.kind, self.probability, self.force_n = kind, probability, force_n
        return True

    def success(self, kind: str) -> str:
        """``12/40 (30 %, last 20: 45 %)`` of one kind."""
        results = self.kinds.get(kind, [])
        if not results:
            return "none yet"
        late = results[-20:]
        return (f"{sum(results)}/{len(results)} ({100 * sum(results) / len(results):.0f} %, "
                f"last {len(late)}: {100 * sum(late) / len(late):.0f} %)")

    def seconds_left(self, now_s: float | None = None) -> float:
        """From the mean time of a finished trial; NaN when unknown."""
        if not self.total or not self.finished:
            return math.nan
        elapsed = (time.monotonic() if now_s is None else now_s) - self.started_s
        return elapsed / self.finished * max(self.total - self.finished, 0)

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each line of the view."""
        total = f" of {self.total}" if self.total else ""
        out = [("trial", f"{self.finished + 1}{total}   {self.episode_id} step {self.step}"),
               *((f"success, {kind}", self.success(kind)) for kind in self.kinds or ("practice",)),
               ("reward probability", _number(self.probability, ".2f")),
               ("contact force", _number(self.force_n, ".1f", " N")),
               ("policy version", str(self.version)),
               ("updates per second", _number(self.updates_per_s, ".0f")),
               ("time left", clock(self.seconds_left()))]
        return [*out, ("safety gate", f"FAULT: {self.fault}")] if self.fault else out

    def line(self) -> str:
        """One plain line after an episode, for logs and pipes."""
        total = f"/{self.total}" if self.total else ""
        return (f"trial {self.finished}{total} {self.kind} success {self.success(self.kind)} "
                f"p {_number(self.probability, '.2f')} force {_number(self.force_n, '.1f', ' N')} "
                f"policy {self.version} updates/s {_number(self.updates_per_s, '.0f')} "
                f"left {clock(self.seconds_left())}")


def clock(seconds: float) -> str:
    """``m:ss``, or ``?``."""
    if not math.isfinite(seconds):
        return "?"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _number(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if math.isfinite(value) else "?"
