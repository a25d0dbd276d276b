"""Replay over cached features of frozen encoders: 25 % online without augmentation, 75 % offline with it.

With the representation frozen, an image is only ever seen through its features, so they are computed once:
for prior data in K augmented copies, for online data from the image as it came (rows 10.19, 10.21, 10.34).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.batch import FeatureBatch
from priorrl_core.errors import DataError


@dataclass
class FeatureCache:
    """Prior episodes as features: ``features`` (K, N, T+1, 3F) of K augmented copies, policy's, critic's and
    value's side by side; ``proprio`` (N, T+1, 6), ``actions`` (N, T, 3), ``rewards`` (N, T),
    ``terminated`` (N,) bool: of the last step."""

    features: Tensor
    proprio: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor

    def __post_init__(self) -> None:
        k, n, seen = self.features.shape[:3]
        wanted = {"proprio": (n, seen, 6), "actions": (n, seen - 1, 3), "rewards": (n, seen - 1),
                  "terminated": (n,)}
        for name, shape in wanted.items():
            if tuple(getattr(self, name).shape) != shape:
                raise DataError(f"offline cache: '{name}' has shape {tuple(getattr(self, name).shape)}, "
                                f"expected {shape}; make the checkpoint again")

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("features", "proprio", "actions", "rewards",
                                                       "terminated")}


@dataclass
class OnlineEpisode:
    """One closed practice episode of T steps. Rewards are the classifier's; the truth is not here (law 6)."""

    features: Tensor
    """(T+1, 3F), without augmentation."""
    proprio: np.ndarray
    actions: np.ndarray
    """(T, 3) the policy's, in [-1, 1] (law 4)."""
    rewards: np.ndarray
    terminated: bool
    base_m: np.ndarray
    executed_m: np.ndarray
    versions: np.ndarray
    """(T,) policy version of each action (law 8)."""
    observation_age_s: np.ndarray
    config_hash: str = ""


class _Rows:
    """Flat observations and transitions; transition i goes from observation ``start[i]`` to the next row."""

    def __init__(self, copies: int, observations: int, transitions: int, width: int) -> None:
        self.features = torch.zeros(copies, observations, width)
        self.proprio = torch.zeros(observations, 6)
        self.action = torch.zeros(transitions, 3)
        self.reward = torch.zeros(transitions)
        self.terminated = torch.zeros(transitions)
        self.start = torch.zeros(transitions, dtype=torch.int64)
        self.copies, self.observations, self.size = copies, 0, 0

    def add(self, features: Tensor, proprio: Tensor, action: Tensor, reward: Tensor,
            terminated: bool) -> None:
        seen, done = self.observations, self.size
        n = len(action)
        self.features[:, seen:seen + n + 1] = features
        self.proprio[seen:seen + n + 1] = proprio
        self.action[done:done + n], self.reward[done:done + n] = action, reward
        self.terminated[done:done + n] = 0.0
        self.terminated[done + n - 1] = float(terminated)
        self.start[done:done + n] = torch.arange(seen, seen + n)
        self.observations, self.size = seen + n + 1, done + n

    def gather(self, rows: Tensor, copy: Tensor) -> tuple[Tensor, ...]:
        """Features, next features, proprio, next proprio, action, reward, terminated of ``rows``."""
        start = self.start[rows]
        flat = self.features.view(-1, self.features.shape[2])
        index = copy * self.features.shape[1] + start
        return (flat.index_select(0, index), flat.index_select(0, index + 1), self.proprio[start],
                self.proprio[start + 1], self.action[rows], self.reward[rows], self.terminated[rows])


class FeatureReplay:
    """Preallocated. ``sample`` mixes; with no online data yet the whole batch is offline, and vice versa."""

    def __init__(self, feature_size: int, online_transitions: int, online_episodes: int,
                 cache: FeatureCache | None = None) -> None:
        self.feature_size = feature_size
        width = 3 * feature_size
        self.online = _Rows(1, online_transitions + online_episodes, online_transitions, width)
        self.offline = _offline_rows(cache, width) if cache is not None else None
        self.capacity, self.max_episodes = online_transitions, online_episodes
        self.episodes: list[OnlineEpisode] = []
        self.sampled_online, self.sampled_offline = 0, 0

    @property
    def online_size(self) -> int:
        return self.online.size

    def add(self, episode: OnlineEpisode) -> None:
        """Stores one closed episode; DataError if it is not finite, has foreign shapes or does not fit."""
        check_online(episode, 3 * self.feature_size)
        n = len(episode.actions)
        if self.online.size + n > self.capacity or len(self.episodes) >= self.max_episodes:
            raise DataError(f"the replay is full at {self.online.size} transitions; raise max_trials")
        proprio, action, reward = (torch.from_numpy(np.array(a, np.float32)) for a in (
            episode.proprio, episode.actions, episode.rewards))
        self.online.add(episode.features, proprio, action, reward, episode.terminated)
        self.episodes.append(episode)

    def sample(self, batch_size: int, online_share: float, generator: torch.Generator) -> FeatureBatch:
        """``online_share`` of the batch from practice, the rest from prior data, each uniformly."""
        n_online = self._online_count(batch_size, online_share)
        parts = []
        if n_online:
            rows = torch.randint(self.online.size, (n_online,), generator=generator)
            parts.append(self.online.gather(rows, torch.zeros_like(rows)))
        if batch_size - n_online:
            assert self.offline is not None
            rows = torch.randint(self.offline.size, (batch_size - n_online,), generator=generator)
            copy = torch.randint(self.offline.copies, rows.shape, generator=generator)
            parts.append(self.offline.gather(rows, copy))
        self.sampled_online += n_online
        self.sampled_offline += batch_size - n_online
        joined = parts[0] if len(parts) == 1 else tuple(torch.cat(p) for p in zip(*parts, strict=True))
        return self._batch(*joined)

    def _online_count(self, batch_size: int, share: float) -> int:
        if self.offline is None:
            if not self.online.size:
                raise DataError("the replay is empty; add an episode or an offline cache first")
            return batch_size
        return round(batch_size * share) if self.online.size else 0

    def _batch(self, features: Tensor, following: Tensor, proprio: Tensor, next_proprio: Tensor,
               action: Tensor, reward: Tensor, terminated: Tensor) -> FeatureBatch:
        f = self.feature_size
        return FeatureBatch(features[:, :f], features[:, f:2 * f], features[:, 2 * f:], following[:, 2 * f:],
                            proprio, next_proprio, action, reward, terminated)


def _offline_rows(cache: FeatureCache, width: int) -> _Rows:
    k, n, seen, got = cache.features.shape
    if got != width:
        raise DataError(f"offline cache holds features of width {got}, the agent's are {width}; "
                        "make the checkpoint again")
    rows = _Rows(0, 0, 0, width)
    rows.features = cache.features.float().reshape(k, n * seen, width).contiguous()
    rows.proprio = cache.proprio.float().reshape(-1, 6)
    rows.action, rows.reward = cache.actions.float().reshape(-1, 3), cache.rewards.float().reshape(-1)
    ends = torch.zeros(n, seen - 1)
    ends[:, -1] = cache.terminated.float()
    rows.terminated = ends.reshape(-1)
    rows.start = (torch.arange(n)[:, None] * seen + torch.arange(seen - 1)).reshape(-1)
    rows.copies, rows.observations, rows.size = k, n * seen, n * (seen - 1)
    return rows


def check_online(episode: OnlineEpisode, width: int) -> None:
    """DataError naming the field of an online episode that is misshapen, not finite or out of range."""
    n = len(episode.actions)
    if n < 1:
        raise DataError("an episode without steps cannot be learned from; drop it")
    shapes = {"features": (n + 1, width), "proprio": (n + 1, 6), "actions": (n, 3), "rewards": (n,),
              "base_m": (n, 3), "executed_m": (n, 3), "versions": (n,), "observation_age_s": (n,)}
    for name, shape in shapes.items():
        value = np.asarray(getattr(episode, name))
        if value.shape != shape:
            raise DataError(f"episode: '{name}' has shape {value.shape}, expected {shape}")
        if not np.isfinite(value).all():
            row = int(np.argwhere(~np.isfinite(value))[0][0])
            raise DataError(f"episode: '{name}' is not finite in row {row}; the episode is refused")
    if np.abs(episode.actions).max() > 1.0:
        raise DataError("episode: 'actions' lie outside [-1, 1]; store the policy's action, not the command")
