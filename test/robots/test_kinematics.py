"""Sawyer's kinematics against published vectors, against PyBullet, and against finite differences."""

from __future__ import annotations

import time

import numpy as np
import pybullet
import pytest
from pybullet_utils.bullet_client import BulletClient

from priorrl_core.config import ROOT
from priorrl_core.robots.kinematics import Kinematics, KinematicsError, rotation_rpy
from priorrl_core.robots.profile import load_robot

ROBOT = load_robot()
ARM = Kinematics(ROBOT)
HOME = np.array(ROBOT.home_rad)
NEUTRAL = np.array([0.0, -1.18, 0.0, 2.18, 0.0, 0.57, 3.3161])
SHIPPING = np.array([0.0, -1.57, 0.0, 2.79, 0.0, -2.79, 3.3161])
L6 = 6  # row of frames()


def quaternion_matrix(x: float, y: float, z: float, w: float) -> np.ndarray:
    return np.array(pybullet.getMatrixFromQuaternion((x, y, z, w))).reshape(3, 3)


def poses(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(ROBOT.lower_rad, ROBOT.upper_rad) for _ in range(count)]


@pytest.mark.parametrize(("q", "row", "xyz"), [
    (np.zeros(7), L6, (0.9910, 0.1603, 0.3170)),
    (np.zeros(7), -2, (1.0155, 0.1603, 0.3170)),
    (NEUTRAL, L6, (0.44958, 0.1603, 0.24025)),
    (NEUTRAL, -2, (0.44960, 0.1603, 0.21575)),
    (SHIPPING, -2, (0.21888, 0.1603, 0.47586))])
def test_forward_agrees_with_the_published_vectors(q, row, xyz):
    assert ARM.frames(q)[row][:3, 3] == pytest.approx(xyz, abs=1e-5)


@pytest.mark.parametrize(("q", "turn"), [
    (np.zeros(7), (-0.5417, 0.4545, -0.5417, 0.4545)), (NEUTRAL, (0.70710, 0.70711, 0.00028, 0.00028))])
def test_forward_orientation_agrees_with_the_published_vectors(q, turn):
    _, rotation = ARM.forward_hand(q)
    unit = np.array(turn) / np.linalg.norm(turn)
    assert rotation == pytest.approx(quaternion_matrix(*unit), abs=2e-4)


def test_forward_agrees_with_pybullet_and_the_urdf():
    bullet = BulletClient(pybullet.DIRECT)
    arm = bullet.loadURDF(str(ROOT / ROBOT.urdf), useFixedBase=True)
    index = {bullet.getJointInfo(arm, i)[1].decode(): i for i in range(bullet.getNumJoints(arm))}
    for q in [HOME, *poses(50)]:
        for name, value in zip(ROBOT.joint_names, q, strict=True):
            bullet.resetJointState(arm, index[name], value)
        state = bullet.getLinkState(arm, index["right_gripper_tip_joint"], computeForwardKinematics=True)
        position, rotation = ARM.forward(q)
        assert position == pytest.approx(state[4], abs=1e-6)
        assert rotation == pytest.approx(quaternion_matrix(*state[5]), abs=1e-6)
    bullet.disconnect()


def test_jacobian_agrees_with_finite_differences():
    step = 1e-6
    for q in poses(20, seed=1):
        jacobian = ARM.jacobian(q)
        for j in range(7):
            ahead, behind = q.copy(), q.copy()
            ahead[j] += step
            behind[j] -= step
            (p1, r1), (p0, r0) = ARM.forward(ahead), ARM.forward(behind)
            assert jacobian[:3, j] == pytest.approx((p1 - p0) / (2 * step), abs=1e-7)
            spin = (r1 - r0) @ ARM.forward(q)[1].T / (2 * step)
            assert jacobian[3:, j] == pytest.approx([spin[2, 1], spin[0, 2], spin[1, 0]], abs=1e-7)


def test_home_holds_the_tip_straight_down_over_the_bench():
    position, rotation = ARM.forward(HOME)
    assert position == pytest.approx((0.55, 0.16, 0.10), abs=1e-5)
    assert rotation == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]), abs=1e-5)


def test_inverse_reaches_the_whole_workspace_within_half_a_millimetre():
    down = ARM.forward(HOME)[1]
    rng = np.random.default_rng(2)
    for _ in range(25):
        goal = rng.uniform(ROBOT.workspace_lower_m, ROBOT.workspace_upper_m)
        q = ARM.inverse(goal, down, HOME)
        position, rotation = ARM.forward(q)
        assert np.linalg.norm(position - goal) < 5e-4
        assert rotation == pytest.approx(down, abs=5e-3)
        assert (q > ROBOT.lower_rad).all() and (q < ROBOT.upper_rad).all()


@pytest.mark.parametrize("goal", [(1.8, 0.0, 0.2), (0.0, 0.0, -1.4), (np.nan, 0.1, 0.1)])
def test_inverse_refuses_what_it_cannot_reach(goal):
    with pytest.raises(KinematicsError, match="reach|NaN"):
        ARM.inverse(np.array(goal), ARM.forward(HOME)[1], HOME)


def test_9_04_ik_step_lands_within_half_a_millimetre_inside_the_joint_limits():
    down, rng = ARM.forward(HOME)[1], np.random.default_rng(3)
    worst = 0.0
    for _ in range(200):
        start = ARM.inverse(rng.uniform(ROBOT.workspace_lower_m, ROBOT.workspace_upper_m), down, HOME)
        delta = rng.normal(size=3)
        delta *= ROBOT.max_step_m / np.linalg.norm(delta)
        goal = ARM.forward(start)[0] + delta
        q = ARM.step(start, goal, down)
        worst = max(worst, float(np.linalg.norm(ARM.forward(q)[0] - goal)))
        assert (q > ROBOT.lower_rad).all() and (q < ROBOT.upper_rad).all()
    assert worst < 5e-4


def test_step_keeps_the_orientation_when_it_starts_tilted():
    down = ARM.forward(HOME)[1]
    q = ARM.inverse(np.array([0.55, 0.16, 0.05]), rotation_rpy((0.03, -0.02, 0.04)) @ down, HOME)
    position = ARM.forward(q)[0]
    assert ARM.forward(ARM.step(q, position, down))[1] == pytest.approx(down, abs=1e-3)


def test_step_never_passes_a_joint_limit():
    q = np.array(ROBOT.upper_rad) - 0.05
    target = ARM.step(q, ARM.forward(q)[0] + [0.2, 0.2, 0.2], ARM.forward(HOME)[1])
    assert (target <= np.array(ROBOT.upper_rad)).all() and (target >= np.array(ROBOT.lower_rad)).all()


def test_hundred_small_steps_do_not_drift_into_the_null_space():
    """Around a square and back: the posture stays near home (the pull towards home works)."""
    q, down = HOME.copy(), ARM.forward(HOME)[1]
    start = ARM.forward(q)[0]
    for i in range(200):
        offset = 0.05 * np.array([np.cos(i * 0.2) - 1.0, np.sin(i * 0.2), 0.0])
        q = ARM.step(q, start + offset, down)
    q = ARM.step(q, start, down)
    assert np.abs(q - HOME).max() < 0.15


def best_us(call, repeats: int = 5, number: int = 300) -> float:
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, time.perf_counter() - begin)
    return 1e6 * best / number


def test_kinematics_are_fast_enough_for_the_loop():
    """Budgets: frames and Jacobian 60 us, step 150 us (three times that here, for busy machines)."""
    position, rotation = ARM.forward(HOME)
    assert best_us(lambda: ARM.frames(HOME)) < 180
    assert best_us(lambda: ARM.jacobian(HOME)) < 180
    assert best_us(lambda: ARM.step(HOME, position + 0.003, rotation)) < 450
