"""Practice on the job without ROS: the same schedule, seeds and arithmetic as the graph (row S.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from priorrl_core.training.online import Episode, OnlineLearner
from priorrl_core.training.rollout import HeadPolicy, Rollout, episode_seed, rollout


@dataclass
class PracticeLog:
    """One entry a trial. ``truth`` is filled for reports only, where the simulator tells."""

    judged: list[bool] = field(default_factory=list)
    truth: list[bool] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    """Of the reward's monitor; empty where nothing was suspect."""


Progress = Callable[[int, int, PracticeLog], None]


def practice(env: Any, learner: OnlineLearner, reward_model: Any, trials: int, seed: int,
             scenario: str = "I", state_path: str | Path | None = None,
             progress: Progress | None = None) -> PracticeLog:
    """``trials`` trials in all, those that a restored learner has behind it included.

    Trial n is rolled out with version ``max(0, n - policy_lag)``. The state goes to ``state_path`` every
    ``checkpoint_every`` trials (row 10.23).
    """
    config, log = learner.config, PracticeLog()
    for trial in range(learner.version, trials):
        version = config.version_for(trial)
        policy = HeadPolicy(learner.agent, learner.policy_head(version), explore=True)
        episode = rollout(env, policy, episode_seed(seed, "practice", trial), scenario)
        rewards, _ = reward_model.reward(episode.images[1:])
        learner.add_episode(to_learner(episode, rewards, version))
        learner.learn()
        _note(log, episode, rewards, version, learner.read_metrics())
        log.alarms.append(learner.alarm)
        if state_path and (trial + 1) % config.checkpoint_every == 0:
            learner.save(state_path)
        if progress:
            progress(trial + 1, trials, log)
    return log


def to_learner(episode: Rollout, rewards: np.ndarray, version: int) -> Episode:
    """What the learner may see of a rollout: no truth (law 6)."""
    steps = len(episode.actions)
    return Episode(episode.images, episode.proprio, episode.actions, np.asarray(rewards, np.float32),
                   episode.terminated, episode.base_m, episode.executed_m,
                   np.full(steps, version, np.int64), np.zeros(steps))


def _note(log: PracticeLog, episode: Rollout, rewards: np.ndarray, version: int,
          metrics: dict[str, float]) -> None:
    log.judged.append(bool(rewards[-1] > 0.5))
    log.versions.append(version)
    log.metrics.append(metrics)
    if episode.inserted is not None:
        log.truth.append(episode.success)
