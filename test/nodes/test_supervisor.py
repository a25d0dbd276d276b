"""`priorrl up`: mistakes get one sentence and exit 2, what dies is named, nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from priorrl_core.errors import UserError
from priorrl_nodes import bringup
from priorrl_nodes.bringup import NodeSpec, Options, describe
from priorrl_nodes.domain import Domain
from priorrl_nodes.parameter_files import NODES, node_class, text_of
from priorrl_nodes.supervisor import GraphLost, Supervisor, check_ports, parse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    lock = Domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(lock.number))
    yield lock.number
    lock.release()


def gate(folder: Path) -> NodeSpec:
    return next(s for s in describe(Options(run_dir=str(folder))) if s.name == "safety_gate")


def test_a_node_that_is_killed_again_and_again_is_restarted_with_growing_pauses(
    tmp_path: Path, domain: int, capsys: pytest.CaptureFixture
) -> None:
    with Supervisor([gate(tmp_path)], tmp_path) as graph:
        graph.wait_active(60)
        for _ in range(2):
            child = graph.processes["safety_gate"].child
            assert child is not None
            child.kill()
            end = time.monotonic() + 60
            while graph.active() and time.monotonic() < end:
                graph.step()
            graph.wait_active(60)
    said = capsys.readouterr().out
    assert "safety_gate died (killed by SIGKILL); restart 1 in 0.0 s" in said
    assert "restart 2 in 1.0 s" in said and said.count("safety_gate is active again") == 2


def test_a_domain_in_use_is_a_sentence_that_names_it(tmp_path: Path, domain: int) -> None:
    with Supervisor([gate(tmp_path)], tmp_path) as graph:
        graph.wait_active(60)
        with pytest.raises(UserError, match=f"ROS domain {domain} is in use: safety_gate"):
            with Supervisor([gate(tmp_path)], tmp_path / "second"):
                pass


def test_a_port_in_use_is_a_sentence_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of viewer is in use"):
            check_ports([NodeSpec("viewer", "priorrl_nodes.viewer", {}, ports=(port,))])


def test_a_mistake_of_the_user_ends_the_graph_with_its_sentence_and_exit_2(
    tmp_path: Path, domain: int
) -> None:
    words = [sys.executable, "-m", "priorrl_nodes.supervisor", "--connector", "usbb", "--checkpoint", "none"]
    words += ["--run-dir", str(tmp_path), "--no-view"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "usbb" in done.stderr or "'none'" in done.stderr


def test_a_view_that_cannot_start_is_given_up_and_the_graph_goes_on(
    tmp_path: Path, domain: int, capsys: pytest.CaptureFixture
) -> None:
    broken = replace(gate(tmp_path), name="view", required=False, parameters={"no_such_parameter": 1})
    with Supervisor([gate(tmp_path), broken], tmp_path) as graph:
        graph.wait_active(60)
    assert "view is given up" in capsys.readouterr().out


def test_a_node_that_cannot_be_kept_alive_is_named(
    tmp_path: Path, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("priorrl_nodes.supervisor.MOST_DEATHS", 2)
    broken = replace(gate(tmp_path), name="broken", module="no_such_module")
    with pytest.raises(GraphLost, match="broken died 2 times.*no_such_module"):
        with Supervisor([broken], tmp_path) as graph:
            graph.wait_active(60)


def test_nodes_end_with_a_supervisor_that_is_killed(tmp_path: Path, domain: int) -> None:
    code = (
        "import sys; from pathlib import Path; from priorrl_nodes.supervisor import Supervisor\n"
        "from test.nodes.test_supervisor import gate\n"
        "graph = Supervisor([gate(Path(sys.argv[1]))], sys.argv[1]).__enter__(); graph.wait_active(60)\n"
        "print(graph.processes['safety_gate'].child.pid, flush=True)\n"
        "while True: graph.step()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 60
    while _lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody waits for is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_option_of_bringup_is_a_word_of_the_command_line() -> None:
    options = parse(["--connector", "usb", "--seed", "3", "--no-view", "--no-ground-truth", "--pace", "wall"])
    assert options == Options(connector="usb", seed=3, view=False, ground_truth=False, pace="wall")


@pytest.mark.parametrize("name", NODES)
def test_the_parameter_file_of_a_node_is_what_its_code_says(name: str) -> None:
    path = ROOT / "config" / "nodes" / f"{name}.yaml"
    assert path.read_text() == text_of(name), "run 'python -m priorrl_nodes.parameter_files'"


def test_bringup_gives_no_parameter_that_its_node_does_not_know() -> None:
    for spec in describe(Options(connector="usb", checkpoint="c", run_dir="r", method="m")):
        known = {p.name for p in node_class(spec.name).PARAMETERS}
        assert set(spec.parameters) <= known, spec.name


def test_values_reach_the_command_line_with_their_type() -> None:
    spec = NodeSpec("n", "m", {"text": "0012", "yes": True, "whole": 3, "real": 2.0})
    words = bringup.command(spec)
    assert ['text:="0012"', "yes:=true", "whole:=3", "real:=2.0"] == [w for w in words if ":=" in w]


def test_the_environment_of_a_node_keeps_to_one_thread_and_this_machine() -> None:
    env = bringup.environment(describe(Options())[0])
    assert env["OMP_NUM_THREADS"] == "1"
    assert env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == os.environ.get(
        "ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"
    )
