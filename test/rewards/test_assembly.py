"""Reward of block assembly, thesis equation 44."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.rewards.assembly import AssemblyReward

REWARD = AssemblyReward(distance=10.0, tilt=1.0, shift=10.0)
STILL = np.zeros(2)


def test_8_13_two_terms_by_hand():
    terms = REWARD(np.array([0.003, 0.0, 0.004]), np.array([0.1, 0.2]), np.array([0.0, 0.01]))
    assert terms.robot == pytest.approx(-0.05)  # 10 * 5 mm
    assert terms.objects == pytest.approx(-0.4)  # 0.3 rad + 10 * 10 mm
    assert terms.reward == terms.robot + terms.objects


def test_8_13_the_robot_moves_f_alone_and_a_tilt_moves_g_alone():
    here = REWARD(np.array([0.0, 0.0, 0.05]), STILL, STILL)
    moved = REWARD(np.array([0.0, 0.0, 0.02]), STILL, STILL)
    tilted = REWARD(np.array([0.0, 0.0, 0.05]), np.array([0.3, 0.0]), STILL)
    assert moved.objects == here.objects == 0.0 and moved.robot > here.robot
    assert tilted.robot == here.robot and tilted.objects == pytest.approx(-0.3)
