"""From data to practice in a maze with starts anywhere: IQL and AWAC, and what RLPD, WSRL and Q-chunking add.

Data are short noisy walks that have nothing to do with the goal, too few to solve it. Every method then practises with
equal networks, rates and environment steps. ``--only`` takes methods (iql, iql_symmetric, iql_updates, iql_chunk, awac,
sac, sac_data, sac_norm, sac_many, rlpd, rlpd_chunk, wsrl) and ``stored`` (with ``--resume``: draws up what is there).
"""

from __future__ import annotations

import dataclasses

from bench.harness import Claim, Context, chosen, curve_points, curves, run_cells, write_rows
from bench.keys import own_settings
from bench.maze_env import HORIZON, STEP, TOWN
from bench.online_cells import work
from bench.online_claims import Cells, make_claims, table_rows
from bench.online_jobs import ARMS, Job, learn_config, make_jobs
from priorrl_core.config import config_hash


def run(context: Context) -> list[Claim]:
    """Leaves ``table.csv``, ``curves.csv``, ``curves.png`` and ``curves_sac.png``."""
    jobs = chosen(context, [(key(job), job) for job in make_jobs(context)])
    cells = Cells(run_cells(context, jobs, work))
    write_rows(context.out / "table.csv", table_rows(cells))
    write_rows(context.out / "curves.csv", curve_points(cells.all, ("method", "seed")))
    _plot(context, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with the job, the maze and the settings of the learner."""
    world = {"layout": TOWN, "step": STEP, "horizon": HORIZON, "chunk": ARMS[job.method].chunk}
    digits = config_hash(dataclasses.asdict(job), own_settings(learn_config(job)), world)[:8]
    return f"{job.method}_s{job.seed}_{digits}"


def _plot(context: Context, cells: Cells) -> None:
    """A figure for those that pretrain by a method for data, one for SAC's family."""
    for name, family in (("curves", ("iql", "awac")), ("curves_sac", ("sac",))):
        lines = {}
        for method, arm in ARMS.items():
            steps, success = cells.online(method)
            if len(steps) and arm.agent in family:
                lines[method] = (steps, success.mean(0))
        curves(context.out / f"{name}.png", f"Starts anywhere in a town, mean of {cells.seeds} seeds", lines,
               "environment steps of practice", "success")
