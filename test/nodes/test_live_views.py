"""Terminal view and browser view: what they count, what they say without a terminal, where they listen."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from priorrl_nodes.live_state import LiveState, clock  # noqa: E402


def test_the_view_counts_each_episode_once_and_tells_the_time_left() -> None:
    state = LiveState(total=10, started_s=0.0)
    assert clock(state.seconds_left(100.0)) == "?"
    assert state.end_episode("a", "practice", True, 0.9, 3.0)
    assert not state.end_episode("a", "practice", True, 0.9, 3.0), "sent again after a restart"
    assert state.end_episode("b", "practice", False, 0.1, 5.0)
    assert state.success("practice") == "1/2 (50 %, last 2: 50 %)"
    assert state.seconds_left(60.0) == pytest.approx(240.0) and clock(240.0) == "4:00"
    assert "trial 2/10 practice success 1/2" in state.line() and "force 5.0 N" in state.line()
    state.fault = "force"
    assert ("safety gate", "FAULT: force") in state.rows()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def rig(tmp_path: Path):
    from test.nodes.node_rig import Rig

    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.ros
def test_without_a_terminal_the_monitor_writes_one_plain_line_an_episode(rig) -> None:
    from priorrl.msg import Episode
    from priorrl_nodes.qos import EPISODE
    from test.nodes.test_recorder import episode

    out = rig.node.create_publisher(Episode, "episode", EPISODE)
    rig.start("monitor", trials=4)
    assert rig.connected(out)
    for index in range(2):
        out.publish(episode(index))
    assert rig.spin_until(lambda: rig.log("monitor").count("trial ") == 2)
    assert "trial 2/4 practice success 2/2" in rig.log("monitor")


@pytest.mark.ros
@pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="rerun-sdk is not installed")
def test_the_live_picture_is_served_to_this_machine_alone_and_ends_with_its_node(rig) -> None:
    import numpy as np

    from priorrl.msg import RobotState
    from priorrl_core.robots.profile import load_robot
    from priorrl_nodes.qos import CONTROL

    web, data = free_port(), free_port()
    state = rig.node.create_publisher(RobotState, "robot_state", CONTROL)
    process = rig.start("viewer", web_port=web, grpc_port=data)
    assert rig.connected(state, 1, 60)
    assert rig.spin_until(lambda: listening_address(web))
    with urllib.request.urlopen(f"http://127.0.0.1:{web}", timeout=60) as page:
        assert page.status == 200
    state.publish(RobotState(position_rad=list(np.array(load_robot().home_rad))))
    assert rig.spin_until(lambda: f"http://127.0.0.1:{web}?url=" in rig.log("viewer"))
    rig.spin(0.5)
    assert "Traceback" not in rig.log("viewer")
    assert listening_address(web) == listening_address(data) == "0100007F", "127.0.0.1, nothing else"
    os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 60
    while listening_address(web) and time.monotonic() < end:
        time.sleep(0.1)
    assert listening_address(web) == "", "the server does not outlive a killed node"


@pytest.mark.ros
@pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="rerun-sdk is not installed")
def test_a_port_in_use_is_one_sentence(rig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert rig.start("viewer", web_port=port, grpc_port=free_port()).wait(120) == 2
    said = rig.log("viewer").strip().splitlines()[-1]
    assert f"port {port} is in use" in said and "web_port" in said


def listening_address(port: int) -> str:
    """Local IPv4 address in hexadecimal on which a socket of this machine listens at ``port``, or empty."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, _, number = local.partition(":")
        if state == "0A" and int(number, 16) == port:
            return address
    return ""
