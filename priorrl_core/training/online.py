"""Practice on the job: heads of policy, Q and V go on learning on frozen features (thesis 10.5.3).

The learner is given closed episodes with the classifier's reward; it never sees the simulator's truth.
Episode by episode it is a deterministic function of (checkpoint, configuration, seed, episodes).
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from priorrl_core.agents.heads import HeadsTrainer
from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.config import config_hash
from priorrl_core.data.replay import FeatureCache, FeatureReplay, OnlineEpisode
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import DataError
from priorrl_core.perception.preprocess import check_batch, to_tensor
from priorrl_core.rewards.health import RewardMonitor
from priorrl_core.training.method import OnlineConfig
from priorrl_core.training.state import load_training, prefixed, training_tensors, under

STATE = "online_state"


@dataclass
class Episode:
    """One closed practice episode as the graph or ``practice`` hands it over; T steps, shapes as in law 8."""

    images: np.ndarray
    """(T+1, 48, 48, 3) uint8."""
    proprio: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    """(T,) from the learned reward of the image after the action."""
    terminated: bool
    base_m: np.ndarray
    executed_m: np.ndarray
    versions: np.ndarray
    observation_age_s: np.ndarray | None = None
    config_hash: str = ""


class OnlineLearner:
    """``add_episode`` then ``learn`` once an episode; ``policy_head`` after each is the new version."""

    def __init__(self, agent: IQLAgent, cache: FeatureCache | None, config: OnlineConfig, seed: int,
                 horizon: int = 20) -> None:
        self.agent, self.config, self.seed = agent, config, seed
        for module in (*agent.encoders.values(), *agent.domain_heads.values()):
            module.requires_grad_(False)
        agent.heads.config = dataclasses.replace(agent.heads.config, q_weight=config.q_weight,
                                                 temperature=config.temperature)
        self.settings = config_hash(agent.config, config, {"seed": seed})
        self.encoder_hash = agent.encoder_hash()
        self.trainer = HeadsTrainer(agent.heads, config.learning_rate)
        self.generator = torch.Generator().manual_seed(seed)
        self.replay = FeatureReplay(agent.config.encoder.width, config.trials * horizon, config.trials, cache)
        self.version = 0
        """Number of practice episodes that the policy has taken note of."""
        self.updates = 0
        self.monitor = _monitor(cache)
        self.alarm = ""
        """What the reward's monitor says of the newest episodes; empty while nothing is suspect (row 10.30)."""
        self._seconds, self._timed = 0.0, 0
        self._heads = {0: self._make_head()}

    # ---- data ----------------------------------------------------------------------------------------

    def add_episode(self, episode: Episode) -> None:
        """Stores one closed episode; DataError if it is misshapen, not finite, or past the trial budget."""
        if len(self.replay.episodes) >= self.config.trials:
            raise DataError(f"the budget of {self.config.trials} practice trials is spent; "
                            "raise online.trials")
        images = check_batch(episode.images)
        if len(images) != len(episode.actions) + 1:
            raise DataError(f"episode: {len(images)} images for {len(episode.actions)} actions; "
                            "there must be one more image than actions")
        age = episode.observation_age_s
        self._store(OnlineEpisode(
            self.agent.all_features(to_tensor(images)), episode.proprio, episode.actions, episode.rewards,
            episode.terminated, episode.base_m, episode.executed_m, episode.versions,
            np.zeros(len(episode.actions)) if age is None else age, episode.config_hash))

    def _store(self, episode: OnlineEpisode) -> None:
        self.replay.add(episode)
        if self.monitor is not None:
            self.alarm = self.monitor.update(episode.rewards, episode.proprio[1:, 2]) or ""

    # ---- learning ------------------------------------------------------------------------------------

    def learn(self) -> int:
        """All updates that the newest episode is worth; the policy version goes up by one."""
        count = 0
        if len(self.replay.episodes) >= self.config.warmup_trials:
            count = self.config.updates_per_step * len(self.replay.episodes[-1].actions)
        self.update(count)
        self._new_version()
        return count

    def skip(self) -> None:
        """Counts an episode that cannot be learned from (lost before its first step)."""
        self._new_version()

    def _new_version(self) -> None:
        self.version += 1
        kept = {v: h for v, h in self._heads.items() if v == 0 or v >= self.version - self.config.policy_lag}
        self._heads = {**kept, self.version: self._make_head()}

    def update(self, count: int) -> None:
        """``count`` gradient steps of policy, Q and V on mixed batches (rows 10.21, 10.34)."""
        start = time.perf_counter()
        for _ in range(count):
            batch = self.replay.sample(self.config.batch_size, self.config.online_share, self.generator)
            self.trainer.metrics.add(self.trainer.update(batch))
        self._seconds += time.perf_counter() - start
        self._timed += count
        self.updates += count

    def read_metrics(self) -> dict[str, float]:
        """Means since the last call, with counters and the update rate [1/s] of learning alone."""
        out = self.trainer.metrics.read()
        out.update(updates=float(self.updates), version=float(self.version),
                   online_transitions=float(self.replay.online_size),
                   updates_per_s=self._timed / self._seconds if self._seconds > 0 else 0.0,
                   suspect_rewards=self.monitor.suspect_share() if self.monitor is not None else 0.0)
        self._seconds, self._timed = 0.0, 0
        return out

    # ---- policy --------------------------------------------------------------------------------------

    def policy_head(self, version: int | None = None) -> bytes:
        """A policy as safetensors for ``control.policy_head.PolicyHead``: the newest, or a kept version.

        Kept are version 0 (offline) and the newest ``policy_lag + 1``; DataError for another.
        """
        wanted = self.version if version is None else version
        if wanted not in self._heads:
            raise DataError(f"policy version {wanted} is not kept; kept: {sorted(self._heads)}")
        return self._heads[wanted]

    def _make_head(self) -> bytes:
        noise = self.config.noise_std(self.version), self.config.exploration_correlation
        return self.agent.policy_head_bytes(self.version, noise, self.settings, self.encoder_hash)

    # ---- state ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Everything but the encoders and the offline cache, which the checkpoint holds."""
        tensors = training_tensors(self.agent.heads, self.trainer.optimizer, self.generator)
        for i, episode in enumerate(self.replay.episodes):
            tensors.update(prefixed(f"episode{i:05d}", _episode_tensors(episode)))
        for version, head in self._heads.items():
            tensors[f"head/{version}"] = torch.frombuffer(bytearray(head), dtype=torch.uint8)
        write_tensors(path, STATE, tensors, {
            "version": str(self.version), "updates": str(self.updates), "settings": self.settings,
            "encoder_hash": self.encoder_hash, "episodes": str(len(self.replay.episodes)),
            "sampled": f"{self.replay.sampled_online} {self.replay.sampled_offline}"})

    def restore(self, path: str | Path) -> None:
        """Into a fresh learner of the same checkpoint, configuration and seed; DataError otherwise."""
        tensors, meta = read_tensors(path, STATE)
        if meta["settings"] != self.settings or meta["encoder_hash"] != self.encoder_hash:
            raise DataError(f"'{path}' belongs to another checkpoint, configuration or seed; "
                            "resume with the same or start a new run")
        for i in range(int(meta["episodes"])):
            self._store(_episode_from(under(f"episode{i:05d}", tensors)))
        load_training(self.agent.heads, self.trainer.optimizer, self.generator, tensors, path)
        self.version, self.updates = int(meta["version"]), int(meta["updates"])
        self._heads = {int(v): t.numpy().tobytes() for v, t in under("head", tensors).items()}
        self.replay.sampled_online, self.replay.sampled_offline = map(int, meta["sampled"].split())


def _monitor(cache: FeatureCache | None) -> RewardMonitor | None:
    """Knows how high above the believed goal the successes of the prior data were."""
    if cache is None or not bool((cache.rewards > 0).any()):
        return None
    labels = (cache.rewards > 0).numpy().astype(np.uint8)
    return RewardMonitor().fit(cache.proprio[:, 1:, 2].float().numpy(), labels)


_FLAGS = ("terminated", "config_hash")


def _episode_tensors(episode: OnlineEpisode) -> dict[str, torch.Tensor]:
    out = {name: torch.as_tensor(np.ascontiguousarray(value)) for name, value in vars(episode).items()
           if name not in _FLAGS}
    out["terminated"] = torch.tensor([episode.terminated])
    out["config_hash"] = torch.tensor(list(episode.config_hash.encode()), dtype=torch.uint8)
    return out


def _episode_from(tensors: dict[str, torch.Tensor]) -> OnlineEpisode:
    arrays = {name: t.numpy() for name, t in tensors.items() if name not in (*_FLAGS, "features")}
    return OnlineEpisode(features=tensors["features"], terminated=bool(tensors["terminated"][0]),
                         config_hash=bytes(tensors["config_hash"].tolist()).decode(), **arrays)
