"""Conversion between ROS messages and the arrays of priorrl_core; each conversion exists once, here."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, JointState

from priorrl.msg import CartesianCommand, RobotState
from priorrl_core.errors import DataError

BASE_FRAME = "base"
CAMERA_FRAME = "wrist_camera_optical"


def stamp_of(time_ns: int) -> Time:
    """ROS time of ``time_ns`` nanoseconds."""
    return Time(sec=time_ns // 1_000_000_000, nanosec=time_ns % 1_000_000_000)


def time_ns(stamp: Time) -> int:
    """Nanoseconds of a ROS time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def image_message(image: np.ndarray, stamp: Time, frame: str = CAMERA_FRAME) -> Image:
    """``rgb8`` message of uint8 (H, W, 3), ``mono8`` of uint8 (H, W)."""
    encoding, channels = ("mono8", 1) if image.ndim == 2 else ("rgb8", 3)
    out = Image(height=image.shape[0], width=image.shape[1], encoding=encoding, step=channels * image.shape[1])
    out.header.stamp = stamp
    out.header.frame_id = frame
    out.data = array.array("B", image.tobytes())
    return out


def image_array(message: Image) -> np.ndarray:
    """uint8 (H, W, 3), a read-only view of the message; DataError for another encoding or a short buffer."""
    if message.encoding != "rgb8":
        raise DataError(f"image encoding is '{message.encoding}'; publish 'rgb8'")
    size = message.height * message.width * 3
    if len(message.data) != size or message.step != 3 * message.width:
        raise DataError(f"image of {message.height}x{message.width}: {len(message.data)} bytes, not {size}")
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def grey_array(message: Image) -> np.ndarray:
    """uint8 (H, W) of a ``mono8`` message, a read-only view; DataError for another encoding or a short buffer."""
    if message.encoding != "mono8":
        raise DataError(f"image encoding is '{message.encoding}'; publish 'mono8'")
    size = message.height * message.width
    if len(message.data) != size or message.step != message.width:
        raise DataError(f"image of {message.height}x{message.width}: {len(message.data)} bytes, not {size}")
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def picture_array(message: Image) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W), whichever the camera publishes; for people."""
    return grey_array(message) if message.encoding == "mono8" else image_array(message)


def named_values(values: dict[str, float], stamp: Time) -> JointState:
    """Named numbers with a stamp, in the one standard message that has both, exactly."""
    out = JointState(name=list(values))
    out.header.stamp = stamp
    out.position = floats(list(values.values()))
    return out


POSE = ("x", "y", "z", "roll", "pitch", "yaw")


def objects_message(poses: np.ndarray, stamp: Time) -> JointState:
    """Tracked poses (N, 6) as ``object_0/x`` ...: position minus where it was set up [m]; roll, pitch, yaw [rad].
    Angles and not quaternions: the observation is then the environment's bit for bit."""
    names = [f"object_{i}/{axis}" for i in range(len(poses)) for axis in POSE]
    return named_values(dict(zip(names, poses.ravel().tolist(), strict=True)), stamp)


def objects_array(message: JointState) -> np.ndarray:
    """Poses (N, 6) of ``objects_message``; DataError where a number is missing or not finite."""
    values = np.array(message.position, np.float64)
    if not len(values) or len(values) % len(POSE) or not np.isfinite(values).all():
        raise DataError(f"'objects' holds {len(values)} numbers; publish six finite ones an object")
    return values.reshape(-1, len(POSE))


def floats(values: Any, kind: str = "d") -> array.array:
    """An ``array.array`` ('d' or 'f') of any array; rclpy checks each item of all others."""
    return array.array(
        kind, np.ascontiguousarray(values, np.float64 if kind == "d" else np.float32).tobytes()
    )


def octets(values: np.ndarray) -> array.array:
    """An ``array.array`` of bytes of a uint8 array."""
    return array.array("B", np.ascontiguousarray(values, np.uint8).tobytes())


def state_message(state: Any, session: int, executed_seq: int, holding: bool, zeroed: bool) -> RobotState:
    """RobotState of a ``tasks.world.WorldState``."""
    out = RobotState(
        tick=state.tick, session=session, executed_seq=executed_seq, holding=holding, zeroed=zeroed
    )
    out.header.stamp = stamp_of(state.time_ns)
    out.header.frame_id = BASE_FRAME
    out.position_rad = floats(state.q)
    out.velocity_rad_s = floats(state.dq)
    point, turn = out.tcp_pose.position, out.tcp_pose.orientation
    point.x, point.y, point.z = (float(v) for v in state.tip_m)
    turn.x, turn.y, turn.z, turn.w = (float(v) for v in state.tip_quat)
    force, torque = out.wrench.force, out.wrench.torque
    force.x, force.y, force.z = (float(v) for v in state.force_n)
    torque.x, torque.y, torque.z = (float(v) for v in state.torque_nm)
    out.peak_force_n = float(state.peak_force_n)
    return out


def tip_of(state: RobotState) -> np.ndarray:
    """Tip position (3,) [m] in the base frame."""
    point = state.tcp_pose.position
    return np.array((point.x, point.y, point.z))


def force_of(state: RobotState) -> np.ndarray:
    """Force (3,) [N] at the tip, base frame."""
    force = state.wrench.force
    return np.array((force.x, force.y, force.z))


def check_state(state: RobotState, joints: int) -> None:
    """DataError naming the field of ``state`` that is not finite or has not ``joints`` entries."""
    if len(state.position_rad) != joints:
        raise DataError(f"robot_state holds {len(state.position_rad)} joints, the robot profile {joints}")
    fields = {
        "tcp_pose.position": tip_of(state),
        "wrench.force": force_of(state),
        "position_rad": state.position_rad,
        "peak_force_n": state.peak_force_n,
    }
    for name, value in fields.items():
        if not np.isfinite(value).all():
            raise DataError(f"robot_state.{name} of tick {state.tick} is not finite (NaN); check the sensor")


def command_message(state: RobotState, seq: int, source: str, delta_m: np.ndarray) -> CartesianCommand:
    """A command (3,) [m] that answers ``state``."""
    out = CartesianCommand(seq=seq, tick=state.tick, session=state.session, source=source)
    out.header.stamp = state.header.stamp
    out.header.frame_id = BASE_FRAME
    out.delta_m = np.asarray(delta_m, np.float64)
    return out
