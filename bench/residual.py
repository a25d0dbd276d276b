"""Residual RL of thesis chapters 8 and 9: Tables 3 and 4, Figures 37 to 40 and 44 to 46 in their simulated form.

``--only`` takes words of: tables, samples, orientation, rotation, noise, bias, simulation, usb, dsub, model_e, the
names of table rows (``residual_images_sac`` ...), and ``stored`` (with ``--resume``: only draws up what is there).
All methods of a seed see the same starts and goal errors; evaluation has no exploration and seeds of its own.
"""

from __future__ import annotations

import dataclasses

from bench.harness import Claim, Context, chosen, run_cells, write_rows
from bench.residual_cells import work
from bench.residual_claims import make_claims
from bench.residual_jobs import PLUGS, Job, make_jobs
from bench.residual_plots import plots
from bench.residual_tables import Cells, budget_rows, simulation_rows, sweep_rows, table_rows


def run(context: Context) -> list[Claim]:
    """Leaves ``table3a.csv``, ``table3b.csv``, ``table4.csv``, one CSV and PNG a figure, ``budget.csv``."""
    jobs = chosen(context, [(key(job), job) for job in make_jobs(context)])
    cells = Cells(run_cells(context, jobs, work))
    _write(context, cells)
    plots(context.out, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with the job, the tasks, the methods and whatever else changes its outcome."""
    return f"{job.part}_{job.task}_{job.row}_s{job.seed}_n{job.steps}_{settings(job)}"


def settings(job: Job) -> str:
    """Eight digits of everything that is read from configuration files."""
    from bench.residual_cells import DEMOS, OTHER_SIMULATOR, REAL_TRACKING, block_agent, block_task
    from bench.residual_jobs import ROW
    from priorrl_core.config import config_hash
    from priorrl_core.robots.profile import load_robot
    from priorrl_core.tasks.plug import load_plug, load_plug_task
    from priorrl_core.training.residual_learner import load_residual_method

    if job.task == "blocks":
        task = (block_task(job), OTHER_SIMULATOR, REAL_TRACKING) if job.part == "simulation" else (block_task(job),)
        agent = block_agent(job)
    else:
        task, agent = (load_plug_task(), load_plug(job.task)), ROW[job.row].agent
    method = (load_residual_method(agent),) if agent else ()
    demos = {"demos": DEMOS} if agent.startswith("lfd") else {}
    return config_hash(dataclasses.asdict(job), load_robot(), *task, *method, demos)[:8]


def _write(context: Context, cells: Cells) -> None:
    for plug, name in zip(PLUGS, ("table4", "table3a", "table3b"), strict=True):
        write_rows(context.out / f"{name}.csv", table_rows(cells, plug))
    for part, column, name in (("rotation", "yaw_rad", "figure39a"), ("noise", "std", "figure39b"),
                               ("bias", "mean", "figure39c")):  # fmt: skip
        write_rows(context.out / f"{name}.csv", sweep_rows(cells, part, column))
    write_rows(context.out / "figure40.csv", simulation_rows(cells))
    write_rows(context.out / "budget.csv", budget_rows(cells))
    flat = [{k: v for k, v in c.items() if not isinstance(v, (list, dict))} for c in cells.all]
    columns = sorted({k for row in flat for k in row})
    write_rows(context.out / "cells.csv", flat, columns)

