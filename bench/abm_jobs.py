"""What the ABM bench runs: data of several tasks in one pot, and every algorithm on one of the tasks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.abm_tasks import DOMAINS
from bench.harness import Context
from priorrl_core.errors import UserError, nearest

#: Algorithm -> its learned prior; "" for those of other families.
PRIORS = {"mpo": "none", "bm_mpo": "bm", "abm_mpo": "abm", "svg": "none", "bm_svg": "bm", "abm_svg": "abm",
          "bcq": "", "bear": ""}
LABELS = {"mpo": "MPO", "bm_mpo": "BM+MPO", "abm_mpo": "ABM+MPO", "svg": "SVG", "bm_svg": "BM+SVG",
          "abm_svg": "ABM+SVG", "bcq": "BCQ", "bear": "BEAR"}
AMOUNTS = ("high", "low")
"""All episodes of the behaviour's learning, or the first fifth of them, as 10,000 and 2,000 in the paper."""
LOW_SHARE = 0.2


@dataclass(frozen=True)
class Networks:
    """Sizes for all algorithms, and how they learn. ``ng`` where the paper has another number or none."""

    policy: tuple[int, int] = (64, 64)
    """Trunk and head of policies and priors; hidden layers of BCQ's and BEAR's actor and VAE."""
    critic: tuple[int, int] = (64, 64)
    learning_rate: float = 1e-3
    batch_steps: int = 256
    """Environment steps in a batch: snippets of ``snippet`` steps, or single transitions."""
    snippet: int = 4
    """Steps; ng in the paper."""
    target_period: int = 50
    action_samples: int = 10


SMALL = Networks()
PAPER = Networks((200, 300), (400, 400), 2e-4, 512, 4, 200, 20)
"""Table 5's layers, tables 1 to 4 for the rest."""
LEARNERS = replace(SMALL, learning_rate=3e-4)
"""Of what learns from the data: at 1e-3 the priors moved so much between two updates that the policy was 0.33 from
them where 0.2 is allowed, whatever the multiplier (seed 100)."""
MULTIPLIER_RATE = 1e-2
"""Of MPO's and SVG's multipliers beside ``LEARNERS``; the paper's is the networks', with many times the updates."""


@dataclass(frozen=True)
class DataJob:
    """One behaviour agent, learning all tasks of a domain at once; every episode it made is kept."""

    domain: str
    seed: int
    episodes: int
    updates_per_step: float
    random_episodes: int
    networks: Networks = field(default_factory=Networks)


@dataclass(frozen=True)
class Job:
    """One cell: an algorithm on a share of the data of one behaviour, for the domain's first task."""

    data: DataJob
    algorithm: str
    amount: str
    updates: int
    evaluations: int
    episodes: int
    networks: Networks = field(default_factory=Networks)
    multiplier_rate: float = 0.0
    """0: the networks'."""

    @property
    def task(self) -> str:
        return next(iter(DOMAINS[self.data.domain].tasks))


@dataclass(frozen=True)
class Size:
    """Of one run of the bench."""

    episodes: dict[str, int]
    updates: int
    evaluations: int = 5
    eval_episodes: int = 5
    seeds: int = 3
    updates_per_step: float = 0.5
    random_episodes: int = 5


FULL = Size({"point_mass": 200, "reacher": 300, "cheetah": 300, "walker": 400}, 10_000)
QUICK = Size({"point_mass": 10, "reacher": 10, "cheetah": 5, "walker": 5}, 30, 2, 1, 1, 0.02, 2)
USUAL = ("point_mass", "cheetah", "walker")
"""Without a word of ``--only``."""


def make_jobs(context: Context) -> list[Job]:
    """Whole seeds first, should time run out. UserError for an unknown word of ``--only``."""
    only = set(context.options) - {"stored"}
    known = {*DOMAINS, *PRIORS, *AMOUNTS, "paper"}
    for word in only - known:
        raise UserError(f"--only: unknown part '{word}'{nearest(word, known)}")
    size, paper = QUICK if context.quick else FULL, "paper" in only
    behaviour, networks, rate = (PAPER, PAPER, 0.0) if paper else (SMALL, LEARNERS, MULTIPLIER_RATE)
    domains = [d for d in DOMAINS if d in only] or list(USUAL)
    algorithms = [a for a in PRIORS if a in only] or list(PRIORS)
    amounts = [a for a in AMOUNTS if a in only] or list(AMOUNTS)
    return [Job(DataJob(d, s, size.episodes[d], size.updates_per_step, size.random_episodes, behaviour), algorithm,
                amount, size.updates, size.evaluations, size.eval_episodes, networks, rate)
            for s in range(context.seed, context.seed + size.seeds) for d in domains
            for amount in amounts for algorithm in algorithms]


def data_jobs(jobs: list[Job]) -> list[DataJob]:
    """The data that they need, each once, in their order."""
    return list(dict.fromkeys(job.data for job in jobs))
