"""One bench in PyBullet: an arm that holds a plug over a socket, stepped one control period at a time."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pybullet as p
from pybullet_utils.bullet_client import BulletClient

from priorrl_core.config import ROOT
from priorrl_core.control.impedance import JointImpedance
from priorrl_core.errors import DataError
from priorrl_core.robots.kinematics import Kinematics, Pose
from priorrl_core.robots.profile import RobotProfile, load_robot
from priorrl_core.tasks import scene, shapes
from priorrl_core.tasks.connectors import ConnectorSpec
from priorrl_core.tasks.task import InsertionTask, load_task

_sessions = itertools.count(1)
_SENSOR_LAG_S = 0.008  # a wrist sensor's own low pass: peaks are read behind it
_FORCE_WINDOW = 20  # physics steps: the reading is the mean of the last 20 ms


@dataclass
class WorldState:
    """What the arm's own sensors say after a control period. Forces act on the plug, base frame, zeroed."""

    tick: int
    time_ns: int
    image: np.ndarray
    q: np.ndarray
    dq: np.ndarray
    tip_m: np.ndarray
    tip_rotation: np.ndarray
    force_n: np.ndarray
    torque_nm: np.ndarray
    peak_force_n: float

    @property
    def tip_quat(self) -> np.ndarray:
        """(x, y, z, w)."""
        return _quaternion(self.tip_rotation)


@dataclass(frozen=True)
class Truth:
    """Simulator's own knowledge, for evaluation and for the calibration labels of prior data (law 6)."""

    inserted: bool
    depth_m: float
    offset_m: np.ndarray
    """Tip minus fully inserted tip (3,)."""


class InsertionWorld:
    """PyBullet world of one connector; ``step`` advances it by one control period (0.1 s, 100 torque ticks)."""

    def __init__(self, connector: ConnectorSpec, robot: RobotProfile | None = None,
                 task: InsertionTask | None = None, seed: int = 0, images: bool = True) -> None:
        self.connector, self.robot = connector, robot or load_robot()
        self.task = task or load_task()
        self.seed, self.images, self.session = seed, images, next(_sessions)
        self.kinematics = Kinematics(self.robot)
        self.pose = Pose(self.kinematics)
        self.impedance = JointImpedance(self.robot)
        self._substeps = round(self.task.control_period_s / self.robot.physics_period_s)
        self._home = np.array(self.robot.home_rad)
        self._rotation = self.kinematics.forward(self._home)[1]
        self.goal_m = np.array(self.task.socket_xyz_m) + [0.0, 0.0, shapes.goal_height_m(connector)]
        self._bullet = BulletClient(p.DIRECT)
        self._folder = tempfile.TemporaryDirectory(prefix="priorrl_world_")
        self._build(Path(self._folder.name))
        self.tick = 0
        self._bias = np.zeros(6)
        self._wrench = np.zeros(6)
        self._peak = 0.0
        self._filtered = (0.0, 0.0, 0.0)
        self.zeroed = False
        self.place(self.goal_m + [0.0, 0.0, 0.06])

    # -- building ---------------------------------------------------------------------------------------

    def _build(self, folder: Path) -> None:
        b, task = self._bullet, self.task
        b.setTimeStep(self.robot.physics_period_s)
        b.setGravity(0.0, 0.0, -9.81)
        b.setPhysicsEngineParameter(numSolverIterations=30, deterministicOverlappingPairs=1)
        arm = scene.write_arm(folder, ROOT / self.robot.urdf, self.robot.tip_frame, self._rotation,
                              self.connector, task.contact.plug_mass_kg)
        self._arm = b.loadURDF(str(arm), useFixedBase=True,
                               flags=p.URDF_USE_IMPLICIT_CYLINDER | p.URDF_USE_INERTIA_FROM_FILE)
        turn = p.getQuaternionFromEuler([0.0, 0.0, math.radians(self.connector.keyed_angle_deg)])
        self._socket = b.loadURDF(str(scene.write_socket(folder, self.connector)), task.socket_xyz_m, turn,
                                  useFixedBase=True)
        depth = self.connector.fit.depth_mm * 1e-3
        b.loadURDF(str(scene.write_bench(folder, self.connector, depth)), task.socket_xyz_m, useFixedBase=True)
        names = {b.getJointInfo(self._arm, i)[1].decode(): i for i in range(b.getNumJoints(self._arm))}
        self._joints = [names[n] for n in self.robot.joint_names]
        self._plug = names[scene.PLUG_JOINT]
        self._polled = [*self._joints, self._plug]
        b.enableJointForceTorqueSensor(self._arm, self._plug, True)
        b.setJointMotorControlArray(self._arm, self._joints, p.VELOCITY_CONTROL, forces=[0.0] * len(self._joints))
        friction = self.connector.fit.friction
        for i in range(-1, b.getNumJoints(self._arm)):
            b.changeDynamics(self._arm, i, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0,
                             lateralFriction=friction, collisionMargin=shapes.MARGIN_M)
        b.changeDynamics(self._socket, -1, lateralFriction=friction, collisionMargin=shapes.MARGIN_M,
                         contactStiffness=task.contact.stiffness_n_m, contactDamping=task.contact.damping_ns_m)
        self._view_setup()

    def _view_setup(self) -> None:
        camera, look = self.task.camera, self.connector.look
        shift = np.array(self.task.robot_camera_m.get(self.connector.robot, (0.0, 0.0, 0.0)))
        self._eye = np.array(camera.eye_m) + shift + np.array(look.camera_jitter_mm) * 1e-3
        pitch, yaw, roll = (math.radians(d) for d in look.camera_jitter_deg)
        gaze = np.array(camera.look_at_m) + shift - self._eye
        distance = float(np.linalg.norm(gaze))
        self._gaze = np.array(camera.look_at_m) + shift + [0.0, distance * math.tan(yaw), distance * math.tan(pitch)]
        self._up = np.array([0.0, math.sin(roll), math.cos(roll)])
        self._projection = p.computeProjectionMatrixFOV(camera.fov_deg, 1.0, camera.near_m, camera.far_m)

    # -- motion -----------------------------------------------------------------------------------------

    def place(self, tip_m: np.ndarray) -> None:
        """Puts the arm there without moving through space: at start-up only, never between episodes."""
        q = self.kinematics.inverse(np.asarray(tip_m, float), self._rotation, self._home)
        for joint, value in zip(self._joints, q, strict=True):
            self._bullet.resetJointState(self._arm, joint, float(value), 0.0)
        self._target = q
        self.impedance.reset()
        self._poll()
        self.zero_wrench()

    def step(self, delta_m: np.ndarray | None) -> WorldState:
        """Moves the tip's set point to measured tip + ``delta_m`` (3,) [m] and runs one control period;
        None holds the set point. DataError where the increment is not three finite numbers."""
        if delta_m is not None:
            delta_m = np.asarray(delta_m, dtype=np.float64)
            if delta_m.shape != (3,) or not np.isfinite(delta_m).all():
                raise DataError(f"a command must be three finite metres, not {delta_m!r}")
            self._target = self.kinematics.step(self._q, self.pose.tip_m + delta_m, self._rotation,
                                                frames=self.pose.frames)
        self._run()
        self.tick += 1
        return self.state()

    def _run(self) -> None:
        b, arm, polled, joints = self._bullet, self._arm, self._polled, self._joints
        zeros = [0.0] * len(joints)
        gravity = np.array(b.calculateInverseDynamics(arm, self._q.tolist(), zeros, zeros))
        torque, target = self.impedance.torque, self._target
        get, drive, step = b.getJointStates, b.setJointMotorControlArray, b.stepSimulation
        wrench = np.zeros(6)
        peak = 0.0
        bias_x, bias_y, bias_z = self._bias[:3].tolist()
        first = self._substeps - _FORCE_WINDOW
        share = self.robot.physics_period_s / _SENSOR_LAG_S
        q, dq = self._q, self._dq
        resist = self._contact_force()
        gx, gy, gz = self._filtered
        for i in range(self._substeps):
            drive(arm, joints, p.TORQUE_CONTROL, forces=torque(q, dq, target, gravity).tolist())
            if resist is not None:
                resist()
            step()
            *moved, (_, _, reaction, _) = get(arm, polled)
            for k, (angle, speed, _, _) in enumerate(moved):
                q[k] = angle
                dq[k] = speed
            gx += share * (bias_x - reaction[0] - gx)
            gy += share * (bias_y - reaction[1] - gy)
            gz += share * (bias_z - reaction[2] - gz)
            size = gx * gx + gy * gy + gz * gz
            if size > peak:
                peak = size
            if i >= first:
                wrench += reaction
        self.pose.moved(q)
        self._raw = wrench / _FORCE_WINDOW
        self._wrench = self._bias - self._raw
        self._filtered = (gx, gy, gz)
        self._peak = math.sqrt(peak)

    def _contact_force(self) -> Callable[[], None] | None:
        """Resistance of the connector's contacts while the plug slides in or out; None far from the mouth."""
        force = self.connector.fit.holding_force_n
        tip = self.pose.tip_m
        mouth = self.goal_m[2] + self.connector.fit.depth_mm * 1e-3
        beside = np.abs(tip[:2] - self.goal_m[:2]).max()
        if force <= 0.0 or tip[2] > mouth + 0.008 or beside > 0.004:
            return None
        along = self.pose.jacobian[2].copy().dot
        start, gap = self._q.copy(), float(mouth - float(tip[2]))
        q, dq, moved = self._q, self._dq, np.zeros_like(start)
        arm, link, push = self._arm, self._plug, self._bullet.applyExternalForce

        def apply() -> None:
            depth = gap - float(along(np.subtract(q, start, moved)))
            if depth > 0.0:
                grip = -force * math.tanh(float(along(dq)) / 0.005) * min(depth / 0.001, 1.0)
                push(arm, link, (0.0, 0.0, grip), (0.0, 0.0, 0.0), p.LINK_FRAME)

        return apply

    def _poll(self) -> None:
        states = self._bullet.getJointStates(self._arm, self._polled)
        self._q = np.array([s[0] for s in states[:-1]])
        self._dq = np.array([s[1] for s in states[:-1]])
        self._raw = np.array(states[-1][2])
        self.pose.moved(self._q)

    # -- sensing ----------------------------------------------------------------------------------------

    def zero_wrench(self) -> None:
        """Makes the present force reading zero; demanded before every rollout (row 9.07)."""
        self._bias = self._raw.copy()
        self._wrench = np.zeros(6)
        self._filtered = (0.0, 0.0, 0.0)
        self._peak = 0.0
        self.zeroed = True

    def state(self) -> WorldState:
        image = self.render() if self.images else np.zeros((48, 48, 3), np.uint8)
        return WorldState(self.tick, round(self.tick * self.task.control_period_s * 1e9), image, self._q.copy(),
                          self._dq.copy(), self.pose.tip_m, self.pose.rotation, self._wrench[:3].copy(),
                          self._wrench[3:].copy(), self._peak)

    def render(self) -> np.ndarray:
        """The wrist camera's picture, uint8 (48, 48, 3); pixels average 2 x 2 samples, as a sensor does."""
        tip, rotation = self.pose.tip_m, self.pose.rotation
        turn = rotation @ self._rotation.T
        look = self.connector.look
        view = p.computeViewMatrix(tip + turn @ self._eye, tip + turn @ self._gaze, turn @ self._up)
        _, _, rgba, _, _ = self._bullet.getCameraImage(
            96, 96, view, self._projection, lightDirection=look.light_direction, shadow=0,
            lightAmbientCoeff=look.light_ambient, lightDiffuseCoeff=0.6, lightSpecularCoeff=0.1,
            renderer=p.ER_TINY_RENDERER, flags=p.ER_NO_SEGMENTATION_MASK)
        pixels = np.asarray(rgba, np.uint8).reshape(48, 2, 48, 2, 4)[..., :3]
        return (pixels.sum(axis=(1, 3), dtype=np.uint16) // 4).astype(np.uint8)

    # -- judgement --------------------------------------------------------------------------------------

    def truth(self) -> Truth:
        """Whether the plug is in: deep enough AND on the axis, so that going down beside does not count."""
        offset = self.pose.tip_m - self.goal_m
        fit = self.connector.fit
        depth = fit.depth_mm * 1e-3 - float(offset[2])
        beside = float(np.abs(offset[:2]).max())
        limit = fit.clearance_mm * 1e-3 + self.task.contact.lateral_tolerance_m
        return Truth(bool(depth >= fit.success_depth_mm * 1e-3 and beside <= limit), depth, offset)

    def electrical(self) -> bool:
        """The connection's own signal: closed when the contacts overlap (same geometry as ``truth``)."""
        return self.truth().inserted

    def close(self) -> None:
        self._bullet.disconnect()
        self._folder.cleanup()


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w) of a rotation (3, 3)."""
    m = rotation
    k = np.array([[m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
                  [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
                  [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
                  [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]]]) / 3.0
    values, vectors = np.linalg.eigh(k)
    return vectors[:, np.argmax(values)]
