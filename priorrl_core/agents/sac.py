"""Soft actor-critic with twin critics and an automatic temperature.

Haarnoja et al. 2018 (arXiv 1812.05905). Departures: the three losses are summed and their gradients taken at the
same parameters in one backward pass (rlkit, which the thesis used, also takes the policy's gradient before
the critics move); images are read through the critics' encoder (``ActorCriticAgent``).

The options of RLPD (Ball et al. 2023, arXiv 2302.02948; public code at c90fd4b) are settings of the critics:
layer norm, an ensemble of which the target takes the minimum of a random few, the mean of all for the actor, an actor
that learns at every n-th update. Its symmetric sampling and its update ratio belong to ``training.learn_loop``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from priorrl_core.agents import sac_losses as losses
from priorrl_core.agents.actor_critic import ActorCriticAgent, ActorCriticConfig
from priorrl_core.agents.critics import polyak
from priorrl_core.agents.iql import critic_loss, td_target
from priorrl_core.agents.noise import normal, permutation
from priorrl_core.agents.perceptrons import leaf_outputs
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
    """Bound of the log std before the squashing."""
    log_std_max: float = 2.0
    """Bound of the log std before the squashing."""
    critics: int = 2
    """Members of the ensemble; RLPD: 10."""
    target_critics: int = 0
    """Of them, drawn anew at each update, the minimum makes the target; 0: of all. RLPD: 2, or 1 in mazes."""
    layer_norm: bool = False
    """In the critics, before each ReLU; RLPD: on."""
    actor_q: Literal["min", "mean"] = "min"
    """Of the critics that the actor ascends; RLPD: mean."""
    actor_every: int = 1
    """Updates of the critics for one of actor and temperature; RLPD: its update ratio, 20."""
    backup_entropy: bool = True
    """The target counts the next action's entropy; RLPD: off on AntMaze and Adroit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha_init <= 0.0:
            raise ValueError("alpha_init must be above 0")
        if self.alpha_rate < 0.0:
            raise ValueError("alpha_rate must not be below 0")
        if not self.log_std_min <= self.log_std_init <= self.log_std_max:
            raise ValueError("log_std_init must lie between log_std_min and log_std_max")
        if self.critics < 1 or self.actor_every < 1:
            raise ValueError("critics and actor_every must be at least 1")
        if not 0 <= self.target_critics <= self.critics:
            raise ValueError("target_critics must lie between 0 (all) and critics")


ACTOR_METRICS = ("actor_loss", "temperature_loss", "alpha", "entropy")
ACTOR_LOSSES = {"min": losses.policy_loss, "mean": losses.mean_policy_loss}


class SAC(ActorCriticAgent):
    """Actor (B, F) -> mean and log std (B, A) of a squashed Gaussian, critics with slow copies, alpha."""

    kind = "sac"
    actor_metrics: Tensor

    def __init__(self, config: SACConfig, encoder: ObservationEncoder, action_size: int,
                 seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, 2 * action_size, seed, config.critics, config.layer_norm)
        self.config = config
        self.log_alpha = nn.Parameter(torch.tensor(math.log(config.alpha_init)))
        self.target_entropy = config.entropy_per_action * action_size
        self.optimizer = self._adam(config, {"params": [self.log_alpha], "lr": config.alpha_rate})
        if config.actor_every > 1:
            self.register_buffer("actor_metrics", torch.zeros(len(ACTOR_METRICS)))

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
        return torch.tanh(mean + log_std.exp() * normal(mean.shape, generator, mean.device))

    def turn(self) -> int | None:
        return int((self.updates + 1) % self.config.actor_every == 0)

    @leaf_outputs()
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic = critic_loss(q, self.target(batch))
        loss, metrics = critic, {"critic_loss": critic.detach(), "mean_q": q.detach().mean()}
        turn = self.updates % self.config.actor_every == 0
        if turn:
            actor_and_temperature, shown = self._actor_and_temperature(features)
            loss, metrics = critic + actor_and_temperature, {**metrics, **shown}
        self._descend(loss)
        polyak(self.critics.target.parameters(), self.critics.online.parameters(), self.config.target_rate)
        return metrics if self.config.actor_every == 1 else self._with_latest(metrics, turn)

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``y = r + gamma * (1 - terminated) * (min_i Qbar_i(s', a') - alpha log pi(a' | s'))`` (B,), a' ~ pi."""
        features = self.encoder(batch.next_obs)
        action, log_prob = self._sample(features)
        alpha = self.alpha if self.config.backup_entropy else self.log_alpha.new_zeros(())
        value = losses.soft_value(self._slow_q(features, action), log_prob, alpha)
        return td_target(batch.reward, value, batch.terminated, self.config.discount)

    def actor_loss(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's loss, whose gradient reaches the actor alone, and ``log pi(a | s)`` (B,) of its actions."""
        features = features.detach()
        action, log_prob = self._sample(features)
        q = self.critics.of_action(features, action, self.critics.online.members)
        return ACTOR_LOSSES[self.config.actor_q](q, log_prob, self.alpha), log_prob

    def _actor_and_temperature(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the two losses, and ``ACTOR_METRICS``."""
        actor, log_prob = self.actor_loss(features)
        temperature = losses.temperature_loss(self.log_alpha, log_prob, self.target_entropy)
        shown = (actor.detach(), temperature.detach(), self.alpha, -log_prob.detach().mean())
        return actor + temperature, dict(zip(ACTOR_METRICS, shown, strict=True))

    def _with_latest(self, metrics: dict[str, Tensor], turn: bool) -> dict[str, Tensor]:
        """``metrics`` with the actor's of its latest turn."""
        if turn:
            self.actor_metrics.copy_(torch.stack([metrics[name] for name in ACTOR_METRICS]))
        return {**metrics, **dict(zip(ACTOR_METRICS, self.actor_metrics.clone(), strict=True))}

    def _slow_q(self, features: Tensor, action: Tensor) -> Tensor:
        """Qbar (k, B) of the critics that this update's target heeds."""
        c = self.config
        if c.target_critics in (0, c.critics):
            return self.critics.slow(features, action)
        chosen = permutation(c.critics, self.generator, self.device)[:c.target_critics]
        return self.critics.slow_of(features, action, chosen)

    def _sample(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.policy(features)
        return squashed_sample(mean, log_std, self._normal(mean.shape))
