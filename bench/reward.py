"""Reward classification on connectors of families never seen: thesis Table 8, rows 10.12 and 10.13.

A run trains each of the five methods on 25 connectors and judges balanced images of 5 others, of families
that were not in the training; methods of one run share connectors and seed, so that differences are paired.
The first runs judge the five test connectors, drawn after every setting was fixed, with other training
connectors and another seed each time: Table 8. The further runs leave out families at random.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Cell, Claim, Context, Verdict, grouped_bars, run_cells, write_rows
from bench.prior_data import PriorData
from priorrl_core.config import config_hash
from priorrl_core.reporting.intervals import mean_interval
from priorrl_core.rewards.config import RewardConfig, load_reward_config
from priorrl_core.tasks.collect import CollectConfig

THESIS = {"daib": 0.88, "vib": 0.79, "daib_lambda0": 0.77, "erm": 0.76, "dann": 0.71}
SOURCE = "thesis Table 8 (real robots, 25 train / 5 held-out connectors)"
MAIN_TEST = ("uk_g", "aus_i", "iec_c7", "swiss_j", "pin_blade_12")
MAIN_RUNS, OTHER_RUNS = 5, 3
TRAIN_CONNECTORS, TEST_CONNECTORS, IMAGES_PER_CLASS = 25, 5, 300


@dataclass(frozen=True)
class Fold:
    """One run: which connectors, which seed."""

    number: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Job:
    """One cell: a method on a fold."""

    method: str
    fold: Fold
    config: RewardConfig
    settings: dict[str, str]
    """Hash of what each connector's data was made of."""
    files: dict[str, str] = field(default_factory=dict)
    """HDF5 file of each connector; empty where the cell is stored."""


def run(context: Context) -> list[Claim]:
    """Trains and judges; leaves ``table8.csv``, ``other_families.csv``, ``runs.csv``, ``accuracy.png``."""
    folds = make_folds(1 if context.quick else MAIN_RUNS + OTHER_RUNS, context.seed)
    names = sorted({n for f in folds for n in (*f.train, *f.test)})
    data = PriorData(context, CollectConfig(episodes_per_connector=20) if context.quick else CollectConfig())
    settings = {n: data.settings(n) for n in names}
    jobs = [make_job(m, f, settings, 300 if context.quick else 1500) for f in folds for m in THESIS]
    cells = run_cells(context, with_files(context, jobs, data), work)
    write_rows(context.out / "runs.csv", [{k: v for k, v in c.items() if k != "connectors"} for c in cells])
    main = [c for c in cells if c["fold"] < MAIN_RUNS]
    others = [c for c in cells if c["fold"] >= MAIN_RUNS]
    table = summarise(main)
    write_rows(context.out / "table8.csv", table)
    if others:
        write_rows(context.out / "other_families.csv", summarise(others))
    rows = {r["method"]: r for r in table}
    grouped_bars(
        context.out / "accuracy.png",
        "Held-out reward accuracy",
        list(THESIS),
        {"thesis": list(THESIS.values()), "ours": [rows[m]["accuracy"] for m in THESIS]},
        "accuracy",
        {"ours": [(rows[m]["low"], rows[m]["high"]) for m in THESIS]},
    )
    return [*claims(main), *(other_claims(others) if others else [])]


def make_job(method: str, fold: Fold, settings: dict[str, str], iterations: int) -> Job:
    """Settings of the method's file, with the bench's number of iterations."""
    config = dataclasses.replace(load_reward_config(method), iterations=iterations)
    return Job(method, fold, config, {n: settings[n] for n in (*fold.train, *fold.test)})


def key(job: Job) -> str:
    """File name of a cell; changes with whatever changes its outcome: settings, iterations, fold, data, judgement."""
    digits = config_hash(job.config, job.fold, job.settings, {"images_per_class": IMAGES_PER_CLASS})[:8]
    return f"{job.method}_fold{job.fold.number}_s{job.fold.seed}_{digits}"


def with_files(context: Context, jobs: list[Job], data: PriorData) -> list[tuple[str, Job]]:
    """Jobs by key; data is found, or collected, for those alone that have no stored cell."""
    todo = [j for j in jobs if not (context.resume and (context.cells / f"{key(j)}.json").is_file())]
    files = data.files(n for j in todo for n in j.settings)
    return [
        (key(j), dataclasses.replace(j, files={n: files[n] for n in j.settings}) if j in todo else j) for j in jobs
    ]


def make_folds(count: int, seed: int) -> list[Fold]:
    """Runs whose test families are not in their training; the first ``MAIN_RUNS`` judge ``MAIN_TEST``."""
    from priorrl_core.tasks.connectors import families, load_connector, split
    from priorrl_core.tasks.task import load_task

    by_family = families()
    train, _ = split(load_task().held_out_families)
    folds = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        if number < MAIN_RUNS:
            test = list(MAIN_TEST)
            rest = train
        else:
            test = []
            for family in rng.permutation(sorted(by_family)):
                test += by_family[family] if len(test) < TEST_CONNECTORS else []
            out = {load_connector(n).family for n in test}
            rest = sorted(n for f, members in by_family.items() if f not in out for n in members)
            test = [str(n) for n in rng.choice(test, TEST_CONNECTORS, replace=False)]
        chosen = rng.choice(rest, min(TRAIN_CONNECTORS, len(rest)), replace=False)
        folds.append(Fold(number, tuple(sorted(str(n) for n in chosen)), tuple(sorted(test)), seed + number))
    return folds


def work(job: Job) -> Cell:
    """Trains one network and judges it; figures of accuracy and health."""
    from priorrl_core.rewards.network import train_network
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    images, labels, domains = load_images(job.files, job.fold.train)
    net, history = train_network(images, labels, domains, job.config, job.fold.seed)
    cell = judge(net, job)
    last = dataclasses.asdict(history[-1]) if history else {}
    return {
        "method": job.method,
        "fold": job.fold.number,
        "seed": job.fold.seed,
        **cell,
        "alarms": "; ".join(last.get("alarms", ())),
        **{k: v for k, v in last.items() if isinstance(v, (int, float))},
    }


def judge(net: Any, job: Job) -> Cell:
    """Balanced accuracy of each test connector, and their mean."""
    from priorrl_core.rewards.calibration import sigmoid
    from priorrl_core.rewards.report import evaluate
    from priorrl_core.rewards.sampling import balanced_subset

    images, labels, domains = load_images(job.files, job.fold.test)
    chosen = balanced_subset(labels, domains, IMAGES_PER_CLASS, np.random.default_rng(0))
    labels, domains = labels[chosen], domains[chosen]
    probability = sigmoid(net.logits(images[chosen]))
    result = evaluate(probability, labels, domains, 0.5)
    each = {
        name: float(((probability >= 0.5) == (labels > 0))[domains == i].mean())
        for i, name in enumerate(job.fold.test)
    }
    return {
        "accuracy": result.connector_accuracy,
        "precision": result.precision,
        "recall": result.recall,
        "calibration_error": result.calibration_error,
        "connectors": each,
    }


def load_images(files: dict[str, str], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Single images (M,48,48,3), labels (M,), domains (M,) numbered in the order of ``names``."""
    from priorrl_core.data.episodes import read_connector_file

    images, labels, domains = [], [], []
    for index, name in enumerate(names):
        batch, _ = read_connector_file(Path(files[name]))
        images.append(batch.images.reshape(-1, *batch.images.shape[2:]))
        labels.append(batch.labels.reshape(-1).astype(np.uint8))
        domains.append(np.full(labels[-1].size, index, np.int64))
    return np.concatenate(images), np.concatenate(labels), np.concatenate(domains)


def summarise(cells: list[Cell]) -> list[dict[str, Any]]:
    """One row a method: thesis value, mean over runs with its 95 % interval, spread, paired lead of DAIB."""
    by = {m: {c["fold"]: float(c["accuracy"]) for c in cells if c["method"] == m} for m in THESIS}
    rows = []
    for method, theirs in THESIS.items():
        mean, low, high = mean_interval(list(by[method].values()))
        lead, lead_low, lead_high = mean_interval([by["daib"][f] - by[method][f] for f in by["daib"]])
        spread = float(np.std(list(by[method].values()), ddof=1)) if len(by[method]) > 1 else 0.0
        rows.append(
            {
                "method": method,
                "thesis": theirs,
                "accuracy": round(mean, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "std": round(spread, 4),
                "runs": len(by[method]),
                "daib_lead": round(lead, 4),
                "lead_low": round(lead_low, 4),
                "lead_high": round(lead_high, 4),
            }
        )
    return rows


def claims(cells: list[Cell]) -> list[Claim]:
    """The published order, each pair judged on paired differences."""
    rows = {r["method"]: r for r in summarise(cells)}
    runs = int(rows["daib"]["runs"])
    out = []
    for other in ("erm", "vib", "daib_lambda0", "dann"):
        row = rows[other]
        out.append(
            Claim(
                f"DAIB classifies connectors never seen better than {other}",
                SOURCE,
                f"{THESIS['daib']:.0%} against {THESIS[other]:.0%}",
                f"{rows['daib']['accuracy']:.1%} against {row['accuracy']:.1%}, lead {row['daib_lead']:+.1%} "
                f"[{row['lead_low']:+.1%}, {row['lead_high']:+.1%}]",
                runs,
                direction(row["lead_low"], row["daib_lead"]),
            )
        )
    worst = min(rows, key=lambda m: float(rows[m]["accuracy"]))
    out.append(
        Claim(
            "DANN, full invariance, is the worst of the five",
            SOURCE,
            "71%",
            f"worst is {worst} ({rows[worst]['accuracy']:.1%}), dann {rows['dann']['accuracy']:.1%}",
            runs,
            "holds" if worst == "dann" else "fails",
        )
    )
    reached = float(rows["daib"]["accuracy"])
    out.append(
        Claim(
            "DAIB reaches 88% on connectors never seen (simulated analogue)",
            SOURCE,
            "88%",
            f"{reached:.1%}",
            runs,
            "holds" if reached >= 0.88 else "partly" if reached >= 0.80 else "fails",
        )
    )
    return out


def other_claims(cells: list[Cell]) -> list[Claim]:
    """Whether DAIB leads where families are left out at random."""
    rows = {r["method"]: r for r in summarise(cells)}
    best = max(rows, key=lambda m: float(rows[m]["accuracy"]))
    low = min(float(rows[m]["lead_low"]) for m in rows if m != "daib")
    mean = min(float(rows[m]["daib_lead"]) for m in rows if m != "daib")
    return [
        Claim(
            "with families left out at random, DAIB is first of the five",
            SOURCE,
            "DAIB 88%, next VIB 79%",
            f"best is {best}; " + ", ".join(f"{m} {r['accuracy']:.1%}" for m, r in rows.items()),
            int(rows["daib"]["runs"]),
            direction(low, mean),
        )
    ]


def direction(low: float, mean: float) -> Verdict:
    """``holds`` if the interval lies above 0, ``partly`` if only the mean does."""
    return "holds" if low > 0 else "partly" if mean > 0 else "fails"
