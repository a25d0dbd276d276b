"""Chunks of actions in an environment and in the loop from data to practice."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from priorrl_core.training.chunk_env import ChunkEnv, chunk_config, step_discount
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan


class Count(gym.Env):
    """Step t pays t; over after ``end`` steps, by time or for good."""

    def __init__(self, end: int, terminates: bool) -> None:
        self.end, self.terminates, self.t, self.taken = end, terminates, 0, []
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.t += 1
        self.taken.append(float(action[0]))
        over = self.t >= self.end
        return np.full(1, self.t, np.float32), float(self.t), over and self.terminates, over, {}


def test_a_chunk_is_carried_out_in_order_and_pays_the_discounted_sum() -> None:
    world = Count(10, False)
    env = ChunkEnv(ScaledEnv(world), 3, 0.5)
    env.reset(0)
    obs, reward, terminated, truncated, command = env.step(np.array([-1.0, 0.0, 1.0]))
    assert world.taken == [-2.0, 0.0, 2.0] and command.tolist() == [-2.0, 0.0, 2.0]
    assert obs.tolist() == [3.0] and reward == 1 + 0.5 * 2 + 0.25 * 3 and env.gained == 6.0
    assert (terminated, truncated, env.steps, env.whole) == (False, False, 3, True)


@pytest.mark.parametrize(("terminates", "whole"), [(True, True), (False, False)])
def test_the_end_of_the_episode_ends_the_chunk_and_a_time_limit_leaves_it_without_an_outcome(
        terminates: bool, whole: bool) -> None:
    env = ChunkEnv(ScaledEnv(Count(2, terminates)), 3, 0.5)
    env.reset(0)
    _, reward, terminated, truncated, command = env.step(np.ones(3))
    assert (terminated, truncated, env.steps, env.whole) == (terminates, True, 2, whole)
    assert reward == 2.0 and command.tolist() == [2.0, 2.0, 0.0]


def test_the_discount_of_a_decision_is_that_of_its_steps() -> None:
    settings = LearnConfig("x", "sac")
    assert chunk_config(settings, 1) is settings
    assert chunk_config(settings, 4).sac.discount == step_discount(settings) ** 4


def test_steps_are_counted_in_the_environment_and_chunks_cut_by_time_are_not_learned(tmp_path) -> None:
    settings = LearnConfig("x", "bc", replay=100, online_epoch=10, eval_episodes=1)
    loop = LearnLoop(settings, LearnPlan(0, 20, 0, lambda: Count(5, False), chunk=2), tmp_path)
    loop.run()
    table = loop.learner.buffer.table
    assert loop.counters.online == 20 and loop.counters.episodes == 4
    assert loop.learner.buffer.added == 8 and not table.columns["truncated"].any()
    assert float(loop.log.rows[-1]["eval/return"]) == 15.0 and float(loop.log.rows[-1]["eval/length"]) == 5.0
