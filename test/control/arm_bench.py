"""Sawyer alone in PyBullet, driven as the world drives it: increment -> IK -> impedance torques at 1 kHz."""

from __future__ import annotations

import numpy as np
import pybullet as p
from pybullet_utils.bullet_client import BulletClient

from priorrl_core.config import ROOT
from priorrl_core.control.impedance import JointImpedance
from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import load_robot


class ArmBench:
    """Increments in, tip positions and contact forces out. ``block`` puts a wall under the gripper."""

    def __init__(self) -> None:
        self.robot = load_robot()
        self.kinematics, self.impedance = Kinematics(self.robot), JointImpedance(self.robot)
        self.bullet = b = BulletClient(p.DIRECT)
        b.setTimeStep(self.robot.physics_period_s)
        b.setGravity(0, 0, -9.81)
        self.arm = b.loadURDF(str(ROOT / self.robot.urdf), useFixedBase=True)
        index = {b.getJointInfo(self.arm, i)[1].decode(): i for i in range(b.getNumJoints(self.arm))}
        self.joints = [index[n] for n in self.robot.joint_names]
        self.tip_link = index["right_gripper_tip_joint"]
        b.setJointMotorControlArray(self.arm, self.joints, p.VELOCITY_CONTROL, forces=[0.0] * 7)
        for i in range(-1, b.getNumJoints(self.arm)):
            b.changeDynamics(self.arm, i, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0)
        self.home = np.array(self.robot.home_rad)
        self.home_m, self.down = self.kinematics.forward(self.home)
        self.blocks: list[int] = []
        self.reset()

    def reset(self) -> None:
        for joint, value in zip(self.joints, self.home, strict=True):
            self.bullet.resetJointState(self.arm, joint, value, 0.0)
        self.q, self.dq = self.home.copy(), np.zeros(7)
        self.impedance.reset()
        self.inner_ticks = 0
        while self.blocks:
            self.bullet.removeBody(self.blocks.pop())

    def block(self, below_m: float) -> None:
        """A fixed box whose top is ``below_m`` under the fingers' end."""
        top = self.home_m[2] + 0.004 - below_m
        shape = self.bullet.createCollisionShape(p.GEOM_BOX, halfExtents=[0.1, 0.1, 0.02])
        self.blocks.append(self.bullet.createMultiBody(0, shape, -1, [*self.home_m[:2], top - 0.02]))

    @property
    def tip_m(self) -> np.ndarray:
        return self.kinematics.forward(self.q)[0]

    def gravity(self) -> np.ndarray:
        zeros = [0.0] * 7
        return np.array(self.bullet.calculateInverseDynamics(self.arm, self.q.tolist(), zeros, zeros))

    def contact_n(self) -> float:
        """Vertical contact force on the arm from the blocks [N]."""
        points = (c for body in self.blocks for c in self.bullet.getContactPoints(self.arm, body))
        return float(sum(c[9] * c[7][2] for c in points))

    def inner(self, tau: np.ndarray) -> None:
        """One physics step under torques (7,)."""
        self.bullet.setJointMotorControlArray(self.arm, self.joints, p.TORQUE_CONTROL, forces=tau.tolist())
        self.bullet.stepSimulation()
        states = self.bullet.getJointStates(self.arm, self.joints)
        self.q, self.dq = np.array([s[0] for s in states]), np.array([s[1] for s in states])
        self.inner_ticks += 1

    def step(self, delta_m: np.ndarray) -> np.ndarray:
        """One control period; contact force (100,) at each physics step."""
        target = self.kinematics.step(self.q, self.tip_m + delta_m, self.down)
        gravity, force = self.gravity(), []
        for _ in range(round(self.robot.control_period_s / self.robot.physics_period_s)):
            self.inner(self.impedance.torque(self.q, self.dq, target, gravity))
            force.append(self.contact_n())
        return np.array(force)

    def close(self) -> None:
        self.bullet.disconnect()
