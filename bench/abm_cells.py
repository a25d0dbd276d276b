"""One cell of the ABM bench: an algorithm learns one task from data of several, its policy and prior are looked at."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.abm_data import data_key, load_share, mpo_config, prior_sizes
from bench.abm_jobs import LOW_SHARE, PRIORS, Job
from bench.abm_tasks import DOMAINS, SuiteEnv, task_reward
from bench.harness import Cell
from priorrl_core.agents.bcq import BCQ, BCQConfig
from priorrl_core.agents.bear import BEAR, BEARConfig
from priorrl_core.agents.mpo import MPO
from priorrl_core.agents.prior_agent import PriorAgent
from priorrl_core.agents.svg import SVG, SVGConfig
from priorrl_core.data.snippets import SnippetBatch, SnippetSampler
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.runtime import configure_torch
from priorrl_core.training.step_loop import EVAL_STREAM, episode_seed

Act = Callable[[Tensor, bool], Tensor]
LATENT = 64
"""Table 3; one agent's latent is a multiple of its action's size, so about that."""


def work(job: Job) -> Cell:
    """Runs one cell in this process."""
    configure_torch()
    begin, env = time.process_time(), ScaledEnv(SuiteEnv(job.data.domain))
    agent = make_agent(job, env.obs_size, env.action_size)
    curve = learn(job, agent, env)
    env.close()
    last = curve[-2:]
    cell = {"domain": job.data.domain, "task": job.task, "amount": job.amount, "algorithm": job.algorithm,
            "seed": job.data.seed, "updates": job.updates, "data": data_key(job.data),
            "policy": float(np.mean([p["policy"] for p in last])), "curve": curve}
    for name in ("prior", "policy_by_mean"):
        if name in curve[-1]:
            cell[name] = float(np.mean([p[name] for p in last]))
    return {**cell, "cpu_seconds": round(time.process_time() - begin, 1)}


def make_agent(job: Job, obs_size: int, action_size: int) -> Any:
    """The algorithm with the bench's sizes, which are the same for all."""
    n, encoder, seed = job.networks, StateEncoder(obs_size), job.data.seed + 100
    if job.algorithm.endswith("mpo"):
        return MPO(mpo_config(n, PRIORS[job.algorithm], 1, job.multiplier_rate), encoder, action_size, seed)
    if job.algorithm.endswith("svg"):
        sizes = prior_sizes(n, job.multiplier_rate)
        return SVG(SVGConfig(prior=PRIORS[job.algorithm], **sizes), encoder, action_size, seed)  # type: ignore[arg-type]
    shared: dict[str, Any] = {"hidden": n.critic, "vae_hidden": n.policy, "learning_rate": n.learning_rate}
    if job.algorithm == "bcq":
        latent = max(1, round(LATENT / action_size))
        return BCQ(BCQConfig(**shared, phi=0.25, latent_per_action=latent), encoder, action_size, seed)
    # The multiplier's rate is that of the networks; BEAR's own would be 1e-3.
    bear = BEARConfig(**shared, alpha_rate=n.learning_rate, warm_updates=job.updates // 10)
    return BEAR(bear, encoder, action_size, seed)


def learn(job: Job, agent: Any, env: ScaledEnv) -> list[dict[str, float]]:
    """All updates on the fixed data, rewarded for the task at hand; evaluations evenly between them."""
    snippets = job.networks.snippet if isinstance(agent, PriorAgent) else 1
    replay, reward = load_share(job.data, job.amount), task_reward(job.data.domain, job.task)
    sampler, draws = SnippetSampler(replay, snippets, [reward]), torch.Generator().manual_seed(job.data.seed + 200)
    curve, every = [], max(1, job.updates // job.evaluations)
    for update in range(1, job.updates + 1):
        batch = sampler.sample(job.networks.batch_steps // snippets, draws)
        agent.update(batch if isinstance(agent, PriorAgent) else transitions(batch))
        if update % every == 0:
            curve.append({"updates": update, **evaluate(job, agent, env)})
    return curve


def transitions(batch: SnippetBatch) -> TransitionBatch:
    """The first step of each snippet."""
    return TransitionBatch(batch.obs[:, 0], batch.action[:, 0], batch.reward[:, 0], batch.next_obs[:, 0],
                           batch.terminated[:, 0])


def evaluate(job: Job, agent: Any, env: ScaledEnv) -> dict[str, float]:
    """Return per 1000 steps (at most 1000, as the suite's) of the policy and, where one is learned, of the prior.

    MPO's and SVG's are what J(pi) is about, actions drawn from the law: the mean of a law that learned from data of
    forwards and backwards may be to stand still for ever. ``policy_by_mean`` is that mean's return.
    """
    if not isinstance(agent, PriorAgent):
        return {"policy": suite_return(job, env, agent.act)}
    draws = torch.Generator().manual_seed(job.data.seed + 300)
    out = {"policy": suite_return(job, env, drawn(agent.act, draws)),
           "policy_by_mean": suite_return(job, env, agent.act)}
    if PRIORS[job.algorithm] != "none":
        out["prior"] = suite_return(job, env, drawn(agent.act_as_prior, draws))
    return out


def drawn(act: Callable[..., Tensor], draws: torch.Generator) -> Act:
    """Actions of a law's samples."""
    return lambda obs, deterministic: act(obs, False, draws)


def suite_return(job: Job, env: ScaledEnv, act: Act) -> float:
    """Mean over episodes of the same starts for all."""
    judge, means = DOMAINS[job.data.domain].tasks[job.task], []
    for index in range(job.episodes):
        obs, seen, cut = env.reset(episode_seed(job.data.seed, EVAL_STREAM, index)), [], False
        while not cut:
            obs, _, _, cut, _ = env.step(act(torch.from_numpy(obs[None]), True)[0].numpy())
            seen.append(obs)
        means.append(1000.0 * float(judge(torch.from_numpy(np.stack(seen))).mean()))
    return round(float(np.mean(means)), 2)


def settings(job: Job) -> dict[str, Any]:
    """Everything that a key must change with."""
    return {**dataclasses.asdict(job), "judged": "by samples", "world": DOMAINS[job.data.domain].facts(),
            "low_share": LOW_SHARE}
