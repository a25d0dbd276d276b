"""The believed goal of one episode: the calibrated pose plus the task's error (thesis section 10.6)."""

from __future__ import annotations

import numpy as np

from priorrl_core.tasks import shapes
from priorrl_core.tasks.connectors import ConnectorSpec
from priorrl_core.tasks.task import InsertionTask


def calibrated_goal_m(connector: ConnectorSpec, task: InsertionTask) -> np.ndarray:
    """Tip position (3,) [m] of the fully inserted plug, as the calibration of the connector stores it."""
    return np.array(task.socket_xyz_m) + [0.0, 0.0, shapes.goal_height_m(connector)]


def believed_goal_m(connector: ConnectorSpec, task: InsertionTask, scenario: str, seed: int) -> np.ndarray:
    """Goal (3,) [m] of the episode with ``seed``; the same draw as ``InsertionEnv.reset(seed=seed)``."""
    error = task.sample_goal_error(scenario, np.random.default_rng(seed))
    return calibrated_goal_m(connector, task) + error
