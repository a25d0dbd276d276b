"""A tip that goes where it is told, and a base controller that is off: the smallest world for residual learning."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.control.base_controllers import BaseController, RobotState
from priorrl_core.control.control_noise import ControlNoise
from priorrl_core.tasks.residual import ResidualEnv

HORIZON = 10
LIMIT = 0.25


class WrongBase:
    """Goes to a place beside the goal."""

    def reset(self) -> None:
        pass

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        return 0.3 * (goal_m + np.array([0.8, -0.4, 0.0]) - robot.tip_m)


class ReachEnv(gym.Env):
    """Observation: the tip (3,); reward: minus its distance from the origin."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float64)
        self.tip, self.age = np.zeros(3), 0

    @property
    def commanded_goal_m(self) -> np.ndarray:
        return np.zeros(3)

    def robot_state(self) -> RobotState:
        return RobotState(self.tip, np.zeros(3), np.zeros(3), self.age)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        self.tip, self.age = np.random.default_rng(seed).uniform(-1.0, 1.0, 3), 0
        return self.tip.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.tip, self.age = np.clip(self.tip + action, -2.0, 2.0), self.age + 1
        distance = float(np.linalg.norm(self.tip))
        truth = {"success": distance < 0.1, "distance_m": distance, "offset_m": self.tip.copy()}
        info = {"executed_m": np.array(action), "fault": None, "ground_truth": truth}
        return self.tip.astype(np.float32), -distance, False, self.age == HORIZON, info


def make_reach(base: BaseController | None = None, noise: float = 0.0) -> ResidualEnv:
    return ResidualEnv(ReachEnv(), base or WrongBase(), np.full(3, LIMIT),
                       noise=ControlNoise(0.0, noise, 1.0) if noise else None)
