"""The same run with several seeds: one after another, or on a GPU with their updates on the data side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from priorrl_core.agents.cuda_graphs import Cuda, GraphedUpdates
from priorrl_core.training.learn_loop import LearnLoop


def run_seeds(make: Callable[[int], LearnLoop], seeds: Sequence[int], cuda: Cuda | None = None) -> list[dict[str, Any]]:
    """What came of each seed, by ``make(seed).run()``. With ``cuda`` all are made at once and pretrained together,
    with the numbers that each would have alone; practice follows one after another.
    """
    if cuda is None:
        return [make(seed).run() for seed in seeds]
    loops: list[LearnLoop] = []
    try:
        loops += [make(seed) for seed in seeds]
        _pretrain(loops, cuda)
        return [loop.run() for loop in loops]
    finally:
        for loop in loops:
            loop.close()


def _pretrain(loops: Sequence[LearnLoop], cuda: Cuda) -> None:
    """Epochs of all at once; those that a resumed run has ahead of the others are left to each alone."""
    updates = GraphedUpdates([loop.learner.agent for loop in loops], cuda)
    for loop in loops:
        loop.begin()
    while len({loop.counters.offline for loop in loops}) == 1 and (count := loops[0].offline_left()):
        begin = time.perf_counter()
        for _ in range(count):
            found = updates.update([loop.learner.at_hand(None) for loop in loops])
            for loop, metrics in zip(loops, found, strict=True):
                loop.take(metrics)
        seconds = (time.perf_counter() - begin) / len(loops)  # without the evaluations that end the epoch
        for loop in loops:
            loop.end_offline(count, seconds)


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds of ``best_return`` and ``last_return``, where there are any."""
    out: dict[str, Any] = {}
    for name in ("best_return", "last_return"):
        values = [r[name] for r in results if r[name] is not None]
        if values:
            out |= {name: float(np.mean(values)), f"{name}_std": float(np.std(values))}
    return out
