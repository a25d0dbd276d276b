"""``summary.json`` of a run, from its run folder alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from priorrl_core.reporting.run_folder import RunRecord, read_run
from priorrl_core.reporting.summary import Summary

HORIZON = 20
UPDATE_COLUMNS = ("trainer/updates", "trainer/total_updates", "updates")


def summarise(
    folder: Path,
    connector: str,
    seed: int,
    seconds: float,
    stage_seconds: dict[str, float],
    peak_memory_mb: float,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The figures of a run; ``stage_seconds`` is the wall time of each stage of ``run_folder.STAGES``."""
    record = read_run(folder)
    practice = record.stage("practice")
    spent = sum(stage_seconds.values())
    steps = len(record.trials) * HORIZON
    updates = total_updates(record)
    practised = stage_seconds.get("practice", 0.0)
    tp, fp, fn, tn = record.confusion(record.trials)
    return Summary(
        connector=Path(connector).stem,
        seed=seed,
        base=record.tally("base"),
        offline=record.tally("offline"),
        online=record.tally("online"),
        practice_trials=len(practice),
        seconds=seconds,
        env_steps_per_s=steps / spent if spent else 0.0,
        updates_per_s=updates / practised if practised else 0.0,
        peak_memory_mb=peak_memory_mb,
        more={
            "stage_seconds": {k: round(v, 2) for k, v in stage_seconds.items()},
            "updates": updates,
            "peak_force_n": _peak(record),
            "reward_confusion": {
                "true_positive": tp,
                "false_positive": fp,
                "false_negative": fn,
                "true_negative": tn,
            },
            **(more or {}),
        },
    ).as_dict()


def total_updates(record: RunRecord) -> int:
    """Gradient updates of the whole run, from the trainer's metrics."""
    for name in UPDATE_COLUMNS:
        values = [v for v in record.metrics.get(name, []) if math.isfinite(v)]
        if values:
            return int(max(values))
    return 0


def _peak(record: RunRecord) -> float | None:
    forces = [t.peak_force_n for t in record.trials if math.isfinite(t.peak_force_n)]
    return round(max(forces), 2) if forces else None
