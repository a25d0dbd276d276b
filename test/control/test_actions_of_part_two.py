"""Rows 5.11 (a cube about the gripper) and 6.11 (random actions of an Ornstein-Uhlenbeck process)."""

import numpy as np
import pytest

from priorrl_core.control.cube_action import PERIOD_S, CubeAction
from priorrl_core.control.ornstein_uhlenbeck import OrnsteinUhlenbeck
from priorrl_core.errors import DataError


def test_5_11_targets_fill_the_cube_of_ten_centimetres_and_never_leave_it():
    cube, gripper = CubeAction(), np.array([1.3, 0.7, 0.5])
    rng = np.random.default_rng(0)
    actions = [*rng.uniform(-3.0, 3.0, (500, 4)), np.ones(4), -np.ones(4)]
    moved = np.array([cube.target(gripper, a).position_m for a in actions]) - gripper
    assert moved.max(0) == pytest.approx([0.05] * 3) and moved.min(0) == pytest.approx([-0.05] * 3)
    assert cube.target(gripper, np.array([0.5, 0, 0, 0])).position_m - gripper == pytest.approx([0.025, 0, 0])
    assert 1.0 / PERIOD_S == 50.0


def test_5_11_the_fourth_number_is_the_fingers_distance_which_pushing_blocks():
    widths = [CubeAction(open_m=0.08).target(np.zeros(3), np.array([0, 0, 0, a])).width_m for a in (-1, 0, 1, 9)]
    assert widths == pytest.approx([0.0, 0.04, 0.08, 0.08])
    assert CubeAction(fingers_blocked=True).target(np.zeros(3), np.ones(4)).width_m == 0.0


def test_5_11_the_workspace_binds_and_bad_actions_are_refused():
    cube = CubeAction(low_m=(-1.0, -1.0, 0.02), high_m=(1.0, 1.0, 1.0))
    assert cube.target(np.array([0.0, 0.0, 0.03]), -np.ones(4)).position_m[2] == 0.02
    for bad in (np.ones(3), np.array([0, np.nan, 0, 0])):
        with pytest.raises(DataError, match="4 finite numbers"):
            cube.target(np.zeros(3), bad)
    with pytest.raises(ValueError, match="low_m"):
        CubeAction(low_m=(1.0, 0.0, 0.0), high_m=(0.5, 1.0, 1.0))


@pytest.mark.parametrize(("dt", "wanted"), [(1.0, 0.5695), (0.01, 0.5481)])
def test_6_11_stationary_spread(dt, wanted):
    """0.3 / sqrt(1 - 0.85^2) for the unit step; near sigma / sqrt(2 theta) = 0.5477 for a small one."""
    process = OrnsteinUhlenbeck(2000, np.random.default_rng(0), dt=dt)
    assert process.stationary_std == pytest.approx(wanted, abs=2e-4)
    for _ in range(int(40 / dt)):
        last = process.state()
    assert last.std() == pytest.approx(wanted, rel=0.04) and abs(last.mean()) < 0.05


def test_6_11_steps_pull_back_by_theta_and_an_episode_starts_at_zero():
    still = OrnsteinUhlenbeck(2, np.random.default_rng(0), sigma=0.0)
    still._state[:] = 1.0
    assert [float(still.state()[0]) for _ in range(3)] == pytest.approx([0.85, 0.85**2, 0.85**3])
    process = OrnsteinUhlenbeck(2, np.random.default_rng(0))
    first = process.state()
    process.reset()
    process._rng = np.random.default_rng(0)
    assert np.array_equal(process.state(), first)
    assert first == pytest.approx(0.3 * np.random.default_rng(0).standard_normal(2))


def test_6_11_actions_are_float32_within_their_range():
    wild = OrnsteinUhlenbeck(3, np.random.default_rng(0), sigma=5.0)
    actions = np.stack([wild(np.zeros(4)) for _ in range(50)])
    assert actions.dtype == np.float32 and np.abs(actions).max() == 1.0
