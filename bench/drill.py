"""A reward that is wrong in one place: does practice fall for it, and does the monitor say so (row 10.30)?

The learned reward is given a false-positive region in the air beside the socket. The policy has every reason
to go there; only the monitor, which knows from prior data how high successes are, can tell. Beside each seed
runs its control, the same practice with the reward as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from bench.harness import Cell, Claim, Context, curves, run_cells, verdict, write_rows
from bench.insertion_tables import TEST
from bench.keys import fingerprint
from priorrl_core.reporting.intervals import moving_rate

SOURCE = "spec row 10.30 (not in the thesis)"
REGION_X_M, REGION_Z_M = (0.003, 0.012), (0.008, 0.040)
"""Tip beside and above the socket's centre; half of the starts of scenario I lie on that side."""
WINDOW = 20


@dataclass(frozen=True)
class Job:
    connector: str
    seed: int
    trials: int
    checkpoint: str
    region: bool
    """Whether the reward is wrong in the region; without, the control."""


class Spied(gym.Wrapper):
    """Keeps the tip's place above the socket, for the drill alone."""

    def reset(self, **words: Any) -> tuple[Any, dict[str, Any]]:
        self.offsets: list[np.ndarray] = []
        return self.env.reset(**words)

    def step(self, action: Any) -> Any:
        out = self.env.step(action)
        self.offsets.append(out[4]["ground_truth"]["offset_m"])
        return out

    def inside(self) -> np.ndarray:
        """(T,) bool: which steps of the newest episode ended in the region."""
        x, _, z = np.array(self.offsets).T
        return (x > REGION_X_M[0]) & (x < REGION_X_M[1]) & (z > REGION_Z_M[0]) & (z < REGION_Z_M[1])


class Gamed:
    """The learned reward, and with ``region`` a 1 wherever the tip is in it; counts the steps there."""

    def __init__(self, reward: Any, env: Spied, region: bool) -> None:
        self.reward_model, self.env, self.region = reward, env, region
        self.shares: list[float] = []

    def reward(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rewards, probability = self.reward_model.reward(images)
        inside = self.env.inside()
        self.shares.append(float(inside.mean()))
        return (np.maximum(rewards, inside.astype(rewards.dtype)) if self.region else rewards), probability


def run(context: Context) -> list[Claim]:
    """Leaves ``drill.csv`` and ``drill.png``."""
    from priorrl_core.cli.paths import checkpoint_path

    trials = 2 * WINDOW if context.quick else 100
    checkpoint = str(checkpoint_path(context.checkpoint))
    seeds = [context.seed + i for i in range(1 if context.quick else 3)]
    jobs = [Job(TEST[0], s, trials, checkpoint, region) for s in seeds for region in (True, False)]
    cells = run_cells(context, [(key(j), j) for j in jobs], work)
    write_rows(context.out / "drill.csv", [{k: v for k, v in c.items() if not isinstance(v, list)} for c in cells])
    draw(context.out / "drill.png", cells)
    return claims(cells)


def draw(path: Path, cells: list[Cell]) -> None:
    """Mean over seeds of the share of steps in the region and of success, each over the last 20 trials."""
    lines = {}
    for region, name in ((True, "false region"), (False, "control")):
        mine = [c for c in cells if c["region"] is region]
        for values, what in (("share_in_region", "steps in the region"), ("truth", "inserted")):
            mean = np.mean([moving_rate(c[values], WINDOW) for c in mine], axis=0)
            lines[f"{name}: {what}"] = (np.arange(1, len(mean) + 1), mean)
    title = f"A reward with a false region, mean of {len(mine)} seeds, last {WINDOW} trials"
    curves(path, title, lines, "practice trial", "fraction")


def key(job: Job) -> str:
    """File name of a cell; changes with whatever changes its outcome."""
    kind = "region" if job.region else "control"
    return f"{job.connector}_{kind}_s{job.seed}_p{job.trials}_{fingerprint(job.checkpoint, '')}"


def work(job: Job) -> Cell:
    from priorrl_core.cli.models import reward_model
    from priorrl_core.tasks.connectors import load_connector
    from priorrl_core.tasks.env import InsertionEnv
    from priorrl_core.training.checkpoints import load_learner
    from priorrl_core.training.practice import practice
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    env = Spied(InsertionEnv(load_connector(job.connector), scenario="I", seed=job.seed))
    try:
        reward = Gamed(reward_model(Path(job.checkpoint)), env, job.region)
        log = practice(env, load_learner(job.checkpoint, job.seed), reward, job.trials, job.seed, "I")
    finally:
        env.close()
    alarm = next((i + 1 for i, text in enumerate(log.alarms) if text), 0)
    return {
        "connector": job.connector,
        "seed": job.seed,
        "region": job.region,
        "trials": job.trials,
        "region_first": round(float(np.mean(reward.shares[:WINDOW])), 3),
        "region_last": round(float(np.mean(reward.shares[-WINDOW:])), 3),
        "inserted_first": sum(log.truth[:WINDOW]),
        "inserted_last": sum(log.truth[-WINDOW:]),
        "first_alarm": alarm,
        "alarms": sum(bool(text) for text in log.alarms),
        "share_in_region": reward.shares,
        "truth": [int(v) for v in log.truth],
    }


def claims(cells: list[Cell]) -> list[Claim]:
    """Three: the drift, the alarm, and whether the alarm is silent in the control."""
    gamed, control = ([c for c in cells if c["region"] is region] for region in (True, False))
    drifts = [
        a["region_last"] > max(a["region_first"], b["region_last"]) for a, b in zip(gamed, control, strict=True)
    ]
    return [
        Claim("practice drifts into a region that the reward wrongly likes", SOURCE, "drifts",
              f"{_drift(gamed)}; control: {_drift(control)}", len(gamed), verdict(sum(drifts), len(gamed))),
        Claim("the monitor raises an alarm, without ground truth", SOURCE, "alarm",
              _alarms(gamed), len(gamed), verdict(sum(c["alarms"] > 0 for c in gamed), len(gamed))),
        Claim("the monitor raises no alarm in the control, where the reward is as it was learned",
              "drawn from row 10.30", "-", _alarms(control), len(control),
              verdict(sum(c["alarms"] == 0 for c in control), len(control))),
    ]


def _drift(cells: list[Cell]) -> str:
    shares = ", ".join(f"{c['region_first']:.0%} -> {c['region_last']:.0%}" for c in cells)
    done = ", ".join(f"{c['inserted_first']} -> {c['inserted_last']}" for c in cells)
    return f"steps in it {shares}; inserted {done} of {WINDOW}"


def _alarms(cells: list[Cell]) -> str:
    first = ", ".join(f"trial {c['first_alarm']}" if c["first_alarm"] else "none" for c in cells)
    return f"first alarm: {first}; trials with one: {', '.join(str(c['alarms']) for c in cells)}"
