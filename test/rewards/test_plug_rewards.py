"""Rewards of connector insertion against the numbers of the specification (section 3.3)."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.errors import DataError
from priorrl_core.rewards.natural import DenseReward
from priorrl_core.rewards.plug import DenseInsertion, electrical, image_l1

DEPTH = 0.008
SIGNS = {1.0: {50: -4.96, 20: -1.90, 10: -0.80, 5: -0.10, 2: 0.80, 1: 1.90},
         -1.0: {50: -5.04, 20: -2.10, 10: -1.20, 5: -0.90, 2: -1.20, 1: -2.10}}


def dense(sign: float = 1.0, eps_m: float = 1e-9) -> DenseInsertion:
    return DenseInsertion(DenseReward(eps_m=eps_m, inverse_sign=sign))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_9_16_golden_values_of_equation_48(sign, axis):
    for d_mm, value in SIGNS[sign].items():
        offset = np.zeros(3)
        offset[axis] = d_mm * 1e-3
        for force in (0.0, 5.0):
            after = dense(sign).indicated(offset, DEPTH)
            wanted = value + (0.1 if after else -0.1) * force
            assert dense(sign)(offset, DEPTH, force).reward == pytest.approx(wanted, abs=0.006)


def test_9_16_the_l1_and_l2_norms_stand_in_the_right_places():
    # |x| + |y| + |z| = 14 mm and the Euclidean distance is 10 mm: -1.4 + 0.002 / 0.01 = -1.2
    assert dense()(np.array([0.006, -0.008, 0.0]), DEPTH, 0.0).reward == pytest.approx(-1.2, abs=1e-6)


def test_9_17_the_printed_sign_is_best_4_47_mm_away_and_ours_at_the_goal():
    distances = np.linspace(1e-4, 0.05, 5000)

    def along(sign: float) -> np.ndarray:
        return np.array([dense(sign)(np.array([0.0, 0.0, d]), DEPTH, 0.0).reward for d in distances])

    printed = along(-1.0)
    assert 1e3 * distances[printed.argmax()] == pytest.approx(4.47, abs=0.02)
    assert printed.max() == pytest.approx(-0.894, abs=1e-3)
    assert along(DenseInsertion().equation.inverse_sign).argmax() == 0, "the default sign draws to the goal"


@pytest.mark.parametrize(("offset_mm", "after"), [
    ((0.0, 0.0, 4.1), False), ((0.0, 0.0, 3.9), True), ((0.0, 0.0, -0.5), True), ((1.4, 0.0, 3.9), True),
    ((1.6, 0.0, 3.9), False), ((1.2, 1.2, 0.0), False), ((0.0, 30.0, -2.0), False)])
def test_9_18_the_force_term_turns_its_sign_at_a_distance_and_not_beside_the_socket(offset_mm, after):
    offset = np.array(offset_mm) * 1e-3
    gain = dense()(offset, DEPTH, 10.0).reward - dense()(offset, DEPTH, 0.0).reward
    assert gain == pytest.approx(1.0 if after else -1.0)


def test_9_11_image_reward_is_minus_the_mean_difference():
    one = np.zeros((32, 32), np.uint8)
    two = one.copy()
    two[0, :16] = 255  # 16 of 1024 pixels: 1/64
    assert image_l1(one, one) == 0.0
    assert image_l1(one, two) == pytest.approx(-1.0 / 64.0) == image_l1(two, one)
    assert image_l1(one, two, scale=10.0) == pytest.approx(-10.0 / 64.0)
    with pytest.raises(DataError, match="one camera"):
        image_l1(one, two[:16])


def test_9_14_electrical_reward_is_zero_or_one():
    assert (electrical(True), electrical(False)) == (1.0, 0.0)
