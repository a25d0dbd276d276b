"""Table, two standing blocks and an arm that holds a third: the physics of thesis chapter 8."""

from __future__ import annotations

import math
import tempfile
import xml.etree.ElementTree as ET
from collections import deque
from pathlib import Path

import numpy as np
import pybullet as p
from pybullet_utils.bullet_client import BulletClient

from priorrl_core.config import ROOT
from priorrl_core.errors import DataError
from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import RobotProfile, load_robot
from priorrl_core.tasks.arm import Arm
from priorrl_core.tasks.blocks import BLOCKS, BlockTask

HELD_JOINT = "held_joint"
_TABLE_M = (0.15, 0.15, 0.02)
_COLOURS = ((0.75, 0.55, 0.30, 1.0), (0.35, 0.50, 0.75, 1.0))


class BlockWorld:
    """``step`` advances by one control period. Positions are of the tip; its goal is ``task.goal_m``."""

    def __init__(self, task: BlockTask, robot: RobotProfile | None = None) -> None:
        self.task, self.robot = task, robot or load_robot()
        self._bullet = BulletClient(p.DIRECT)
        b = self._bullet
        b.setGravity(0.0, 0.0, -9.81)
        b.setPhysicsEngineParameter(numSolverIterations=50, deterministicOverlappingPairs=1)
        with tempfile.TemporaryDirectory(prefix="priorrl_blocks_") as folder:
            urdf = _write_arm(Path(folder), self.robot, task)
            self.arm = Arm(b, urdf, HELD_JOINT, self.robot, task.backend, task.servo_margin_nm)
        self._build()
        self._late: deque[np.ndarray] = deque()
        self.place(task.goal_m + [0.0, 0.0, task.start_height_m])
        self.set_blocks(np.zeros(BLOCKS))

    def _build(self) -> None:
        b, task = self._bullet, self.task
        shapes, change = task.shapes, task.perturbation
        friction = shapes.friction * change.friction_scale
        table = b.createCollisionShape(p.GEOM_BOX, halfExtents=_TABLE_M)
        top = np.array(task.table_xyz_m) - [0.0, 0.0, _TABLE_M[2]]
        self._table = b.createMultiBody(0.0, table, -1, top.tolist())
        b.changeDynamics(self._table, -1, lateralFriction=1.0)
        half = [s / 2 for s in shapes.standing_m]
        solid = b.createCollisionShape(p.GEOM_BOX, halfExtents=half)
        mass = 0.0 if task.blocks_fixed else shapes.standing_mass_kg * change.mass_scale
        self._blocks = []
        for place, colour in zip(task.nominal_m, _COLOURS, strict=True):
            seen = b.createVisualShape(p.GEOM_BOX, halfExtents=half, rgbaColor=colour)
            body = b.createMultiBody(mass, solid, seen, place.tolist())
            b.changeDynamics(body, -1, lateralFriction=friction, linearDamping=0.0, angularDamping=0.0,
                             contactStiffness=shapes.stiffness_n_m, contactDamping=shapes.damping_ns_m)
            self._blocks.append(body)
        b.changeDynamics(self.arm.body, self.arm.held, lateralFriction=friction)

    # -- motion -----------------------------------------------------------------------------------------

    def place(self, tip_m: np.ndarray) -> None:
        """Sets the arm there at once: between episodes only where the task says ``reset_by: place``."""
        self.arm.place(tip_m)
        self._late.clear()

    def set_blocks(self, yaw_rad: np.ndarray) -> None:
        """The person's part of a reset: both blocks upright, in place, turned by ``yaw_rad`` (2,)."""
        # away first: the engine forgets old contacts, so that an episode does not depend on the one before
        for i, body in enumerate(self._blocks):
            self._bullet.resetBasePositionAndOrientation(body, [0.0, i, 9.0], [0.0, 0.0, 0.0, 1.0])
        self._bullet.performCollisionDetection()
        for body, place, yaw in zip(self._blocks, self.task.nominal_m, yaw_rad, strict=True):
            turn = p.getQuaternionFromEuler([0.0, 0.0, float(yaw)])
            self._bullet.resetBasePositionAndOrientation(body, place.tolist(), turn)
            self._bullet.resetBaseVelocity(body, [0.0] * 3, [0.0] * 3)

    def step(self, delta_m: np.ndarray | None) -> None:
        """Increment (3,) [m] of the tip, ``command_delay_steps`` periods late; None holds the set point at once."""
        if delta_m is None:
            self._late.clear()
            self.arm.step(None)
            return
        delta_m = np.array(delta_m, np.float64)
        if delta_m.shape != (3,) or not np.isfinite(delta_m).all():
            raise DataError(f"a command must be three finite metres, not {delta_m!r}")
        self._late.append(delta_m)
        now = self._late.popleft() if len(self._late) > self.task.perturbation.command_delay_steps else None
        self.arm.step(now)

    def push(self, block: int, impulse_ns: np.ndarray, height_m: float) -> None:
        """A blow (3,) [N s] on a standing block at a height above the table (tests, row 8.12)."""
        body = self._blocks[block]
        info = self._bullet.getDynamicsInfo(body, -1)
        if info[0] == 0.0:
            return
        place, _ = self._bullet.getBasePositionAndOrientation(body)
        speed, spin = (np.array(v) for v in self._bullet.getBaseVelocity(body))
        arm = np.array([0.0, 0.0, self.task.table_xyz_m[2] + height_m - place[2]])
        spin += np.cross(arm, impulse_ns) / np.array(info[2])
        self._bullet.resetBaseVelocity(body, (speed + np.asarray(impulse_ns) / info[0]).tolist(), spin.tolist())

    # -- sensing ----------------------------------------------------------------------------------------

    def poses(self) -> np.ndarray:
        """True poses (2, 6) of the standing blocks: position minus nominal [m]; roll, pitch, yaw [rad]."""
        poses = np.zeros((BLOCKS, 6))
        for i, body in enumerate(self._blocks):
            place, quat = self._bullet.getBasePositionAndOrientation(body)
            m = p.getMatrixFromQuaternion(quat)
            poses[i, :3] = np.array(place) - self.task.nominal_m[i]
            poses[i, 3:] = math.atan2(m[7], m[8]), math.asin(min(max(-m[6], -1.0), 1.0)), math.atan2(m[3], m[0])
        return poses

    def close(self) -> None:
        self._bullet.disconnect()


def _write_arm(folder: Path, robot: RobotProfile, task: BlockTask) -> Path:
    """The arm's URDF with the held block fixed to its tip, axes along the base's at home."""
    rotation = Kinematics(robot).forward(np.array(robot.home_rad))[1]
    tree = ET.parse(ROOT / robot.urdf)
    root, shapes = tree.getroot(), task.shapes
    link = ET.SubElement(root, "link", name="held")
    foot, (width, length, height) = shapes.foot_m, shapes.held_m
    trunk = (width, length, height - foot[2])
    for size, middle in ((trunk, height - shapes.hang_m - trunk[2] / 2), (foot, foot[2] / 2 - shapes.hang_m)):
        for kind in ("visual", "collision"):
            element = ET.SubElement(link, kind)
            ET.SubElement(element, "origin", xyz=f"0 0 {middle:.6f}", rpy="0 0 0")
            text = " ".join(f"{s:.6f}" for s in size)
            ET.SubElement(ET.SubElement(element, "geometry"), "box", size=text)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=f"0 0 {height / 2 - shapes.hang_m:.6f}")
    ET.SubElement(inertial, "mass", value=str(shapes.held_mass_kg))
    x, y, z = (s * s for s in shapes.held_m)
    moments = {"ixx": y + z, "iyy": x + z, "izz": x + y}
    ET.SubElement(inertial, "inertia", {k: f"{shapes.held_mass_kg * v / 12:.9f}" for k, v in moments.items()}
                  | {"ixy": "0", "ixz": "0", "iyz": "0"})
    joint = ET.SubElement(root, "joint", name=HELD_JOINT, type="fixed")
    ET.SubElement(joint, "parent", link=robot.tip_frame)
    ET.SubElement(joint, "child", link="held")
    turn = rotation.T
    rpy = (math.atan2(turn[2, 1], turn[2, 2]), math.asin(-turn[2, 0]), math.atan2(turn[1, 0], turn[0, 0]))
    ET.SubElement(joint, "origin", xyz="0 0 0", rpy=" ".join(f"{v:.9g}" for v in rpy))
    path = folder / "arm.urdf"
    ET.indent(tree)  # PyBullet reads line by line and cuts long ones
    tree.write(path)
    return path
