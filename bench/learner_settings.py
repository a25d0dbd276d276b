"""Our settings of each algorithm, as close to the peers' as both allow; what stays different is in ``PARITY``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.keys import own_settings
from bench.learner_jobs import OURS, Job, Size
from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.bcq import BCQConfig
from priorrl_core.agents.bear import BEARConfig
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.gaussian_actor import GaussianConfig
from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.training.learn_config import LearnConfig

SAMPLES = 10
"""Of BCQ's and BEAR's targets, of BEAR's MMD, and to choose from when acting."""
GOAL = 3
"""Numbers of a goal of the Fetch tasks."""
DISCOUNT, POLYAK, RETURNS = 0.98, 0.05, (-50.0, 0.0)
"""Of DDPG with goals, as in openai/baselines; targets are clipped to the returns that there are."""
DEMO_ROWS = 128
WARM_SHARE = 0.2
"""Of BEAR's updates, by the constraint alone: 100 000 of 500 000 in the public code."""


def our_config(job: Job) -> LearnConfig:
    """What our learner is made of for this cell."""
    online = job.data == "online"
    start = job.size.random_steps if online else 0
    return LearnConfig(job.algorithm, job.algorithm, batch_size=job.size.batch,  # type: ignore[arg-type]
                       replay=max(1, job.steps if online else 1), random_steps=start, warm_steps=start,
                       reward_scale=1.0 if online else job.size.reward_scale,
                       **{job.algorithm: _agent(job)})  # fmt: skip


def settings_of(job: Job) -> Any:
    """All that the cell's side is told besides the job."""
    if job.library != OURS:
        return peer_config(job)
    return goal_config(job) if job.size.goals else own_settings(our_config(job))


def goal_config(job: Job) -> DDPGConfig:
    """DDPG of thesis chapter 5; without demonstrations the plain one."""
    rate = job.size.rate
    shared = DDPGConfig(job.size.hidden, DISCOUNT, rate, rate, target_rate=POLYAK, l2=0.0, return_range=RETURNS)
    if job.algorithm == "ddpg_demos":
        return shared
    return replace(shared, rl_weight=1.0, bc_weight=0.0)


def data_config(size: Size) -> LearnConfig:
    """The SAC that makes the data."""
    return LearnConfig("sac", "sac", sac=_sac(size), batch_size=size.batch, replay=size.data_steps,
                       random_steps=size.random_steps, warm_steps=size.random_steps)  # fmt: skip


def _agent(job: Job) -> Any:
    s, rate = job.size, job.size.rate
    both = {"hidden": s.hidden, "actor_rate": rate, "critic_rate": rate}
    if job.algorithm == "sac":
        return _sac(s)
    if job.algorithm == "td3":
        return TD3Config(**both, initial_scale=1.0)  # type: ignore[arg-type]
    if job.algorithm == "iql":
        return IQLConfig(**both, gaussian=GaussianConfig(-1.5, -5.0, 2.0))  # type: ignore[arg-type]
    if job.algorithm == "awac":
        return AWACConfig(**both, lam=1.0, normalise="batch", actor_weight_decay=0.0,  # type: ignore[arg-type]
                          gaussian=GaussianConfig(-3.0, -6.0, 0.0))  # fmt: skip
    batch = {"hidden": s.hidden, "vae_hidden": s.hidden, "learning_rate": rate, "target_samples": SAMPLES,
             "act_samples": SAMPLES}  # fmt: skip
    if job.algorithm == "bcq":
        return BCQConfig(**batch, linear_decoder=True)  # type: ignore[arg-type]
    return BEARConfig(**batch, mmd_samples=SAMPLES, sigma=s.bear_sigma,  # type: ignore[arg-type]
                      warm_updates=int(WARM_SHARE * job.steps))  # fmt: skip


def _sac(size: Size) -> SACConfig:
    return SACConfig(size.hidden, 0.99, size.rate, size.rate, initial_scale=1.0, alpha_rate=size.rate)


def peer_config(job: Job) -> dict[str, Any]:
    """What the peer's process is told, as JSON; ``bench/peers/learner_returns.py`` reads it."""
    return {"library": job.library, "algorithm": job.algorithm, "seed": job.seed, "steps": job.steps,
            "hidden": list(job.size.hidden), "batch": job.size.batch, "rate": job.size.rate,
            "random_steps": job.size.random_steps, "samples": SAMPLES, "sigma": job.size.bear_sigma,
            "warm_updates": int(WARM_SHARE * job.steps), **(
                {"goals": GOAL, "discount": DISCOUNT, "target_rate": POLYAK} if job.size.goals else
                {"goals": 0, "discount": 0.99, "target_rate": 0.005})}  # fmt: skip


#: Written beside the results (facts/peers_algorithms.md, "Parity rules").
PARITY: list[dict[str, str]] = [
    {"setting": name, "priorrl": ours, "d3rlpy": d3rlpy, "sb3": sb3} for name, ours, d3rlpy, sb3 in (
        ("networks, batch, rates, steps", "Size", "equal", "equal"),
        ("discount, target rate", "0.99, 0.005", "equal", "equal"),
        ("environment, starts, evaluation", "this process", "the same, by a pipe", "the same, by a pipe"),
        ("evaluation", "without exploration, equal seeds; last and best are kept", "equal", "equal"),
        ("offline data", "every row, next observation of a truncated step kept",
         "the last step of a truncated episode is left out", "-"),
        ("offline rewards", "times reward_scale", "equal", "-"),
        ("observations", "as they are", "equal", "equal"),
        ("learning rate schedule", "none", "none", "none"),
        ("Adam", "one step for all networks", "one for each", "one for each"),
        ("random online start", "random_steps, no updates", "equal", "equal"),
        ("SAC", "temperature from 1, target entropy -|A|", "equal", "equal"),
        ("TD3", "exploration 0.1, target noise 0.2 clipped at 0.5, delay 2", "equal", "equal"),
        ("IQL", "expectile 0.7, beta 3, clip 100, log std from -1.5 in [-5, 2]", "equal", "-"),
        ("AWAC", "lambda 1, softmax over the batch, log std from -3 in [-6, 0], weights clipped at 100",
         "equal, weights not clipped, loss summed over the batch", "-"),
        ("DDPG with hindsight", "future, k = 4; discount 0.98, target rate 0.05; targets clipped at [-50, 0]; explores "
         "uniformly within 0.1, a tenth of the actions anywhere", "-",
         "equal, targets not clipped, explores with a normal of 0.2; sees the achieved goal besides"),
        ("DDPG with demonstrations", f"thesis 5.5.2: {DEMO_ROWS} rows, cloning loss, Q-filter; no resets", "-", "none"),
        ("BCQ", f"{SAMPLES} samples, phi 0.05, lambda 0.75; the decoder without the paper's tanh, as d3rlpy has it",
         "equal", "-"),
        ("BEAR", f"{SAMPLES} samples, Laplacian, threshold 0.05, warm start of a fifth; alpha's rate 1e-3",
         "equal, and an entropy temperature that the paper lacks", "-"),
    )]  # fmt: skip
