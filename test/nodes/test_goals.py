"""The believed goal: the same draw in the graph and in the Gymnasium environment."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.goals.calibration import believed_goal_m
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.env import InsertionEnv
from priorrl_core.tasks.task import load_task


@pytest.mark.parametrize("scenario", ["I", "II"])
def test_s_11_goal_of_the_graph_equals_goal_of_the_environment(scenario: str) -> None:
    """S.11: the goal proposer draws the error as InsertionEnv.reset does from the same seed."""
    task, connector = load_task(), load_connector("usb")
    env = InsertionEnv(connector, task=task, images=False)
    try:
        env.reset(seed=11, options={"scenario": scenario})
        assert np.array_equal(env.believed_goal_m, believed_goal_m(connector, task, scenario, 11))
    finally:
        env.close()
