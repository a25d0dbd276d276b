"""Rewards of thesis chapter 6: the binary ones of the dexterous hand and of the robots, and the dense ones.

All are functions of arrays whose leading axes agree, and give float64. Misprints settled (spec section 5, rows 1 and
2): the pen's orientation term is a similarity that must be *at least* 0.95; claw and drawer print -1 on success and 0
else, which a maximiser would avoid: 0 on success, -1 else.
"""

from __future__ import annotations

import numpy as np

PEN_M, PEN_SIMILARITY = 0.075, 0.95
DOOR_RAD = 1.4
RELOCATE_M = 0.1
CLAW_RAD = 0.25
DRAWER_RAD = 15.0


def binary(success: np.ndarray) -> np.ndarray:
    """0 on success, -1 else."""
    return np.asarray(success, np.float64) - 1.0


def pen_reward(position_m: np.ndarray, goal_m: np.ndarray, axis: np.ndarray, goal_axis: np.ndarray) -> np.ndarray:
    """``1[||x - d|| <= 0.075] 1[o . o_d >= 0.95] - 1``: positions (..., 3) and unit axes (..., 3).

    Dropping the pen ends nothing, unlike in the original task (appendix D.3): a task must not terminate on it.
    """
    near = np.linalg.norm(position_m - goal_m, axis=-1) <= PEN_M
    return binary(near & ((axis * goal_axis).sum(-1) >= PEN_SIMILARITY))


def door_reward(angle_rad: np.ndarray) -> np.ndarray:
    """``1[d > 1.4] - 1``."""
    return binary(np.asarray(angle_rad) > DOOR_RAD)


def relocate_reward(position_m: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
    """``1[||x - d|| <= 0.1] - 1`` of positions (..., 3)."""
    return binary(np.linalg.norm(position_m - goal_m, axis=-1) <= RELOCATE_M)


def claw_reward(angle_rad: np.ndarray, goal_rad: np.ndarray) -> np.ndarray:
    """0 within 0.25 rad of the valve's goal, the short way round; else -1."""
    apart = np.abs((np.asarray(angle_rad) - goal_rad + np.pi) % (2.0 * np.pi) - np.pi)
    return binary(apart <= CLAW_RAD)


def drawer_reward(motor_rad: np.ndarray, reset_rad: np.ndarray) -> np.ndarray:
    """0 when the drawer's motor is more than 15 rad from where it was reset, else -1."""
    return binary(np.abs(np.asarray(motor_rad) - reset_rad) > DRAWER_RAD)


def reposition_reward(object_m: np.ndarray, hand_m: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
    """``-||o - h|| - 3 ||o - g||`` of the hand on the arm: positions (..., 3)."""
    reach, place = (np.linalg.norm(object_m - other, axis=-1) for other in (hand_m, goal_m))
    return -reach - 3.0 * place
