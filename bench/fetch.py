"""Chapter 5 on Fetch tasks: DDPG with hindsight and demonstrations, its baselines and its ablations.

Pushing, pick-and-place and the stacking of two blocks; scripted demonstrations instead of a person's. ``--only`` takes
tasks (push, pick, stack), methods (ours, her, resets, bc, bc_her, no_bc, no_filter, no_her, early) and ``stored``
(with ``--resume``: draws up what is there). Needs MuJoCo: ``pip install -r requirements/bench.txt``.

Deviations: 100 episodes of practice, 200 of push, where the thesis has a million steps, small networks and batches
(``fetch_jobs.Size``), no L2 term, inputs on fixed scales, the simulator's 25 Hz instead of 50, and no Q-filter in the
first half of the updates.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.fetch_cells import work
from bench.fetch_claims import Cells, make_claims, table_rows
from bench.fetch_demos import NOISE
from bench.fetch_env import layout
from bench.fetch_jobs import METHODS, ON, Job, cloning_config, ddpg_config, her_config, make_jobs
from bench.harness import Claim, Context, chosen, curve_points, curves, run_cells, write_rows
from priorrl_core.config import config_hash


def run(context: Context) -> list[Claim]:
    """Leaves ``table.csv``, ``curves.csv`` and a PNG of each task's curves."""
    jobs = chosen(context, [(key(job), job) for job in make_jobs(context)])
    cells = Cells(run_cells(context, jobs, work))
    write_rows(context.out / "table.csv", table_rows(cells))
    points = curve_points(cells.all, ("task", "method", "seed"))
    write_rows(context.out / "curves.csv", points, list(dict.fromkeys(k for p in points for k in p)))
    _plots(context, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with the job, the learner's settings and the demonstrations."""
    world = {"layout": layout(job.task), "noise": NOISE}
    settings = config_hash(dataclasses.asdict(job), ddpg_config(job), cloning_config(job), her_config(job), world)
    return f"{job.task}_{job.method}_s{job.seed}_{settings[:8]}"


def _plots(context: Context, cells: Cells) -> None:
    for task in ON:
        mine = {m: [c for c in cells.all if (c["task"], c["method"]) == (task, m)] for m in ON[task]}
        lines = {METHODS[m]: ([p["episode"] for p in held[0]["curve"]], np.median(cells.curves(task, m), axis=0))
                 for m, held in mine.items() if held}
        if lines:
            curves(context.out / f"{task}.png", f"{task}: success of the final state, median of the seeds", lines,
                   "episodes", "success")
