"""Soft actor-critic with twin critics and an automatic temperature.

Haarnoja et al. 2018 (arXiv 1812.05905). Departures: the three losses are summed and their gradients taken at the
same parameters in one backward pass (rlkit, which the thesis used, also takes the policy's gradient before
the critics move); images are read through the critics' encoder (``ActorCriticAgent``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from priorrl_core.agents import sac_losses as losses
from priorrl_core.agents.actor_critic import ActorCriticAgent, ActorCriticConfig
from priorrl_core.agents.critics import polyak
from priorrl_core.agents.iql import critic_loss, td_target
from priorrl_core.agents.squashed_gaussian import squashed_sample
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class SACConfig(ActorCriticConfig):
    """``ng``: not given in the thesis, our choice. The thesis says only that SAC adapts its stochasticity."""

    alpha_init: float = 1.0
    """Temperature at the start; ng, rlkit's default."""
    alpha_rate: float = 1e-3
    """Learning rate of log alpha; ng, rlkit's default. 0 keeps the temperature."""
    entropy_per_action: float = -1.0
    """Target entropy by the number of action entries: ``-|A|`` as in rlkit; ng."""
    log_std_init: float = 0.0
    """Added to the network's output; ng. Below 0 a residual starts with little noise."""
    log_std_min: float = -20.0
    log_std_max: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha_init <= 0.0:
            raise ValueError("alpha_init must be above 0")
        if self.alpha_rate < 0.0:
            raise ValueError("alpha_rate must not be below 0")
        if not self.log_std_min <= self.log_std_init <= self.log_std_max:
            raise ValueError("log_std_init must lie between log_std_min and log_std_max")


class SAC(ActorCriticAgent):
    """Actor (B, F) -> mean and log std (B, A) of a squashed Gaussian, twin critics with slow copies, alpha."""

    kind = "sac"

    def __init__(self, config: SACConfig, encoder: ObservationEncoder, action_size: int,
                 seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, 2 * action_size, seed)
        self.config = config
        self.log_alpha = nn.Parameter(torch.tensor(math.log(config.alpha_init)))
        self.target_entropy = config.entropy_per_action * action_size
        self.optimizer = self._adam(config, {"params": [self.log_alpha], "lr": config.alpha_rate})

    @property
    def alpha(self) -> Tensor:
        """Temperature, without gradient."""
        return self.log_alpha.detach().exp()

    def policy(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log std (B, A) before the squashing."""
        c = self.config
        mean, log_std = self.actor(features).squeeze(0).chunk(2, -1)
        return mean, (log_std + c.log_std_init).clamp(c.log_std_min, c.log_std_max)

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        mean, log_std = self.policy(self.encoder(obs))
        if deterministic:
            return torch.tanh(mean)
        return torch.tanh(mean + log_std.exp() * torch.randn(mean.shape, generator=generator))

    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic = critic_loss(q, self.target(batch))
        actor, log_prob = self.actor_loss(features)
        temperature = losses.temperature_loss(self.log_alpha, log_prob, self.target_entropy)
        alpha = self.alpha
        self.optimizer.zero_grad(set_to_none=True)
        (critic + actor + temperature).backward()
        self.optimizer.step()
        polyak(self.critics.target.parameters(), self.critics.online.parameters(), self.config.target_rate)
        return {"critic_loss": critic.detach(), "mean_q": q.detach().mean(), "actor_loss": actor.detach(),
                "temperature_loss": temperature.detach(), "alpha": alpha, "entropy": -log_prob.detach().mean()}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``y = r + gamma * (1 - terminated) * (min_i Qbar_i(s', a') - alpha log pi(a' | s'))`` (B,), a' ~ pi."""
        features = self.encoder(batch.next_obs)
        action, log_prob = self._sample(features)
        value = losses.soft_value(self.critics.slow(features, action), log_prob, self.alpha)
        return td_target(batch.reward, value, batch.terminated, self.config.discount)

    def actor_loss(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's loss, whose gradient reaches the actor alone, and ``log pi(a | s)`` (B,) of its actions."""
        features = features.detach()
        action, log_prob = self._sample(features)
        q = self.critics.of_action(features, action, self.critics.online.members)
        return losses.policy_loss(q, log_prob, self.alpha), log_prob

    def _sample(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.policy(features)
        return squashed_sample(mean, log_std, self._normal(mean.shape))
