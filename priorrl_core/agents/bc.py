"""Behaviour cloning: supervised learning of the actions in the batch, with a Gaussian or a deterministic policy.

The baseline of thesis chapters 5 and 6 (sections 5.5, D.4). Chapter 5 takes the best of a sweep that it does not
print, so every setting here is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.gaussian_actor import GaussianActor, GaussianConfig
from priorrl_core.agents.td3_losses import behaviour_cloning_loss
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class BCConfig:
    """All ``ng``."""

    hidden: tuple[int, ...] = (256, 256)
    """Layers of the policy."""
    learning_rate: float = 1e-3
    """Adam's."""
    weight_decay: float = 0.0
    """L2 of all weights, coupled as in Adam."""
    deterministic: bool = False
    """Squared error of the mean instead of the negative log-likelihood; it then acts without noise."""
    gaussian: GaussianConfig = field(default_factory=GaussianConfig)

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError("hidden must name at least one layer, each of at least 1 unit")
        if self.learning_rate <= 0.0 or self.weight_decay < 0.0:
            raise ValueError("learning_rate must be above 0, weight_decay not below 0")


class BC(Agent):
    """One policy network; the encoder is trained with it. Rewards and next observations are not read."""

    kind = "bc"

    def __init__(self, config: BCConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(encoder, action_size, seed)
        self.config = config
        self.actor = GaussianActor(config.gaussian, encoder.width, action_size, config.hidden, 1.0,
                                   torch.Generator().manual_seed(seed))
        self.optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.actor.parameters()],
                                          lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        return self.actor.act(self.encoder(obs), deterministic or self.config.deterministic, generator)

    def turn(self) -> int | None:
        return 0

    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step; detached metrics."""
        self.updates += 1
        loss = self.loss(batch)
        self._descend(loss)
        return {"bc_loss": loss.detach()}

    def loss(self, batch: TransitionBatch) -> Tensor:
        """``-mean log pi(a | s)``, or the mean of ``||pi(s) - a||^2``."""
        features = self.encoder(batch.obs)
        if self.config.deterministic:
            return behaviour_cloning_loss(self.actor.mean(features, self.generator), batch.action)
        return -self.actor.log_prob(features, batch.action, self.generator).mean()
