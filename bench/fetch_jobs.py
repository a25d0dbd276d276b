"""What the Fetch bench runs: chapter 5's method, its baselines and its ablations, as jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.fetch_env import TASKS, return_range
from bench.harness import Context
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.data.her import HERConfig
from priorrl_core.errors import UserError, nearest

#: Method -> what it is called in the thesis.
METHODS = {"ours": "Ours", "her": "HER", "resets": "Ours, Resets", "bc": "BC", "bc_her": "BC+HER", "no_bc": "No BC",
           "no_filter": "No Q-filter", "no_her": "No HER", "early": "Ours, filtered from the first update"}
ON = {"push": ("ours", "her", "bc"), "pick": tuple(METHODS), "stack": ("resets", "ours", "her", "bc")}
"""Methods of each task."""


@dataclass(frozen=True)
class Size:
    """What is spent on a task. Smaller than the thesis's throughout, so that a cell takes a minute of one core."""

    episodes: int
    """Of practice; the thesis has about 20 000 on pick-and-place."""
    updates: int
    """After each episode; ng."""
    hidden: tuple[int, ...] = (64, 64, 64)
    """Thesis: 4 layers of 256."""
    batch: int = 128
    """Thesis: 1024."""
    demo_rows: int = 64
    """Thesis: 128."""
    demos: int = 100
    looks: int = 4
    evals: int = 20
    seeds: int = 3
    her: str = "final"
    k: float = 1.0
    share: float = 0.25
    """Of episodes that start in a demonstration, for ``resets``; ng."""
    reward: str = "sparse"
    filter_from: int = 1250
    """Number of the first update with the Q-filter; before it the critic is untrained and would reject nearly every
    demonstration. ng: half of the updates."""


SIZES = {"push": Size(200, 40, her="future", k=4.0, filter_from=4000), "pick": Size(100, 25), "stack": Size(100, 25)}
DISCOUNT, RATE, POLYAK = 0.98, 1e-3, 0.05


def quick(size: Size) -> Size:
    """To see that it works, not to judge anything."""
    return replace(size, episodes=4, updates=2, hidden=(16, 16), batch=16, demo_rows=8, demos=2, looks=2, evals=2,
                   seeds=1, filter_from=4)


@dataclass(frozen=True)
class Job:
    """One cell. Every field changes its outcome, so its key holds a hash of all of them."""

    task: str
    method: str
    seed: int
    size: Size

    @property
    def demos(self) -> bool:
        """Whether it reads demonstrations at all."""
        return self.method != "her"

    @property
    def practises(self) -> bool:
        return self.method != "bc"


def make_jobs(context: Context) -> list[Job]:
    """The most telling first: per task whole seeds of ours and HER, then the rest. UserError for an unknown word."""
    only, words = context.options, {*TASKS, *METHODS, "stored"}
    for word in only:
        if word not in words:
            raise UserError(f"--only: unknown part '{word}'{nearest(word, words)}")
    tasks, methods = _named(TASKS, only), _named(METHODS, only)
    sizes = {t: quick(SIZES[t]) if context.quick else SIZES[t] for t in tasks}
    jobs = [Job(task, method, seed, sizes[task]) for task in tasks for method in ON[task] if method in methods
            for seed in range(context.seed, context.seed + sizes[task].seeds)]
    first = ("ours", "her")
    return sorted(jobs, key=lambda j: (j.method not in first, j.seed))


def _named(names: dict[str, str], words: tuple[str, ...]) -> list[str]:
    return [n for n in names if n in words] or list(names)


def her_config(job: Job) -> HERConfig:
    """Of practice and of demonstrations alike; none for the ablation "No HER"."""
    return HERConfig(job.size.her, 0.0 if job.method == "no_her" else job.size.k)  # type: ignore[arg-type]


def ddpg_config(job: Job) -> DDPGConfig:
    """Thesis section 5.5.2, without the L2 term; each method leaves out exactly its term."""
    s = job.size
    begin = 0 if job.method == "early" else s.filter_from
    whole = DDPGConfig(s.hidden, DISCOUNT, RATE, RATE, target_rate=POLYAK, l2=0.0,
                       filter_from=begin, return_range=return_range(job.task, s.reward, DISCOUNT))
    if job.method in ("her", "bc_her", "no_bc"):
        return replace(whole, rl_weight=1.0, bc_weight=0.0)
    if job.method == "bc":
        return replace(whole, rl_weight=0.0, q_filter=False)
    return replace(whole, q_filter=False) if job.method == "no_filter" else whole


def cloning_config(job: Job) -> DDPGConfig:
    """Of BC, and of the actor that BC+HER starts from."""
    return ddpg_config(replace(job, method="bc"))
