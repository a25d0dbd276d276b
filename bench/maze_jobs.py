"""What the maze bench runs: IQL at several expectiles, AWAC and cloning, on data that must be stitched."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness import Context
from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.bc import BCConfig
from priorrl_core.agents.iql_state import domain_config
from priorrl_core.errors import UserError, nearest
from priorrl_core.training.learn_config import LearnConfig

EXPECTILES = {"iql_0.5": 0.5, "iql_0.7": 0.7, "iql_0.9": 0.9, "iql_0.95": 0.95}
DEMOS = "_demos"
"""End of the name of a method that also gets walks which go all the way; 40 of them."""
SHOWN = 40
METHODS = ("bc", *EXPECTILES, "awac", "iql_0.9_demos", "awac_demos")
ONLINE = ("iql_0.9", "awac", "iql_0.9_demos", "awac_demos")
"""Methods that go on in the maze after the data."""
HIDDEN = (64, 64)
"""The papers have 256-256 (IQL) and 4 times 256 (AWAC); 64 so that the bench takes minutes on one core."""


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    method: str
    seed: int
    walks: int
    offline_steps: int
    online_steps: int
    offline_epoch: int
    online_epoch: int
    episodes: int
    """Of one evaluation."""


@dataclass(frozen=True)
class Size:
    """Of one run of the bench."""

    walks: int = 600
    offline_steps: int = 8000
    online_steps: int = 1500
    offline_epoch: int = 2000
    online_epoch: int = 300
    episodes: int = 20
    seeds: int = 3


QUICK = Size(60, 60, 150, 30, 50, 2, 1)


def make_jobs(context: Context) -> list[Job]:
    """Whole seeds first, should time run out. UserError for an unknown word of ``--only``."""
    only = set(context.options) - {"stored"}
    for word in only - set(METHODS):
        raise UserError(f"--only: unknown method '{word}'{nearest(word, METHODS)}")
    s = QUICK if context.quick else Size()
    return [Job(method, seed, s.walks, s.offline_steps, s.online_steps if method in ONLINE else 0,
                s.offline_epoch, s.online_epoch, s.episodes)
            for seed in range(context.seed, context.seed + s.seeds) for method in METHODS
            if not only or method in only]


def learn_config(job: Job) -> LearnConfig:
    """Equal networks, rates, batches and rewards (10 in the goal, as in the U-maze of section 7.3.1) for all."""
    rates = {"actor_rate": 1e-3, "critic_rate": 1e-3, "target_rate": 0.05, "discount": 0.97}
    method = job.method.removesuffix(DEMOS)
    expectile = EXPECTILES.get(method, 0.9)
    return LearnConfig(
        name=job.method, agent="iql" if method in EXPECTILES else method,  # type: ignore[arg-type]
        iql=domain_config("antmaze", hidden=HIDDEN, expectile=expectile, **rates),
        awac=AWACConfig(hidden=HIDDEN, **rates),  # type: ignore[arg-type]
        bc=BCConfig(hidden=HIDDEN), batch_size=256, replay=max(job.online_steps, 1) + 1000, reward_scale=10.0,
        offline_epoch=job.offline_epoch, online_epoch=job.online_epoch, eval_episodes=job.episodes)
