"""The one loop from offline to online: pretrain on a data set, go on in an environment, same agent and buffer.

Sources: thesis Algorithms 4 and 5 (AWAC, IQL) and 6; symmetric sampling and update ratio of RLPD (arXiv 2302.02948);
a start without the data behind a few steps of the frozen policy, WSRL (arXiv 2412.07762). An epoch is some updates or
steps and ends with an evaluation, a row of metrics and a checkpoint. Checkpoints lie between episodes, and each
episode's start depends on seed, stream and number alone: a run that was cut off and resumed is the uninterrupted one
bit for bit, if an environment that is reset with a seed does not depend on what was before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from priorrl_core.agents.heads import MeanMetrics
from priorrl_core.agents.speed import SpeedConfig
from priorrl_core.config import config_hash
from priorrl_core.data.chunks import chunked
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import ConfigError, UserError
from priorrl_core.training.chunk_env import ChunkEnv, chunk_config, step_discount
from priorrl_core.training.goal_env import GoalEnv, open_scaled
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_files import LAST, Counters, load_state, save_best, save_state, write_run
from priorrl_core.training.metrics_log import MetricsLog
from priorrl_core.training.observations import ObsSize, obs_size, with_channels_first
from priorrl_core.training.offline_online import EXACT, OfflineOnlineLearner
from priorrl_core.training.step_loop import EVAL_STREAM, TRAIN_STREAM, episode_seed

if TYPE_CHECKING:
    import gymnasium as gym

Report = Callable[[str, int, int, str], None]
"""Phase, done, total, note."""


@dataclass(frozen=True)
class LearnPlan:
    """How long, from what and where. ``make_env`` is called twice: to practise in, and to be evaluated in."""

    offline_steps: int
    online_steps: int
    seed: int = 0
    make_env: Callable[[], gym.Env] | None = None
    """None: offline alone, without evaluation."""
    env_name: str = ""
    data: TransitionReplay | None = None
    chunk: int = 1
    """Steps of one decision (Q-chunking, arXiv 2507.07969); the agent's actions are that many times as long."""
    speed: SpeedConfig = EXACT

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError(f"a decision takes at least 1 step, not {self.chunk}; correct --chunk")
        if self.offline_steps and self.data is None:
            raise ConfigError("pretraining needs a data set; give --data or leave --offline-steps out")
        if self.online_steps and self.make_env is None:
            raise ConfigError("practice needs an environment; give --env or leave --online-steps out")
        if not self.offline_steps and not self.online_steps:
            raise ConfigError("there is nothing to do; give --offline-steps, --online-steps or both")


@dataclass
class Episodes:
    """Returns and lengths of some episodes."""

    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    """Of the last steps, where the environment has goals."""

    def means(self, name: str) -> dict[str, float]:
        """``name/return``, ``name/return_std``, ``name/length``, ``name/episodes``; with goals ``name/success``."""
        if not self.returns:
            return {}
        success = {f"{name}/success": float(np.mean(self.successes))} if self.successes else {}
        return {f"{name}/return": float(np.mean(self.returns)), f"{name}/return_std": float(np.std(self.returns)),
                f"{name}/length": float(np.mean(self.lengths)), f"{name}/episodes": len(self.returns), **success}

    def add(self, total: float, length: int, success: float | None) -> None:
        """One episode."""
        self.returns.append(total)
        self.lengths.append(length)
        if success is not None:
            self.successes.append(success)


class LearnLoop:
    """``run`` does what is left of the plan; UserError if ``folder`` holds a run and ``resume`` is not wanted."""

    def __init__(self, config: LearnConfig, plan: LearnPlan, folder: str | Path, resume: bool = False,
                 report: Report | None = None) -> None:
        _check_chunk(config, plan.chunk)
        discount = step_discount(config)
        data = None if plan.data is None else with_channels_first(plan.data, "the data")
        self.config, self.plan, self.folder = chunk_config(config, plan.chunk), plan, Path(folder)
        self._report = report or (lambda phase, done, total, note: None)
        self._env, self._eval_env = (self._open_env(discount) for _ in range(2))
        if data is not None and plan.chunk > 1:
            data = chunked(data, plan.chunk, discount)
        seen, action_size = self._sizes(data)
        goals = self._env.goal_task() if isinstance(self._env, GoalEnv) else None
        self.learner = OfflineOnlineLearner(self.config, seen, action_size, plan.seed, data, plan.speed, goals)
        facts = {"learner": self.learner.settings, "env": plan.env_name, "offline_steps": plan.offline_steps}
        threads = torch.get_num_threads()
        self.settings = config_hash(self.config, facts if threads == 1 else {**facts, "threads": threads})
        self.counters, self.resumed_from = Counters(), ""
        self._metrics, self._expl, self._seconds, self._updates = MeanMetrics(), Episodes(), 0.0, 0
        self._open(resume)

    def _open_env(self, discount: float) -> ScaledEnv | None:
        if self.plan.make_env is None:
            return None
        env = open_scaled(self.plan.make_env(), self.config)
        return env if self.plan.chunk == 1 else ChunkEnv(env, self.plan.chunk, discount)

    def _sizes(self, data: TransitionReplay | None) -> tuple[ObsSize, int]:
        if self._env is not None:
            return self._env.obs_size, self._env.action_size
        assert data is not None
        return obs_size(data), data.action_size

    def _open(self, resume: bool) -> None:
        """Makes the folder, or puts back what lies in it."""
        there = (self.folder / LAST).is_file()
        if there and not resume:
            raise UserError(f"'{self.folder}' holds a run already; add --resume or choose another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        if there:
            self.counters, self.resumed_from = load_state(self.folder, self.learner, self.settings)
        plan = self.plan
        write_run(self.folder, self.learner, {"env": plan.env_name, "seed": plan.seed, "settings": self.settings,
                                              "offline_steps": plan.offline_steps, "online_steps": plan.online_steps,
                                              "chunk": plan.chunk, **asdict(plan.speed),
                                              "threads": torch.get_num_threads()})
        self.log = MetricsLog(self.folder, self.counters.metric_rows)

    # ---- phases --------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Pretrains, practises, evaluates; what came of it."""
        begin = time.perf_counter()
        try:
            self.begin()
            self._pretrain()
            self._practise()
        finally:
            self.close()
        return {**self._result(), "seconds": round(time.perf_counter() - begin, 1)}

    def begin(self) -> None:
        """Evaluates what has learned nothing yet, once."""
        if not self.counters.metric_rows:
            self._end_epoch("start")

    def _pretrain(self) -> None:
        while count := self.offline_left():
            begin = time.perf_counter()
            for _ in range(count):
                self.take(self.learner.pretrain())
            self.end_offline(count, time.perf_counter() - begin)

    def offline_left(self) -> int:
        """Updates on the data to the end of this epoch, 0 once there are no more."""
        total, epoch, done = self.plan.offline_steps, self.config.offline_epoch, self.counters.offline
        return max(0, min(epoch - done % epoch, total - done))

    def take(self, metrics: dict[str, Tensor]) -> None:
        """Takes note of one update on the data."""
        self._metrics.add(metrics)
        self.counters.offline += 1
        if self.counters.offline % 100 == 0:
            self._report("offline", self.counters.offline, self.plan.offline_steps, self._note())

    def end_offline(self, count: int, seconds: float) -> None:
        """Ends an epoch of ``count`` updates on the data."""
        self._seconds, self._updates = self._seconds + seconds, self._updates + count
        self._end_epoch("offline")

    def _practise(self) -> None:
        total, epoch, c = self.plan.online_steps, self.config.online_epoch, self.counters
        while c.online < total:
            before = c.online // epoch
            self._episode()
            if c.online // epoch > before or c.online >= total:
                self._end_epoch("online")

    def _episode(self) -> None:
        """One episode to its end, learning after every step; truncated and terminated are stored apart (law 5)."""
        assert self._env is not None
        c, learner, total, done = self.counters, self.learner, 0.0, False
        obs, length = self._env.reset(episode_seed(self.plan.seed, TRAIN_STREAM, c.episodes)), 0
        while not done:
            action = learner.act(obs, explore=True)
            following, reward, terminated, truncated, command = self._env.step(action)
            if self._env.whole:
                learner.add(Transition(obs, action, np.zeros_like(command), command, reward, following, terminated,
                                       truncated and not terminated, learner.agent.updates, 0.0, self.settings))
                self._learn()
            steps = self._env.steps
            obs, done, total, length = following, terminated or truncated, total + self._env.gained, length + steps
            c.online += steps
            if c.online % 100 < steps:
                self._report("online", min(c.online, self.plan.online_steps), self.plan.online_steps, self._note())
        c.episodes += 1
        self._expl.add(total, length, self._env.success)

    def _learn(self) -> None:
        begin = time.perf_counter()
        for values in self.learner.practise():
            self._metrics.add(values)
            self._updates += 1
        self._seconds += time.perf_counter() - begin

    # ---- between epochs ------------------------------------------------------------------------------

    def _end_epoch(self, phase: str) -> None:
        """Evaluates, writes a row of metrics, keeps the best, then the checkpoint, which comes last."""
        c = self.counters
        trained = {f"trainer/{name}": value for name, value in self._metrics.read().items()}
        judged = self._evaluate().means("eval")
        self.log.add(c.offline + c.online, {
            "phase": phase, "offline": c.offline, "online": c.online, "trainer/updates": self.learner.agent.updates,
            **judged, **trained, **self._expl.means("expl")})
        c.metric_rows, self._expl = len(self.log.rows), Episodes()
        if judged and (c.best_return is None or judged["eval/return"] > c.best_return):
            c.best_return = judged["eval/return"]
            save_best(self.folder, self.learner, c)
        save_state(self.folder, self.learner, c, self.settings)

    def _evaluate(self) -> Episodes:
        """``eval_episodes`` without exploration, of the same starts each time; learning takes no note of them."""
        out, env = Episodes(), self._eval_env
        for index in range(self.config.eval_episodes if env is not None else 0):
            assert env is not None
            obs, total, length, done = env.reset(episode_seed(self.plan.seed, EVAL_STREAM, index)), 0.0, 0, False
            while not done:
                obs, _, terminated, truncated, _ = env.step(self.learner.act(obs, explore=False))
                total, length, done = total + env.gained, length + env.steps, terminated or truncated
            out.add(total, length, env.success)
        return out

    def _note(self) -> str:
        best = self.counters.best_return
        return f"{self._rate():.0f} updates/s" + ("" if best is None else f", best return {best:.1f}")

    def _rate(self) -> float:
        return self._updates / self._seconds if self._seconds > 0.0 else 0.0

    def _result(self) -> dict[str, Any]:
        c, last = self.counters, self.log.rows[-1]
        return {"offline_steps": c.offline, "online_steps": c.online, "episodes": c.episodes,
                "updates": self.learner.agent.updates, "best_return": c.best_return,
                "last_return": float(last["eval/return"]) if "eval/return" in last else None,
                "updates_per_s": round(self._rate(), 1), "tensorboard": self.log.has_board}

    def close(self) -> None:
        self.log.close()
        for env in (self._env, self._eval_env):
            if env is not None:
                env.close()


def _check_chunk(config: LearnConfig, chunk: int) -> None:
    if chunk > 1 and config.her is not None:
        raise ConfigError("hindsight ('her') and --chunk do not go together; leave one out")
    if chunk > 1 and config.snippet:
        raise ConfigError(f"'{config.agent}' learns from snippets of single steps; leave --chunk out")
