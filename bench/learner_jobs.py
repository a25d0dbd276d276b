"""What the bench of the learners runs: environments, sizes and the pairings with other libraries, as jobs."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness import Context
from priorrl_core.errors import UserError, nearest

KINDS = ("medium", "medium-replay", "expert")
OFFLINE = ("iql", "awac", "bcq", "bear")
#: Online algorithm -> libraries to compare with.
ONLINE = {"sac": ("sb3", "d3rlpy"), "td3": ("sb3", "d3rlpy")}
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
    """Of our SAC, whose last policy is the expert."""
    data_rows: int = 100_000
    """Of medium and of expert."""


SIZES = {
    "pendulum": Size("Pendulum-v1", (64, 64), 128, 1e-3, 3000, 3000, 4000, 500, 0.1, looks=8, data_steps=6000,
                     data_rows=10_000),
    "hopper": Size("Hopper-v5"),
    "halfcheetah": Size("HalfCheetah-v5"),
    "walker2d": Size("Walker2d-v5", bear_sigma=20.0),
}  # fmt: skip


def quick(size: Size) -> Size:
    """Minutes instead of hours: to see that it works, not to judge anything."""
    return Size(size.env, (32, 32), 32, size.rate, 40, 20, 600, 200, size.reward_scale, size.bear_sigma, 2, 2, 1,
                800, 1000)


def size_of(env: str, is_quick: bool) -> Size:
    return quick(SIZES[env]) if is_quick else SIZES[env]


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    env: str
    data: str
    """One of ``KINDS``, or ``online``."""
    algorithm: str
    library: str
    seed: int
    steps: int
    """Updates offline, environment steps online."""
    size: Size


WORDS = {*SIZES, *KINDS, *OFFLINE, *ONLINE, *LIBRARIES, "offline", "online", "data", "stored"}


def chosen_envs(context: Context) -> list[str]:
    """Environments of this run; UserError for an unknown word of ``--only``."""
    for word in context.options:
        if word not in WORDS:
            raise UserError(f"--only: unknown part '{word}'{nearest(word, WORDS)}")
    return _named(SIZES, context.options)


def make_jobs(context: Context) -> list[Job]:
    """Cells of this run, environment by environment and in each whole seeds first. UserError as ``chosen_envs``."""
    only, jobs = context.options, []
    parts = _named(("offline", "online"), only)
    for env in chosen_envs(context):
        size = size_of(env, context.quick)
        for seed in range(context.seed, context.seed + size.seeds):
            jobs += [Job(env, kind, name, library, seed, steps, size)
                     for part in parts for kind, name, library, steps in _pairings(part, size, only)]
    libraries = _named(LIBRARIES, only)
    return [job for job in jobs if job.library in libraries]


def _pairings(part: str, size: Size, only: tuple[str, ...]) -> list[tuple[str, str, str, int]]:
    """Data, algorithm, library, steps. A word of the other part's algorithms or data leaves this one out."""
    if part == "online":
        if any(w in KINDS for w in only) or (_any(OFFLINE, only) and not _any(ONLINE, only)):
            return []
        return [("online", name, library, size.online_steps)
                for name in _named(ONLINE, only) for library in (OURS, *ONLINE[name])]
    if _any(ONLINE, only) and not _any(OFFLINE, only):
        return []
    return [(kind, name, library, size.heavy_steps if name in ("bcq", "bear") else size.offline_steps)
            for kind in _named(KINDS, only) for name in _named(OFFLINE, only) for library in (OURS, "d3rlpy")]


def _any(names: object, words: tuple[str, ...]) -> bool:
    return any(w in names for w in words)  # type: ignore[operator]


def _named(names: object, words: tuple[str, ...]) -> list[str]:
    """Those of ``names`` among ``words``, or all."""
    known = list(names)  # type: ignore[call-overload]
    return [n for n in known if n in words] or known
