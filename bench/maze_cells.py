"""One cell of the maze bench: learn from the data, go on in the maze, look at the policy at every epoch."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from typing import Any

from bench.harness import Cell
from bench.maze_jobs import DEMOS, SHOWN, Job, learn_config
from priorrl_core.data.transitions import TransitionReplay

DATA_SEED = 50_000


def work(job: Job) -> Cell:
    """Runs one cell in this process, through the loop of ``priorrl learn``."""
    from bench.maze_env import Maze
    from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin, data = time.process_time(), _data(job)
    plan = LearnPlan(job.offline_steps, job.online_steps, job.seed, Maze, "bench maze", data)
    with tempfile.TemporaryDirectory() as folder:
        loop = LearnLoop(learn_config(job), plan, folder)
        loop.run()
        rows = [_point(row) for row in loop.log.rows]
    return {**dataclasses.asdict(job), "transitions": data.size, "curve": rows,
            "cpu_seconds": round(time.process_time() - begin, 1)}


def _data(job: Job) -> TransitionReplay:
    from bench.maze_env import stitching_data

    return stitching_data(job.walks, DATA_SEED + job.seed, SHOWN if job.method.endswith(DEMOS) else 0)


def _point(row: dict[str, Any]) -> dict[str, Any]:
    """One evaluation; the return of an episode is 1 where the goal was reached, so its mean is the success."""
    return {"phase": row["phase"], "offline": int(row["offline"]), "online": int(row["online"]),
            "success": round(float(row["eval/return"]), 4), "length": round(float(row["eval/length"]), 2)}
