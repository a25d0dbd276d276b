"""Demonstrations of connector insertion (row 9.22): a script in a person's place, and a recorder for any of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError
from priorrl_core.tasks.plug_env import PlugEnv
from priorrl_core.tasks.residual import ResidualEnv

Demonstrator = Callable[[dict[str, Any]], np.ndarray]
"""The last ``info`` in, a policy action (3,) in [-1, 1] out; a joystick's driver has the same form."""


class ScriptedPerson:
    """Above the socket, aside until aligned, then down and pressing, with an unsteady hand.

    It looks at the true offset, as a person looks at the bench; what it records holds no truth. The
    thesis uses a joystick and gives no numbers.
    """

    def __init__(self, env: ResidualEnv, seed: int = 0, noise: float = 0.1, aligned_m: float = 0.0003,
                 press_m: float = 0.003) -> None:
        inner = env.unwrapped
        if not isinstance(inner, PlugEnv) or not inner.ground_truth:
            raise DataError("the scripted person needs the plug task with ground_truth=True")
        self._env, self._rng, self.noise = env, np.random.default_rng(seed), noise
        self._mouth_m = inner.plug.connector.fit.depth_mm * 1e-3
        self.aligned_m, self.press_m = aligned_m, press_m

    def __call__(self, info: dict[str, Any]) -> np.ndarray:
        offset = info["ground_truth"]["offset_m"]
        down = -max(self.press_m, 0.3 * float(offset[2]))
        above = self._mouth_m - 0.0005 < offset[2] < self._mouth_m + 0.004
        if above and float(np.abs(offset[:2]).max()) > self.aligned_m:
            down = 0.0
        action = self._env.action_for(np.array([-offset[0], -offset[1], down]))
        unsteady = action + self.noise * self._rng.standard_normal(3)
        return np.clip(unsteady, -1.0, 1.0).astype(np.float32)


def record(env: ResidualEnv, act: Demonstrator, episodes: int, horizon: int, seed: int = 0) -> TransitionReplay:
    """``episodes`` episodes, with seeds ``seed``, ``seed + 1``, ..., in the replay's own format."""
    space = env.observation_space
    assert space.shape is not None
    replay = TransitionReplay(episodes * horizon, space.shape, 3, images=space.dtype == np.uint8)
    for episode in range(episodes):
        obs, info = env.reset(seed=seed + episode)
        done = False
        while not done:
            following, reward, terminated, truncated, info = env.step(act(info))
            replay.add(Transition(obs, info["policy_action"], info["base_m"], info["executed_m"], reward, following,
                                  terminated, truncated))
            obs, done = following, terminated or truncated
    return replay
