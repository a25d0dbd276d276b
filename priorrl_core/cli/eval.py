"""``priorrl eval``: trials of one policy on one connector, judged by the simulator's ground truth. No ROS."""

from __future__ import annotations

import argparse
import time
from typing import Any

from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, add_scenario, one_of, whole_number
from priorrl_core.cli.paths import checkpoint_path

EXAMPLES = """
priorrl eval --connector europlug --checkpoint demo --trials 50
priorrl eval --connector my_plug.yaml --checkpoint demo --scenario II --json
priorrl eval --connector europlug --policy base
"""

POLICIES = ("policy", "base", "localize", "straight_down", "random_search", "spiral_search")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--connector", required=True, metavar="NAME|FILE", help="packaged name or YAML file")
    parser.add_argument(
        "--checkpoint", default="demo", metavar="DIR", help="folder, or packaged name (default demo)"
    )
    parser.add_argument("--trials", type=whole_number(1, 100000), default=50, metavar="N", help="default 50")
    add_scenario(parser)
    parser.add_argument(
        "--policy",
        type=one_of(*POLICIES),
        default="policy",
        metavar="NAME",
        help=f"{', '.join(POLICIES)} (default: policy, the checkpoint's own)",
    )


def run(args: argparse.Namespace) -> int:
    from priorrl_core.tasks.connectors import load_connector

    spec = load_connector(args.connector)
    checkpoint = checkpoint_path(args.checkpoint)
    from priorrl_core.cli.models import make_policy, reward_model
    from priorrl_core.tasks.env import InsertionEnv
    from priorrl_core.training.checkpoints import verify_checkpoint
    from priorrl_core.training.evaluate import evaluate
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    manifest = verify_checkpoint(checkpoint)
    env = InsertionEnv(spec, scenario=args.scenario, seed=args.seed)
    progress, begin = Progress(), time.monotonic()
    try:
        policy = make_policy(args.policy, checkpoint, env.task, args.scenario)
        outcome = evaluate(
            env,
            policy,
            args.trials,
            args.seed,
            args.scenario,
            reward_model(checkpoint),
            lambda done, total: progress("eval", done, total),
        )
    finally:
        progress.close()
        env.close()
    result = describe(outcome, time.monotonic() - begin)
    result = {
        "connector": spec.name,
        "family": spec.family,
        "policy": args.policy,
        "scenario": args.scenario,
        "seed": args.seed,
        "checkpoint": str(checkpoint),
        "config_hash": manifest["config_hash"],
        **result,
    }
    low, high = result["interval_95"]
    emit(
        args,
        result,
        [
            f"{spec.name}, scenario {args.scenario}, {args.policy}: "
            f"{result['successes']} of {args.trials} inserted "
            f"({result['success']:.0%}, 95 % interval {low:.0%} to {high:.0%})",
            f"largest contact force {result['peak_force_n']:.1f} N, {result['faults']} faults, "
            f"{duration(result['seconds'])}",
        ],
    )
    return 0


def describe(outcome: Any, seconds: float) -> dict[str, Any]:
    """The figures of an ``EvalResult``."""
    from priorrl_core.reporting.intervals import wilson

    wins, trials = sum(outcome.success), len(outcome.success)
    return {
        "trials": trials,
        "successes": wins,
        "success": wins / trials,
        "interval_95": [round(v, 4) for v in wilson(wins, trials)],
        "reward_confusion": outcome.confusion() if outcome.claimed else None,
        "faults": sum(bool(f) for f in outcome.faults),
        "peak_force_n": round(max(outcome.peak_force_n), 2),
        "mean_steps_to_insert": (
            round(sum(outcome.steps_to_insert) / len(outcome.steps_to_insert), 2)
            if outcome.steps_to_insert
            else None
        ),
        "seconds": round(seconds, 2),
    }
