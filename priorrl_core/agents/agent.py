"""What every agent of this room has: it acts, learns from a batch, and is written to one file."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from priorrl_core.agents.iql_agent import load_strict
from priorrl_core.agents.noise import normal
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.perception.small_encoder import ObservationEncoder


class Agent(nn.Module, ABC):
    """Networks on the features of one encoder; subclasses say how they act and learn.

    What the next update depends on besides the batch is in ``state_dict()``, ``optimizer`` and ``generator``:
    ``training.state.training_tensors`` takes all three. A subclass sets ``config``, a dataclass.
    """

    kind = "agent"
    optimizer: torch.optim.Optimizer

    def __init__(self, encoder: ObservationEncoder, action_size: int, seed: int) -> None:
        super().__init__()
        self.action_size, self.encoder, self.updates = action_size, encoder, 0
        self.generator, self.device = torch.Generator().manual_seed(seed), torch.device("cpu")

    # ---- interface -----------------------------------------------------------------------------------

    @abstractmethod
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        """Actions (B, A) in [-1, 1] for observations (B, ...); ``generator`` draws the exploration."""

    # ``update(batch)`` takes one gradient step and returns detached metrics: the same names at every call,
    # none read from its tensor. The kind of batch is the subclass's: transitions or snippets.

    def turn(self) -> int | None:
        """Which of its kinds of update is the next, a function of ``updates``: those of one kind do the same work.

        None: the work also depends on a schedule or on what is in the batch, so that no CUDA graph can repeat it.
        """
        return None

    # ---- files ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """The networks as one safetensors file; the configuration travels in its header."""
        config = json.dumps(dataclasses.asdict(self.config))  # type: ignore[call-overload]
        write_tensors(path, self.kind, self.state_dict(), {"config": config})

    def restore(self, path: str | Path) -> None:
        """Networks of a file of the same kind and architecture; DataError names what differs."""
        load_strict(self, read_tensors(path, self.kind)[0], path)

    def get_extra_state(self) -> Tensor:
        """The number of updates: it sets the turn of the delayed actor, of hard targets and of schedules."""
        return torch.tensor([self.updates])

    def set_extra_state(self, state: Tensor) -> None:
        self.updates = int(state)

    # ---- for subclasses ------------------------------------------------------------------------------

    def _normal(self, shape: Iterable[int]) -> Tensor:
        return normal(shape, self.generator, self.device)

    def _descend(self, loss: Tensor) -> None:
        """One step of the optimiser; a network whose gradients are None is left alone by it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
