"""Row 10.31: the velocity back-end pushes no harder than its force limit, and the grasp holds."""

from __future__ import annotations

import numpy as np
import pybullet as p
import pytest

from priorrl_core.control.velocity import JointVelocity

from .arm_bench import ArmBench

LIMIT_N = 20.0
GRIP_N = 30.0
DOWN = np.array([0.0, 0.0, -0.004])


class Grasp:
    """A peg held by friction: a constraint that yields above ``GRIP_N``; the block stands 10 mm below it."""

    def __init__(self, bench: ArmBench) -> None:
        self.bench, b = bench, bench.bullet
        shape = b.createCollisionShape(p.GEOM_BOX, halfExtents=[0.005, 0.005, 0.01])
        place = bench.home_m - [0.0, 0.0, 0.011]
        self.peg = b.createMultiBody(0.05, shape, -1, place.tolist())
        b.changeDynamics(self.peg, -1, linearDamping=0.0, angularDamping=0.0)
        for link in range(-1, b.getNumJoints(bench.arm)):
            b.setCollisionFilterPair(bench.arm, self.peg, link, -1, 0)
        tip = b.getLinkState(bench.arm, bench.tip_link, computeForwardKinematics=True)
        turn = p.invertTransform(*tip[4:6])[1]
        hold = b.createConstraint(bench.arm, bench.tip_link, self.peg, -1, p.JOINT_FIXED, [0, 0, 0],
                                  [0, 0, 0.011], [0, 0, 0], turn)
        b.changeConstraint(hold, maxForce=GRIP_N)
        bench.block(0.034)
        self.start = self.reach()

    def reach(self) -> float:
        """Height of the tip above the peg [m]."""
        return float(self.bench.tip_m[2] - self.bench.bullet.getBasePositionAndOrientation(self.peg)[0][2])

    def slip_m(self) -> float:
        return abs(self.reach() - self.start)

    def push_n(self) -> float:
        b = self.bench.bullet
        points = (c for body in self.bench.blocks for c in b.getContactPoints(self.peg, body))
        return float(sum(c[9] * c[7][2] for c in points))


@pytest.fixture
def bench():
    arm = ArmBench()
    yield arm
    arm.close()


def push(bench: ArmBench, grasp: Grasp, limit_n: float, periods: int = 15,
         delta_m: np.ndarray = DOWN) -> tuple[np.ndarray, float]:
    """Contact force averaged over 20 ms at every physics step, and the largest slip [m]."""
    drive = JointVelocity(bench.robot, limit_n)
    force, slip = [0.0], 0.0
    for _ in range(periods):
        drive.command(bench.q, delta_m, np.zeros(3))
        gravity = bench.gravity()
        for _ in range(100):
            felt = np.array([0.0, 0.0, float(np.mean(force[-20:]))])
            bench.inner(drive.torque(bench.q, bench.dq, felt, gravity))
            force.append(grasp.push_n())
            slip = max(slip, grasp.slip_m())
    return np.convolve(force, np.ones(20) / 20, "valid"), slip


def test_10_31_push_stays_below_the_force_limit_and_the_plug_does_not_slip(bench):
    force, slip = push(bench, Grasp(bench), LIMIT_N)
    assert 5.0 < force[-200:].mean() < LIMIT_N, "it must touch, and not exceed the limit"
    assert force.max() < LIMIT_N
    assert slip < 1e-3


def test_10_31_at_full_speed_the_limit_is_what_keeps_the_plug_in_the_grasp():
    """12 mm a period: the impact passes the limit for some 20 ms, yet the peg stays; without it it goes."""
    slips = []
    for limit_n in (LIMIT_N, 1e9):
        arm = ArmBench()
        slips.append(push(arm, Grasp(arm), limit_n, delta_m=3.0 * DOWN)[1])
        arm.close()
    assert slips[0] < 1e-3 and slips[1] > 3e-3


def test_10_31_free_velocity_follows_the_command(bench):
    drive = JointVelocity(bench.robot, LIMIT_N)
    start = bench.tip_m
    for _ in range(5):
        drive.command(bench.q, np.array([0.002, -0.003, 0.004]), np.zeros(3))
        gravity = bench.gravity()
        for _ in range(100):
            bench.inner(drive.torque(bench.q, bench.dq, np.zeros(3), gravity))
    assert bench.tip_m - start == pytest.approx([0.010, -0.015, 0.020], rel=0.15)


def test_10_31_only_the_resisting_force_slows_the_tip(bench):
    drive = JointVelocity(bench.robot, LIMIT_N)
    down = np.array([0.0, 0.0, -0.04])
    assert drive._share(down, np.array([0.0, 0.0, 10.0])) == pytest.approx(0.5)
    assert drive._share(down, np.array([0.0, 0.0, 25.0])) == 0.0
    assert drive._share(down, np.array([15.0, 0.0, -15.0])) == 1.0
    assert drive._share(-down, np.array([0.0, 0.0, 25.0])) == 1.0
