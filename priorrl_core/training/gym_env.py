"""Any Gymnasium environment with a vector or an image to see and a box to act in, as the learners see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from priorrl_core.errors import ConfigError, UserError, nearest
from priorrl_core.training.observations import (
    Layout,
    ObsSize,
    channels_first,
    holds_image,
    image_size,
    space_layout,
)

if TYPE_CHECKING:
    import gymnasium as gym


def open_env(name: str, episode_steps: int = 0) -> gym.Env:
    """``gymnasium.make(name)``; UserError for an unknown name, a missing package or no time limit."""
    import gymnasium as gym

    try:
        env = gym.make(name, max_episode_steps=episode_steps or None)
    except (gym.error.UnregisteredEnv, gym.error.DeprecatedEnv) as error:
        hint = nearest(name, (k for k in gym.registry if not k.startswith(("phys2d", "tabular"))))
        raise UserError(f"unknown environment '{name}'{hint}") from error
    except (gym.error.Error, ImportError) as error:
        raise UserError(f"cannot make the environment '{name}': {error}") from error
    if env.spec is not None and env.spec.max_episode_steps is None:
        raise ConfigError(f"'{name}' has no time limit; give episode_steps in --config")
    return env


def stacked(env: gym.Env, frames: int) -> gym.Env:
    """The environment with its newest ``frames`` images as one observation; ConfigError where it shows none."""
    if frames == 1:
        return env
    from gymnasium.wrappers import FrameStackObservation

    if len(env.observation_space.shape or ()) < 2:
        raise ConfigError(f"'frames' {frames} stacks images, observations are {env.observation_space}; leave it out")
    return FrameStackObservation(env, frames)


class ScaledEnv:
    """Observations (D,) float32 or images (C, H, W) uint8, actions (A,) in [-1, 1] for the environment's box.

    Images are a box of uint8, (H, W), (H, W, C), (C, H, W) or stacked (N, H, W, C). ConfigError for other spaces.
    """

    obs_size: ObsSize
    """D, or (C, H, W)."""
    gained = 0.0
    """Reward of the last action, not discounted."""
    steps = 1
    """Environment steps of the last action."""
    whole = True
    """Off where a time limit cut the last action short: its outcome is not known."""
    success: float | None = None
    """What an environment with goals says of the last step."""

    def __init__(self, env: gym.Env) -> None:
        from gymnasium.spaces import Box, Dict, Tuple
        from gymnasium.wrappers import FlattenObservation

        if isinstance(env.observation_space, (Dict, Tuple)):
            if holds_image(env.observation_space):
                raise ConfigError(f"observations are {env.observation_space}; this loop learns from one image or from "
                                  "numbers, not from both: wrap the environment so that it gives one of them")
            env = FlattenObservation(env)
        seen, act = env.observation_space, env.action_space
        self._layout: Layout | None = space_layout(seen)
        shape = seen.shape or ()
        if not isinstance(act, Box) or len(act.shape) != 1 or not np.isfinite([act.low, act.high]).all():
            raise ConfigError(f"actions are {act}; this loop learns actions in a box with finite bounds")
        self.env, self.action_size = env, act.shape[0]
        self.obs_size = image_size(shape, self._layout) if self._layout else shape[0]
        self._low, self._high, self._dtype = act.low.astype(np.float64), act.high.astype(np.float64), act.dtype

    def reset(self, seed: int) -> np.ndarray:
        return self._seen(self.env.reset(seed=seed)[0])

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, np.ndarray]:
        """Next observation, reward, terminated, truncated, and the command (A,) in the environment's units."""
        command = self.command(action)
        obs, reward, terminated, truncated, _ = self.env.step(command.astype(self._dtype))
        self.gained = float(reward)
        return self._seen(obs), float(reward), bool(terminated), bool(truncated), command

    def command(self, action: np.ndarray) -> np.ndarray:
        """Action in [-1, 1] -> the box; -1 and 1 are its bounds, bit for bit."""
        half = (np.asarray(action, np.float64) + 1.0) / 2.0
        return np.clip(self._low * (1.0 - half) + self._high * half, self._low, self._high)

    def close(self) -> None:
        self.env.close()

    def _seen(self, obs: Any) -> np.ndarray:
        return channels_first(np.asarray(obs), self._layout) if self._layout else np.array(obs, np.float32)
