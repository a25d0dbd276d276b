"""The cascade increment -> IK -> joint targets -> impedance torques, on Sawyer in PyBullet."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from priorrl_core.control.impedance import JointImpedance, stiffness_matrix, tip_stiffness_n_m
from priorrl_core.control.p_controller import PController

from .arm_bench import ArmBench


@pytest.fixture(scope="module")
def shared() -> Iterator[ArmBench]:
    arm = ArmBench()
    yield arm
    arm.close()


@pytest.fixture
def bench(shared: ArmBench) -> ArmBench:
    shared.reset()
    return shared


def test_9_02_p_controller_descends_5_cm_in_about_ten_ticks(bench):
    goal = bench.home_m + [0.010, -0.010, -0.05]
    base = PController([1.0, 1.0, 0.3], [0.012] * 3)
    for _ in range(12):
        bench.step(base(bench.tip_m, goal))
    assert abs(bench.tip_m[2] - goal[2]) < 0.003
    assert np.linalg.norm(bench.tip_m[:2] - goal[:2]) < 0.001


def test_9_03_hundred_torque_ticks_of_1_ms_per_action(bench):
    assert bench.robot.control_period_s == 0.1 and bench.robot.physics_period_s == 0.001
    bench.step(np.zeros(3))
    assert bench.inner_ticks == 100


def test_9_04_one_action_through_all_four_stages(bench):
    delta = np.array([0.003, -0.004, -0.005])
    start = bench.tip_m
    target = bench.kinematics.step(bench.q, start + delta, bench.down)
    assert np.linalg.norm(bench.kinematics.forward(target)[0] - start - delta) < 5e-4
    assert (target > bench.robot.lower_rad).all() and (target < bench.robot.upper_rad).all()
    tau = bench.impedance.torque(bench.q, bench.dq, target, bench.gravity()).copy()
    assert np.abs(tau - bench.gravity()).max() > 1.0
    assert (np.abs(tau) <= bench.robot.torque_limit_nm).all()
    bench.impedance.reset()
    bench.step(delta)
    assert np.linalg.norm(bench.tip_m - start - delta) < 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_free_step_of_5_mm_settles(bench, axis, sign):
    """To 0.9 mm after one period and below 0.5 mm after the second, without ringing."""
    goal = bench.home_m.copy()
    goal[axis] += 0.005 * sign
    errors = []
    for _ in range(4):
        bench.step(goal - bench.tip_m)
        errors.append(float(np.linalg.norm(bench.tip_m - goal)))
    assert errors[0] < 9e-4 and errors[1] < 5e-4 and max(errors[2:]) < 2e-4


def test_holding_still_does_not_drift(bench):
    for _ in range(20):
        bench.step(np.zeros(3))
    assert np.linalg.norm(bench.tip_m - bench.home_m) < 1e-4


def test_9_05_anti_windup_after_5_s_blocked(bench):
    bench.block(0.001)
    for _ in range(50):
        bench.step(np.array([0.0, 0.0, -0.004]))
        assert (np.abs(bench.impedance.integral_nm) <= bench.robot.integral_limit_nm).all()
    held = bench.tip_m
    bench.bullet.removeBody(bench.blocks.pop())
    lowest = 0.0
    for _ in range(10):
        bench.step(held - bench.tip_m)
        lowest = min(lowest, float(bench.tip_m[2] - held[2]))
    assert lowest > -0.005
    assert np.linalg.norm(bench.tip_m - held) < 1e-3


def test_9_06_contact_force_of_a_10_mm_penetration_command(bench, record_property):
    """About 41 N for 10 mm: stiffness of the tip in z times depth, plus the integral; no chatter, no slip."""
    bench.block(0.005)
    for _ in range(5):
        bench.step(np.array([0.0, 0.0, -0.01]))
    at_rest = bench.tip_m
    force = np.concatenate([bench.step(np.array([0.0, 0.0, -0.01])) for _ in range(5)])
    record_property("contact_force_n", round(float(force.mean()), 1))
    stiffness = tip_stiffness_n_m(bench.robot, bench.q)[2]
    assert 0.8 * stiffness * 0.01 < force.mean() < stiffness * 0.01 + 6.0
    assert force.max() < 50.0 and force.std() < 1.0
    assert np.abs(bench.tip_m[:2] - at_rest[:2]).max() < 5e-4, "pressing slides the tip sideways"


def test_9_06_torques_never_exceed_the_urdf_effort(bench):
    tau = bench.impedance.torque(bench.q, bench.dq, bench.q + 1.0, bench.gravity())
    assert (np.abs(tau) <= bench.robot.effort_limit_nm).all()
    assert np.abs(tau).max() == pytest.approx(80.0)


def test_stiffness_is_a_passive_spring_and_nearly_decoupled_at_the_tip(bench):
    stiffness = stiffness_matrix(bench.robot)
    assert stiffness == pytest.approx(stiffness.T)
    assert np.linalg.eigvalsh(stiffness).min() > 0.0
    jacobian = bench.kinematics.jacobian(bench.home)[:3]
    compliance = jacobian @ np.linalg.solve(stiffness, jacobian.T)
    assert abs(compliance[0, 2]) < 0.1 * compliance[2, 2] and abs(compliance[1, 2]) < 0.1 * compliance[2, 2]
    assert ((tip_stiffness_n_m(bench.robot, bench.home) > 2500)
            & (tip_stiffness_n_m(bench.robot, bench.home) < 5000)).all()


PLACES = [(0.55, 0.16, 0.0), (0.45, 0.05, 0.2), (0.65, 0.28, 0.2), (0.42, 0.28, -0.03)]


@pytest.mark.parametrize("place", PLACES)
def test_explicit_torques_are_stable_all_over_the_work_box(bench, place):
    """The 1 kHz semi-implicit loop has its eigenvalues in the unit circle, in the air and in hard contact."""
    q = bench.kinematics.inverse(np.array(place), bench.down, bench.home)
    inertia = np.array(bench.bullet.calculateMassMatrix(bench.arm, q.tolist()))
    wall = bench.kinematics.jacobian(q)[2:3]
    damping = np.diag(bench.robot.damping_nm_s_rad)
    for extra in (0.0, 1e5):
        stiffness = stiffness_matrix(bench.robot) + extra * wall.T @ wall
        speed = np.eye(7) - 1e-3 * np.linalg.solve(inertia, damping)
        push = -1e-3 * np.linalg.solve(inertia, stiffness)
        loop = np.block([[np.eye(7) + 1e-3 * push, 1e-3 * speed], [push, speed]])
        assert np.abs(np.linalg.eigvals(loop)).max() < 1.0


def test_torque_is_the_formula(bench):
    loop, robot = JointImpedance(bench.robot), bench.robot
    rng = np.random.default_rng(0)
    q, dq, gravity = bench.home, 0.1 * rng.normal(size=7), rng.normal(size=7)
    target = q + 1e-4 * rng.normal(size=7)
    integral = np.array(robot.integral_gain_nm_rad_s) * 1e-3 * (target - q)
    spring = stiffness_matrix(robot) @ (target - q)
    expected = gravity + spring - np.array(robot.damping_nm_s_rad) * dq + integral
    limit = np.array(robot.torque_limit_nm)
    assert loop.torque(q, dq, target, gravity) == pytest.approx(np.clip(expected, -limit, limit), rel=1e-12)
    loop.reset()
    assert not loop.integral_nm.any()


def test_torque_costs_microseconds(bench):
    """Budget 12 us a call (three times that here, for busy machines)."""
    loop, zero = JointImpedance(bench.robot), np.zeros(7)
    best = np.inf
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(500):
            loop.torque(bench.q, zero, bench.q, zero)
        best = min(best, (time.perf_counter() - begin) / 500)
    assert best < 36e-6
