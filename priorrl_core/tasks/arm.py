"""The arm in PyBullet with something rigid in its hand, behind one interface for both low levels (row 8.14)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

import numpy as np
import pybullet as p
from pybullet_utils.bullet_client import BulletClient

from priorrl_core.control.impedance import JointImpedance
from priorrl_core.robots.kinematics import Kinematics, Pose
from priorrl_core.robots.profile import RobotProfile
from priorrl_core.tasks.blocks import Backend

_CALLS, _SUBSTEPS = 5, 10  # position back-end: 5 readings of 10 physics steps (2 ms) a control period
_SENSOR_LAG_S = 0.008  # impedance back-end: a wrist sensor's own low pass, as in ``InsertionWorld``
_FORCE_WINDOW = 20


class LowLevel(Protocol):
    """Follows joint targets (n,) [rad] for one control period; returns the mean reaction (6,) and the peak [N]."""

    def run(self, arm: Arm, target: np.ndarray) -> tuple[np.ndarray, float]: ...

    def reset(self) -> None: ...


class Arm:
    """Owns no world: the caller makes the Bullet client, the period and the bodies around the arm."""

    def __init__(self, bullet: BulletClient, urdf: Path, held_joint: str, robot: RobotProfile, backend: Backend,
                 force_margin_nm: tuple[float, ...]) -> None:
        self.bullet, self.robot, self.kinematics = bullet, robot, Kinematics(robot)
        self.home, self.pose = np.array(robot.home_rad), Pose(self.kinematics)
        self.rotation = self.kinematics.forward(self.home)[1]
        self.body = bullet.loadURDF(str(urdf), useFixedBase=True, flags=p.URDF_USE_INERTIA_FROM_FILE)
        names = {bullet.getJointInfo(self.body, i)[1].decode(): i for i in range(bullet.getNumJoints(self.body))}
        self.joints = [names[n] for n in robot.joint_names]
        self.held = names[held_joint]
        self.polled = [*self.joints, self.held]
        bullet.enableJointForceTorqueSensor(self.body, self.held, True)
        bullet.setJointMotorControlArray(self.body, self.joints, p.VELOCITY_CONTROL, forces=[0.0] * len(self.joints))
        for i in range(-1, bullet.getNumJoints(self.body)):
            bullet.changeDynamics(self.body, i, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0)
        self.level: LowLevel = (PositionServo(robot, force_margin_nm) if backend == "position"
                                else TorqueLoop(robot))
        if backend == "position":
            bullet.setTimeStep(robot.control_period_s / _CALLS)
            bullet.setPhysicsEngineParameter(numSubSteps=_SUBSTEPS)
        else:
            bullet.setTimeStep(robot.physics_period_s)
        self.q, self.dq, self.raw = self.home.copy(), np.zeros(len(self.joints)), np.zeros(6)
        self.pose.moved(self.q)
        self._target, self._bias, self.peak_force_n = self.home.copy(), np.zeros(6), 0.0
        self.filtered_n = np.zeros(3)
        """Force behind the sensor's low pass: what the peak is taken of."""

    @property
    def tip_m(self) -> np.ndarray:
        return self.pose.tip_m

    @property
    def velocity_m_s(self) -> np.ndarray:
        return self.pose.jacobian[:3] @ self.dq

    @property
    def force_n(self) -> np.ndarray:
        """Force (3,) on what is held, base frame while the hand points down; zeroed by ``zero_force``."""
        return (self._bias - self.raw)[:3]

    @property
    def bias(self) -> np.ndarray:
        return self._bias

    def zero_force(self) -> None:
        """Makes the present reading zero (row 9.07)."""
        self._bias, self.peak_force_n = self.raw.copy(), 0.0
        self.filtered_n[:] = 0.0

    def place(self, tip_m: np.ndarray) -> None:
        """Sets the arm there at once, at rest."""
        q = self.kinematics.inverse(np.asarray(tip_m, float), self.rotation, self.home)
        for joint, value in zip(self.joints, q, strict=True):
            self.bullet.resetJointState(self.body, joint, float(value), 0.0)
        self.q, self.dq, self._target = q.copy(), np.zeros(len(q)), q
        self.pose.moved(self.q)
        self.level.reset()

    def step(self, delta_m: np.ndarray | None) -> None:
        """Set point = measured tip + increment (3,) [m], for one control period; None holds the set point."""
        if delta_m is not None:
            self._target = self.kinematics.step(self.q, self.tip_m + delta_m, self.rotation, frames=self.pose.frames)
        self.raw, self.peak_force_n = self.level.run(self, self._target)

    def read(self) -> np.ndarray:
        """Takes the joints' state; returns the reaction (6,) at what is held."""
        q, dq = self.q, self.dq
        *moved, (_, _, reaction, _) = self.bullet.getJointStates(self.body, self.polled)
        for k, (angle, speed, _, _) in enumerate(moved):
            q[k], dq[k] = angle, speed
        self.pose.moved(q)
        return np.array(reaction)

    def gravity(self) -> np.ndarray:
        """Torques (n,) [N m] that hold the arm."""
        zeros = [0.0] * len(self.joints)
        return np.array(self.bullet.calculateInverseDynamics(self.body, self.q.tolist(), zeros, zeros))


class PositionServo:
    """Cartesian position control of simulation: Bullet's joint servos, gravity fed forward, so that each servo may
    add only ``force_margin_nm`` beyond it. That bounds what the tip can press (not in the thesis)."""

    def __init__(self, robot: RobotProfile, force_margin_nm: tuple[float, ...]) -> None:
        self._forces = [f / _SUBSTEPS for f in force_margin_nm]  # Bullet spends a whole call's impulse on each substep
        self._gains, self._ones = [0.1] * len(self._forces), [1.0] * len(self._forces)
        if len(self._forces) != len(robot.joint_names):
            raise ValueError(f"servo_margin_nm has {len(self._forces)} entries for {len(robot.joint_names)} joints")

    def reset(self) -> None:
        """Keeps nothing."""

    def run(self, arm: Arm, target: np.ndarray) -> tuple[np.ndarray, float]:
        b, body, joints = arm.bullet, arm.body, arm.joints
        gravity, start = arm.gravity().tolist(), arm.q.copy()
        total, peak, filtered = np.zeros(6), 0.0, arm.filtered_n
        for call in range(1, _CALLS + 1):
            way = start + (target - start) * (call / _CALLS)  # even speed: no hammering at the first contact
            b.setJointMotorControlArray(body, joints, p.POSITION_CONTROL, targetPositions=way.tolist(),
                                        forces=self._forces, positionGains=self._gains, velocityGains=self._ones)
            b.setJointMotorControlArray(body, joints, p.TORQUE_CONTROL, forces=gravity)
            b.stepSimulation()
            reaction = arm.read()
            filtered += 0.5 * ((arm.bias - reaction)[:3] - filtered)  # a sensor does not see one physics step alone
            peak = max(peak, float(np.linalg.norm(filtered)))
            total += reaction
        return total / _CALLS, peak


class TorqueLoop:
    """The robot's own low level: joint impedance torques at 1 kHz, as in ``InsertionWorld``."""

    def __init__(self, robot: RobotProfile) -> None:
        self.impedance = JointImpedance(robot)
        self._ticks = round(robot.control_period_s / robot.physics_period_s)
        self._share = robot.physics_period_s / _SENSOR_LAG_S

    def reset(self) -> None:
        self.impedance.reset()

    def run(self, arm: Arm, target: np.ndarray) -> tuple[np.ndarray, float]:
        b, body, joints, torque = arm.bullet, arm.body, arm.joints, self.impedance.torque
        gravity, total, peak, filtered = arm.gravity(), np.zeros(6), 0.0, arm.filtered_n
        for i in range(self._ticks):
            tau = torque(arm.q, arm.dq, target, gravity)
            b.setJointMotorControlArray(body, joints, p.TORQUE_CONTROL, forces=tau.tolist())
            b.stepSimulation()
            reaction = arm.read()
            filtered += self._share * ((arm.bias - reaction)[:3] - filtered)
            peak = max(peak, math.sqrt(float(filtered @ filtered)))
            if i >= self._ticks - _FORCE_WINDOW:
                total += reaction
        return total / _FORCE_WINDOW, peak
