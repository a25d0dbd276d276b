"""Evaluation: seeded rollouts judged by the simulator's truth, which no learner sees (rows 10.27, 10.33)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from priorrl_core.reporting.intervals import wilson
from priorrl_core.training.rollout import Policy, Rollout, episode_seed, rollout


@dataclass
class EvalResult:
    """Outcome of n episodes; ``claimed`` is what the learned reward said of the last image, if asked."""

    success: list[bool] = field(default_factory=list)
    claimed: list[bool] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    peak_force_n: list[float] = field(default_factory=list)
    steps_to_insert: list[int] = field(default_factory=list)
    """First step after which the plug was in, of the episodes that ended inserted."""

    @property
    def rate(self) -> float:
        return sum(self.success) / max(len(self.success), 1)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of ``rate``."""
        return wilson(sum(self.success), len(self.success))

    def confusion(self) -> dict[str, int]:
        """Counts of the learned judgement against the truth."""
        pairs = list(zip(self.claimed, self.success, strict=True))
        return {"true_positive": pairs.count((True, True)), "false_positive": pairs.count((True, False)),
                "false_negative": pairs.count((False, True)), "true_negative": pairs.count((False, False))}


def evaluate(env: Any, policy: Policy, episodes: int, seed: int, scenario: str = "I",
             reward_model: Any = None, progress: Callable[[int, int], None] | None = None) -> EvalResult:
    """``episodes`` rollouts with the evaluation seeds of ``seed``: the same starts for every policy."""
    result = EvalResult()
    for index in range(episodes):
        _judge(result, rollout(env, policy, episode_seed(seed, "eval", index), scenario), reward_model)
        if progress:
            progress(index + 1, episodes)
    return result


def _judge(result: EvalResult, episode: Rollout, reward_model: Any) -> None:
    result.success.append(episode.success)
    result.faults.append(episode.fault)
    result.peak_force_n.append(float(episode.peak_force_n.max()))
    if reward_model is not None:
        result.claimed.append(bool(reward_model.reward(episode.images[-1:])[0][0] > 0.5))
    if episode.success:
        assert episode.inserted is not None
        result.steps_to_insert.append(int(np.argmax(episode.inserted)))
