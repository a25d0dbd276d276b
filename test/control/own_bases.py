"""Base controllers as a user might write them: one good, the others each wrong in one way."""

from __future__ import annotations

import numpy as np

from priorrl_core.control.base_controllers import RobotState


class Good:
    """Half the way to the goal, and it counts its calls."""

    def __init__(self, share: float = 0.5) -> None:
        self.share, self.calls = share, 0

    def reset(self) -> None:
        self.calls = 0

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self.share * (goal_m - robot.tip_m)


class NoReset:
    def __call__(self, robot, goal_m):
        return np.zeros(3)


class Flat(Good):
    def __call__(self, robot, goal_m):
        return np.zeros(2)


class Lists(Good):
    def __call__(self, robot, goal_m):
        return [0.0, 0.0, 0.0]


class NotFinite(Good):
    def __call__(self, robot, goal_m):
        return np.array([0.0, np.nan, 0.0])


class Writes(Good):
    def __call__(self, robot, goal_m):
        goal_m -= robot.tip_m
        return goal_m


class Reuses(Good):
    def __init__(self) -> None:
        super().__init__()
        self.out = np.zeros(3)

    def __call__(self, robot, goal_m):
        self.out[:] = goal_m - robot.tip_m
        return self.out


class Remembers(Good):
    """Its reset forgets nothing."""

    def reset(self):
        self.calls += 0

    def __call__(self, robot, goal_m):
        self.calls += 1
        return np.full(3, 1e-6 * self.calls)


class Random(Good):
    def __call__(self, robot, goal_m):
        return np.random.default_rng().normal(size=3)


NUMBER = 3
