"""Thesis Algorithm 6: act, store the policy's action, one update a step; evaluation apart from learning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.data.transitions import Transition
from priorrl_core.training.residual_learner import ResidualLearner

Act = Callable[[np.ndarray], np.ndarray]
"""Action (3,) in [-1, 1] of one observation."""
TRAIN_STREAM, EVAL_STREAM = 0, 1
SATURATED = 0.95
"""|a| beyond this counts as saturated (row 9.30)."""


def no_residual(obs: np.ndarray) -> np.ndarray:
    """The base controller alone."""
    del obs
    return np.zeros(3, np.float32)


@dataclass
class EpisodeLog:
    """One entry an episode; the simulator's truth is here for the record alone, no learner reads it."""

    end_step: list[int] = field(default_factory=list)
    """Environment steps since the start of learning, at the end of the episode."""
    returns: list[float] = field(default_factory=list)
    success: list[bool] = field(default_factory=list)
    distance_m: list[float] = field(default_factory=list)
    """Of the tip from its true goal at the end."""
    faults: list[int] = field(default_factory=list)
    """Steps that the safety filter held."""

    def add(self, step: int, total: float, truth: dict[str, Any], faults: int) -> None:
        self.end_step.append(step)
        self.returns.append(total)
        self.success.append(bool(truth["success"]))
        self.distance_m.append(float(truth["distance_m"]))
        self.faults.append(faults)


@dataclass
class Practice:
    """What a training run leaves besides the learner (row 8.26)."""

    episodes: EpisodeLog = field(default_factory=EpisodeLog)
    tips_m: list[np.ndarray] = field(default_factory=list)
    """Offset of the tip from its true goal after every step (row 8.25)."""
    saturated: float = 0.0
    """Share of action entries beyond ``SATURATED``, exploration included (row 9.30)."""
    updates: int = 0
    seconds: float = 0.0


def episode_seed(seed: int, stream: int, index: int) -> int:
    """Seed of the environment for one episode: the same for every method."""
    return int(np.random.SeedSequence([seed, stream, index]).generate_state(1)[0])


def practise(env: gym.Env, learner: ResidualLearner, steps: int, seed: int,
             hook: Callable[[int], None] | None = None) -> Practice:
    """``steps`` environment steps and one update each after the warm-up; the last episode is finished.

    ``env`` is a ``ResidualEnv`` with ground truth in ``info`` for the log. ``hook(step)`` is called between
    episodes; it may evaluate on another environment.
    """
    out, step, begin, extreme = Practice(), 0, time.perf_counter(), 0
    while step < steps:
        obs, _ = env.reset(seed=episode_seed(seed, TRAIN_STREAM, len(out.episodes.returns)))
        total, faults, done = 0.0, 0, False
        while not done:
            action = learner.act(obs, explore=True)
            following, reward, terminated, truncated, info = env.step(action)
            learner.add(Transition(obs, info["policy_action"], info["base_m"], info["executed_m"], float(reward),
                                   following, terminated, truncated, learner.version, 0.0, learner.settings))
            for _ in range(learner.method.updates_per_step):
                learner.update()
            obs, step, done = following, step + 1, terminated or truncated
            total += float(reward)
            faults += info["fault"] is not None
            extreme += int((np.abs(action) > SATURATED).sum())
            out.tips_m.append(info["ground_truth"]["offset_m"])
        out.episodes.add(step, total, info["ground_truth"], faults)
        if hook is not None:
            hook(step)
    out.saturated, out.updates = extreme / max(1, 3 * step), learner.version
    out.seconds = time.perf_counter() - begin
    return out


def evaluate(env: gym.Env, act: Act, episodes: int, seed: int, options: dict[str, Any] | None = None) -> EpisodeLog:
    """``episodes`` without exploration; their starts and goal errors depend on ``seed`` alone."""
    log = EpisodeLog()
    for index in range(episodes):
        obs, _ = env.reset(seed=episode_seed(seed, EVAL_STREAM, index), options=options)
        total, faults, done = 0.0, 0, False
        while not done:
            obs, reward, terminated, truncated, info = env.step(act(obs))
            total += float(reward)
            faults += info["fault"] is not None
            done = terminated or truncated
        log.add(index, total, info["ground_truth"], faults)
    return log
