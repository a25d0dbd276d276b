"""The way back to a start pose: up, across, down; each step an ordinary command through the safety filter."""

from __future__ import annotations

import numpy as np

from priorrl_core.tasks.task import InsertionTask

_LIFT_STEP_M = 0.006  # gentle: the plug may still be in the socket


def start_pose(believed_goal_m: np.ndarray, task: InsertionTask) -> np.ndarray:
    """Tip position (3,) [m] at which an episode starts."""
    return np.asarray(believed_goal_m) + [0.0, 0.0, task.start_height_m]


def reset_step(tip_m: np.ndarray, start_m: np.ndarray, task: InsertionTask) -> np.ndarray | None:
    """Next increment (3,) [m] towards ``start_m`` (3,), or None when there (within the task's tolerance)."""
    error = np.asarray(start_m) - tip_m
    if float(np.abs(error).max()) <= task.reset_tolerance_m:
        return None
    travel_height = start_m[2] - task.start_height_m + task.reset_lift_m
    if float(np.hypot(error[0], error[1])) > 0.0015 and tip_m[2] < travel_height - 0.002:
        return np.array([0.0, 0.0, min(_LIFT_STEP_M, travel_height - tip_m[2])])
    if float(np.hypot(error[0], error[1])) > 0.0015:
        error[2] = travel_height - tip_m[2]
    return np.clip(error, -task.reset_step_m, task.reset_step_m)
