"""A script that solves block assembly with rotated blocks: nudges them apart with the foot, then goes down."""

from __future__ import annotations

from typing import Any

import numpy as np

from priorrl_core.tasks.blocks import BlockTask
from priorrl_core.tasks.residual import ResidualEnv

STEP_M = 0.006


def gap(poses: np.ndarray, task: BlockTask) -> tuple[float, float]:
    """Faces of the free gap along y, from the middle of the slot [m]."""
    half = task.shapes.standing_m[1] / 2
    reach = half * (np.cos(poses[:, 5]) + np.abs(np.sin(poses[:, 5])) - 1.0)
    face = task.shapes.held_m[1] / 2 + task.shapes.clearance_m
    return -face + reach[0] + poses[0, 1], face - reach[1] + poses[1, 1]


def nudge(env: ResidualEnv, info: dict[str, Any], task: BlockTask, step: int) -> np.ndarray:
    """Action (3,) in [-1, 1]; looks at the true poses."""
    truth = info["ground_truth"]
    low, high = gap(truth["poses"], task)
    offset, aim, height = truth["offset_m"], (low + high) / 2, 0.0
    if high - low - task.shapes.held_m[1] < 0.001 and offset[2] > 0.044:
        height = 0.050  # the foot is between the blocks, the wide part still above them
        half = task.shapes.foot_m[1] / 2
        if offset[2] < height + 0.004:
            aim = high - half + 0.003 if (step // 3) % 2 == 0 else low + half - 0.003
    wish = np.array([-offset[0], aim - offset[1], height - offset[2]])
    return env.action_for(np.clip(wish, -STEP_M, STEP_M))
