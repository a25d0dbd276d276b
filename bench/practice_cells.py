"""One cell of the practice bench: practise one connector in plain Python, then judge the policy that came of it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from bench.harness import Cell
from bench.practice_jobs import ARMS, SCENARIO, Job, online_config

EVAL_SEED = 10_000


def work(job: Job) -> Cell:
    """Runs one cell in this process. The simulator's truth only judges; the learner has the learned reward."""
    from priorrl_core.cli.models import reward_model
    from priorrl_core.tasks.connectors import load_connector
    from priorrl_core.tasks.env import InsertionEnv
    from priorrl_core.training.checkpoints import load_learner
    from priorrl_core.training.evaluate import evaluate
    from priorrl_core.training.method import load_method
    from priorrl_core.training.practice import practice
    from priorrl_core.training.rollout import HeadPolicy
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin = time.process_time()
    method = dataclasses.replace(load_method(ARMS[job.arm].method), online=online_config(job.arm))
    learner = load_learner(job.checkpoint, job.seed, method)
    env = InsertionEnv(load_connector(job.connector), scenario=SCENARIO, seed=job.seed)
    try:
        log = practice(env, learner, reward_model(Path(job.checkpoint)), job.trials, job.seed, SCENARIO)
        policy = HeadPolicy(learner.agent, learner.policy_head())
        result = evaluate(env, policy, job.eval_trials, job.seed + EVAL_SEED, SCENARIO)
    finally:
        env.close()
    told = {k: v for k, v in dataclasses.asdict(job).items() if k != "checkpoint"}
    return {**told, "practice_truth": [int(v) for v in log.truth], "practice_judged": [int(v) for v in log.judged],
            "successes": sum(result.success), "updates": learner.updates,
            "cpu_seconds": round(time.process_time() - begin, 1)}
