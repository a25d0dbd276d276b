"""SAC from demonstrations: the baselines of thesis chapter 6 (sections 6.3.3 and D.4).

``SACfD-prior`` is plain SAC with the prior data in its buffer. ``SACfD-pretrain`` first clones the data's actions for
``clone_updates``, the critics untouched. ``SAC + BC`` is chapter 5's loss (equations 17 to 19) with SAC's actor
instead of DDPG's: ``bc_weight`` on the demonstration rows of each batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from priorrl_core.agents.iql import gaussian_log_prob
from priorrl_core.agents.sac import ACTOR_METRICS, SAC, SACConfig
from priorrl_core.agents.td3_losses import behaviour_cloning_loss, q_filter
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder

EDGE = 1.0 - 1e-3
"""Largest action that is cloned: that of 1 has no finite value before the tanh; ng."""


@dataclass(frozen=True)
class SACfDConfig(SACConfig):
    """The thesis gives none of these (D.4): all are ``ng``."""

    clone_updates: int = 0
    """First updates, in which the actor clones the batch's actions, the encoder of images with it, and nothing else
    learns (SACfD-pretrain)."""
    bc_weight: float = 0.0
    """lambda_2 times N_D of equation 18 (SAC + BC)."""
    q_filter: bool = False
    """Equation 19 instead of 17."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clone_updates < 0 or self.bc_weight < 0.0:
            raise ValueError("clone_updates and bc_weight must not be below 0")


class SACfD(SAC):
    """See SAC; the last ``batch.demos`` rows are the demonstrations'."""

    kind = "sacfd"

    def __init__(self, config: SACfDConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, seed)
        self.config: SACfDConfig = config
        self._batch: TransitionBatch | None = None
        self._bc_loss = torch.zeros(())

    def turn(self) -> int | None:
        return 2 if self.updates < self.config.clone_updates else super().turn()

    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        if self.updates < self.config.clone_updates:
            return self._clone(batch)
        self._batch, self._bc_loss = batch, self.log_alpha.new_zeros(())
        return {**super().update(batch), "bc_loss": self._bc_loss}

    def _clone(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One step of maximum likelihood; the other metrics are 0."""
        self.updates += 1
        loss = self.cloning_loss(self.encoder(batch.obs), batch.action)
        self._descend(loss)
        nothing = loss.new_zeros(())
        return {**dict.fromkeys(("critic_loss", "mean_q", *ACTOR_METRICS), nothing), "bc_loss": loss.detach()}

    def cloning_loss(self, features: Tensor, action: Tensor) -> Tensor:
        """``-mean log N(atanh a; m, sigma)``: the squashed policy's but for a constant.

        It reaches the actor and, through the features, the encoder, that no critic trains meanwhile.
        """
        mean, log_std = self.policy(features)
        return -gaussian_log_prob(torch.atanh(action.clamp(-EDGE, EDGE)), mean, log_std).mean()

    def actor_loss(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """SAC's and, weighted, the cloning error of the mean action on the batch's demonstrations."""
        loss, log_prob = super().actor_loss(features)
        batch = self._batch
        if batch is None or not batch.demos or self.config.bc_weight == 0.0:
            return loss, log_prob
        bc = self.demo_loss(features, batch)
        self._bc_loss = bc.detach()
        return loss + self.config.bc_weight * bc, log_prob

    def demo_loss(self, features: Tensor, batch: TransitionBatch) -> Tensor:
        """Equation 17 or 19 by N_D, with ``pi(s)`` the policy's mean; its gradient reaches the actor alone."""
        shown, n = features.detach()[-batch.demos:], batch.demos
        action = torch.tanh(self.policy(shown)[0])
        keep = None
        if self.config.q_filter:
            with torch.no_grad():
                own, theirs = (self.critics(shown, a)[0] for a in (action, batch.action[-n:]))
            keep = q_filter(theirs, own)
        return behaviour_cloning_loss(action, batch.action[-n:], keep)
