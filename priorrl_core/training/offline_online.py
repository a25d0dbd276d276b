"""One agent and one buffer, from a data set to practice: what a loop asks for at each step, and its whole state."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from priorrl_core.agents.cuda_graphs import GraphedUpdates
from priorrl_core.agents.device import on_device
from priorrl_core.agents.speed import SpeedConfig, speed_up
from priorrl_core.config import config_hash
from priorrl_core.data.returns import return_range
from priorrl_core.data.snippets import SnippetBatch
from priorrl_core.data.transitions import Transition, TransitionBatch, TransitionReplay
from priorrl_core.errors import ConfigError
from priorrl_core.perception.random_shift import random_shift
from priorrl_core.training.agent_factory import make_agent
from priorrl_core.training.hindsight import GoalTask, Hindsight
from priorrl_core.training.learn_buffer import LearnBuffer
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_snippets import LearnSnippets
from priorrl_core.training.observations import ObsSize
from priorrl_core.training.state import Tensors, load_training, prefixed, training_tensors, under

EXACT = SpeedConfig()
Batch = TransitionBatch | SnippetBatch


class OfflineOnlineLearner:
    """``act``, ``add`` and ``update``; its future is a function of ``tensors()`` and of what it is given."""

    def __init__(self, config: LearnConfig, obs_size: ObsSize, action_size: int, seed: int = 0,
                 data: TransitionReplay | None = None, speed: SpeedConfig = EXACT, goals: GoalTask | None = None
                 ) -> None:
        _check_images(config, obs_size)
        self.config, self.action_size = config, action_size
        self.obs_size = obs_size if isinstance(obs_size, tuple) else obs_size - (goals.size if goals else 0)
        self.agent = speed_up(make_agent(config, self.obs_size, action_size, seed), speed)
        self._graphs = GraphedUpdates([self.agent]) if speed.cuda_graphs else None
        self.buffer = LearnBuffer(config.replay, obs_size, action_size, data)
        self.hindsight = _hindsight(self.buffer, config, goals)
        self.snippets = _snippets(self.buffer, config)
        self.reward_scale = _reward_scale(config, data)
        self.explorer = torch.Generator().manual_seed(seed + 1)
        self.sampler = torch.Generator().manual_seed(seed + 2)
        facts = {"obs": obs_size, "action": action_size, "seed": seed, "data": self.buffer.data_digest()}
        self.settings = config_hash(config, facts if speed == EXACT else {**facts, "speed": speed.settings()})

    def act(self, obs: np.ndarray, explore: bool) -> np.ndarray:
        """Action (A,) float32 in [-1, 1] of one observation (D,) or (C, H, W); without ``explore`` nothing is drawn.

        With goals the observation is (D + 2 G,) as ``hindsight`` has it, and what is achieved is cut off.
        """
        if explore and self.buffer.added < self.config.random_steps:
            return (torch.rand(self.action_size, generator=self.explorer) * 2.0 - 1.0).numpy()
        seen = torch.from_numpy(obs[None] if isinstance(self.obs_size, tuple) else obs[None, :self.obs_size])
        action = self.agent.act(seen.to(self.agent.device), not explore, self.explorer)[0].cpu()
        if explore and self.config.exploration_std > 0.0:
            noise = torch.randn(self.action_size, generator=self.explorer)
            action = (action + self.config.exploration_std * noise).clamp(-1.0, 1.0)
        return action.numpy()

    def add(self, transition: Transition) -> None:
        """Stores one step of practice; DataError names a field that is misshapen, not finite or out of range."""
        self.buffer.add(transition)
        if self.hindsight is not None:
            self.hindsight.added(transition.terminated or transition.truncated)

    def pretrain(self) -> dict[str, Tensor]:
        """One gradient step on the data; detached metrics."""
        return self._update(None)

    def practise(self) -> list[dict[str, Tensor]]:
        """The gradient steps that the newest step of practice is worth; none before ``warm_steps``."""
        c, steps = self.config, self.buffer.added - self.config.warm_steps
        due = int(steps * c.updates_per_step) - int((steps - 1) * c.updates_per_step) if steps > 0 else 0
        return [self._update(c.share if c.keep_data else 0.0) for _ in range(due)]

    def _update(self, share: float | None) -> dict[str, Tensor]:
        batch = self.at_hand(share)
        return self.agent.update(batch) if self._graphs is None else self._graphs.update([batch])[0]  # type: ignore

    def at_hand(self, share: float | None) -> Batch:
        """``sample`` on the agent's device."""
        return on_device(self.sample(share), self.agent.device)

    def sample(self, share: float | None) -> Batch:
        """A batch with ``share`` of its rows from the data and, behind it, the demonstrations' extra rows."""
        c, buffer = self.config, self.buffer
        rows, demos = buffer.rows(c.batch_rows, share, self.sampler), c.demo_rows if buffer.prior else 0
        if demos:
            rows = torch.cat([rows, buffer.data_rows(demos, self.sampler)])
        batch = self._shifted(self._batch(rows, demos))
        if (self.reward_scale, c.reward_shift) == (1.0, 0.0):
            return batch
        return dataclasses.replace(batch, reward=batch.reward * self.reward_scale + c.reward_shift)

    def _batch(self, rows: Tensor, demos: int) -> Batch:
        if self.snippets is not None:
            return self.snippets.batch(rows)
        if self.hindsight is not None:
            return self.hindsight.batch(rows, demos, self.sampler)
        return self.buffer.batch(rows, demos)

    def _shifted(self, batch: Batch) -> Batch:
        """Images with the random shift of the settings, observation and next observation each with its own."""
        pad, draws = self.config.random_shift, self.sampler
        if not pad:
            return batch
        obs = random_shift(batch.obs, pad, draws)
        return dataclasses.replace(batch, obs=obs, next_obs=random_shift(batch.next_obs, pad, draws))

    # ---- state ---------------------------------------------------------------------------------------

    def agent_tensors(self) -> Tensors:
        """Networks, optimiser and generators."""
        agent = training_tensors(self.agent, self.agent.optimizer, self.agent.generator)
        draws = {"explorer": self.explorer.get_state(), "sampler": self.sampler.get_state()}
        return {**prefixed("agent", agent), **draws}

    def tensors(self) -> Tensors:
        """All that the next step depends on, besides the data."""
        return {**self.agent_tensors(), **prefixed("practice", self.buffer.tensors())}

    def load(self, tensors: Tensors, buffer_header: str, where: str) -> None:
        """Goes on where ``tensors`` was called, bit for bit."""
        load_training(self.agent, self.agent.optimizer, self.agent.generator, under("agent", tensors), where)
        self.explorer.set_state(tensors["explorer"])
        self.sampler.set_state(tensors["sampler"])
        self.buffer.load(under("practice", tensors), buffer_header)
        if self.hindsight is not None:
            self.hindsight.recount()


def _check_images(config: LearnConfig, obs_size: ObsSize) -> None:
    images = isinstance(obs_size, tuple)
    if images and config.her is not None:
        raise ConfigError("hindsight ('her') reads goals as numbers, here are images; leave 'her' out")
    if config.random_shift and not images:
        raise ConfigError("'random_shift' moves images, here are numbers; leave it out")
    if isinstance(obs_size, tuple) and config.random_shift >= min(obs_size[1:]):
        raise ConfigError(f"'random_shift' {config.random_shift} moves all of {obs_size[1]} x {obs_size[2]} pixels; "
                          "DrQ's is 4")


def _hindsight(buffer: LearnBuffer, config: LearnConfig, goals: GoalTask | None) -> Hindsight | None:
    if config.her is None:
        return None
    if goals is None:
        raise ConfigError("hindsight ('her') needs the environment, which judges goals; give --env or leave 'her' out")
    return Hindsight(buffer, config.her, goals)


def _snippets(buffer: LearnBuffer, config: LearnConfig) -> LearnSnippets | None:
    return LearnSnippets(buffer, config.snippet) if config.snippet else None


def _reward_scale(config: LearnConfig, data: TransitionReplay | None) -> float:
    if not config.return_range:
        return config.reward_scale
    if data is None:
        raise ConfigError("'return_range' scales rewards by the returns of a data set; give --data or leave it out")
    return config.reward_scale / return_range(data)
