"""A run folder, read back: trials of ``index.jsonl`` joined with the ground truth, metrics, configuration."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from priorrl_core.data.run_index import closed_episodes, read_lines
from priorrl_core.errors import DataError
from priorrl_core.reporting.summary import Tally

#: The stages of a run, in order: what a report calls it, kind and policy of its episodes.
STAGES = {
    "base": ("eval", "base"),
    "offline": ("eval", "offline"),
    "practice": ("practice", "online"),
    "online": ("eval", "online"),
}


@dataclass(frozen=True)
class Trial:
    """One closed episode: what the learned reward says and, apart from it, what the simulator says."""

    episode_id: str
    index: int
    kind: str
    policy: str
    end_reason: str
    judged: bool
    probability: float
    peak_force_n: float
    policy_version: int
    inserted: bool | None
    """Ground truth; None where it was withheld."""
    file: str = ""


@dataclass
class RunRecord:
    """Everything a report shows that is not a picture."""

    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def stage(self, name: str) -> list[Trial]:
        """Trials of a stage of ``STAGES``, in order."""
        kind, policy = STAGES[name]
        chosen = [t for t in self.trials if t.kind == kind and (kind == "practice" or t.policy == policy)]
        return sorted(chosen, key=lambda t: t.index)

    def tally(self, name: str) -> Tally:
        """Ground-truth successes of a stage."""
        known = [t for t in self.stage(name) if t.inserted is not None]
        return Tally(sum(bool(t.inserted) for t in known), len(known))

    def confusion(self, trials: list[Trial]) -> tuple[int, int, int, int]:
        """(true positive, false positive, false negative, true negative) of the learned reward."""
        known = [t for t in trials if t.inserted is not None]
        return (
            sum(t.judged and bool(t.inserted) for t in known),
            sum(t.judged and not t.inserted for t in known),
            sum(not t.judged and bool(t.inserted) for t in known),
            sum(not t.judged and not t.inserted for t in known),
        )


def read_run(path: Path) -> RunRecord:
    """The record of a run folder; DataError if it holds no ``index.jsonl``."""
    if not (path / "index.jsonl").is_file():
        raise DataError(f"'{path}' holds no index.jsonl, so it is not a run; start one with 'priorrl demo'")
    truth = {
        row["episode_id"]: bool(row["inserted"])
        for row in read_lines(path / "ground_truth.jsonl")
        if "episode_id" in row and "inserted" in row
    }
    trials = [_trial(row, truth) for row in closed_episodes(path)]
    return RunRecord(
        path,
        _json(path / "config.json"),
        _json(path / "summary.json"),
        trials,
        read_metrics(path / "metrics.csv"),
    )


def read_metrics(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV of numbers by name; an empty or unreadable cell is NaN."""
    if not path.is_file():
        return {}
    with path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        columns: dict[str, list[float]] = {name: [] for name in reader.fieldnames or []}
        for row in reader:
            for name in columns:
                columns[name].append(_number(row.get(name)))
    return columns


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _trial(row: dict[str, Any], truth: dict[str, bool]) -> Trial:
    return Trial(
        episode_id=row["episode_id"],
        index=int(row.get("index", 0)),
        kind=row.get("kind", ""),
        policy=row.get("policy", ""),
        end_reason=row.get("end_reason", ""),
        judged=bool(row.get("success")),
        probability=float(row.get("probability", math.nan)),
        peak_force_n=float(row.get("peak_force_n", math.nan)),
        policy_version=int(row.get("policy_version", 0)),
        inserted=truth.get(row["episode_id"]),
        file=str(row.get("file", "")),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise DataError(f"'{path}' is not JSON (line {error.lineno}); remove it") from error
    return value if isinstance(value, dict) else {}
