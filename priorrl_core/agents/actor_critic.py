"""What the agents with an actor and critics share: their settings, and networks on one encoder."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from priorrl_core.agents.adam import LeanAdam
from priorrl_core.agents.agent import Agent
from priorrl_core.agents.critics import Critics
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class ActorCriticConfig:
    """Settings of TD3, SAC and their kin. The thesis gives none of them (spec 2.5, 3.7): all are ``ng``."""

    hidden: tuple[int, ...] = (256, 256)
    """ng; rlkit's TD3 example has 400, 300."""
    discount: float = 0.99
    """gamma; ng, rlkit's default."""
    actor_rate: float = 1e-3
    """Learning rate of Adam; ng, rlkit's default."""
    critic_rate: float = 1e-3
    """Learning rate of the critics and of the encoder; ng, rlkit's default."""
    target_rate: float = 0.005
    """Polyak's; ng, rlkit's default for TD3."""
    initial_scale: float = 0.01
    """Of the actor's last layer: the residual starts near 0 (row 8.11); ng. 1 is an ordinary start."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError("hidden must name at least one layer, each of at least 1 unit")
        if not 0.0 <= self.discount < 1.0:
            raise ValueError("discount must lie in [0, 1)")
        if self.actor_rate <= 0.0 or self.critic_rate <= 0.0:
            raise ValueError("actor_rate and critic_rate must be above 0")
        if not 0.0 < self.target_rate <= 1.0:
            raise ValueError("target_rate must lie in (0, 1]")
        if self.initial_scale < 0.0:
            raise ValueError("initial_scale must not be below 0")


class ActorCriticAgent(Agent):
    """An actor and twin critics on the features of one encoder; subclasses say how they learn.

    The encoder is trained by the critics' loss alone and has no slow copy: actor, critics and target critics
    read the same features (as in DrQ-v2's public code).
    """

    kind = "actor_critic"

    def __init__(self, config: ActorCriticConfig, encoder: ObservationEncoder, action_size: int,
                 actor_outputs: int, seed: int, critics: int = 2, layer_norm: bool = False) -> None:
        super().__init__(encoder, action_size, seed)
        weights = torch.Generator().manual_seed(seed)
        self.critics = Critics(encoder.width, action_size, config.hidden, weights, critics, layer_norm)
        self.actor = EnsembleMLP(1, (encoder.width, *config.hidden, actor_outputs), weights,
                                 last_scale=config.initial_scale)

    @abstractmethod
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step; detached metrics, the same names at every call, none read from its tensor."""

    def _adam(self, config: ActorCriticConfig, *others: dict[str, object]) -> LeanAdam:
        """One Adam; a network whose gradients are None is left alone by its step."""
        judged = [*self.encoder.parameters(), *self.critics.online.parameters()]
        groups = [{"params": judged, "lr": config.critic_rate},
                  {"params": list(self.actor.parameters()), "lr": config.actor_rate}, *others]
        return LeanAdam(groups)
