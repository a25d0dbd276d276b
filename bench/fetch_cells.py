"""One cell of the Fetch bench: practice of whole episodes, updates after each, looks at equal distances."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import torch

from bench.fetch_demos import DemoSet, demonstrations, goal_episode
from bench.fetch_env import FetchEncoder, FetchWorld, reward_of, succeeded
from bench.fetch_jobs import Job, cloning_config, ddpg_config, her_config
from bench.harness import Cell
from priorrl_core.agents.ddpg import DDPG
from priorrl_core.data.demo_resets import DemoResets
from priorrl_core.data.her import GoalReplay
from priorrl_core.data.transitions import TransitionBatch, sample_with_demos
from priorrl_core.training.step_loop import EVAL_STREAM, TRAIN_STREAM, episode_seed

EVAL_SEED = 10_000
RESET_STREAM = 4


def work(job: Job) -> Cell:
    """Runs one cell in this process."""
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin = time.process_time()
    run = Run(job)
    curve = run.learn()
    plain = {k: v for k, v in dataclasses.asdict(job).items() if k != "size"}
    shown = {"demos": len(run.demos.kept), "tried": run.demos.tried} if run.demos else {}
    return {**plain, **shown, "curve": curve, "steps": job.size.episodes * run.world.horizon * job.practises,
            "updates": job.size.episodes * job.size.updates, "cpu_seconds": round(time.process_time() - begin, 1)}


class Run:
    """The learner of one job and what it learns from."""

    def __init__(self, job: Job) -> None:
        self.job, self.size, self.world = job, job.size, FetchWorld(job.task)
        self.agent = self._agent(ddpg_config(job))
        self.demos: DemoSet | None = demonstrations(self.world, job.size.demos) if job.demos else None
        self.replay = self._replay(max(1, job.size.episodes))
        self.shown = self._replay(max(1, job.size.demos))
        for demo in self.demos.kept if self.demos else ():
            self.shown.add_episode(demo.episode)
        self.sampler, self.explorer = (torch.Generator().manual_seed(job.seed + i) for i in (1, 2))
        states = [d.resets for d in self.demos.kept] if self.demos and job.method == "resets" else []
        self.resets = DemoResets(states, job.size.share if states else 0.0, episode_seed(job.seed, RESET_STREAM, 0))
        self.metrics: dict[str, list[torch.Tensor]] = {}

    def _agent(self, config: Any) -> DDPG:
        return DDPG(config, FetchEncoder(self.job.task), 4, self.job.seed)

    def _replay(self, episodes: int) -> GoalReplay:
        w = self.world
        return GoalReplay(episodes * w.horizon, w.obs_size, 4, w.goal_size, reward_of(self.job.task, self.size.reward),
                          her_config(self.job))

    # ---- learning ------------------------------------------------------------------------------------

    def learn(self) -> list[dict[str, float]]:
        """A point of the curve for every look."""
        if self.job.method == "bc_her":
            self._clone_first()
        self.world.start(episode_seed(self.job.seed, TRAIN_STREAM, 0))  # seeds the stream of starts
        curve, every = [], max(1, self.size.episodes // self.size.looks)
        for episode in range(1, self.size.episodes + 1):
            if self.job.practises:
                self._practise()
            for _ in range(self.size.updates):
                self._note(self.agent.update(self._batch()))
            if episode % every == 0:
                curve.append(self._look(episode))
        return curve

    def _practise(self) -> None:
        seen, actions = [self.resets.start(self.world)], []
        for _ in range(self.world.horizon):
            actions.append(self._act(seen[-1][None], explore=True)[0])
            seen.append(self.world.step(actions[-1]))
        self.replay.add_episode(goal_episode(self.world, seen, actions))

    def _batch(self) -> TransitionBatch:
        s, method = self.size, self.job.method
        if method == "bc":
            return dataclasses.replace(self.shown.sample(s.demo_rows, self.sampler), demos=s.demo_rows)
        if method in ("her", "bc_her"):
            return self.replay.sample(s.batch, self.sampler)
        return sample_with_demos(self.replay, self.shown, s.batch, s.demo_rows, self.sampler)

    def _clone_first(self) -> None:
        """The actor, and its slow copy, as BC leaves it; the critic is untrained."""
        cloned = self._agent(cloning_config(self.job))
        rows = self.size.demo_rows
        for _ in range(self.size.episodes * self.size.updates):
            cloned.update(dataclasses.replace(self.shown.sample(rows, self.sampler), demos=rows))
        self.agent.actor.load_state_dict(cloned.actor.state_dict())
        self.agent.actor_target.load_state_dict(cloned.actor.state_dict())

    def _act(self, seen: np.ndarray, explore: bool) -> np.ndarray:
        _, desired, obs = self.world.split(seen)
        rows = torch.from_numpy(np.concatenate([obs, desired], -1))
        return self.agent.act(rows, not explore, self.explorer).numpy()

    def _note(self, metrics: dict[str, torch.Tensor]) -> None:
        for name in ("mean_q", "bc_kept", "bc_loss"):
            self.metrics.setdefault(name, []).append(metrics[name])

    # ---- judging -------------------------------------------------------------------------------------

    def _look(self, episode: int) -> dict[str, float]:
        """Success of the final state and the reward there, without exploration or resets; means since the last."""
        ends = [self._judged(i) for i in range(self.size.evals)]
        means = {name: round(float(torch.stack(values).mean()), 4) for name, values in self.metrics.items()}
        self.metrics = {}
        success, reward = (round(float(np.mean(part)), 4) for part in zip(*ends, strict=True))
        return {"episode": episode, "success": success, "final_reward": reward, **means}

    def _judged(self, index: int) -> tuple[float, float]:
        before = self.world.env.np_random
        seen = self.world.start(episode_seed(EVAL_SEED + self.job.seed, EVAL_STREAM, index))
        self.world.env.np_random = before  # practice goes on in its own stream
        for _ in range(self.world.horizon):
            seen = self.world.step(self._act(seen[None], explore=False)[0])
        achieved, desired, _ = self.world.split(seen)
        reward = reward_of(self.job.task, self.size.reward)(torch.from_numpy(achieved)[None],
                                                            torch.from_numpy(desired)[None])
        return float(succeeded(achieved, desired)), float(reward)
