"""An environment whose actions are chunks of h actions, carried out one after another without a look in between."""

from __future__ import annotations

import dataclasses

import numpy as np

from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_config import LearnConfig


class ChunkEnv(ScaledEnv):
    """Actions (h * A,); the reward is discounted within the chunk, the end of the episode ends the chunk."""

    def __init__(self, env: ScaledEnv, size: int, discount: float) -> None:
        self.inner, self.size, self.discount = env, size, discount
        self.obs_size, self.action_size = env.obs_size, env.action_size * size

    def reset(self, seed: int) -> np.ndarray:
        return self.inner.reset(seed)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, np.ndarray]:
        """As ``ScaledEnv.step``; the command (h * A,) is 0 where the episode was over."""
        parts, commands, reward = action.reshape(self.size, -1), np.zeros((self.size, self.inner.action_size)), 0.0
        self.gained = 0.0
        for index, part in enumerate(parts):
            obs, one, terminated, truncated, commands[index] = self.inner.step(part)
            reward, self.gained, self.steps = reward + self.discount**index * one, self.gained + one, index + 1
            if terminated or truncated:
                break
        self.whole = terminated or self.steps == self.size
        return obs, reward, terminated, truncated, commands.ravel()

    def close(self) -> None:
        self.inner.close()


def chunk_config(config: LearnConfig, size: int) -> LearnConfig:
    """The settings with the discount of ``size`` steps, where the agent has one."""
    if size == 1 or not hasattr(config.table, "discount"):
        return config
    table = dataclasses.replace(config.table, discount=config.table.discount**size)
    return dataclasses.replace(config, **{config.agent: table})


def step_discount(config: LearnConfig) -> float:
    """Of one step; 1 for an agent without."""
    return float(getattr(config.table, "discount", 1.0))
