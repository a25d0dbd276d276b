"""How many threads make updates fastest here and now: measured, for more than one costs tenfold on a busy machine."""

from __future__ import annotations

import dataclasses
import os
from functools import partial

from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.observations import ObsSize
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.runtime import configure_torch
from priorrl_core.training.speedcheck import per_second, random_replay

WORTH = 1.1
"""A gain below this is noise on most machines, and one thread stays."""
ROUNDS = 3


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fastest(rates: dict[int, float]) -> int:
    """Threads of the highest rate, if it is above one thread's by ``WORTH``."""
    best = max(rates, key=lambda n: rates[n])
    return best if rates[best] > WORTH * rates[1] else 1


def measure(config: LearnConfig, obs_size: ObsSize, action_size: int, seconds: float = 1.5) -> dict[int, float]:
    """Threads -> updates a second of an agent of ``config`` on random data; its worst of some rounds.

    The worst, since a learner runs for hours beside others. Torch is left with one thread.
    """
    plain = dataclasses.replace(config, her=None, return_range=False)  # what needs an environment or episodes
    learner = OfflineOnlineLearner(plain, obs_size, action_size, 0, random_replay(1000, obs_size, action_size))
    counts = sorted({1, cores()})
    rates = dict.fromkeys(counts, float("inf"))
    for _ in range(ROUNDS):
        for count in counts:
            configure_torch(count)
            work = partial(_updates, learner)
            rates[count] = min(rates[count], per_second(work, seconds / ROUNDS / len(counts), 1))
    configure_torch()
    return rates


def _updates(learner: OfflineOnlineLearner, count: int) -> None:
    for _ in range(count):
        learner.pretrain()
