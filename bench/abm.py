"""Behaviour priors on mixed, conflicting data (Siegel et al. 2020): MPO, SVG, BM, ABM, BCQ and BEAR side by side.

A behaviour agent learns several tasks of a control-suite domain; every algorithm then learns one of them from all
its episodes (high) or the first fifth (low). ``--only`` takes domains (point_mass, cheetah, walker; reacher only by
name), algorithms (mpo, bm_mpo ...), high, low, ``paper`` (networks of table 5, batch and rate of tables 1 to 4: many
hours), and ``stored`` (with ``--resume``: draws up what is there). Needs ``pip install -r requirements/bench_abm.txt``.
"""

from __future__ import annotations

from bench.abm_cells import settings, work
from bench.abm_claims import Cells, make_claims, table_rows
from bench.abm_data import data_key
from bench.abm_data import work as make_data
from bench.abm_jobs import Job, data_jobs, make_jobs
from bench.abm_plots import plots
from bench.harness import Cell, Claim, Context, chosen, run_cells, write_rows
from priorrl_core.config import config_hash


def run(context: Context) -> list[Claim]:
    """Leaves ``table6.csv``, ``data.csv``, ``cells.csv``, a PNG of the curves of each domain and amount."""
    jobs = make_jobs(context)
    facts = run_cells(context, chosen(context, [(data_key(job), job) for job in data_jobs(jobs)]), make_data)
    cells = Cells(run_cells(context, chosen(context, [(key(job), job) for job in jobs]), work))
    _write(context, facts, cells)
    plots(context.out, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with whatever changes its outcome."""
    return f"{job.data.domain}_{job.amount}_{job.algorithm}_s{job.data.seed}_{config_hash(settings(job))[:8]}"


def _write(context: Context, facts: list[Cell], cells: Cells) -> None:
    write_rows(context.out / "table6.csv", table_rows(cells))
    for name, rows in (("data", facts), ("cells", cells.all)):
        flat = [{k: v for k, v in row.items() if not isinstance(v, (list, dict))} for row in rows]
        write_rows(context.out / f"{name}.csv", flat, list(dict.fromkeys(k for row in flat for k in row)))
