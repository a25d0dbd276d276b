"""Thin adapter between the safety gate and a real Sawyer through ros1_bridge. Not run on hardware here.

Written against the documented Intera interface (joint_command, joint_command_timeout, endpoint_state and
/robot/joint_states; JointCommand and EndpointState cross the bridge without renaming). ``intera_core_msgs``
is imported when the node is configured, so that nothing else of priorrl needs it. Wall time only.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64
from std_srvs.srv import Trigger

from priorrl.msg import CartesianCommand, RobotState
from priorrl_core.errors import ConfigError
from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.kinds import load_kind
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import BASE_FRAME, check_state, floats, stamp_of
from priorrl_nodes.qos import CONTROL, VIEW
from priorrl_nodes.upstream import SoleUpstream

FORCE_SAMPLES = 10


class SawyerDriver(ManagedNode):
    """One snapshot a control period; position commands at ``stream_hz`` towards the newest target. Services
    are those of the simulator, so that the graph does not know which of the two it has."""

    PARAMETERS = (
        Param("robot", "sawyer", "Robot profile; its joint names are those of /robot/joint_states."),
        Param("task", "insertion", "Task: a name or a YAML file (control period)."),
        Param("limb", "right", "Limb of the robot."),
        Param("stream_hz", 100.0, "Rate of position commands to the robot [Hz].", 50.0, 800.0),
        Param("hold_after_s", 0.2, "An older command is not executed, the arm holds [s].", 0.05, 1.0),
        Param("command_timeout_s", 0.3, "Watchdog of the robot itself [s].", 0.1, 1.0),
        Param(
            "camera", "/camera/color/image_raw", "Image topic of the wrist camera; rgb8, cropped elsewhere."
        ),
    )

    def setup(self) -> None:
        messages = interface()
        self.command_type = messages.JointCommand
        self.profile, task = load_robot(self.param("robot")), load_kind(self.param("task"))
        self.kinematics = Kinematics(self.profile)
        self.period_s = task.control_period_s
        self.rotation = self.kinematics.forward(np.array(self.profile.home_rad))[1]
        self.session, self.tick = time.time_ns(), 0
        self.q: Any = None
        self.dq: Any = None
        self.target: Any = None
        self.raw, self.bias, self.peak = np.zeros(6), np.zeros(6), 0.0
        self.executed_seq, self.zeroed = 0, False
        self.fresh: tuple[CartesianCommand, float] | None = None
        self.upstream = SoleUpstream(self, "safe_command")
        limb = f"/robot/limb/{self.param('limb')}"
        self.joint_command = self.make_publisher(self.command_type, f"{limb}/joint_command", CONTROL)
        self.timeout = self.make_publisher(Float64, f"{limb}/joint_command_timeout", CONTROL)
        self.state = self.make_publisher(RobotState, "robot_state", CONTROL)
        self.image = self.make_publisher(Image, "camera/image_raw", CONTROL)
        self.make_subscription(JointState, "/robot/joint_states", self.on_joints, VIEW)
        self.make_subscription(messages.EndpointState, f"{limb}/endpoint_state", self.on_endpoint, VIEW)
        self.make_subscription(Image, self.param("camera"), self.on_image, VIEW)
        self.make_subscription(CartesianCommand, "safe_command", self.on_command, CONTROL)
        self.make_service(Trigger, "simulator/zero_wrench", self.on_zero)
        self.make_service(Trigger, "simulator/observe", self.on_observe)
        self.make_steady_timer(self.period_s, self.on_period)
        self.make_steady_timer(1.0 / self.param("stream_hz"), self.on_stream)

    def start(self) -> None:
        self.timeout.publish(Float64(data=self.param("command_timeout_s")))

    def stop(self) -> None:
        """As ``exit_control_mode`` of the SDK: one position command at the measured angles."""
        if getattr(self, "q", None) is not None:
            self.target = self.q.copy()
            self._stream()

    # ---- what comes in ---------------------------------------------------------------------------
    def on_joints(self, message: JointState) -> None:
        """/robot/joint_states holds head and torso too; the arm's joints are picked by name."""
        place = {name: i for i, name in enumerate(message.name)}
        if all(name in place for name in self.profile.joint_names):
            picked = [place[name] for name in self.profile.joint_names]
            self.q = np.asarray(message.position)[picked]
            self.dq = np.asarray(message.velocity)[picked]

    def on_endpoint(self, message: Any) -> None:
        """Wrench of the tip; only valid samples count."""
        if message.valid:
            force, torque = message.wrench.force, message.wrench.torque
            sample = np.array([force.x, force.y, force.z, torque.x, torque.y, torque.z])
            self.raw += (sample - self.raw) / FORCE_SAMPLES
            self.peak = max(self.peak, float(np.linalg.norm(sample[:3] - self.bias[:3])))

    def on_image(self, message: Image) -> None:
        """Stamped with the tick that it belongs to, so that it joins the state."""
        message.header.stamp = self._stamp()
        self.image.publish(message)

    def on_command(self, command: CartesianCommand) -> None:
        rivals = self.upstream.rivals()
        if rivals:
            self.get_logger().error(f"safe_command has two publishers, {' and '.join(rivals)}: refused")
        elif command.session == self.session:
            self.fresh = (command, time.monotonic())

    def on_zero(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        answer.success = self.active and self.q is not None
        if answer.success:
            self.bias, self.peak, self.zeroed = self.raw.copy(), 0.0, True
            self.publish()
        return answer

    def on_observe(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        answer.success = self.active and self.q is not None
        if answer.success:
            self.publish()
        return answer

    # ---- what goes out ---------------------------------------------------------------------------
    def on_period(self) -> None:
        """One control period: takes the newest unexecuted command if it is fresh, else holds."""
        if self.q is None:
            return
        fresh, self.fresh = self.fresh, None
        self.executed_seq = 0
        if fresh is not None and time.monotonic() - fresh[1] <= self.param("hold_after_s"):
            self._aim(fresh[0])
        self.tick += 1
        self.publish()
        self.peak = 0.0

    def _aim(self, command: CartesianCommand) -> None:
        tip, _ = self.kinematics.forward(self.q)
        self.target = self.kinematics.step(self.q, tip + np.asarray(command.delta_m), self.rotation)
        self.executed_seq = command.seq
        self.zeroed = self.zeroed and command.source != "reset"

    def on_stream(self) -> None:
        """The robot's own watchdog wants commands faster than the control period."""
        if self.q is not None:
            self.target = self.q.copy() if self.target is None else self.target
            self._stream()

    def _stream(self) -> None:
        out = self.command_type(mode=self.command_type.POSITION_MODE)
        out.names = list(self.profile.joint_names)
        out.position = [float(v) for v in self.target]
        self.joint_command.publish(out)

    def _stamp(self) -> Any:
        return stamp_of(round(self.tick * self.period_s * 1e9))

    def publish(self) -> None:
        tip, rotation = self.kinematics.forward(self.q)
        out = RobotState(tick=self.tick, session=self.session, executed_seq=self.executed_seq)
        out.header.stamp, out.header.frame_id = self._stamp(), BASE_FRAME
        out.holding, out.zeroed = self.executed_seq == 0, self.zeroed
        out.position_rad, out.velocity_rad_s = floats(self.q), floats(self.dq)
        point, turn = out.tcp_pose.position, out.tcp_pose.orientation
        point.x, point.y, point.z = (float(v) for v in tip)
        turn.x, turn.y, turn.z, turn.w = (float(v) for v in quaternion(rotation))
        force, torque = out.wrench.force, out.wrench.torque
        wrench = self.raw - self.bias
        force.x, force.y, force.z = (float(v) for v in wrench[:3])
        torque.x, torque.y, torque.z = (float(v) for v in wrench[3:])
        out.peak_force_n = self.peak
        check_state(out, len(self.profile.joint_names))
        self.state.publish(out)


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w) of a rotation (3, 3), w >= 0."""
    from scipy.spatial.transform import Rotation

    out = Rotation.from_matrix(rotation).as_quat()
    return out if out[3] >= 0 else -out


def interface() -> Any:
    """The module ``intera_core_msgs.msg``; ConfigError where it is not installed."""
    try:
        import intera_core_msgs.msg
    except ImportError as error:
        raise ConfigError(
            "the package 'intera_core_msgs' is missing; build its ROS 2 port and source it"
        ) from error
    return intera_core_msgs.msg


def main() -> int:
    return run(lambda: SawyerDriver("sawyer_driver"))


if __name__ == "__main__":
    raise SystemExit(main())
