"""Progress of a run through the graph: lines on standard error, wall time of each stage."""

from __future__ import annotations

import sys
import time
from typing import Any

from priorrl_core.cli.output import duration


class StageView:
    """Plain progress lines on standard error, from the events of the demo client."""

    TITLES = {
        "base": "base controller alone",
        "offline": "policy before practice",
        "practice": "practice",
        "online": "policy after practice",
    }

    def __init__(self, seconds: dict[str, float], counts: dict[str, int], quiet: bool = False) -> None:
        """``seconds`` by stage is added to; ``counts`` are the trials of each stage.

        ``quiet``: another view shows the trials; what the stages came to is told at the end.
        """
        self._quiet, self._results = quiet, ""
        self._seconds, self._before, self._counts = seconds, dict(seconds), counts
        self.message = ""
        self._stage = ""
        self._begin = self._shown = time.monotonic()

    def on_event(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if event["event"] == "stage":
            self.close()
            self._stage, self._begin, self._shown = str(event["stage"]), now, now
        elif event["event"] == "episode" and now - self._shown > 5.0 and not self._quiet:
            self._shown = now
            self._line(self._stage, event, now)
        elif event["event"] == "result":
            self.message = str(event["message"])
            self._results += (
                f"{self.TITLES[self._stage]}: {event['true_successes']} of {event['episodes']} inserted, "
                f"the learned reward says {event['judged_successes']} ({duration(now - self._begin)})\n"
            )
            if not self._quiet:
                self._tell()

    def close(self) -> None:
        """Adds the time of the stage that runs to the others', also when it was interrupted."""
        if self._stage:
            spent = time.monotonic() - self._begin
            self._seconds[self._stage] = self._before.get(self._stage, 0.0) + spent
            self._stage = ""

    def finish(self) -> None:
        """Ends the stage that runs and tells what was kept back."""
        self.close()
        self._tell()

    def _tell(self) -> None:
        sys.stderr.write(self._results)
        self._results = ""

    def _line(self, stage: str, event: dict[str, Any], now: float) -> None:
        done, total = int(event["episode"]) + 1, self._counts[stage]
        left = (now - self._begin) / max(1, done) * (total - done)
        sys.stderr.write(
            f"  {self.TITLES[stage]}: trial {done}/{total}, judged successes {event['judged_successes']}, "
            f"p {event['probability']:.2f}, peak {event['peak_force_n']:.0f} N, "
            f"policy {event['policy_version']}, {duration(left)} left\n"
        )
