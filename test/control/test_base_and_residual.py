"""The base controller (equation 50) and its composition with the residual (equation 49)."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from priorrl_core.control.p_controller import PController
from priorrl_core.control.residual import compose
from priorrl_core.errors import ConfigError

LIMIT = np.array([0.006, 0.006, 0.006])


def bits(values: np.ndarray) -> bytes:
    return struct.pack("<3d", *values)


def test_9_01_p_controller_with_ideal_tracking_follows_the_table():
    base = PController([1.0, 1.0, 0.3], [1.0] * 3)
    goal = np.array([0.5, 0.1, 0.2])
    tip = goal + [0.010, -0.010, 0.050]
    heights = []
    for tick in range(10):
        tip = tip + base(tip, goal)
        heights.append(1e3 * (tip[2] - goal[2]))
        if tick == 0:
            assert tip[:2] == pytest.approx(goal[:2], abs=1e-12)
    assert heights == pytest.approx([35.0, 24.5, 17.15, 12.0, 8.40, 5.88, 4.12, 2.88, 2.02, 1.41], abs=0.006)


def test_9_01_goal_is_an_input_and_gain_is_element_wise():
    base = PController([1.0, 0.5, 0.3], [1.0] * 3)
    tip = np.zeros(3)
    assert base(tip, np.array([0.01, 0.01, 0.01])) == pytest.approx([0.01, 0.005, 0.003])
    assert base(tip, np.array([-0.01, 0.0, 0.0])) == pytest.approx([-0.01, 0.0, 0.0])


def test_base_is_clipped_per_axis():
    base = PController([1.0, 1.0, 0.3], [0.002, 0.003, 0.001])
    assert base(np.zeros(3), np.array([1.0, -1.0, 1.0])).tolist() == [0.002, -0.003, 0.001]


@pytest.mark.parametrize("gain", [[1.0, 1.0], [1.0, 1.0, -0.3], [1.0, 1.0, np.nan]])
def test_wrong_gain_is_refused(gain):
    with pytest.raises(ConfigError, match="three numbers >= 0"):
        PController(gain, [0.002] * 3)


@pytest.mark.parametrize("base", [[0.1, -0.2, 0.3], [-0.0, 0.0, -0.0], [1e-300, -5e-324, 0.1 + 0.2]])
@pytest.mark.parametrize("action", [[0.0] * 3, [1.0, -1.0, 0.5], [np.nan] * 3, [np.inf, 1e308, -np.inf]])
def test_at_blend_0_the_sum_is_the_base_bit_for_bit(base, action):
    base = np.array(base)
    _, total = compose(base, np.array(action), LIMIT, 0.0)
    assert bits(total) == bits(base)
    total[0] = 9.0
    assert base[0] != 9.0


def test_residual_is_bounded_in_its_own_units_and_blended():
    base = np.array([0.001, 0.0, -0.001])
    residual, total = compose(base, np.array([0.5, -7.0, 7.0]), LIMIT, 0.5)
    assert residual == pytest.approx([0.003, -0.006, 0.006])
    assert total == pytest.approx([0.0025, -0.003, 0.002])


def test_a_nan_action_reaches_the_safety_filter_as_nan():
    assert np.isnan(compose(np.zeros(3), np.array([np.nan, 0, 0]), LIMIT, 1.0)[1][0])


@pytest.mark.parametrize("blend", [-0.1, 1.1, np.nan])
def test_blend_outside_0_to_1_is_refused(blend):
    with pytest.raises(ValueError, match="blend"):
        compose(np.zeros(3), np.zeros(3), LIMIT, blend)
