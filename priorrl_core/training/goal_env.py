"""A Gymnasium environment with goals, as the learners see it (gymnasium-robotics' form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from priorrl_core.errors import ConfigError
from priorrl_core.training.gym_env import ScaledEnv, stacked
from priorrl_core.training.hindsight import GoalTask
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.observations import holds_image

if TYPE_CHECKING:
    import gymnasium as gym

KEYS = ("observation", "desired_goal", "achieved_goal")


class GoalEnv(ScaledEnv):
    """Observations (D + 2 G,): ``observation``, ``desired_goal``, ``achieved_goal`` in this order.

    The last G numbers are for hindsight; the agent does not see them. ConfigError for an environment without goals.
    ``success`` is ``info["is_success"]`` of the last step, None where there is none.
    """

    def __init__(self, env: gym.Env) -> None:
        from gymnasium.spaces import Box, Dict
        from gymnasium.wrappers import TransformObservation

        space, inner = env.observation_space, env.unwrapped
        if not isinstance(space, Dict) or not set(KEYS) <= set(space.spaces) or not hasattr(inner, "compute_reward"):
            raise ConfigError(f"hindsight ('her') needs observations {', '.join(KEYS)} and a compute_reward of the "
                              f"environment, whose observations are {space}; leave 'her' out")
        if any(holds_image(space[key]) for key in KEYS):
            raise ConfigError(f"hindsight ('her') reads goals and observations as numbers, here are images ({space}); "
                              "leave 'her' out")
        sizes = [int(np.prod(space[key].shape or ())) for key in KEYS]
        if sizes[1] != sizes[2]:
            raise ConfigError(f"desired and achieved goals have {sizes[1]} and {sizes[2]} numbers; make them alike")
        super().__init__(TransformObservation(env, _joined, Box(-np.inf, np.inf, (sum(sizes),), np.float32)))
        self.goal_size, self._inner = sizes[1], inner

    def reset(self, seed: int) -> np.ndarray:
        self.success = None
        return super().reset(seed)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, np.ndarray]:
        command = self.command(action)
        obs, reward, terminated, truncated, info = self.env.step(command.astype(self._dtype))
        self.gained = float(reward)
        self.success = float(info["is_success"]) if "is_success" in info else None
        return self._seen(obs), self.gained, bool(terminated), bool(truncated), command

    def goal_task(self) -> GoalTask:
        """The goals' size, and the environment's own judgement of achieved and desired goals."""
        return GoalTask(self.goal_size, self._reward,
                        self._ends if hasattr(self._inner, "compute_terminated") else None)

    def _reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        return self._judged("compute_reward", achieved, desired)

    def _ends(self, achieved: Tensor, desired: Tensor) -> Tensor:
        return self._judged("compute_terminated", achieved, desired)

    def _judged(self, name: str, achieved: Tensor, desired: Tensor) -> Tensor:
        value = getattr(self._inner, name)(achieved.double().numpy(), desired.double().numpy(), {})
        return torch.from_numpy(np.broadcast_to(np.asarray(value, np.float32), (len(achieved),)).copy())


def open_scaled(env: gym.Env, config: LearnConfig) -> ScaledEnv:
    """As the settings want it: ``GoalEnv`` where they have hindsight, else ``ScaledEnv``, of the newest ``frames``."""
    return GoalEnv(env) if config.her is not None else ScaledEnv(stacked(env, config.frames))


def _joined(obs: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(obs[key], np.float32).ravel() for key in KEYS])
