"""IQL's expectile, and the start online of IQL and AWAC, in a small maze (thesis chapters 6 and 7 in kind).

Data are noisy walks that never go from start to goal; a policy that gets there has stitched them. ``--only`` takes
methods (iql_0.5, iql_0.7, iql_0.9, iql_0.95, awac, bc, iql_0.9_demos, awac_demos: with walks
that go all the way beside them) and ``stored`` (with ``--resume``: draws up what is there).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.harness import Claim, Context, chosen, curve_points, curves, run_cells, write_rows
from bench.keys import own_settings
from bench.maze_cells import work
from bench.maze_claims import Cells, make_claims, table_rows
from bench.maze_env import HORIZON, LAYOUT, STEP
from bench.maze_jobs import METHODS, Job, learn_config, make_jobs
from priorrl_core.config import config_hash


def run(context: Context) -> list[Claim]:
    """Leaves ``table.csv``, ``curves.csv`` and ``curves.png``."""
    jobs = chosen(context, [(key(job), job) for job in make_jobs(context)])
    cells = Cells(run_cells(context, jobs, work))
    write_rows(context.out / "table.csv", table_rows(cells))
    write_rows(context.out / "curves.csv", curve_points(cells.all, ("method", "seed")))
    _plot(context, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with the job, the maze and the settings of the learner."""
    world = {"layout": LAYOUT, "step": STEP, "horizon": HORIZON}
    settings = config_hash(dataclasses.asdict(job), own_settings(learn_config(job)), world)[:8]
    return f"{job.method}_s{job.seed}_n{job.offline_steps}_{settings}"


def _plot(context: Context, cells: Cells) -> None:
    lines = {}
    for method in METHODS:
        mine = [c["curve"] for c in cells.of(method)]
        if mine:
            points = min(map(len, mine))
            steps = np.mean([[p["offline"] + p["online"] for p in c[:points]] for c in mine], axis=0)
            lines[method] = (steps, np.mean([[p["success"] for p in c[:points]] for c in mine], axis=0))
    curves(context.out / "curves.png", "A maze that must be stitched", lines,
           "updates on the data, then steps online", "success")
