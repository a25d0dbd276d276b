"""One cell of the online bench: learn from the data, practise in the town, look at the policy at every epoch."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from functools import partial
from typing import Any

from bench.harness import Cell
from bench.online_jobs import ARMS, Job, learn_config

DATA_SEED = 60_000


def work(job: Job) -> Cell:
    """Runs one cell in this process, through the loop of ``priorrl learn``."""
    from bench.maze_env import TOWN, Maze, stitching_data
    from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin, arm = time.process_time(), ARMS[job.method]
    data = stitching_data(job.walks, DATA_SEED + job.seed, layout=TOWN)
    plan = LearnPlan(job.offline_steps, job.online_steps, job.seed, partial(Maze, TOWN, True), "bench online",
                     data if arm.data else None, arm.chunk)
    with tempfile.TemporaryDirectory() as folder:
        loop = LearnLoop(learn_config(job), plan, folder)
        loop.run()
        rows = [_point(row) for row in loop.log.rows]
    return {**dataclasses.asdict(job), "transitions": data.size if arm.data else 0, "curve": rows,
            "cpu_seconds": round(time.process_time() - begin, 1)}


def _point(row: dict[str, Any]) -> dict[str, Any]:
    """The return of an episode is 1 where the goal was reached, so its mean is the success."""
    return {"phase": row["phase"], "online": int(row["online"]), "success": round(float(row["eval/return"]), 4)}
