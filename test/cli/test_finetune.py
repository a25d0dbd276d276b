"""``priorrl finetune``: a whole run folder; Ctrl-C keeps what is finished, ``--resume`` goes on with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from priorrl_core.cli.main import main
from priorrl_core.data.mcap_episodes import read_episode
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.reporting.run_folder import read_run
from priorrl_core.training.method import load_method

ROOT = Path(__file__).parents[2]
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


def words(checkpoint: Path, trials: int, evals: int = 0) -> list[str]:
    return [
        "finetune",
        "--connector",
        "xlr",
        "--checkpoint",
        str(checkpoint),
        "--trials",
        str(trials),
        "--eval-trials",
        str(evals),
    ]


def first_actions(run: Path) -> np.ndarray:
    return read_episode(run / closed_episodes(run, "practice")[0]["file"]).actions


def test_run_folder_and_summary(checkpoint: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words(checkpoint, 2, 1), "--json"]) == 0
    out = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    run = in_tmp / "runs" / "latest"
    assert KEYS <= set(json.loads((run / "summary.json").read_text())) and out["practice_trials"] == 2
    record = read_run(run.resolve())
    assert [record.tally(s).trials for s in ("base", "offline", "practice", "online")] == [1, 1, 2, 1]
    updates = 2 * 20 * load_method("daib_iql").online.updates_per_step
    assert record.metrics["trainer/updates"][-1] == out["updates"] == updates
    page = (run / "report.html").read_text()
    assert "data:image/png" in page and "What the representation keeps" in page


def test_s08_ctrl_c_then_resume_goes_on_with_the_same_learner(
    checkpoint: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row S.08: interrupted and resumed, buffer length and step are those of a run that was not.

    The arm's pose carries over from trial to trial, so later actions differ by what the physics differs.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "priorrl_core.cli", *words(checkpoint, 4)],
        cwd=in_tmp,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    index, end = in_tmp / "runs" / "latest" / "index.jsonl", time.monotonic() + 200
    while time.monotonic() < end and not (index.is_file() and index.read_text().count("\n") >= 2):
        time.sleep(0.05)
    process.send_signal(2)
    assert process.wait(60) == 130
    assert "saved" in (process.stderr.read() if process.stderr else "")
    run = (in_tmp / "runs" / "latest").resolve()
    before = {e["episode_id"]: e["sha256"] for e in closed_episodes(run, "practice")}
    assert 2 <= len(before) < 4
    assert main(["finetune", "--resume", str(run)]) == 0
    after = {e["episode_id"]: e["sha256"] for e in closed_episodes(run, "practice")}
    assert len(after) == 4 and before.items() <= after.items()
    assert main(words(checkpoint, 4)) == 0
    other = (in_tmp / "runs" / "latest").resolve()
    ours, theirs = read_run(run).metrics, read_run(other).metrics
    for name in ("episode", "trainer/updates", "trainer/version", "trainer/online_transitions"):
        assert ours[name] == theirs[name]
    assert other != run and np.array_equal(first_actions(run), first_actions(other))


def test_resume_of_something_else(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_tmp / "runs" / "x").mkdir(parents=True)
    assert main(["finetune", "--resume", "x"]) == 2
    assert "was not made by 'priorrl finetune'" in capsys.readouterr().err
