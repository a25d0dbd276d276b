"""The safety filter: what it clips, what it latches, and that it does so in the very tick (row 9.31)."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from priorrl_core.control.p_controller import PController
from priorrl_core.control.residual import compose
from priorrl_core.control.safety import SafetyFilter, SafetyLimits, check_with_way_out
from priorrl_core.robots.profile import load_robot

ROBOT = load_robot()
TIP = np.array([0.55, 0.16, 0.05])
HOME = np.array(ROBOT.home_rad)
SMALL = np.array([0.001, -0.002, 0.003])
LOWER, UPPER = np.array(ROBOT.workspace_lower_m), np.array(ROBOT.workspace_upper_m)


@pytest.fixture
def guard() -> SafetyFilter:
    return SafetyFilter(SafetyLimits.from_profile(ROBOT))


def ask(guard, delta=SMALL, tip=TIP, force=0.0, age=0.0, q=HOME, dq=None):
    return guard.check(np.asarray(delta), np.asarray(tip), force, age, np.asarray(q), dq)


def stopped(verdict, word: str) -> bool:
    return verdict.fault is not None and verdict.fault.startswith(word + ":") and not verdict.delta_m.any()


def test_an_ordinary_command_passes_bit_for_bit(guard):
    delta = np.array([-0.0, 1e-9, 0.1 * 0.03])
    verdict = ask(guard, delta)
    assert struct.pack("<3d", *verdict.delta_m) == struct.pack("<3d", *delta)
    assert not verdict.clipped and verdict.fault is None
    assert verdict.delta_m is not delta
    assert (guard.passed, guard.clipped, guard.refused) == (1, 0, 0)


def test_9_31_50_n_of_contact_stops_in_the_same_tick(guard):
    assert stopped(ask(guard, force=np.array([30.0, 0.0, 40.0])), "force")
    guard.rearm()
    assert stopped(ask(guard, force=50.0), "force")


def test_9_31_nan_action_stops_in_the_same_tick(guard):
    base = PController([1, 1, 0.3], [0.002] * 3)(TIP, TIP)
    _, total = compose(base, np.array([0.0, np.nan, 0.0]), np.array([0.006] * 3), 1.0)
    assert stopped(ask(guard, total), "not_finite")


def test_9_31_stale_camera_stops_in_the_same_tick(guard):
    assert ask(guard, age=ROBOT.stale_after_s).fault is None
    assert stopped(ask(guard, age=ROBOT.stale_after_s + 0.01), "stale")


def test_9_31_out_of_box_goal_never_leaves_the_box(guard):
    """The base controller pulls to a goal outside; every tick's target stays in the box, then holds there."""
    base, tip = PController([1, 1, 0.3], [0.01] * 3), TIP.copy()
    goal = np.array([0.95, 0.16, -0.5])
    for _ in range(60):
        verdict = ask(guard, base(tip, goal), tip)
        assert verdict.fault is None
        tip = tip + verdict.delta_m
        assert (tip >= LOWER - 1e-12).all() and (tip <= UPPER + 1e-12).all()
    assert tip[[0, 2]] == pytest.approx([UPPER[0], LOWER[2]])
    assert verdict.clipped and np.abs(verdict.delta_m).max() < 1e-12


@pytest.mark.parametrize(("change", "word"), [
    ({"delta": [np.inf, 0, 0]}, "not_finite"), ({"delta": [0.0, 0.0]}, "not_finite"),
    ({"delta": [[0.0, 0.0, 0.0]]}, "not_finite"), ({"delta": np.array(["a", "b", "c"])}, "not_finite"),
    ({"tip": [np.nan, 0, 0]}, "not_finite"), ({"force": np.nan}, "not_finite"),
    ({"q": [np.nan] * 7}, "not_finite"), ({"q": [0.0] * 6}, "not_finite"),
    ({"age": np.nan}, "stale"), ({"age": -1.0}, "stale"),
    ({"q": [*HOME[:6], ROBOT.upper_rad[6]]}, "joint_limit"),
    ({"dq": np.array([0, 1.4, 0, 0, 0, 0, 0.0])}, "joint_speed"),
    ({"dq": np.full(7, np.nan)}, "not_finite")])
def test_every_fault_stops_and_says_why(guard, change, word):
    verdict = ask(guard, **change)
    assert stopped(verdict, word)
    assert guard.refused == 1


def test_a_fault_latches_until_rearm_and_the_first_reason_stays(guard):
    ask(guard, force=99.0)
    first = guard.fault
    assert ask(guard).fault == first and not ask(guard, [np.nan] * 3).delta_m.any()
    guard.latch("upstream: two publishers")
    assert guard.fault == first
    guard.rearm()
    assert ask(guard).fault is None
    guard.latch("upstream: two publishers")
    assert stopped(ask(guard), "upstream")


def test_a_long_step_is_shortened_in_its_own_direction(guard):
    verdict = ask(guard, [0.03, -0.04, 0.0])
    assert verdict.clipped and verdict.fault is None
    assert verdict.delta_m == pytest.approx(ROBOT.max_step_m * np.array([0.6, -0.8, 0.0]))


def test_a_huge_finite_step_is_shortened_not_overflowed(guard):
    verdict = ask(guard, [1e200, 0.0, 0.0])
    assert np.isfinite(verdict.delta_m).all() and np.linalg.norm(verdict.delta_m) <= ROBOT.max_step_m + 1e-12


def test_outside_the_box_only_the_way_in_is_open_and_nothing_moves_by_itself(guard):
    outside = np.array([UPPER[0] + 0.02, 0.16, 0.05])
    assert ask(guard, [0.0, 0.0, 0.0], outside).delta_m.tolist() == [0.0, 0.0, 0.0]
    assert ask(guard, [0.005, 0.001, 0.0], outside).delta_m.tolist() == [0.0, 0.001, 0.0]
    assert ask(guard, [-0.005, 0.0, 0.0], outside).delta_m.tolist() == [-0.005, 0.0, 0.0]


def test_the_box_clips_each_axis_alone(guard):
    verdict = ask(guard, [0.004, 0.004, 0.0], [UPPER[0] - 0.001, 0.16, 0.05])
    assert verdict.clipped and verdict.delta_m == pytest.approx([0.001, 0.004, 0.0])


def test_limits_come_from_the_profile_with_its_joint_margin():
    limits = SafetyLimits.from_profile(ROBOT)
    assert limits.force_budget_n == ROBOT.force_budget_n
    assert limits.joint_upper_rad[0] == pytest.approx(ROBOT.upper_rad[0] - ROBOT.joint_margin_rad)


# -- resets in simulation -------------------------------------------------------------------------------


def leave(guard, delta, force=50.0, age=0.0, q=HOME):
    return check_with_way_out(guard, np.asarray(delta), TIP, force, age, q)


def test_a_pressed_arm_is_let_out_upwards_and_only_upwards(guard):
    out = leave(guard, [0.004, -0.003, 0.006])
    assert out.fault is None and np.array_equal(out.delta_m, [0.0, 0.0, 0.006])
    for delta in ([0.0, 0.0, -0.006], [0.004, 0.0, 0.0], [0.0, 0.0, np.nan]):
        guard.rearm()
        assert leave(guard, delta).fault is not None


def test_an_ordinary_command_of_a_reset_passes_as_it_is(guard):
    out = leave(guard, [0.004, -0.003, -0.006], force=1.0)
    assert out.fault is None and np.array_equal(out.delta_m, [0.004, -0.003, -0.006])


def test_the_way_out_excuses_the_force_alone(guard):
    up = [0.0, 0.0, 0.006]
    assert stopped(leave(guard, up, age=ROBOT.stale_after_s + 0.01), "stale")
    guard.rearm()
    assert stopped(leave(guard, up, q=HOME + 10.0), "joint_limit")
    guard.rearm()
    assert leave(guard, [0.0, 0.0, 10.0]).clipped
