"""``priorrl demo`` against stand-ins for the graph and the action client: stages, resume, failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from priorrl_core.cli import demo as demo_module
from priorrl_core.cli.graph import Child
from priorrl_core.cli.main import main

ROOT = Path(__file__).parents[2]

SUPERVISOR = """
import pathlib, sys, time
pathlib.Path("supervisor.args").write_text(" ".join(sys.argv[1:]))
pathlib.Path("supervisor.pid").write_text(str(__import__("os").getpid()))
if pathlib.Path("die").exists():
    sys.exit("node 'reward' ended: checkpoint is truncated")
print("supervisor: the graph is active", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path("supervisor.stopped").write_text("")
"""

CLIENT = """
import json, pathlib, sys, time
plan = pathlib.Path(sys.argv[1]); run = plan.parent
def tell(event, **fields): print(json.dumps({"event": event, **fields}), flush=True)
tell("ready")
print("[INFO] [fastdds]: not an event")
for stage in json.loads(plan.read_text()):
    tell("stage", stage=stage["name"], count=stage["count"])
    if pathlib.Path("hang").exists(): time.sleep(60)
    for i in range(stage["count"]):
        name = "-".join([stage["kind"], stage["policy"], str(stage["seed"]), str(i)])
        good = stage["name"] == "online"
        for file, row in (("index", {"episode_id": name, "index": i, "kind": stage["kind"], "closed": True,
                                     "policy": stage["policy"], "success": good, "peak_force_n": 1.0}),
                          ("ground_truth", {"episode_id": name, "inserted": good})):
            with (run / (file + ".jsonl")).open("a") as out: out.write(json.dumps(row) + "\\n")
        tell("episode", stage=stage["name"], episode=i, judged_successes=0, true_successes=0, probability=0.5,
             peak_force_n=1.0, policy_version=i)
    tell("result", stage=stage["name"], ok=True, episodes=stage["count"], judged_successes=0,
         true_successes=stage["count"] * good, message="")
"""


@pytest.fixture
def stand_ins(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules in the working folder come before the real ones for ``python -m``."""
    nodes = in_tmp / "priorrl_nodes"
    nodes.mkdir()
    (nodes / "__init__.py").write_text("")
    (nodes / "supervisor.py").write_text(SUPERVISOR)
    (nodes / "demo_client.py").write_text(CLIENT)
    monkeypatch.setattr(demo_module, "require_ros", lambda: None)
    return in_tmp


def words(checkpoint: Path) -> list[str]:
    return [
        "demo",
        "--checkpoint",
        str(checkpoint),
        "--trials",
        "3",
        "--eval-trials",
        "2",
        "--seed",
        "5",
        "--json",
    ]


def gone(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_stages_and_summary(checkpoint: Path, stand_ins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(checkpoint)) == 0
    out = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    summary = json.loads((stand_ins / "runs/latest/summary.json").read_text())
    assert (out["base_success"], out["offline_success"], out["online_success"]) == (0.0, 0.0, 1.0)
    assert summary["practice_trials"] == 3 and summary["seed"] == 5 and summary["peak_memory_mb"] > 0
    assert (stand_ins / "runs/latest/report.html").is_file()
    assert "not an event" in (stand_ins / "runs/latest/client.log").read_text()
    assert (stand_ins / "supervisor.stopped").is_file() and gone(stand_ins / "supervisor.pid")


def test_evaluations_share_starts_that_practice_never_sees() -> None:
    demo = demo_module.Demo("europlug", "c", 5, "I", 200, 50)
    base, offline, practice, online = demo_module.plan(demo)
    assert base["seed"] == offline["seed"] == online["seed"] != practice["seed"]
    assert [s["count"] for s in (base, offline, practice, online)] == [50, 50, 200, 50]
    assert online["deterministic"] and not practice["deterministic"]


def test_resume_takes_the_settings_of_the_run(
    checkpoint: Path, stand_ins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(checkpoint)) == 0
    run = (stand_ins / "runs/latest").resolve()
    assert main(["demo", "--resume", "--json"]) == 0
    assert (stand_ins / "runs/latest").resolve() == run
    assert json.loads((run / "summary.json").read_text())["seed"] == 5
    assert main(["demo", "--resume", "nothing"]) == 2


def test_a_graph_that_ends_early_is_named(
    checkpoint: Path, stand_ins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stand_ins / "die").touch()
    begin = time.monotonic()
    assert main(words(checkpoint)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "checkpoint is truncated" in error and time.monotonic() - begin < 20


def test_a_graph_that_dies_in_practice_is_named(
    checkpoint: Path, stand_ins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = stand_ins / "priorrl_nodes" / "supervisor.py"
    supervisor.write_text(
        SUPERVISOR.replace("time.sleep(60)", "time.sleep(1); sys.exit('simulator died 8 times')")
    )
    (stand_ins / "hang").touch()
    assert main(words(checkpoint)) == 2
    assert "simulator died 8 times" in capsys.readouterr().err


def test_without_ros_it_says_what_to_do(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo"]) == 2
    assert "make setup" in capsys.readouterr().err


def test_ctrl_c_stops_everything(checkpoint: Path, stand_ins: Path) -> None:
    (stand_ins / "hang").touch()
    code = (
        "import sys; from priorrl_core.cli import demo, main; demo.require_ros = lambda: None\n"
        "raise SystemExit(main.main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words(checkpoint)],
        cwd=stand_ins,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    end = time.monotonic() + 30
    while time.monotonic() < end and not (stand_ins / "supervisor.pid").is_file():
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr is not None and "saved" in process.stderr.read().splitlines()[-1]
    assert gone(stand_ins / "supervisor.pid") and (stand_ins / "supervisor.stopped").is_file()


def test_a_child_that_ignores_signals_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\nfor s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("priorrl_core.cli.graph.TERM_S", 0.2)
    child = Child("stubborn", [], pipe=True)
    assert next(child.lines()) == "up\n"
    assert child.stop(0.2) == -signal.SIGKILL
