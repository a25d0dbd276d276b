"""Rows 6.10 and 6.17: thresholds and signs of chapter 6's rewards."""

import numpy as np
import pytest

from priorrl_core.rewards import manipulation as rewards


@pytest.mark.parametrize(("distance", "similarity", "wanted"), [
    (0.0, 1.0, 0.0), (0.075, 0.95, 0.0), (0.0751, 1.0, -1.0), (0.0, 0.9499, -1.0), (0.0, -1.0, -1.0), (1.0, 0.0, -1.0)])
def test_6_10_pen(distance, similarity, wanted):
    """The similarity must be high: the printed "<= 0.95" would pay for the wrong orientation."""
    axis = np.array([similarity, np.sqrt(1.0 - similarity**2), 0.0])
    position = np.array([0.0, distance, 0.0])
    assert float(rewards.pen_reward(position, np.zeros(3), axis, np.array([1.0, 0.0, 0.0]))) == wanted


def test_6_10_door_and_relocate():
    assert rewards.door_reward(np.array([0.0, 1.4, 1.4001, 1.57])).tolist() == [-1.0, -1.0, 0.0, 0.0]
    apart = np.array([[0.1, 0, 0], [0.1001, 0, 0], [0, 0, 0.0]])
    assert rewards.relocate_reward(apart, np.zeros(3)).tolist() == [0.0, -1.0, 0.0]


def test_6_10_claw_and_drawer_pay_for_success_where_the_thesis_prints_the_opposite():
    goal = np.pi
    angles = np.array([np.pi, np.pi - 0.25, np.pi - 0.2501, -np.pi + 0.2, 0.0])
    assert rewards.claw_reward(angles, goal).tolist() == [0.0, 0.0, -1.0, 0.0, -1.0]
    assert rewards.drawer_reward(np.array([2.0, 17.0, 17.1, -13.5]), 2.0).tolist() == [-1.0, -1.0, 0.0, 0.0]


def test_6_17_hand_by_hand():
    o, h, g = np.array([0.3, 0.4, 0.0]), np.zeros(3), np.array([0.3, 0.4, 0.2])
    assert float(rewards.reposition_reward(o, h, g)) == pytest.approx(-0.5 - 3.0 * 0.2)
    many = rewards.reposition_reward(np.stack([o, g]), h, g)
    assert many.tolist() == pytest.approx([-1.1, -np.linalg.norm(g)])
