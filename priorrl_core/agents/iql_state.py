"""IQL on the features of one encoder: values without a single action that the data lack (thesis chapter 7).

Equations 40 to 42 with the losses of ``iql``: V by the expectile of the target critics, twin Q by V, and a
policy that never feeds back into them, so that it may learn at the same time (offline, then on the job).
Departure: V, Q and policy take their gradients at the same parameters (as rlkit); the authors' JAX code updates V
first. The encoder, where it has weights, is trained by the critics' loss alone.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from priorrl_core.agents import iql
from priorrl_core.agents.actor_critic import ActorCriticConfig
from priorrl_core.agents.adam import LeanAdam
from priorrl_core.agents.agent import Agent
from priorrl_core.agents.critics import Critics, polyak
from priorrl_core.agents.gaussian_actor import GaussianActor, GaussianConfig
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.perceptrons import leaf_outputs
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class IQLConfig(ActorCriticConfig):
    """Thesis appendix E where it has a value; ``ng``: not given, our choice."""

    actor_rate: float = 3e-4
    critic_rate: float = 3e-4
    """Of Q, V and the encoder."""
    target_rate: float = 0.005
    initial_scale: float = 1.0
    """ng."""
    expectile: float = 0.7
    """tau of equation 40."""
    inverse_temperature: float = 3.0
    """beta of equation 42: it multiplies the advantage; 0 is behaviour cloning."""
    weight_clip: float = 100.0
    """Most that a row counts in the policy's loss."""
    actor_decay_updates: int = 0
    """Updates over which a cosine takes the actor's rate to 0; 0: constant. Given without its length: ng."""
    gaussian: GaussianConfig = field(default_factory=GaussianConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.expectile < 1.0:
            raise ValueError("expectile must lie between 0 and 1")
        if self.inverse_temperature < 0.0:
            raise ValueError("inverse_temperature must not be below 0")
        if self.weight_clip <= 0.0 or self.actor_decay_updates < 0:
            raise ValueError("weight_clip must be above 0, actor_decay_updates not below 0")

    @property
    def temperature(self) -> float:
        """What divides the advantage."""
        return 1.0 / self.inverse_temperature if self.inverse_temperature else math.inf


DOMAINS: dict[str, dict[str, Any]] = {
    "antmaze": {"expectile": 0.9, "inverse_temperature": 10.0},
    "locomotion": {"expectile": 0.7, "inverse_temperature": 3.0},
    "kitchen": {"expectile": 0.7, "inverse_temperature": 0.5, "gaussian": GaussianConfig(dropout=0.1)},
    "adroit": {"expectile": 0.7, "inverse_temperature": 0.5, "gaussian": GaussianConfig(dropout=0.1)},
    "dexterous": {"expectile": 0.8, "inverse_temperature": 3.0},
}
"""tau, beta and dropout of appendix E; its exploration noise on the hand (0.03) belongs to who acts."""


def domain_config(domain: str, **changes: object) -> IQLConfig:
    """Appendix E's settings for a domain; ConfigError names the nearest if there is none of that name."""
    if domain not in DOMAINS:
        raise ConfigError(f"IQL has no settings for the domain '{domain}'{nearest(domain, DOMAINS)}")
    return dataclasses.replace(IQLConfig(), **{**DOMAINS[domain], **changes})


class IQL(Agent):
    """Twin critics with slow copies, V, and a Gaussian actor, made last: no setting of it changes the values."""

    kind = "iql"

    def __init__(self, config: IQLConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(encoder, action_size, seed)
        self.config = config
        weights = torch.Generator().manual_seed(seed)
        self.critics = Critics(encoder.width, action_size, config.hidden, weights)
        self.v = EnsembleMLP(1, (encoder.width, *config.hidden, 1), weights)
        self.actor = GaussianActor(config.gaussian, encoder.width, action_size, config.hidden,
                                   config.initial_scale, weights)
        judged = [*self.encoder.parameters(), *self.critics.online.parameters(), *self.v.parameters()]
        self.optimizer = LeanAdam(
            [{"params": judged, "lr": config.critic_rate},
             {"params": list(self.actor.parameters()), "lr": config.actor_rate}])

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        return self.actor.act(self.encoder(obs), deterministic, generator)

    def value(self, features: Tensor) -> Tensor:
        """V (B,)."""
        return self.v(features).flatten()

    def turn(self) -> int | None:
        return None if self.config.actor_decay_updates else 0

    @leaf_outputs()
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step of Q, V and policy; detached metrics."""
        self.optimizer.param_groups[1]["lr"] = self._actor_rate()
        self.updates += 1
        losses = self.losses(batch)
        self._descend(losses["value_loss"] + losses["critic_loss"] + losses["actor_loss"])
        polyak(self.critics.target.parameters(), self.critics.online.parameters(), self.config.target_rate)
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """Equations 40, 41 and minus 42; each reaches only its own network."""
        c, features = self.config, self.encoder(batch.obs)
        fixed = features.detach()
        with torch.no_grad():
            target_q = self.critics.slow(fixed, batch.action)
            target = iql.td_target(batch.reward, self.value(self.encoder(batch.next_obs)), batch.terminated,
                                   c.discount)
        v, q = self.value(fixed), self.critics(features, batch.action)
        weight = iql.advantage_weight(target_q, v, c.temperature, c.weight_clip)
        log_prob = self.actor.log_prob(fixed, batch.action, self.generator)
        return {"value_loss": iql.value_loss(target_q, v, c.expectile), "critic_loss": iql.critic_loss(q, target),
                "actor_loss": iql.policy_loss(log_prob, weight), "mean_v": v.mean(), "mean_weight": weight.mean()}

    def _actor_rate(self) -> float:
        """The actor's learning rate at this update: half a cosine from ``actor_rate`` to 0."""
        c = self.config
        if not c.actor_decay_updates:
            return c.actor_rate
        progress = min(self.updates / c.actor_decay_updates, 1.0)
        return c.actor_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
