"""What the bench of the learners runs: environments, sizes and the pairings with other libraries, as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.harness import Context
from priorrl_core.errors import UserError, nearest

KINDS = ("medium", "medium-replay", "expert")
OFFLINE = ("iql", "awac", "bcq", "bear")
#: Online algorithm -> libraries to compare with.
ONLINE = {"sac": ("sb3", "d3rlpy"), "td3": ("sb3", "d3rlpy")}
#: With goals and hindsight; the second with demonstrations besides, which no peer takes.
GOALS = {"ddpg": ("sb3",), "ddpg_demos": ()}
LIBRARIES = ("priorrl", "d3rlpy", "sb3")
OURS = "priorrl"
DATA_SEED = 0
"""Of the run that makes the data: every cell of an environment learns from the same."""


@dataclass(frozen=True)
class Size:
    """An environment and what is spent on it; alike for all libraries."""

    env: str
    hidden: tuple[int, ...] = (256, 256)
    batch: int = 256
    rate: float = 3e-4
    """Of every network and of SAC's temperature."""
    offline_steps: int = 20_000
    """Updates of IQL and AWAC."""
    heavy_steps: int = 10_000
    """Updates of BCQ and BEAR, which take 5 to 20 times as long."""
    online_steps: int = 50_000
    random_steps: int = 5_000
    """First online steps, uniformly random and without updates."""
    reward_scale: float = 1.0
    """Of the rewards in the offline data, for all libraries."""
    bear_sigma: float = 10.0
    looks: int = 10
    """Evaluations of one cell, at equal distances; the last one is at the end."""
    evals: int = 10
    seeds: int = 3
    data_steps: int = 300_000
    """Of our SAC, whose best policy is the expert."""
    data_rows: int = 100_000
    """Of medium and of expert."""
    goals: bool = False
    """DDPG with hindsight instead of the others."""
    demos: int = 100
    """Scripted demonstrations for ``ddpg_demos``."""


#: Half the papers' width and batch and few updates, so that an environment takes two hours; the same for all libraries.
RUN = Size("", (128, 128), 128, offline_steps=10_000, heavy_steps=5_000, online_steps=20_000, looks=8,
           data_steps=200_000)
FETCH = Size("", (256, 256, 256), 256, 1e-3, random_steps=1000, evals=20, goals=True)
#: Objects need more steps than FetchReach; half its width and batch keep a seed at ten minutes.
OBJECT = replace(FETCH, hidden=(128, 128, 128), batch=128, online_steps=40_000)
SIZES = {
    "pendulum": Size("Pendulum-v1", (64, 64), 128, 1e-3, 3000, 3000, 4000, 500, 0.1, looks=8, data_steps=6000,
                     data_rows=10_000),
    "hopper": replace(RUN, env="Hopper-v5"),
    "halfcheetah": replace(RUN, env="HalfCheetah-v5"),
    "walker2d": replace(RUN, env="Walker2d-v5", bear_sigma=20.0),
    "fetchreach": replace(FETCH, env="gymnasium_robotics:FetchReach-v4", online_steps=10_000, demos=20),
    "fetchpush": replace(OBJECT, env="gymnasium_robotics:FetchPush-v4"),
    "fetchpickandplace": replace(OBJECT, env="gymnasium_robotics:FetchPickAndPlace-v4"),
}  # fmt: skip


def quick(size: Size) -> Size:
    """Minutes instead of hours: to see that it works, not to judge anything."""
    return replace(size, hidden=(32, 32), batch=32, offline_steps=40, heavy_steps=20, online_steps=600,
                   random_steps=200, looks=2, evals=2, seeds=1, data_steps=800, data_rows=1000, demos=2)


def size_of(env: str, is_quick: bool) -> Size:
    return quick(SIZES[env]) if is_quick else SIZES[env]


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    env: str
    data: str
    """One of ``KINDS``, ``online``, or ``her``: online with goals and hindsight."""
    algorithm: str
    library: str
    seed: int
    steps: int
    """Updates offline, environment steps online."""
    size: Size


ALGORITHMS = (*OFFLINE, *ONLINE, *GOALS)
WORDS = {*SIZES, *KINDS, "online", "her", *ALGORITHMS, *LIBRARIES, "offline", "data", "stored"}


def make_jobs(context: Context) -> list[Job]:
    """Cells of this run, environment by environment and in each whole seeds first.

    Words of ``--only`` of one kind are alternatives, of different kinds conditions; UserError for an unknown one.
    """
    only, jobs = context.options, []
    for word in only:
        if word not in WORDS:
            raise UserError(f"--only: unknown part '{word}'{nearest(word, WORDS)}")
    kinds = [k for k in (*KINDS, "online", "her") if k in only or (k in KINDS and "offline" in only)]
    for env in _named(tuple(SIZES), only):
        size = size_of(env, context.quick)
        for seed in range(context.seed, context.seed + size.seeds):
            jobs += [Job(env, kind, name, library, seed, steps, size)
                     for kind, name, library, steps in _pairings(size) if not kinds or kind in kinds]
    names, libraries = _named(ALGORITHMS, only), _named(LIBRARIES, only)
    return [job for job in jobs if job.algorithm in names and job.library in libraries]


def data_envs(context: Context, jobs: Sequence[Job]) -> list[str]:
    """Environments whose data this run needs."""
    wanted = {job.env for job in jobs if job.data in KINDS or "data" in context.options}
    return [env for env, size in SIZES.items() if env in wanted and not size.goals]


def _pairings(size: Size) -> list[tuple[str, str, str, int]]:
    """Data, algorithm, library and steps."""
    if size.goals:
        return [("her", name, library, size.online_steps)
                for name, peers in GOALS.items() for library in (OURS, *peers)]
    offline = [(kind, name, library, size.heavy_steps if name in ("bcq", "bear") else size.offline_steps)
               for kind in KINDS for name in OFFLINE for library in (OURS, "d3rlpy")]
    return offline + [("online", name, library, size.online_steps)
                      for name, peers in ONLINE.items() for library in (OURS, *peers)]


def _named(names: Sequence[str], words: Sequence[str]) -> list[str]:
    """Those of ``names`` among ``words``, or all."""
    return [n for n in names if n in words] or list(names)
