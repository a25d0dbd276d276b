"""What the practice bench runs: the main job's preset, the thesis's own, and one option at a time changed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bench.harness import Context
from priorrl_core.errors import UserError, nearest
from priorrl_core.training.method import OnlineConfig, load_method

PRESET, THESIS = "daib_iql", "daib_iql_thesis"
SCENARIO = "I"
FIRST_SEED = 100
"""Tables and demo have 0, 1, 2: options are not chosen on the seeds that figures are reported of."""
CONNECTORS = ("uk_g", "dt8")
WARM_UP = 10


@dataclass(frozen=True)
class Arm:
    """How one arm differs from a packaged method."""

    source: str
    changes: tuple[tuple[str, Any], ...] = ()
    method: str = PRESET
    practises: bool = True


ARMS: dict[str, Arm] = {
    "before": Arm("the policy that practice starts from", practises=False),
    "preset": Arm("what the main job practises with"),
    "thesis": Arm("thesis section 10.5.3, appendix E", method=THESIS),
    "no_q": Arm("equation 57 alone", (("q_weight", 0.0),)),
    "updates_1": Arm("one update a step", (("updates_per_step", 1),)),
    "updates_4": Arm("four updates a step: RLPD", (("updates_per_step", 4),)),
    "share_10": Arm("a tenth of each batch from practice", (("online_share", 0.1),)),
    "share_50": Arm("half of each batch from practice: RLPD's symmetric sampling", (("online_share", 0.5),)),
    "own_only": Arm("no prior data in practice", (("online_share", 1.0),)),
    "no_decay": Arm("exploration stays as it begins", (("exploration_std_end", 0.2),)),
    "warm_up": Arm(f"{WARM_UP} trials before the first update", (("warmup_trials", WARM_UP),)),
    "wsrl": Arm("both: WSRL in kind", (("online_share", 1.0), ("warmup_trials", WARM_UP))),
}


@dataclass(frozen=True)
class Job:
    """One cell. ``checkpoint``: its folder."""

    arm: str
    connector: str
    seed: int
    trials: int
    eval_trials: int
    checkpoint: str


@dataclass(frozen=True)
class Size:
    """Of one run of the bench."""

    trials: int = 60
    eval_trials: int = 25
    seeds: int = 3
    connectors: tuple[str, ...] = CONNECTORS


QUICK = Size(3, 2, 1, CONNECTORS[:1])


def make_jobs(context: Context) -> list[Job]:
    """Whole seeds first, should time run out. UserError for an unknown word of ``--only``."""
    from priorrl_core.cli.paths import checkpoint_path

    only = set(context.options) - {"stored"}
    known = (*ARMS, *CONNECTORS)
    for word in only - set(known):
        raise UserError(f"--only: unknown part '{word}'{nearest(word, known)}")
    s, checkpoint = QUICK if context.quick else Size(), str(checkpoint_path(context.checkpoint))
    arms = [a for a in ARMS if a in only] or list(ARMS)
    connectors = [c for c in CONNECTORS if c in only] or s.connectors
    first = FIRST_SEED + context.seed
    return [Job(a, c, seed, s.trials if ARMS[a].practises else 0, s.eval_trials, checkpoint)
            for seed in range(first, first + s.seeds) for a in arms for c in connectors]


def online_config(arm: str) -> OnlineConfig:
    """The settings that ``arm`` practises with."""
    return dataclasses.replace(load_method(ARMS[arm].method).online, **dict(ARMS[arm].changes))
