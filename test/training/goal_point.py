"""A point that must come near a goal anywhere in a square: gymnasium-robotics' form, a reward only at the goal."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from priorrl_core.data.transitions import Transition, TransitionReplay

HORIZON, STEP, NEAR = 10, 0.25, 0.15


class PointGoal(gym.Env):
    """Observation: twice the point, so that it is not what is achieved. ``ends``: it terminates at the goal."""

    def __init__(self, ends: bool = False) -> None:
        box = gym.spaces.Box(-2.0, 2.0, (2,), np.float64)
        self.observation_space = gym.spaces.Dict(
            {key: box for key in ("observation", "achieved_goal", "desired_goal")})
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.ends, self.point, self.goal, self.age = ends, np.zeros(2), np.zeros(2), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.point, self.goal = self.np_random.uniform(-1.0, 1.0, 2), self.np_random.uniform(-0.9, 0.9, 2)
        self.age = 0
        return self._seen(), {}

    def step(self, action):
        self.point, self.age = np.clip(self.point + STEP * np.asarray(action, np.float64), -1.0, 1.0), self.age + 1
        reward = float(self.compute_reward(self.point, self.goal, {}))
        ended = bool(self.compute_terminated(self.point, self.goal, {}))
        return self._seen(), reward, ended, self.age == HORIZON, {"is_success": reward == 0.0}

    def _seen(self):
        return {"observation": 2.0 * self.point, "achieved_goal": self.point.copy(), "desired_goal": self.goal.copy()}

    def compute_reward(self, achieved, desired, info):
        return (np.linalg.norm(achieved - desired, axis=-1) < NEAR).astype(np.float64) - 1.0

    def compute_terminated(self, achieved, desired, info):
        return self.ends and np.linalg.norm(achieved - desired, axis=-1) < NEAR


def wandering(episodes: int, seed: int = 3) -> TransitionReplay:
    """Episodes of drifting actions with goals that they meet by chance if at all."""
    rng, env, data = np.random.default_rng(seed), PointGoal(), TransitionReplay(episodes * HORIZON, (6,), 2)
    for episode in range(episodes):
        obs, cut, drift = env.reset(seed=1000 * seed + episode)[0], False, rng.uniform(-1.0, 1.0, 2)
        while not cut:
            action = np.clip(drift + rng.uniform(-1.0, 1.0, 2), -1.0, 1.0).astype(np.float32)
            following, reward, ended, cut, _ = env.step(action)
            data.add(Transition(_flat(obs), action, np.zeros(2), action.astype(np.float64), reward, _flat(following),
                                ended, cut))
            obs = following
    return data


def _flat(obs) -> np.ndarray:
    return np.concatenate([obs[key] for key in ("observation", "desired_goal", "achieved_goal")]).astype(np.float32)
