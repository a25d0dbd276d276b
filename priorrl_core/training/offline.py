"""Offline training of the agent on prior data, resumable bit for bit, and the feature cache for practice."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from priorrl_core.agents.heads import MeanMetrics
from priorrl_core.agents.iql_agent import IQLAgent, OfflineTrainer
from priorrl_core.config import config_hash
from priorrl_core.data.batch import ImageBatch
from priorrl_core.data.episodes import PriorData
from priorrl_core.data.replay import FeatureCache
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import DataError
from priorrl_core.perception.augment import Augment
from priorrl_core.perception.preprocess import to_tensor
from priorrl_core.training.method import MethodConfig, OfflineConfig
from priorrl_core.training.state import load_training, training_tensors

Report = Callable[[str, int, int, dict[str, float]], None]
"""``report(stage, done, total, metrics)``, called every ``log_every`` updates."""

STATE = "offline_state"


class OfflineData:
    """Prior episodes as transitions; images stay uint8 until a batch is drawn."""

    def __init__(self, prior: PriorData, config: OfflineConfig) -> None:
        e = prior.episodes
        n, t = e.actions.shape[:2]
        self.images = torch.from_numpy(e.images).reshape(n * (t + 1), *e.images.shape[2:])
        self.proprio = torch.from_numpy(e.proprio).reshape(n * (t + 1), -1)
        self.action = torch.from_numpy(e.actions).reshape(n * t, -1)
        self.reward = torch.from_numpy(e.rewards).reshape(n * t)
        ends = torch.zeros(n, t)
        ends[:, -1] = torch.from_numpy(e.terminated).float()
        self.terminated = ends.reshape(n * t)
        self.domain = torch.from_numpy(prior.connector).repeat_interleave(t)
        self.start = (torch.arange(n)[:, None] * (t + 1) + torch.arange(t)).reshape(-1)
        self.augment, self.batch_size = Augment(config.augment), config.batch_size
        noise = torch.tensor(config.proprio_noise)
        self.noise = noise if bool((noise > 0).any()) else None

    def __len__(self) -> int:
        return len(self.action)

    def batch(self, generator: torch.Generator) -> ImageBatch:
        """Uniform over transitions; s and s' augmented independently, each once for all three networks."""
        rows = torch.randint(len(self), (self.batch_size,), generator=generator)
        start = self.start[rows]
        images = to_tensor(self.images[torch.cat([start, start + 1])])
        images = self.augment(images, generator)
        proprio, following = self.proprio[start], self.proprio[start + 1]
        if self.noise is not None:
            shift = torch.randn(proprio.shape, generator=generator) * self.noise
            proprio, following = proprio + shift, following + shift
        b = self.batch_size
        return ImageBatch(images[:b], images[b:], proprio, following, self.action[rows], self.reward[rows],
                          self.terminated[rows], self.domain[rows])


def cosine(progress: float, floor: float) -> float:
    """1 at progress 0, ``floor`` at progress 1."""
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


class OfflineRun:
    """One offline training run that can be stopped after any update and resumed to the same result."""

    def __init__(self, prior: PriorData, config: MethodConfig, seed: int) -> None:
        self.config, self.seed, self.done = config, seed, 0
        self.settings = config_hash(config.agent, config.offline, {"seed": seed, "names": prior.names,
                                                                   "episodes": len(prior)})
        self.agent = IQLAgent(config.agent, prior.n_connectors, seed)
        c = config.offline
        self.trainer = OfflineTrainer(self.agent, c.learning_rate, c.grad_clip, seed)
        self.data, self.metrics = OfflineData(prior, config.offline), MeanMetrics()

    def step(self) -> None:
        """One update."""
        c = self.config.offline
        progress = self.done / c.updates
        for group in self.trainer.optimizer.param_groups:
            group["lr"] = c.learning_rate * cosine(progress, c.cosine_to)
        self.metrics.add(self.trainer.update(self.data.batch(self.trainer.generator), progress))
        self.done += 1

    def save(self, path: str | Path) -> None:
        tensors = training_tensors(self.agent, self.trainer.optimizer, self.trainer.generator)
        write_tensors(path, STATE, tensors, {"done": str(self.done), "settings": self.settings})

    def restore(self, path: str | Path) -> None:
        """DataError if the state is of other settings, data, seed or architecture."""
        tensors, meta = read_tensors(path, STATE)
        if meta["settings"] != self.settings:
            raise DataError(f"'{path}' was made with other settings, data or seed; remove it or choose "
                            "another --out")
        load_training(self.agent, self.trainer.optimizer, self.trainer.generator, tensors, path)
        self.done = int(meta["done"])


def train_offline(prior: PriorData, config: MethodConfig, seed: int, out_dir: str | Path | None = None,
                  resume: bool = False, report: Report | None = None) -> IQLAgent:
    """The agent after ``config.offline.updates`` updates; its state is ``out_dir/offline_state.safetensors``.

    Call ``runtime.configure_torch`` first. With ``resume`` a stopped run goes on as if it had not stopped.
    """
    run, c = OfflineRun(prior, config, seed), config.offline
    state = Path(out_dir) / f"{STATE}.safetensors" if out_dir else None
    if state and resume and state.exists():
        run.restore(state)
    while run.done < c.updates:
        run.step()
        last = run.done == c.updates
        if report and (run.done % c.log_every == 0 or last):
            report("offline", run.done, c.updates, run.metrics.read())
        if state and (run.done % c.checkpoint_every == 0 or last):
            run.save(state)
    return run.agent


def make_cache(agent: IQLAgent, prior: PriorData, config: MethodConfig, seed: int,
               report: Report | None = None, half: bool = True) -> FeatureCache:
    """Features of ``cache_copies`` augmented copies of at most ``cache_episodes`` prior episodes.

    The draw is even over connectors. ``half`` keeps them as float16 (they are bounded; error below 1e-3).
    """
    c = config.offline
    generator = torch.Generator().manual_seed(seed + 1)
    chosen = _even_draw(prior, c.cache_episodes, generator)
    e = prior.episodes.select(chosen.numpy())
    augment = Augment(c.augment)
    copies = []
    for k in range(c.cache_copies):
        rows = [agent.all_features(augment(to_tensor(images), generator)) for images in e.images]
        copies.append(torch.stack(rows))
        if report:
            report("cache", k + 1, c.cache_copies, {})
    features = torch.stack(copies)
    return FeatureCache(features.half() if half else features, torch.from_numpy(e.proprio),
                        torch.from_numpy(e.actions), torch.from_numpy(e.rewards),
                        torch.from_numpy(e.terminated))


def _even_draw(prior: PriorData, count: int, generator: torch.Generator) -> Tensor:
    """Episode numbers, sorted: about the same number from each connector, ``count`` at most."""
    if len(prior) <= count:
        return torch.arange(len(prior))
    order = torch.randperm(len(prior), generator=generator)
    connector = torch.from_numpy(prior.connector)[order]
    rank = torch.zeros(len(prior), dtype=torch.int64)
    for domain in range(prior.n_connectors):
        mine = connector == domain
        rank[mine] = torch.arange(int(mine.sum()))
    return order[torch.argsort(rank, stable=True)[:count]].sort().values
