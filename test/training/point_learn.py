"""A point in a square that must come to the middle, as a Gymnasium environment with a box of its own units."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch

from priorrl_core.data.transitions import Transition, TransitionReplay

HORIZON, STEP, REACHED = 10, 0.25, 0.03
LOW, HIGH = np.array([-2.0, 0.0]), np.array([2.0, 1.0])


class PointReach(gym.Env):
    """Actions in [LOW, HIGH]; the middle of that box is standing still. Reward: minus the distance.

    ``ends``: it terminates at the middle. Time cuts it off after ``HORIZON`` steps.
    """

    def __init__(self, ends: bool = False) -> None:
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = gym.spaces.Box(LOW.astype(np.float32), HIGH.astype(np.float32))
        self.ends, self.point, self.age = ends, np.zeros(2), 0
        self.resets: list[int | None] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets.append(seed)
        self.point, self.age = self.np_random.uniform(-1.0, 1.0, 2), 0
        return self.point.astype(np.float32), {}

    def step(self, action):
        unit = 2.0 * (np.asarray(action, np.float64) - LOW) / (HIGH - LOW) - 1.0
        self.point, self.age = np.clip(self.point + STEP * unit, -1.0, 1.0), self.age + 1
        distance = float(np.linalg.norm(self.point))
        ended = self.ends and distance < REACHED
        return self.point.astype(np.float32), -distance, ended, self.age == HORIZON, {}


class PointImage(PointReach):
    """The same seen as a grey image: a spot of one pixel's width, dark where the point is not."""

    def __init__(self, side: int = 16, layout: str = "HWC", ends: bool = False) -> None:
        super().__init__(ends)
        self.side, self.layout = side, layout
        shape = {"HW": (side, side), "HWC": (side, side, 1), "CHW": (1, side, side)}[layout]
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)

    def reset(self, *, seed=None, options=None):
        return self._image(super().reset(seed=seed)[0]), {}

    def step(self, action):
        obs, *rest = super().step(action)
        return self._image(obs), *rest

    def _image(self, point: np.ndarray) -> np.ndarray:
        return drawn(point, self.side).reshape(self.observation_space.shape)


def drawn(point: np.ndarray, side: int) -> np.ndarray:
    """uint8 (side, side) of a point in [-1, 1]^2; x goes to the right, y down."""
    x, y = (np.exp(-0.5 * (np.arange(side) - (v + 1.0) / 2.0 * (side - 1)) ** 2) for v in point)
    return np.round(255.0 * y[:, None] * x).astype(np.uint8)


def image_data(episodes: int = 60, good: float = 0.3, seed: int = 7, side: int = 16) -> TransitionReplay:
    """``mixed_data`` seen as images (1, side, side)."""
    states = mixed_data(episodes, good, seed)
    data = TransitionReplay(states.capacity, (1, side, side), 2, images=True)
    for name, column in states.columns.items():
        seen = name in ("obs", "next_obs")
        data.columns[name][:] = (torch.from_numpy(np.stack([drawn(row, side)[None] for row in column.numpy()]))
                                 if seen else column)
    data.added = states.added
    return data


def mixed_data(episodes: int = 60, good: float = 0.3, seed: int = 7) -> TransitionReplay:
    """A share ``good`` of the episodes heads for the middle with noise, the others act at random."""
    rng, env, data = np.random.default_rng(seed), PointReach(), TransitionReplay(episodes * HORIZON, (2,), 2)
    for episode in range(episodes):
        obs, cut = env.reset(seed=seed * 1000 + episode)[0], False
        while not cut:
            action = rng.uniform(-1.0, 1.0, 2)
            if episode < good * episodes:
                action = np.clip(np.clip(-obs / STEP, -1.0, 1.0) + 0.2 * action, -1.0, 1.0)
            command = LOW + (action + 1.0) / 2.0 * (HIGH - LOW)
            following, reward, ended, cut, _ = env.step(command)
            data.add(Transition(obs, action.astype(np.float32), np.zeros(2), command, reward, following, ended, cut))
            obs = following
    return data
