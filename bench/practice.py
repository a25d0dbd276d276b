"""The main job's options, one at a time: what the preset has beyond the thesis, and what newer papers add.

Every arm practises the same trials (same starts, goal errors, order) from the packaged checkpoint; the thesis's own
setting is the preset ``daib_iql_thesis``. Seeds begin at 100, since tables and demo report 0 to 2. ``before`` is the
policy that practice starts from. ``--only`` takes arms (before, preset, thesis, no_q, updates_1, updates_4, share_10,
share_50, own_only, no_decay, warm_up, wsrl), connectors, and ``stored`` (with ``--resume``: draws up what is there).

Not here: layer norm, more critics and decisions of several steps (Q-chunking). They change the shapes of the
checkpoint's heads, so each needs offline training of its own; ``bench online`` has them in a maze. Sampling uniformly
over prior data and practice cannot be said, ``online_share`` being a constant; with 8000 prior transitions that share
would rise from 0 to 13 % in 60 trials, and ``share_10`` lies there.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.harness import Claim, Context, chosen, pyplot, run_cells, write_rows
from bench.keys import fingerprint
from bench.practice_cells import work
from bench.practice_claims import BLOCK, Cells, make_claims, table_rows
from bench.practice_jobs import ARMS, SCENARIO, Job, make_jobs, online_config
from priorrl_core.config import config_hash
from priorrl_core.reporting.intervals import moving_rate


def run(context: Context) -> list[Claim]:
    """Leaves ``table.csv``, ``curves.csv`` and ``curves.png``."""
    jobs = chosen(context, [(key(job), job) for job in make_jobs(context)])
    cells = Cells(run_cells(context, jobs, work))
    write_rows(context.out / "table.csv", table_rows(cells))
    write_rows(context.out / "curves.csv", cells.blocks())
    _plot(context, cells)
    return make_claims(cells)


def key(job: Job) -> str:
    """File name of a cell; changes with the job, the settings of practice and the checkpoint."""
    told = {**dataclasses.asdict(job), "checkpoint": fingerprint(job.checkpoint, ""), "scenario": SCENARIO}
    return f"{job.connector}_{job.arm}_s{job.seed}_{config_hash(told, online_config(job.arm))[:8]}"


def _plot(context: Context, cells: Cells) -> None:
    """Success over the last trials, mean over seeds; one panel a connector."""
    names = cells.connectors
    if not names:
        return
    plt = pyplot()
    figure, panels = plt.subplots(1, len(names), figsize=(4.8 * len(names) + 1.2, 4.0), sharey=True, squeeze=False,
                                  layout="constrained")
    for axes, name in zip(panels[0], names, strict=True):
        practised = [a for a in ARMS if cells.truth(name, a).size]
        for index, arm in enumerate(practised):
            truth = cells.truth(name, arm)
            mean = np.mean([moving_rate(seed, BLOCK) for seed in truth], axis=0)
            label = arm if len(truth) == cells.seeds(name) else f"{arm} (seeds: {len(truth)})"
            axes.plot(np.arange(1, len(mean) + 1), mean, label=label, lw=1.3, ls="-" if index < 10 else "--")
        axes.set(title=f"{name}, mean of {cells.seeds(name)} seeds", xlabel="practice trial")
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel(f"inserted, last {BLOCK} trials")
    panels[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(context.out / "curves.png", dpi=120)
    plt.close(figure)
