"""The residual learner fed with closed episodes: Algorithm 6 with its updates between episodes, as many as steps.

In the graph the arm does not wait for the learner: an episode is run by one version of the policy, and what it
brought is learned from while a later one runs. Given the episodes, what is learned does not depend on speed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from priorrl_core.agents.heads import MeanMetrics
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.data.mcap_episodes import EpisodeRecord
from priorrl_core.data.tensor_files import canonical, read_tensors, write_tensors
from priorrl_core.data.transitions import Transition
from priorrl_core.errors import DataError
from priorrl_core.training.residual_learner import ResidualLearner

STATE = "residual_practice"
_LOSSES = ("critic_loss", "actor_loss", "mean_q")


@dataclass(frozen=True)
class PracticeConfig:
    """When versions are kept and saved."""

    policy_lag: int = 1
    checkpoint_every: int = 25


class ResidualPractice:
    """``add_record`` then ``learn`` once an episode; ``policy_head`` after each is the new version."""

    def __init__(self, learner: ResidualLearner, config: PracticeConfig | None = None) -> None:
        self.learner, self.config = learner, config or PracticeConfig()
        self.settings, self.encoder_hash, self.alarm = learner.settings, "", ""
        self.version, self.metrics = 0, MeanMetrics()
        """Number of practice episodes that the policy has taken note of."""
        self._newest, self._seconds, self._timed = 0, 0.0, 0
        self._heads = {0: self._make_head()}

    # ---- learning ------------------------------------------------------------------------------------

    def add_record(self, record: EpisodeRecord) -> None:
        """Stores the steps of one closed episode; DataError if one is misshapen, not finite or out of range."""
        steps = [self._step(record, t) for t in range(record.length)]
        for step in steps:
            self.learner.replay.check(step)
        for step in steps:
            self.learner.add(step)
        self._newest = len(steps)

    def _step(self, record: EpisodeRecord, t: int) -> Transition:
        last = t == record.length - 1
        return Transition(
            record.features[t], record.actions[t], record.base_m[t], record.executed_m[t], float(record.rewards[t]),
            record.features[t + 1], record.terminated and last, record.truncated and last,
            int(record.policy_versions[t]), float(record.observation_age_s[t]), record.config_hash)

    def learn(self) -> int:
        """One update for each step of the newest episode (after the warm-up); the version goes up by one."""
        start, count = time.perf_counter(), 0
        for _ in range(self._newest * self.learner.method.updates_per_step):
            values = self.learner.update()
            if values is not None:
                self.metrics.add(values)
                count += 1
        self._seconds, self._timed = self._seconds + time.perf_counter() - start, self._timed + count
        self.skip()
        return count

    def skip(self) -> None:
        """Counts an episode that cannot be learned from."""
        self._newest, self.version = 0, self.version + 1
        kept = {v: h for v, h in self._heads.items() if v == 0 or v >= self.version - self.config.policy_lag}
        self._heads = {**kept, self.version: self._make_head()}

    def read_metrics(self) -> dict[str, float]:
        """Means since the last call, 0 before the first update; the rate [1/s] is of learning alone."""
        out = {**dict.fromkeys(_LOSSES, 0.0), **self.metrics.read()}
        out.update(updates=float(self.learner.version), online_transitions=float(self.learner.replay.added),
                   updates_per_s=self._timed / self._seconds if self._seconds > 0 else 0.0)
        self._seconds, self._timed = 0.0, 0
        return out

    # ---- policy --------------------------------------------------------------------------------------

    def policy_head(self, version: int | None = None) -> bytes:
        """The actor as a ``FrozenMLP``: the newest, or a kept version; DataError for another."""
        wanted = self.version if version is None else version
        if wanted not in self._heads:
            raise DataError(f"policy version {wanted} is not kept; kept: {sorted(self._heads)}")
        return self._heads[wanted]

    def _make_head(self) -> bytes:
        head = FrozenMLP.from_bytes(self.learner.policy_head())
        head.metadata = {"exploration_std": repr(self._exploration_std()), "version": str(self.version)}
        return canonical(head.to_bytes())

    def _exploration_std(self) -> float:
        """White noise on the mean action: TD3's own; for SAC, whose noise depends on the state, that of its start."""
        method = self.learner.method
        return method.td3.exploration_std if method.agent == "td3" else math.exp(method.sac.log_std_init)

    # ---- state ---------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """``path`` and beside it, without suffix, the learner's folder. ``path`` comes last: it says all is whole."""
        self.learner.save(path.with_suffix(""))
        heads = {str(v): torch.from_numpy(np.frombuffer(h, np.uint8).copy()) for v, h in self._heads.items()}
        write_tensors(path, STATE, heads, {"version": str(self.version), "settings": self.settings})

    def restore(self, path: Path) -> None:
        """Into a fresh learner of the same task, method and seed; DataError otherwise."""
        heads, meta = read_tensors(path, STATE)
        self.learner.restore(path.with_suffix(""))
        self.version = int(meta["version"])
        self._heads = {int(v): t.numpy().tobytes() for v, t in heads.items()}
