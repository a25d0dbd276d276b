"""A point that must reach the middle of a square: the smallest world in which an online agent can learn."""

from __future__ import annotations

import numpy as np
import torch

from priorrl_core.agents.actor_critic import ActorCriticAgent
from priorrl_core.data.transitions import Transition, TransitionReplay

HORIZON, STEP, WARM_UP = 10, 0.25, 100
STARTS = np.random.default_rng(99).uniform(-1.0, 1.0, (16, 2)).astype(np.float32)


def move(points: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.clip(points + STEP * actions, -1.0, 1.0).astype(np.float32)


def observe(points: np.ndarray, images: bool) -> np.ndarray:
    """The points (N, 2) themselves, or pictures (N, 1, 32, 32) with a bright 5x5 square at each."""
    if not images:
        return points
    out = np.full((len(points), 1, 32, 32), 30, np.uint8)
    for picture, (x, y) in zip(out[:, 0], np.round(15.5 + 12.0 * points).astype(int), strict=True):
        picture[y - 2:y + 3, x - 2:x + 3] = 220
    return out


def evaluate(agent: ActorCriticAgent, images: bool = False) -> float:
    """Mean return over 16 fixed starts without exploration; standing still gives about -8, the best about -1."""
    points, total = STARTS, 0.0
    for _ in range(HORIZON):
        points = move(points, agent.act(torch.from_numpy(observe(points, images)), True).numpy())
        total -= float(np.linalg.norm(points, axis=1).mean())
    return total


def expert_action(point: np.ndarray) -> np.ndarray:
    return np.clip(-point / STEP, -1.0, 1.0).astype(np.float32)


class Reach:
    """Steps an agent and its replay; all of its randomness comes from two generators."""

    def __init__(self, agent: ActorCriticAgent, seed: int = 0, images: bool = False, batch_size: int = 64) -> None:
        self.agent, self.images, self.batch_size = agent, images, batch_size
        self.rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.replay = TransitionReplay(5000, (1, 32, 32) if images else (2,), 2, images=images)
        self.point, self.age = self._start(), 0

    def _start(self) -> np.ndarray:
        return self.rng.uniform(-1.0, 1.0, 2).astype(np.float32)

    def step(self) -> dict[str, torch.Tensor] | None:
        obs = observe(self.point[None], self.images)[0]
        if self.replay.size < WARM_UP:
            action = self.rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        else:
            action = self.agent.act(torch.from_numpy(obs[None]), False, self.generator)[0].numpy()
        self.remember(obs, action)
        if self.replay.size <= WARM_UP:
            return None
        return self.agent.update(self.replay.sample(self.batch_size, self.generator))

    def remember(self, obs: np.ndarray, action: np.ndarray) -> None:
        self.point, self.age = move(self.point, action), self.age + 1
        late = self.age == HORIZON
        following = observe(self.point[None], self.images)[0]
        self.replay.add(Transition(obs, action, np.zeros(2), STEP * action, -float(np.linalg.norm(self.point)),
                                   following, terminated=False, truncated=late))
        if late:
            self.point, self.age = self._start(), 0

    def curve(self, steps: int, every: int) -> list[float]:
        """Returns before learning and after every ``every`` steps."""
        out = [evaluate(self.agent, self.images)]
        for i in range(1, steps + 1):
            self.step()
            if i % every == 0:
                out.append(evaluate(self.agent, self.images))
        return out


def demonstrations(count: int, seed: int = 1) -> TransitionReplay:
    """``count`` expert steps from random points."""
    rng, replay = np.random.default_rng(seed), TransitionReplay(count, (2,), 2)
    for _ in range(count):
        point = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        action = expert_action(point)
        following = move(point, action)
        replay.add(Transition(point, action, np.zeros(2), STEP * action, -float(np.linalg.norm(following)),
                              following, terminated=False))
    return replay
