"""One cell of the learners' bench: a learner, ours or a peer's, is trained and judged at equal distances."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Cell
from bench.learner_data import Judge, load_set
from bench.learner_jobs import KINDS, Job
from bench.learner_sides import make_side
from priorrl_core.training.gym_env import ScaledEnv, open_env

EVAL_SEED = 10_000


def work(argument: tuple[Job, bool]) -> Cell:
    """Runs one cell in this process; (job, whether its data are the quick ones)."""
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    job, quick = argument
    begin = time.monotonic()
    plain: dict[str, Any] = {k: v for k, v in dataclasses.asdict(job).items() if k != "size"}
    return {**plain, **_trained(job, quick), "seconds": round(time.monotonic() - begin, 1)}


def _trained(job: Job, quick: bool) -> Cell:
    world, judge = ScaledEnv(open_env(job.size.env)), Judge(job.size.env, job.size.evals, job.seed + EVAL_SEED)
    data = load_set(job.env, job.data, quick) if job.data in KINDS else None
    steps, scores = [], []

    with tempfile.TemporaryDirectory() as scratch:
        side = make_side(job, world.obs_size, world.action_size, data, Path(scratch))

        def look(step: int) -> None:
            steps.append(step)
            scores.append(round(float(np.mean(judge.returns(side.act))), 3))

        try:
            every = max(1, job.steps // job.size.looks)
            if data is None:
                side.online(world, job.steps, every, look)
            else:
                side.offline(job.steps, every, look)
        finally:
            side.close()
            world.close()
            judge.close()
    return {"curve_steps": steps, "curve": scores, "last": scores[-1], "best": max(scores)}
