"""The safety gate alone, as a process: a stand-in driver and a stand-in controller talk to it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from std_srvs.srv import Trigger

from priorrl.msg import CartesianCommand, GateStatus, RobotState
from priorrl_core.robots.profile import load_robot
from priorrl_nodes.messages import command_message, floats, stamp_of, time_ns
from priorrl_nodes.qos import CONTROL, LATCHED
from test.nodes.node_rig import Rig

PROFILE = load_robot()
TIP = (0.55, 0.16, 0.08)


class Bench:
    """Publishes states and candidates, hears safe commands and status."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        self.rig = Rig(folder)
        self.folder, self.parameters = folder, {"run_dir": folder, **parameters}
        self.process = self.rig.start("safety_gate", **self.parameters)
        self.state = self.rig.node.create_publisher(RobotState, "robot_state", CONTROL)
        self.candidate = self.rig.node.create_publisher(CartesianCommand, "candidate_command", CONTROL)
        self.safe = self.rig.listen(CartesianCommand, "safe_command", CONTROL)
        self.status = self.rig.listen(GateStatus, "safety_gate/status", LATCHED)
        self.tick, self.seq = 0, 0
        self.connect()

    def connect(self) -> None:
        assert self.rig.connected(self.state) and self.rig.connected(self.candidate), self.rig.log(
            "safety_gate"
        )
        assert self.rig.spin_until(lambda: self.status)
        self.rig.meet("safety_gate")

    def show(self, force_n: float = 0.0, tip: tuple[float, float, float] = TIP, **fields: Any) -> RobotState:
        """Publishes the state of the next tick."""
        self.tick += 1
        out = RobotState(tick=self.tick, session=7, peak_force_n=force_n, zeroed=True)
        out.header.stamp = stamp_of(self.tick * 100_000_000)
        out.position_rad = floats(fields.get("q", PROFILE.home_rad))
        out.velocity_rad_s = floats(np.zeros(7))
        out.tcp_pose.position.x, out.tcp_pose.position.y, out.tcp_pose.position.z = tip
        out.wrench.force.z = fields.get("force_z", 0.0)
        self.state.publish(out)
        return out

    def propose(
        self, state: RobotState, delta: tuple[float, float, float], source: str = "controller"
    ) -> None:
        self.seq += 1
        self.candidate.publish(command_message(state, self.seq, source, np.array(delta)))

    def passes(
        self, state: RobotState, delta: tuple[float, float, float], source: str = "controller"
    ) -> bool:
        """Whether a safe command comes for this candidate; the gate counts what it refuses."""
        before, refused = len(self.safe), self.status[-1].refused
        self.propose(state, delta, source)
        assert self.rig.spin_until(lambda: len(self.safe) > before or self.status[-1].refused > refused)
        return len(self.safe) > before

    def fresh(self) -> GateStatus:
        """A status that the gate sent from now on; it sends one a second."""
        now = self.rig.node.get_clock().now().nanoseconds
        assert self.rig.spin_until(lambda: self.status and time_ns(self.status[-1].header.stamp) > now)
        return self.status[-1]

    def armed(self) -> bool:
        return bool(self.fresh().armed)

    def rearm(self) -> str:
        answer = self.rig.call(Trigger, "safety_gate/rearm", Trigger.Request())
        self.fresh()
        return str(answer.message)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("gate"))
    yield bench
    bench.rig.close()


@pytest.fixture(autouse=True)
def _rearmed(request: pytest.FixtureRequest) -> None:
    if "bench" in request.fixturenames:
        gate: Bench = request.getfixturevalue("bench")
        gate.rearm()
        gate.show()


def test_a_good_command_passes_unchanged_bit_for_bit(bench: Bench) -> None:
    delta = (0.001, -0.002, 0.0015)
    assert bench.passes(bench.show(), delta)
    assert tuple(bench.safe[-1].delta_m) == delta and bench.safe[-1].seq == bench.seq


def test_a_command_that_overtakes_its_state_waits_for_it(bench: Bench) -> None:
    late = RobotState(tick=bench.tick + 1, session=7)
    late.header.stamp = stamp_of((bench.tick + 1) * 100_000_000)
    before = len(bench.safe)
    bench.propose(late, (0.0, 0.0, 0.001))
    bench.rig.spin(0.6)
    assert len(bench.safe) == before
    bench.show()
    assert bench.rig.spin_until(lambda: len(bench.safe) > before)


def test_too_long_a_step_is_clipped(bench: Bench) -> None:
    assert bench.passes(bench.show(), (0.5, 0.0, 0.0))
    assert np.linalg.norm(bench.safe[-1].delta_m) <= PROFILE.max_step_m * (1 + 1e-12)


def test_9_31_a_step_out_of_the_workspace_box_stops_at_its_wall(bench: Bench) -> None:
    wall = PROFILE.workspace_upper_m[0]
    assert bench.passes(bench.show(tip=(wall - 0.001, 0.16, 0.08)), (0.01, 0.0, 0.0))
    assert bench.safe[-1].delta_m[0] == pytest.approx(0.001)


def test_9_31_a_nan_action_stops_in_the_same_tick(bench: Bench) -> None:
    assert not bench.passes(bench.show(), (math.nan, 0.0, 0.0))
    assert not bench.armed() and "not_finite" in bench.status[-1].fault
    assert not bench.passes(bench.show(), (0.0, 0.0, 0.001)), "the fault is latched"


def test_a_nan_in_the_state_is_a_fault_that_names_the_field(bench: Bench) -> None:
    state = bench.show(force_z=math.nan)
    assert not bench.passes(state, (0.0, 0.0, 0.001))
    assert "wrench.force" in bench.status[-1].fault


def test_9_31_a_contact_of_50_n_stops_and_then_only_the_way_up_is_open(bench: Bench) -> None:
    over = PROFILE.force_budget_n + 5.0
    assert not bench.passes(bench.show(force_n=over), (0.0, 0.0, -0.001))
    assert "force" in bench.status[-1].fault
    assert "force" in bench.rearm() and bench.armed()
    assert bench.passes(bench.show(force_n=over), (0.0, 0.0, 0.004), "reset")
    assert not bench.passes(bench.show(force_n=over), (0.0, 0.0, -0.001), "controller")
    bench.rearm()
    assert not bench.passes(bench.show(force_n=over), (0.0, 0.0, -0.001), "reset"), "down is not a retreat"
    bench.rearm()
    assert bench.passes(bench.show(force_n=over), (0.0, 0.0, 0.004), "reset")
    free = bench.show(force_n=0.0, tip=(TIP[0], TIP[1], TIP[2] + 0.01))
    assert bench.passes(free, (0.0, 0.0, -0.001), "controller"), "risen and free: all is open again"


def test_commands_of_an_earlier_session_or_tick_are_refused_without_a_fault(bench: Bench) -> None:
    old = bench.show()
    bench.show()
    assert not bench.passes(old, (0.0, 0.0, 0.001))
    stranger = bench.show()
    stranger.session = 6
    assert not bench.passes(stranger, (0.0, 0.0, 0.001))
    assert bench.armed()


def test_a_second_controller_under_the_same_name_is_noticed_by_its_numbers(bench: Bench) -> None:
    state = bench.show()
    assert bench.passes(state, (0.0, 0.0, 0.001))
    state, rival = bench.show(), bench.seq + 1_000_000  # numbered from the microsecond of its own start
    bench.candidate.publish(command_message(state, rival, "controller", np.zeros(3)))
    bench.candidate.publish(command_message(state, bench.seq + 1, "controller", np.zeros(3)))
    assert bench.rig.spin_until(lambda: not bench.status[-1].armed)
    assert "under one name" in bench.status[-1].fault


def test_a_fault_outlives_the_process_until_it_is_rearmed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    try:
        assert not bench.passes(bench.show(), (math.inf, 0.0, 0.0))
        bench.rig.kill(bench.process)
        bench.status.clear()
        bench.process = bench.rig.start("safety_gate", **bench.parameters)
        bench.connect()
        assert bench.rig.spin_until(lambda: bench.status and not bench.status[-1].armed)
        assert "not_finite" in bench.status[-1].fault
        bench.rearm()
        assert bench.armed()
        # 'connected' may have counted the killed process, but 'rearm' was served after the gate's subscriptions were
        # made: who reached it reaches them
        assert bench.passes(bench.show(), (0.0, 0.0, 0.001))
    finally:
        bench.rig.close()


def test_9_31_S_03_in_wall_time_a_stale_observation_is_refused_and_a_fresh_one_passes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pace="wall")
    try:
        step = (0.0, 0.0, 0.001)
        # a starved test may answer its own state too late, so it answers again
        assert bench.rig.spin_until(lambda: bench.passes(bench.show(), step))
        seen = bench.show()
        for _ in range(3):
            bench.show()  # the camera is 300 ms behind
        assert not bench.passes(seen, step)
        assert bench.rig.spin_until(lambda: bench.passes(bench.show(), step)) and bench.armed()
        newest = bench.show()
        bench.fresh()  # the gate has it
        bench.rig.spin(0.4)  # nothing came for so long
        assert not bench.passes(newest, step)
    finally:
        bench.rig.close()


@pytest.mark.parametrize("name", ("safety_gate", "controller", "episode_manager", "simulator"))
def test_there_is_no_torch_on_the_way_to_the_robot(name: str) -> None:
    code = f"import sys, priorrl_nodes.{name}; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
