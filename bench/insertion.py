"""On-the-job insertion of held-out connectors: thesis Tables 5, 6, 7 (rows 10.27 to 10.29), without ROS.

A cell is (connector, scenario, seed, method). Every trial is judged by the simulator's ground truth, which no
learner sees; all methods of a seed start from the same believed goals. ``--only`` takes words of: baselines,
ours, ablations, I, II, ``development`` for the connectors that served to choose settings, and names of
connectors. Without a name the test connectors are run. ``stored`` (with ``--resume``) only draws up the tables
of the cells that are there; it needs neither prior data nor the checkpoint without DAIB.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Cell, Claim, Context, curves, grouped_bars, run_cells, write_rows
from bench.insertion_claims import attempts, make_claims
from bench.insertion_tables import ABLATIONS, COLUMNS, CONNECTORS, DEVELOPMENT, TEST, Table, ablation_rows, thesis_rows
from bench.keys import fingerprint
from priorrl_core.errors import UserError, nearest
from priorrl_core.reporting.intervals import moving_rate, wilson

EVAL_SEED = 10_000
BASELINES = ("localize", "straight_down", "random_search", "spiral_search", "base")


@dataclass(frozen=True)
class Job:
    """One cell. ``agent`` and ``reward`` are checkpoint folders."""

    connector: str
    scenario: str
    seed: int
    method: str
    agent: str
    reward: str
    eval_trials: int
    practice_trials: int


def run(context: Context) -> list[Claim]:
    """Runs what is asked for; leaves ``cells.csv``, ``table5.csv`` to ``table7.csv`` and plots."""
    if "stored" in context.options and not context.resume:
        raise UserError("--only stored: add --resume, or the stored cells would be made anew")
    found = stored if "stored" in context.options else lambda _, job: [key(job)]
    jobs = [(name, job) for job in make_jobs(context) for name in found(context.cells, job)]
    cells = run_cells(context, jobs, work)
    flat = [{k: v for k, v in c.items() if not isinstance(v, (list, dict))} for c in cells]
    write_rows(context.out / "cells.csv", flat, sorted({k for row in flat for k in row}))
    tables = {s: Table.of(cells, s) for s in ("I", "II")}
    write_rows(context.out / "table5.csv", thesis_rows(tables["I"]))
    write_rows(context.out / "table6.csv", thesis_rows(tables["II"]))
    write_rows(context.out / "table7.csv", ablation_rows(tables["II"]))
    for scenario, table in tables.items():
        _plots(context.out, scenario, table, cells)
    return [*make_claims(tables["I"], tables["II"]), *attempts(context.out / "attempts.csv")]


def key(job: Job) -> str:
    """File name of a cell; changes with whatever changes its outcome."""
    return stem(job) + (f"_{fingerprint(job.agent, job.reward)}" if job.agent else "")


def stem(job: Job) -> str:
    """A cell's file name without its checkpoints."""
    return (
        f"{job.connector}_{job.scenario}_{job.method}_s{job.seed}_e{job.eval_trials}_p{job.practice_trials}"
    )


def stored(cells: Path, job: Job) -> list[str]:
    """Name of the job's stored cell, if it is there.

    The checkpoint without DAIB is not packaged, so its cells are found by the rest of their name; UserError where
    cells of two such checkpoints lie side by side.
    """
    if job.method not in ABLATIONS:
        return [key(job)] if (cells / f"{key(job)}.json").is_file() else []
    names = sorted(p.stem for p in cells.glob(f"{stem(job)}_*.json"))
    if len(names) > 1:
        raise UserError(f"cells of two checkpoints: '{names[0]}' and '{names[1]}' in '{cells}'; remove one")
    return names


def make_jobs(context: Context) -> list[Job]:
    """Cells of this run."""
    from priorrl_core.cli.paths import checkpoint_path

    only = set(context.options)
    known = {"baselines", "ours", "ablations", "I", "II", "development", "stored", *CONNECTORS}
    for word in only - known:
        raise UserError(f"--only: unknown part '{word}'{nearest(word, known)}")

    def pick(names: tuple[str, ...]) -> list[str]:
        return [n for n in names if n in only] or list(names)

    parts = pick(("baselines", "ours", "ablations")) if not context.quick or only else ["baselines", "ours"]
    named = [c for c in CONNECTORS if c in only or ("development" in only and c in DEVELOPMENT)]
    connectors = named or list(TEST[:1] if context.quick else TEST)
    scenarios = pick(("I", "II")) if not context.quick or only & {"I", "II"} else ["I"]
    seeds = [context.seed + i for i in range(1 if context.quick else 3)]
    evals, trials = (10, 30) if context.quick else (50, 200)
    main = str(checkpoint_path(context.checkpoint))
    cells = [(c, s, seed) for c in connectors for s in scenarios for seed in seeds]
    jobs: list[Job] = []
    if "ours" in parts:
        jobs += [Job(c, s, seed, "daib_daib", main, main, evals, trials) for c, s, seed in cells]
    if "baselines" in parts:
        jobs += [baseline(c, s, seed, m, main, evals) for c, s, seed in cells for m in BASELINES]
    if "ablations" in parts and "II" in scenarios:
        plain = "" if "stored" in only else str(plain_checkpoint(context))
        jobs += [
            Job(c, "II", seed, m, plain, main if m == "daib_none" else plain, evals, trials)
            for c, s, seed in sorted(cells, key=lambda cell: cell[2])  # whole seeds first, should time run out
            for m in ABLATIONS
            if s == "II"
        ]
    return jobs


def baseline(connector: str, scenario: str, seed: int, method: str, checkpoint: str, trials: int) -> Job:
    """A scripted baseline uses no network, so a new checkpoint leaves its cell as it is."""
    localised = method == "localize" or (scenario == "II" and method != "base")
    return Job(connector, scenario, seed, method, checkpoint if localised else "", "", trials, 0)


def plain_checkpoint(context: Context) -> Path:
    """The checkpoint without DAIB in reward and policy; trained here if there is none."""
    from priorrl_core.cli.main import main
    from priorrl_core.cli.paths import weights_dir

    packaged = weights_dir() / "no_daib"
    if (packaged / "manifest.json").is_file():
        return packaged.resolve()
    out = Path("runs") / "bench" / context.name / f"no_daib_s{context.seed}"
    if not (out / "manifest.json").is_file():
        words = [
            "train",
            "--data",
            context.data or "data/prior",
            "--out",
            str(out),
            "--method",
            "plain_iql",
            "--only",
            "reward,policy",
            "--seed",
            str(context.seed),
            "--resume",
        ]
        if main(words) != 0:
            raise UserError("the checkpoint without DAIB could not be trained; give prior data with --data")
    return out.resolve()


def work(job: Job) -> Cell:
    """Runs one cell in this process."""
    from priorrl_core.cli.models import reward_model
    from priorrl_core.tasks.connectors import load_connector
    from priorrl_core.tasks.env import InsertionEnv
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin = time.monotonic()
    env = InsertionEnv(load_connector(job.connector), scenario=job.scenario, seed=job.seed)
    try:
        judge = reward_model(Path(job.reward)) if job.reward else None
        figures = _practised(env, job, judge) if job.practice_trials else _baseline(env, job, judge)
    finally:
        env.close()
    return {
        "connector": job.connector,
        "scenario": job.scenario,
        "seed": job.seed,
        "method": job.method,
        "eval_trials": job.eval_trials,
        "practice_trials": job.practice_trials,
        **figures,
        "seconds": round(time.monotonic() - begin, 1),
    }


def _baseline(env: Any, job: Job, judge: Any) -> Cell:
    from priorrl_core.cli.models import make_policy

    policy = make_policy(job.method, Path(job.agent), env.task, job.scenario)
    return _judged("", env, policy, job, judge)


def _practised(env: Any, job: Job, judge: Any) -> Cell:
    from priorrl_core.training.checkpoints import load_learner
    from priorrl_core.training.practice import practice
    from priorrl_core.training.rollout import HeadPolicy

    learner = load_learner(job.agent, job.seed)
    out = _judged("offline_", env, HeadPolicy(learner.agent, learner.policy_head(0)), job, judge)
    log = practice(env, learner, judge, job.practice_trials, job.seed, job.scenario)
    out |= _judged("online_", env, HeadPolicy(learner.agent, learner.policy_head()), job, judge)
    pairs = list(zip(log.judged, log.truth, strict=True))
    return {
        **out,
        "updates": learner.updates,
        "practice_truth": [int(v) for v in log.truth],
        "practice_judged": [int(v) for v in log.judged],
        "practice_false_positives": pairs.count((True, False)),
        "practice_false_negatives": pairs.count((False, True)),
    }


def _judged(prefix: str, env: Any, policy: Any, job: Job, judge: Any) -> Cell:
    from priorrl_core.training.evaluate import evaluate

    result = evaluate(env, policy, job.eval_trials, job.seed + EVAL_SEED, job.scenario, judge)
    counts = {f"{prefix}{k}": v for k, v in result.confusion().items()} if judge else {}
    return {
        f"{prefix}successes": sum(result.success),
        f"{prefix}faults": sum(bool(f) for f in result.faults),
        f"{prefix}peak_force_n": round(max(result.peak_force_n), 2),
        **counts,
    }


def _plots(out: Path, scenario: str, table: Table, cells: list[Cell]) -> None:
    names = [c for c in CONNECTORS if table.known(c)]
    if not names:
        return
    series, errors = {}, {}
    for column in COLUMNS:
        counts = [table.count(c, column) for c in names]
        if any(n for _, n in counts):
            series[column] = [k / n if n else 0.0 for k, n in counts]
            errors[column] = [wilson(k, n) for k, n in counts]
    grouped_bars(
        out / f"success_{scenario}.png",
        f"Scenario {scenario}: inserted, all seeds",
        names,
        series,
        "success fraction",
        errors,
    )
    lines = {}
    for name in names:
        runs = [
            c["practice_truth"]
            for c in cells
            if c["connector"] == name and c["scenario"] == scenario and c["method"] == "daib_daib"
        ]
        if runs:
            rates = [moving_rate([bool(v) for v in r], 20) for r in runs]
            mean = [sum(step) / len(step) for step in zip(*rates, strict=True)]
            lines[name] = (list(range(1, len(mean) + 1)), mean)
    if lines:
        curves(
            out / f"practice_{scenario}.png",
            f"Scenario {scenario}: success over the last 20 trials",
            lines,
            "practice trial",
            "success fraction",
        )
