"""A short `priorrl demo`, as a user calls it: every process real, on a family that was never trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "connector",
    "seed",
    "base_success",
    "offline_success",
    "online_success",
    "practice_trials",
    "seconds",
    "env_steps_per_s",
    "updates_per_s",
    "peak_memory_mb",
}
TRIALS, EVAL_TRIALS = 40, 20


def two_cores() -> None:
    """Row S.09: two cores, on a larger machine too."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Run folder and the object of the last line."""
    runs = tmp_path_factory.mktemp("runs")
    command = [Path(sys.prefix) / "bin" / "priorrl", "demo", "--trials", str(TRIALS)]
    command += ["--eval-trials", str(EVAL_TRIALS), "--runs", runs, "--no-view", "--json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        preexec_fn=two_cores,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return (runs / "latest").resolve(), json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
def test_S_09_practice_makes_the_arm_better_headless_on_two_cores(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    summary = json.loads((folder / "summary.json").read_text())
    assert KEYS <= set(summary)
    assert summary["practice_trials"] == TRIALS
    assert summary["base_success"] <= 0.3
    assert summary["online_success"] >= max(summary["base_success"] + 0.3, 0.6)
    assert summary["peak_memory_mb"] < 6000


def test_last_line_is_the_summary(demo: tuple[Path, dict[str, Any]]) -> None:
    assert KEYS <= set(demo[1])


def test_every_trial_is_recorded_and_the_report_stands_alone(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    closed = {line["episode_id"] for line in lines if line["closed"]}
    assert len(closed) == TRIALS + 3 * EVAL_TRIALS
    assert len(list((folder / "episodes").glob("*.mcap"))) == len(closed)
    report = (folder / "report.html").read_text()
    assert "<html" in report and 'src="http' not in report and "<link" not in report
