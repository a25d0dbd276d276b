"""The arm and its bench in PyBullet; executes safe commands, publishes what its sensors say."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from priorrl.msg import CartesianCommand, EpisodeTruth, Goal, RobotState
from priorrl.srv import BeginEpisode
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.kinds import load_kind
from priorrl_core.tasks.world import WorldState
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import image_message, named_values, objects_message, stamp_of, state_message
from priorrl_nodes.qos import CONTROL, LATCHED, STEPS
from priorrl_nodes.upstream import SoleUpstream

_LATE = 1000
"""As in the safety gate: numbers start at the microsecond of the controller's start, a rival's are millions
away, and are seen before discovery names the rival."""


class Simulator(ManagedNode):
    """In lockstep a command advances the world by one period; with ``pace`` wall the steady clock does."""

    PARAMETERS = (
        Param("connector", "", "Connector to practise: a name of `priorrl connectors` or a YAML file."),
        Param("robot", "sawyer", "Robot profile."),
        Param("task", "insertion", "Task: insertion, usb, dsub, model_e, blocks, or a YAML file."),
        Param("seed", 0, "Seed of the world.", 0, 2**62),
        Param("pace", "lockstep", "Who moves time.", options=("lockstep", "wall")),
        Param(
            "hold_after_s",
            0.2,
            "With pace wall: an older command is not executed, the arm holds [s].",
            0.01,
            5.0,
        ),
        Param("publish_ground_truth", True, "Publish ground_truth/insertion, for evaluation only."),
    )

    def setup(self) -> None:
        robot = load_robot(self.param("robot"))
        self.kind = load_kind(self.param("task"), self.param("connector"))
        self.cell = self.kind.cell(robot, self.param("seed"))
        self.names = list(robot.joint_names)
        self.session = time.time_ns()
        self.executed_seq, self.newest_seq = 0, 0
        self.zeroed = not self.kind.residual
        self.goal: Goal | None = None
        self.fresh: tuple[CartesianCommand, float] | None = None
        self.lockstep = self.param("pace") == "lockstep"
        self.upstream = SoleUpstream(self, "safe_command")
        self._outputs()
        self.make_subscription(CartesianCommand, "safe_command", self.on_command, CONTROL)
        self.make_service(Trigger, "simulator/zero_wrench", self.on_zero)
        self.make_service(Trigger, "simulator/observe", self.on_observe)
        self.make_service(BeginEpisode, "simulator/begin_episode", self.on_begin)
        if not self.lockstep:
            self.make_steady_timer(self.kind.control_period_s, self.on_period)

    def _outputs(self) -> None:
        self.image = self.make_publisher(Image, "camera/image_raw", STEPS)
        self.objects = self.make_publisher(JointState, "objects", STEPS)
        self.signals = self.make_publisher(JointState, "signals/stamped", STEPS)
        self.state = self.make_publisher(RobotState, "robot_state", STEPS)
        self.clock = self.make_publisher(ClockMessage, "/clock", CONTROL)
        self.joints = self.make_publisher(JointState, "joint_states", CONTROL)
        self.wrench = self.make_publisher(WrenchStamped, "wrench", CONTROL)
        self.electrical = self.make_publisher(Bool, "signals/electrical", CONTROL)
        self.truth: Any = None
        if self.param("publish_ground_truth"):
            self.truth = self.make_publisher(EpisodeTruth, "ground_truth/insertion", STEPS)
            self.make_subscription(Goal, "goal", self.on_goal, LATCHED, always=True)

    def start(self) -> None:
        self.publish(self.cell.state())

    def teardown(self) -> None:
        if hasattr(self, "cell"):
            self.cell.close()
            del self.cell

    # ---- what comes in ---------------------------------------------------------------------------
    def on_command(self, command: CartesianCommand) -> None:
        """Executes a safe command once: of this session and of this tick, from the one gate."""
        rivals = self.upstream.rivals()
        if rivals:
            names = " and ".join(rivals)
            self.get_logger().error(
                f"safe_command has two publishers, {names}: refused; stop one of them",
                throttle_duration_sec=1.0,
            )
            return
        if command.seq < self.newest_seq - _LATE:
            self.get_logger().error(
                f"safe_command has two publishers (seq {command.seq} after {self.newest_seq}): refused; stop one "
                "of them",
                throttle_duration_sec=1.0,
            )
            return
        if command.session != self.session:
            self.get_logger().warning("a command of an earlier session is dropped", throttle_duration_sec=1.0)
        elif not self.lockstep:
            self.fresh = (command, time.monotonic())
        elif command.tick == self.cell.tick:
            self.advance(command)

    def on_period(self) -> None:
        """Wall pace: executes the newest unexecuted command if it is fresh, else holds."""
        fresh, self.fresh = self.fresh, None
        late = fresh is None or time.monotonic() - fresh[1] > self.param("hold_after_s")
        self.advance(None if fresh is None or late else fresh[0])

    def on_goal(self, goal: Goal) -> None:
        self.goal = goal

    def on_zero(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        """Zeroes the force and publishes the snapshot again, with an image: a rollout starts from it."""
        answer.success = self.active
        if self.active:
            self.cell.zero_wrench()
            self.zeroed = True
            self.snapshot()
        return answer

    def on_begin(self, request: BeginEpisode.Request, answer: BeginEpisode.Response) -> BeginEpisode.Response:
        """Chance and the simulated operator set the bench up, as ``reset(seed)`` of the environment does. The
        force must be zeroed anew."""
        answer.accepted = self.active
        if self.active:
            self.cell.begin(request.seed)
            self.zeroed = self.cell.looking = False
            self.publish(self.cell.state())
        else:
            answer.message = "the simulator is not active; activate it"
        return answer

    def on_observe(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        """Publishes the newest snapshot again, with an image, so that a restarted peer can go on."""
        answer.success = self.active
        if self.active:
            self.snapshot()
        return answer

    # ---- what goes out ---------------------------------------------------------------------------
    def advance(self, command: CartesianCommand | None) -> None:
        """One control period under ``command``, or holding. On the way back to a start nobody looks."""
        resetting = command is not None and command.source == "reset"
        self.cell.looking = not resetting
        state = self.cell.step(None if command is None else np.asarray(command.delta_m))
        self.executed_seq = 0 if command is None else command.seq
        self.newest_seq = max(self.newest_seq, self.executed_seq)
        self.zeroed = self.zeroed and not resetting
        self.publish(state)

    def snapshot(self) -> None:
        self.cell.looking = True
        self.publish(self.cell.state())

    def publish(self, state: WorldState) -> None:
        """Image first, because perception takes longest; what a state is judged by; the state; then the rest."""
        stamp = stamp_of(state.time_ns)
        if self.cell.looking:
            self._sights(state)
        message = state_message(state, self.session, self.executed_seq, self.executed_seq == 0, self.zeroed)
        self.state.publish(message)
        self.clock.publish(ClockMessage(clock=stamp))
        self._signals(message, state)
        if self.truth is not None and self.cell.looking:
            self.truth.publish(self._truth(message))

    def _sights(self, state: WorldState) -> None:
        """What belongs to this observation alone, with its stamp."""
        stamp, objects = stamp_of(state.time_ns), self.cell.objects()
        if state.image.size:
            self.image.publish(image_message(state.image, stamp))
        if objects is not None:
            self.objects.publish(objects_message(objects, stamp))
        if self.kind.residual:
            self.signals.publish(named_values({"electrical": float(self.cell.electrical())}, stamp))

    def _signals(self, message: RobotState, state: WorldState) -> None:
        if self.joints.get_subscription_count():
            self.joints.publish(
                JointState(
                    header=message.header,
                    name=self.names,
                    position=message.position_rad,
                    velocity=message.velocity_rad_s,
                )
            )
        if self.wrench.get_subscription_count():
            self.wrench.publish(WrenchStamped(header=message.header, wrench=message.wrench))
        if self.electrical.get_subscription_count():
            self.electrical.publish(Bool(data=self.cell.electrical()))

    def _truth(self, message: RobotState) -> EpisodeTruth:
        truth = self.cell.truth()
        out = EpisodeTruth(header=message.header, inserted=truth.inserted, depth_m=float(truth.depth_m))
        out.offset_m = np.asarray(truth.offset_m, np.float64)
        if self.goal is not None:
            out.episode_id = self.goal.episode_id
            out.goal_error_m = np.asarray(self.goal.position_m) - self.cell.goal_m
        return out


def main() -> int:
    return run(lambda: Simulator("simulator"))


if __name__ == "__main__":
    raise SystemExit(main())
