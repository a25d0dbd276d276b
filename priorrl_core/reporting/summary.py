"""``summary.json``: the figures of one run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from priorrl_core.reporting.intervals import wilson


@dataclass(frozen=True)
class Tally:
    """Successes of a number of trials, as the simulator's ground truth has it."""

    successes: int
    trials: int

    @property
    def fraction(self) -> float | None:
        return self.successes / self.trials if self.trials else None


@dataclass
class Summary:
    """What ``summary.json`` holds. Fractions are judged by ground truth that learning never saw."""

    connector: str
    seed: int
    base: Tally
    offline: Tally
    online: Tally
    practice_trials: int
    seconds: float
    env_steps_per_s: float
    updates_per_s: float
    peak_memory_mb: float
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The keys of the file, fixed names first."""
        out: dict[str, Any] = {
            "connector": self.connector,
            "seed": self.seed,
            "base_success": self.base.fraction,
            "offline_success": self.offline.fraction,
            "online_success": self.online.fraction,
            "practice_trials": self.practice_trials,
            "seconds": round(self.seconds, 2),
            "env_steps_per_s": round(self.env_steps_per_s, 2),
            "updates_per_s": round(self.updates_per_s, 2),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
        }
        for name in ("base", "offline", "online"):
            tally: Tally = getattr(self, name)
            out[f"{name}_trials"] = asdict(tally)
            out[f"{name}_interval_95"] = [round(v, 4) for v in wilson(tally.successes, tally.trials)]
        return {**out, **{k: v for k, v in self.more.items() if k not in out}}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes one JSON object, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("w") as stream:
        json.dump(value, stream, indent=2, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)
