"""An off-policy agent, its replay and its demonstrations as one object: the learner of thesis Algorithm 6.

It knows neither task nor base controller: what it sees as an action is the residual alone (law 4), so "only RL"
and residual RL are the same learner (row 8.08).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from priorrl_core.agents.actor_critic import ActorCriticAgent
from priorrl_core.agents.sac import SAC, SACConfig
from priorrl_core.agents.td3 import TD3, TD3Config
from priorrl_core.config import config_dir, config_hash, load
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.data.transitions import Transition, TransitionReplay, sample_with_demos
from priorrl_core.errors import ConfigError, DataError, nearest
from priorrl_core.perception.small_encoder import SmallEncoder, SmallEncoderConfig, StateEncoder
from priorrl_core.training.state import load_training, prefixed, training_tensors, under

KIND = "residual_learner"
ACTION_SIZE = 3


@dataclass(frozen=True)
class ResidualMethod:
    """One file of ``config/methods/``: which agent learns the residual, and how. The thesis gives no number."""

    name: str
    agent: Literal["td3", "sac"]
    td3: TD3Config = field(default_factory=TD3Config)
    sac: SACConfig = field(default_factory=SACConfig)
    encoder: SmallEncoderConfig = field(default_factory=SmallEncoderConfig)
    """For image observations; a state is read as it is."""
    batch_size: int = 128
    replay: int = 50_000
    """Transitions."""
    warmup_steps: int = 150
    """Transitions before the first update."""
    random_steps: int = 0
    """Transitions with uniformly random actions before the actor is asked."""
    updates_per_step: int = 1
    """1 in Algorithm 6."""
    demo_rows: int = 0
    """Extra demonstration rows in every batch, where there are demonstrations."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "replay", "warmup_steps", "updates_per_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if min(self.random_steps, self.demo_rows) < 0:
            raise ValueError("random_steps and demo_rows must not be below 0")


def list_residual_methods() -> list[str]:
    return sorted(p.stem for p in (config_dir() / "methods").glob("residual_*.yaml"))


def load_residual_method(path_or_name: str | Path) -> ResidualMethod:
    """The method of a YAML file, or the packaged ``residual_<name>.yaml``; ConfigError names the nearest."""
    text = str(path_or_name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(ResidualMethod, text)
    name = text if text.startswith("residual_") else f"residual_{text}"
    if name not in list_residual_methods():
        raise ConfigError(f"unknown residual method '{text}'{nearest(name, list_residual_methods())}")
    return load(ResidualMethod, config_dir() / "methods" / f"{name}.yaml")


class ResidualLearner:
    """``act``, ``add`` and ``update``, once each a step; its future is a function of its saved state and its input."""

    def __init__(self, method: ResidualMethod, obs_shape: tuple[int, ...], images: bool = False, seed: int = 0,
                 demos: TransitionReplay | None = None) -> None:
        self.method, self.images, self.demos = method, images, demos
        self.settings = config_hash(method, {"obs_shape": list(obs_shape), "images": images, "seed": seed})
        self.agent = _agent(method, obs_shape, images, seed)
        self.replay = TransitionReplay(method.replay, obs_shape, ACTION_SIZE, images=images)
        self.explorer = torch.Generator().manual_seed(seed + 1)
        self.sampler = torch.Generator().manual_seed(seed + 2)

    @property
    def version(self) -> int:
        """Of the policy: the number of updates so far."""
        return self.agent.updates

    def act(self, obs: np.ndarray, explore: bool) -> np.ndarray:
        """Action (3,) float32 in [-1, 1] of one observation; without ``explore`` no random number is drawn."""
        if explore and self.replay.added < self.method.random_steps:
            return (torch.rand(ACTION_SIZE, generator=self.explorer) * 2.0 - 1.0).numpy()
        seen = torch.from_numpy(obs[None])
        return self.agent.act(seen, not explore, self.explorer)[0].numpy()

    def add(self, transition: Transition) -> None:
        """Stores one step; DataError names a field that is misshapen, not finite or out of range."""
        self.replay.add(transition)

    def update(self) -> dict[str, Tensor] | None:
        """One gradient step of the agent; None before ``warmup_steps`` transitions."""
        m = self.method
        if self.replay.added < m.warmup_steps:
            return None
        if self.demos is not None and m.demo_rows:
            return self.agent.update(
                sample_with_demos(self.replay, self.demos, m.batch_size, m.demo_rows, self.sampler))
        return self.agent.update(self.replay.sample(m.batch_size, self.sampler))

    def policy_head(self) -> bytes:
        """The deterministic actor on features as a ``FrozenMLP``; on a state the features are the state itself."""
        actor = self.agent.actor
        layers = [(w.detach().squeeze(0).numpy(), b.detach().reshape(-1).numpy())
                  for w, b in zip(actor.weights, actor.biases, strict=True)]
        weight, bias = layers[-1]
        return FrozenMLP([*layers[:-1], (weight[:, :ACTION_SIZE], bias[:ACTION_SIZE])]).to_bytes()

    # ---- files ---------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """``learner.safetensors`` and ``replay.safetensors``: all that the next update depends on."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.replay.save(folder / "replay.safetensors")
        agent = training_tensors(self.agent, self.agent.optimizer, self.agent.generator)
        draws = {"explorer": self.explorer.get_state(), "sampler": self.sampler.get_state()}
        write_tensors(folder / "learner.safetensors", KIND, {**prefixed("agent", agent), **draws},
                      {"settings": self.settings, "method": json.dumps(self.method.name)})

    def restore(self, folder: str | Path) -> None:
        """Goes on where ``save`` was called, bit for bit; DataError where method or seed are others."""
        path = Path(folder) / "learner.safetensors"
        tensors, meta = read_tensors(path, KIND)
        if meta["settings"] != self.settings:
            raise DataError(f"'{path}' is of another method, observation or seed ({meta['settings']}, here "
                            f"{self.settings}); resume with the settings that it was made with")
        self.replay = TransitionReplay.load(Path(folder) / "replay.safetensors")
        load_training(self.agent, self.agent.optimizer, self.agent.generator, under("agent", tensors), path)
        self.explorer.set_state(tensors["explorer"])
        self.sampler.set_state(tensors["sampler"])


def _agent(method: ResidualMethod, obs_shape: tuple[int, ...], images: bool, seed: int) -> ActorCriticAgent:
    encoder = SmallEncoder(method.encoder, seed) if images else StateEncoder(obs_shape[0])
    if method.agent == "td3":
        return TD3(method.td3, encoder, ACTION_SIZE, seed)
    return SAC(method.sac, encoder, ACTION_SIZE, seed)
