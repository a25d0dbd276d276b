"""The reaching task with a goal anywhere, and a reward only at it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from reach import HORIZON, STARTS, STEP, move

from priorrl_core.data.her import GoalEpisode, GoalReplay, HERConfig, sparse_reward

REACHED = 0.15
GOALS = np.random.default_rng(98).uniform(-0.9, 0.9, (16, 2)).astype(np.float32)
REWARD = partial(sparse_reward, tolerance=REACHED)


def goal_episodes(count: int, her: HERConfig, seed: int = 5) -> GoalReplay:
    """``count`` episodes of random actions, each with a random goal that it meets by chance if at all."""
    rng, replay = np.random.default_rng(seed), GoalReplay(count * HORIZON, 2, 2, 2, REWARD, her)
    for _ in range(count):
        obs = [rng.uniform(-1.0, 1.0, 2).astype(np.float32)]
        drift = rng.uniform(-1.0, 1.0, 2)
        action = np.clip(drift + rng.uniform(-1.0, 1.0, (HORIZON, 2)), -1.0, 1.0).astype(np.float32)
        for a in action:
            obs.append(move(obs[-1], a))
        path = np.array(obs)
        replay.add_episode(GoalEpisode(path, action, path[1:], rng.uniform(-0.9, 0.9, 2).astype(np.float32)))
    return replay


def successes(agent) -> float:
    """Share of 16 fixed starts and goals that end within reach of the goal."""
    points = STARTS
    for _ in range(HORIZON):
        seen = torch.from_numpy(np.concatenate([points, GOALS], 1))
        points = move(points, agent.act(seen, True).numpy())
    return float((np.linalg.norm(points - GOALS, axis=1) < REACHED).mean())


def goal_demonstrations(count: int, seed: int = 1) -> GoalReplay:
    """``count`` episodes that go straight to their goals."""
    rng, replay = np.random.default_rng(seed), GoalReplay(count * HORIZON, 2, 2, 2, REWARD, HERConfig(k=0.0))
    for _ in range(count):
        points, action = [rng.uniform(-1.0, 1.0, 2).astype(np.float32)], []
        goal = rng.uniform(-0.9, 0.9, 2).astype(np.float32)
        for _ in range(HORIZON):
            action.append(np.clip((goal - points[-1]) / STEP, -1.0, 1.0).astype(np.float32))
            points.append(move(points[-1], action[-1]))
        path = np.array(points)
        replay.add_episode(GoalEpisode(path, np.array(action), path[1:], goal))
    return replay
