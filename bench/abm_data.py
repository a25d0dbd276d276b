"""The data of the ABM bench: one MPO learns all tasks of a domain, a task an episode, and every episode is kept.

As in Siegel et al. 2020, section 5.2: tasks are switched after each episode, all steps go into one pot, and every
snippet is rewarded for the task that it is drawn for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch

from bench.abm_jobs import LOW_SHARE, DataJob, Networks
from bench.abm_tasks import DOMAINS, SuiteEnv, task_reward
from bench.harness import Cell
from priorrl_core.agents.mpo import MPO, MPOConfig
from priorrl_core.config import config_hash
from priorrl_core.data.snippets import SnippetSampler
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.runtime import configure_torch
from priorrl_core.training.step_loop import TRAIN_STREAM, episode_seed

FOLDER = Path("runs") / "bench" / "abm" / "data"
"""Not committed: made again from its job where it is missing."""


def data_key(job: DataJob) -> str:
    """Name of the data; changes with whatever changes it."""
    return f"data_{job.domain}_s{job.seed}_{config_hash(job, DOMAINS[job.domain].facts())[:8]}"


def data_file(job: DataJob) -> Path:
    """The replay of a job; made first where it is not there."""
    path = FOLDER / f"{data_key(job)}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        Behaviour(job).run().save(part)
        os.replace(part, path)
    return path


def load_share(job: DataJob, amount: str) -> TransitionReplay:
    """All episodes (high), or the first fifth of them (low)."""
    data = TransitionReplay.load(data_file(job))
    if amount == "high":
        return data
    rows = low_episodes(job) * DOMAINS[job.domain].steps
    out = TransitionReplay(rows, data.obs_shape, data.action_size)
    for name, column in out.columns.items():
        column.copy_(data.columns[name][:rows])
    out.added = rows
    return out


def low_episodes(job: DataJob) -> int:
    return max(1, round(LOW_SHARE * job.episodes))


class Behaviour:
    """Multi-task MPO without a prior, learning while it acts; its first episodes are uniformly random."""

    def __init__(self, job: DataJob) -> None:
        self.job, self.env = job, ScaledEnv(SuiteEnv(job.domain))
        domain = DOMAINS[job.domain]
        rewards = [task_reward(job.domain, task) for task in domain.tasks]
        self.replay = TransitionReplay(job.episodes * domain.steps, (self.env.obs_size,), self.env.action_size)
        self.sampler = SnippetSampler(self.replay, 1, rewards)
        self.agent = MPO(mpo_config(job.networks, "none", len(rewards)), StateEncoder(self.env.obs_size),
                         self.env.action_size, job.seed)
        self.random = torch.Generator().manual_seed(job.seed + 1)

    def run(self) -> TransitionReplay:
        """Every step of every episode, in order."""
        for episode in range(self.job.episodes):
            self.agent.task = int(torch.randint(self.sampler.tasks, (), generator=self.random))
            self._episode(episode)
        self.env.close()
        return self.replay

    def _episode(self, episode: int) -> None:
        obs, cut = self.env.reset(episode_seed(self.job.seed, TRAIN_STREAM, episode)), False
        while not cut:
            action = self._action(obs, episode)
            following, reward, ended, cut, command = self.env.step(action)
            self.replay.add(Transition(obs, action, command, command, reward, following, ended, cut))
            if episode >= self.job.random_episodes:
                self._learn()
            obs = following

    def _action(self, obs: np.ndarray, episode: int) -> np.ndarray:
        if episode < self.job.random_episodes:
            return (torch.rand(self.env.action_size, generator=self.random) * 2.0 - 1.0).numpy()
        return self.agent.act(torch.from_numpy(obs[None]), False, self.random)[0].numpy()

    def _learn(self) -> None:
        rate, steps = self.job.updates_per_step, self.replay.added
        for _ in range(int(steps * rate) - int((steps - 1) * rate)):
            self.agent.update(self.sampler.sample(self.job.networks.batch_steps, self.random))


def mpo_config(networks: Networks, prior: str, tasks: int = 1, multiplier_rate: float = 0.0) -> MPOConfig:
    """Table 1's settings with the bench's sizes."""
    sizes = prior_sizes(networks, multiplier_rate)
    return MPOConfig(prior=prior, tasks=tasks, **sizes)  # type: ignore[arg-type]


def prior_sizes(networks: Networks, multiplier_rate: float) -> dict[str, object]:
    """What MPO and SVG share."""
    (policy, policy_head), (critic, critic_head) = networks.policy, networks.critic
    return {"policy_trunk": (policy,), "policy_head": (policy_head,), "critic_trunk": (critic,),
            "critic_head": (critic_head,), "learning_rate": networks.learning_rate, "multiplier_rate": multiplier_rate,
            "target_period": networks.target_period, "action_samples": networks.action_samples}


def work(job: DataJob) -> Cell:
    """Makes the data; how good they are for each task: mean and best of the suite's return, per 1000 steps."""
    configure_torch()
    begin = time.process_time()
    data, domain = TransitionReplay.load(data_file(job)), DOMAINS[job.domain]
    seen = data.columns["next_obs"][:data.size]
    facts: Cell = {"domain": job.domain, "seed": job.seed, "episodes": job.episodes, "steps": data.size}
    for task, judge in domain.tasks.items():
        returns = 1000.0 * judge(seen).view(-1, domain.steps).mean(1)
        for amount, part in (("high", returns), ("low", returns[:low_episodes(job)])):
            facts[f"{task} {amount} mean"], facts[f"{task} {amount} best"] = (
                round(float(part.mean()), 1), round(float(part.max()), 1))
    return {**facts, "cpu_seconds": round(time.process_time() - begin, 1)}
