"""Times updates on request: one JSON object a line in, one a line out. Standard library alone: any venv runs it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

OBS, ACTION, BATCH, ROWS, HIDDEN = 17, 6, 256, 10_000, (256, 256)
"""Sizes of every learner: HalfCheetah's, as in the papers' locomotion tasks."""


class Learner(Protocol):
    """What is timed."""

    def update(self, count: int) -> None:
        """``count`` times: a batch drawn from the library's own replay, and one update."""

    def sample(self, count: int) -> None:
        """``count`` times the batch alone."""


def pin() -> None:
    """One thread on one core, for every numeric library that is imported afterwards."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def serve(make: Callable[[str], Learner]) -> None:
    """Answers ``{"learner", "part", "count"}`` until the input ends; a learner is made at its first request.

    Answer: wall and CPU seconds of one of ``count`` calls, or ``{"error"}``.
    """
    out, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    learners: dict[str, Learner] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), learners, make)
        except Exception as error:  # noqa: BLE001 - named in the answer, and the bench stops
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _answer(request: dict[str, Any], learners: dict[str, Learner], make: Callable[[str], Learner]) -> dict[str, float]:
    name, count = request["learner"], request["count"]
    fresh = name not in learners
    if fresh:
        learners[name] = make(name)
    work = learners[name].sample if request["part"] == "sample" else learners[name].update
    if fresh:
        work(count)
    wall, cpu = time.perf_counter(), time.process_time()
    work(count)
    return {"wall_s": (time.perf_counter() - wall) / count, "cpu_s": (time.process_time() - cpu) / count}
