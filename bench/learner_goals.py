"""Our DDPG with hindsight on the Fetch tasks, with or without demonstrations, and the script that gives these.

What is seen is [achieved goal, desired goal, observation]; the learner sees [observation, desired goal].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from bench.learner_jobs import Job
from bench.learner_settings import DEMO_ROWS, GOAL, goal_config
from priorrl_core.agents.ddpg import DDPG
from priorrl_core.data.her import GoalEpisode, GoalReplay, HERConfig, sparse_reward
from priorrl_core.data.transitions import TransitionBatch, sample_with_demos
from priorrl_core.errors import DataError, UserError
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.gym_env import ScaledEnv, open_env
from priorrl_core.training.step_loop import TRAIN_STREAM, episode_seed

DEMO_STREAM = 3
TRIES = 3
"""Episodes of the script for each demonstration that is wanted; those without success are dropped."""
Look = Callable[[int], None]


class GoalSide:
    """A side of a cell (``learner_sides.Side``) that learns from whole episodes with goals."""

    def __init__(self, job: Job, obs_size: int, action_size: int) -> None:
        sizes = (obs_size - 2 * GOAL, action_size, GOAL, sparse_reward)
        self.job, self.action_size = job, action_size
        self.agent = DDPG(goal_config(job), StateEncoder(obs_size - GOAL), action_size, job.seed)
        self.replay = GoalReplay(job.steps + 1000, *sizes, HERConfig("future", 4.0))
        self.demos = None
        if job.algorithm == "ddpg_demos":
            self.demos = GoalReplay(1000 * job.size.demos, *sizes, HERConfig("future", 0.0))
            for episode in demonstrations(job.size.env, job.size.demos, job.seed):
                self.demos.add_episode(episode)
        self.explorer, self.sampler = (torch.Generator().manual_seed(job.seed + i) for i in (1, 2))

    def offline(self, steps: int, every: int, look: Look) -> None:
        raise UserError("DDPG with hindsight learns from practice only; take the offline part out of the job")

    def online(self, env: ScaledEnv, steps: int, every: int, look: Look) -> None:
        """An episode is stored once it is over, so the newest is learned from one episode later."""
        seen, actions, episodes = [], [], 0
        for step in range(1, steps + 1):
            if not seen:
                seen, actions = [env.reset(episode_seed(self.job.seed, TRAIN_STREAM, episodes))], []
                episodes += 1
            actions.append(self._explore(seen[-1], step))
            following, _, terminated, truncated, _ = env.step(actions[-1])
            seen.append(following)
            if terminated or truncated:
                self.replay.add_episode(goal_episode(seen, actions, terminated))
                seen = []
            if step > self.job.size.random_steps and self.replay.size:
                self.agent.update(self._batch())
            if step % every == 0:
                look(step)

    def _explore(self, seen: np.ndarray, step: int) -> np.ndarray:
        if step <= self.job.size.random_steps:
            return (torch.rand(self.action_size, generator=self.explorer) * 2.0 - 1.0).numpy()
        return self.agent.act(torch.from_numpy(with_goal(seen[None])), False, self.explorer)[0].numpy()

    def _batch(self) -> TransitionBatch:
        if self.demos is None:
            return self.replay.sample(self.job.size.batch, self.sampler)
        return sample_with_demos(self.replay, self.demos, self.job.size.batch, DEMO_ROWS,  # type: ignore[arg-type]
                                 self.sampler)  # fmt: skip

    def act(self, obs: np.ndarray) -> np.ndarray:
        return self.agent.act(torch.from_numpy(with_goal(obs)), True).numpy()

    def close(self) -> None:
        pass


def with_goal(seen: np.ndarray) -> np.ndarray:
    """(..., D) as it is seen -> [observation, desired goal] (..., D - 3)."""
    return np.concatenate([seen[..., 2 * GOAL:], seen[..., GOAL:2 * GOAL]], -1)


def goal_episode(seen: list[np.ndarray], actions: list[np.ndarray], terminated: bool) -> GoalEpisode:
    """T actions and the T + 1 things seen before and after them."""
    path = np.stack(seen)
    return GoalEpisode(path[:, 2 * GOAL:], np.stack(actions), path[1:, :GOAL], path[0, GOAL:2 * GOAL], terminated)


# ---- demonstrations ---------------------------------------------------------------------------------


def demonstrations(env_name: str, count: int, seed: int) -> list[GoalEpisode]:
    """``count`` episodes of the script that end at their goal; DataError if it fails too often."""
    env, found = ScaledEnv(open_env(env_name)), []
    for index in range(TRIES * count):
        episode, reached = scripted(env, env_name, episode_seed(seed, DEMO_STREAM, index))
        if reached:
            found.append(episode)
        if len(found) == count:
            break
    env.close()
    if len(found) < count:
        raise DataError(f"the script of '{env_name}' reached its goal in {len(found)} of {TRIES * count} episodes, "
                        f"{count} are wanted; its controller does not fit this version of the environment")
    return found


def scripted(env: ScaledEnv, env_name: str, seed: int) -> tuple[GoalEpisode, bool]:
    """One episode, and whether it ends at its goal."""
    script = next(made for name, made in SCRIPTS.items() if name in env_name)()
    seen, actions, done, reward, terminated = [env.reset(seed)], [], False, -1.0, False
    while not done:
        actions.append(np.clip(script(seen[-1]), -1.0, 1.0).astype(np.float32))
        following, reward, terminated, truncated, _ = env.step(actions[-1])
        seen.append(following)
        done = terminated or truncated
    return goal_episode(seen, actions, terminated), reward == 0.0


GAIN = 10.0
"""Action per metre: an action of 1 moves the gripper by 5 cm."""
OPEN, CLOSED = 1.0, -1.0
BEHIND_M, ABOVE_M, NEAR_M = 0.07, 0.08, 0.015
LOW_M, BESIDE_M = 0.035, 0.03
"""Of the gripper over the block's middle, and beside its way, when it pushes."""


class Reach:
    """Straight to the goal."""

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        goal, grip = seen[GOAL:2 * GOAL], seen[2 * GOAL:3 * GOAL]
        return np.append(GAIN * (goal - grip), 0.0)


class Push:
    """Above a point behind the block, down, then against it towards the goal. What it does follows from what it sees
    alone: a script that remembers how far it is cannot be cloned from observations.
    """

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        goal, grip, block = (seen[GOAL * i:GOAL * (i + 1)] for i in (1, 2, 3))
        way = goal[:2] - block[:2]
        left = float(np.linalg.norm(way))
        if left < NEAR_M:
            return np.zeros(4)
        ahead, high, off = way / left, grip[2] - block[2], grip[:2] - block[:2]
        aside = off - ahead * float(off @ ahead)
        if high < LOW_M and off @ ahead < 0.0 and np.linalg.norm(aside) < BESIDE_M:
            push = ahead * min(1.0, GAIN * left) - GAIN * aside
            return np.append(np.append(push, -GAIN * high), CLOSED)
        behind = block[:2] - BEHIND_M * ahead
        over = float(np.linalg.norm(grip[:2] - behind)) < 2 * NEAR_M
        across = (behind - grip[:2]) * (over or high > LOW_M)
        return np.append(GAIN * np.append(across, (0.0 if over else ABOVE_M) - high), CLOSED)


class PickAndPlace:
    """Open above the block, down, close, and with it to the goal."""

    def __init__(self) -> None:
        self.phase, self.held = 0, 0

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        goal, grip, block = (seen[GOAL * i:GOAL * (i + 1)] for i in (1, 2, 3))
        if self.phase == 0:
            target = block + np.array([0.0, 0.0, ABOVE_M])
            self.phase += bool(np.linalg.norm(target - grip) < 2 * NEAR_M)
            return np.append(GAIN * (target - grip), OPEN)
        if self.phase == 1:
            self.phase += bool(np.linalg.norm(block - grip) < NEAR_M)
            return np.append(GAIN * (block - grip), OPEN)
        self.held += 1
        if self.held <= 4:
            return np.append(GAIN * (block - grip), CLOSED)
        return np.append(GAIN * (goal - block), CLOSED)


SCRIPTS: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
    "FetchReach": Reach, "FetchPush": Push, "FetchPickAndPlace": PickAndPlace}  # fmt: skip
