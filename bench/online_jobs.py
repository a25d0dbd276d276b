"""What the online bench runs: the papers' settings, and what newer papers add, one step after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.harness import Context
from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.iql_state import domain_config
from priorrl_core.agents.sac import SACConfig
from priorrl_core.errors import UserError, nearest
from priorrl_core.training.learn_config import LearnConfig

HIDDEN = (64, 64)
RATES: dict[str, Any] = {"actor_rate": 1e-3, "critic_rate": 1e-3, "target_rate": 0.02, "discount": 0.97}
"""Alike for all; ng."""
LAYERED = {"layer_norm": True}
MANY = {**LAYERED, "critics": 10, "target_critics": 2, "actor_q": "mean"}
UPDATES = 4
"""Update ratio of RLPD here; the paper's 20 is for GPUs (facts/peers_algorithms.md 5.2)."""


@dataclass(frozen=True)
class Arm:
    """How one method differs from the shared settings."""

    agent: str
    source: str
    offline: bool = True
    """Pretrains on the data."""
    data: bool = True
    """The data are there at all."""
    updates: int = 1
    """For each environment step."""
    chunk: int = 1
    table: tuple[tuple[str, Any], ...] = ()
    run: tuple[tuple[str, Any], ...] = ()
    """Changes of the agent's and of the run's settings."""


def _arm(agent: str, source: str, table: dict[str, Any] | None = None, run: dict[str, Any] | None = None,
         **more: Any) -> Arm:
    return Arm(agent, source, table=tuple((table or {}).items()), run=tuple((run or {}).items()), **more)


_SYMMETRIC = {"sampling": "symmetric"}
_FROM_NOTHING = {"random_steps": 500, "warm_steps": 500}
_RLPD = {**_SYMMETRIC, **_FROM_NOTHING}
ARMS: dict[str, Arm] = {
    "iql": _arm("iql", "thesis chapter 7"),
    "iql_symmetric": _arm("iql", "+ symmetric sampling", run=_SYMMETRIC),
    "iql_updates": _arm("iql", f"+ {UPDATES} updates a step", updates=UPDATES),
    "iql_chunk": _arm("iql", "+ decisions of 4 steps", chunk=4),
    "awac": _arm("awac", "thesis chapter 6"),
    "sac": _arm("sac", "no data", run=_FROM_NOTHING, offline=False, data=False),
    "sac_data": _arm("sac", "SAC, half of each batch from the data", run=_RLPD, offline=False),
    "sac_norm": _arm("sac", "+ layer norm", LAYERED, _RLPD, offline=False),
    "sac_many": _arm("sac", "+ 10 critics, 2 in the target", MANY, _RLPD, offline=False),
    "rlpd": _arm("sac", f"+ {UPDATES} updates a step: RLPD", MANY, _RLPD, offline=False, updates=UPDATES),
    "rlpd_chunk": _arm("sac", "+ decisions of 4 steps: RLPD-AC", MANY, _RLPD, offline=False, updates=UPDATES,
                       chunk=4),
    "wsrl": _arm("sac", "pretrained, then without the data: WSRL in kind", MANY,
                 {"keep_data": False, "warm_steps": 500}, updates=UPDATES),
}


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    method: str
    seed: int
    walks: int
    offline_steps: int
    online_steps: int
    epoch: int
    episodes: int


@dataclass(frozen=True)
class Size:
    """Of one run of the bench."""

    walks: int = 60
    offline_steps: int = 4000
    online_steps: int = 5000
    epoch: int = 500
    episodes: int = 40
    seeds: int = 5


QUICK = Size(60, 40, 200, 100, 2, 1)


def make_jobs(context: Context) -> list[Job]:
    """Whole seeds first, should time run out. UserError for an unknown word of ``--only``."""
    only = set(context.options) - {"stored"}
    for word in only - set(ARMS):
        raise UserError(f"--only: unknown method '{word}'{nearest(word, ARMS)}")
    s = QUICK if context.quick else Size()
    return [Job(method, seed, s.walks, s.offline_steps if arm.offline else 0, s.online_steps, s.epoch, s.episodes)
            for seed in range(context.seed, context.seed + s.seeds) for method, arm in ARMS.items()
            if not only or method in only]


def learn_config(job: Job) -> LearnConfig:
    """Equal networks, rates and batches; reward 10 in the goal, as in the maze of thesis 7.3.1."""
    arm = ARMS[job.method]
    table = {"hidden": HIDDEN, **RATES, **dict(arm.table)}
    agents: dict[str, Any] = {
        "iql": lambda: domain_config("antmaze", **table),
        "awac": lambda: AWACConfig(**table),
        "sac": lambda: SACConfig(**{"initial_scale": 1.0, "entropy_per_action": -0.5, "backup_entropy": False,
                                    **table})}  # fmt: skip
    return LearnConfig(
        name=job.method, agent=arm.agent, **{arm.agent: agents[arm.agent]()},  # type: ignore[arg-type]
        batch_size=256, replay=job.online_steps + 1000, reward_scale=10.0, offline_epoch=max(job.offline_steps, 1),
        online_epoch=job.epoch, eval_episodes=job.episodes, updates_per_step=float(arm.updates * arm.chunk),
        **_in_decisions(arm))


def _in_decisions(arm: Arm) -> dict[str, Any]:
    """The run's settings; the loop counts decisions where these are told in steps."""
    return {k: v // arm.chunk if k in ("random_steps", "warm_steps") else v for k, v in arm.run}
