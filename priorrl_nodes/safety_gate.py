"""The only way to the robot: checks every candidate command, latches faults. No torch in this process."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
from std_srvs.srv import Trigger

from priorrl.msg import CartesianCommand, GateStatus, RobotState
from priorrl_core.control.safety import SafetyFilter, SafetyLimits
from priorrl_core.errors import DataError
from priorrl_core.robots.profile import load_robot
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import check_state, tip_of
from priorrl_nodes.qos import CONTROL, LATCHED, STEPS
from priorrl_nodes.upstream import SoleUpstream

_LATE = 1000  # numbers start at the microsecond of a node's start, so another node's are millions away


class SafetyGate(ManagedNode):
    """Passes a candidate on as ``safe_command`` after the SafetyFilter; a fault stays until ``rearm``,
    through a restart of this process too (it is kept in ``run_dir``)."""

    PARAMETERS = (
        Param("robot", "sawyer", "Robot profile: limits of workspace, joints, step and force."),
        Param("pace", "lockstep", "Who moves time.", options=("lockstep", "wall")),
        Param(
            "max_age_s", 0.2, "With pace wall: oldest observation that a command may answer [s].", 0.0, 5.0
        ),
        Param("retreat_m", 0.002, "After a re-armed force fault: rise this far first [m].", 0.0, 0.1),
        Param("run_dir", "", "Run folder; a latched fault is kept there. Empty: in memory only."),
    )

    def setup(self) -> None:
        self.profile = load_robot(self.param("robot"))
        self.filter = SafetyFilter(SafetyLimits.from_profile(self.profile))
        self.lockstep = self.param("pace") == "lockstep"
        self.state: RobotState | None = None
        self.received_s = 0.0
        self.pending: CartesianCommand | None = None
        self.newest_seq = 0
        self.passed = self.clipped = self.refused = 0
        self.retreat_above_m: float | None = None
        self.upstream = SoleUpstream(self, "candidate_command")
        self.fault = self._read_fault()
        self.safe = self.make_publisher(CartesianCommand, "safe_command", STEPS)
        self.status = self.make_publisher(GateStatus, "safety_gate/status", LATCHED)
        self.make_subscription(RobotState, "robot_state", self.on_state, CONTROL)
        self.make_subscription(CartesianCommand, "candidate_command", self.on_candidate, CONTROL)
        self.make_service(Trigger, "safety_gate/rearm", self.on_rearm)
        self.make_steady_timer(1.0, self.report)

    def start(self) -> None:
        self.report()

    # ---- what comes in ---------------------------------------------------------------------------
    def on_state(self, state: RobotState) -> None:
        """Newest snapshot; a candidate that overtook it is checked now."""
        try:
            check_state(state, len(self.profile.joint_names))
        except DataError as error:
            self.latch(str(error))
            return
        self.state, self.received_s = state, time.monotonic()
        waiting, self.pending = self.pending, None
        if waiting is not None:
            self.on_candidate(waiting)

    def on_candidate(self, command: CartesianCommand) -> None:
        """Refuses, holds back until its state is here, or judges one candidate."""
        rivals = self.upstream.rivals()
        if rivals:
            self.latch(f"two publishers of candidate_command, {' and '.join(rivals)}: stop one of them")
        elif command.seq < self.newest_seq - _LATE:
            self.latch(
                f"two publishers of candidate_command under one name (seq {command.seq} "
                f"after {self.newest_seq}): stop one of them"
            )
        late = command.seq < self.newest_seq  # a starved machine hands an old message over again: harmless
        self.newest_seq = max(self.newest_seq, command.seq)
        if self.fault or late:
            self.refused += 1
            return
        state = self.state
        if state is None or (command.session == state.session and command.tick > state.tick):
            self.pending = command
        elif command.session != state.session or (self.lockstep and command.tick < state.tick):
            self.refused += 1  # an earlier session, or sent again after it was executed: harmless
        elif self._age_s(command, state) > self.param("max_age_s"):
            self.refused += 1  # stale: the arm holds, and the next fresh command may go on
            self.get_logger().warning("a stale command is refused", throttle_duration_sec=1.0)
        else:
            self.judge(command, state)

    def on_rearm(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        """A person (in simulation: the episode manager) takes the fault back. Over the force budget only the
        way up is open until the force is gone."""
        answer.success, answer.message = True, f"re-armed after: {self.fault}" if self.fault else "was armed"
        over = self.state is not None and self.state.peak_force_n > self.profile.force_budget_n
        if self.fault and over and self.state is not None:
            self.retreat_above_m = float(tip_of(self.state)[2]) + self.param("retreat_m")
        self.fault = ""
        self.filter.rearm()
        self._write_fault()
        self.report()
        return answer

    # ---- judgement -------------------------------------------------------------------------------
    def judge(self, command: CartesianCommand, state: RobotState) -> None:
        """SafetyFilter on one candidate that answers ``state`` (or, with pace wall, an earlier one)."""
        tip = tip_of(state)
        force = state.peak_force_n
        if self._retreating(tip, force):
            if not _is_retreat(command):
                self.latch(f"'{command.source}' command while only a retreat (source reset) is allowed")
                self.refused += 1
                return
            force = 0.0
        verdict = self.filter.check(
            np.asarray(command.delta_m),
            tip,
            force,
            self._age_s(command, state),
            np.asarray(state.position_rad),
        )
        if verdict.fault:
            self.refused += 1
            self.latch(str(verdict.fault))
            return
        self.passed += 1
        self.clipped += bool(verdict.clipped)
        command.delta_m = np.asarray(verdict.delta_m, np.float64)
        self.safe.publish(command)

    def _retreating(self, tip_m: np.ndarray, force_n: float) -> bool:
        if self.retreat_above_m is None:
            return False
        if float(tip_m[2]) >= self.retreat_above_m and force_n <= self.profile.force_budget_n:
            self.retreat_above_m = None
        return self.retreat_above_m is not None

    def _age_s(self, command: CartesianCommand, state: RobotState) -> float:
        """Age of the observation that ``command`` answers; nothing ages while the world stands still."""
        if self.lockstep:
            return 0.0
        ticks = state.tick - command.tick
        return ticks * self.profile.control_period_s + time.monotonic() - self.received_s

    # ---- faults ----------------------------------------------------------------------------------
    def latch(self, reason: str) -> None:
        """Stops everything until ``rearm``; the first reason stays."""
        if self.fault:
            return
        self.fault = reason
        self.get_logger().error(f"FAULT latched: {reason}")
        self._write_fault()
        self.report()

    def report(self) -> None:
        out = GateStatus(
            armed=not self.fault,
            fault=self.fault,
            passed=self.passed,
            clipped=self.clipped,
            refused=self.refused,
        )
        out.header.stamp = self.get_clock().now().to_msg()
        self.status.publish(out)

    def _fault_path(self) -> Path | None:
        folder = self.param("run_dir")
        return Path(folder) / "safety_gate_fault.json" if folder else None

    def _read_fault(self) -> str:
        path = self._fault_path()
        if path is None or not path.is_file():
            return ""
        reason = str(json.loads(path.read_text())["fault"])
        self.get_logger().error(f"FAULT still latched from before this process started: {reason}")
        return reason

    def _write_fault(self) -> None:
        path = self._fault_path()
        if path is None:
            return
        if not self.fault:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"fault": self.fault}))
        os.replace(part, path)


def _is_retreat(command: CartesianCommand) -> bool:
    return command.source == "reset" and float(command.delta_m[2]) >= 0.0


def main() -> int:
    return run(lambda: SafetyGate("safety_gate"))


if __name__ == "__main__":
    raise SystemExit(main())
