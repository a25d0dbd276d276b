"""AWAC: advantage-weighted actor-critic, for prior data and the practice after it (thesis chapter 6).

Algorithm 4: twin critics by TD with an action of the policy, an actor by weighted maximum likelihood of the
buffer's actions (equation 35). No entropy term, no model of the behaviour, no privilege for demonstrations.

Not given and settled here: V(s) is the mean of ``value_samples`` samples or, at 0, the mode (the authors' public
code has either); the minimum of the critics judges action and value alike; terminal states stop the bootstrap
(law 5; the public code ignores them). The three losses' gradients are taken at the same parameters. A ceiling on Q
(``q_max``) acts where Q is read, not in the regression, whose gradient would vanish above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from priorrl_core.agents import awac_losses as losses
from priorrl_core.agents.actor_critic import ActorCriticConfig
from priorrl_core.agents.adam import LeanAdam
from priorrl_core.agents.agent import Agent
from priorrl_core.agents.critics import Critics, polyak
from priorrl_core.agents.gaussian_actor import GaussianActor, GaussianConfig
from priorrl_core.agents.iql import critic_loss, policy_loss, td_target
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class AWACConfig(ActorCriticConfig):
    """Thesis table 16 where it has a row; ``ng``: not given, our choice."""

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    """Of policy and critics; table 23 (chapter 11) has 256, 256 for the critics, which is not offered."""
    actor_rate: float = 3e-4
    critic_rate: float = 3e-4
    actor_weight_decay: float = 1e-4
    """L2 of the actor's weights, coupled as in Adam."""
    target_rate: float = 5e-3
    initial_scale: float = 1.0
    """ng."""
    lam: float = 0.3
    """lambda: 0.3 for manipulation, 1.0 for MuJoCo (appendix D.2)."""
    normalise: Literal["none", "batch", "state"] = "none"
    """Of the weights: as in the thesis; softmax over the batch (public code); by Z(s) (table 15, found worse)."""
    weight_clip: float = 100.0
    """ng."""
    value_samples: int = 1
    """Actions that estimate V(s); 0: the mode. ng."""
    normaliser_samples: int = 10
    """K of Z(s), appendix D.2."""
    q_max: float | None = None
    """0 where no reward is positive (appendix D.2)."""
    gaussian: GaussianConfig = field(default_factory=GaussianConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lam <= 0.0:
            raise ValueError("lam must be above 0")
        if self.weight_clip < 1.0:
            raise ValueError("weight_clip must be at least 1")
        if self.value_samples < 0 or self.normaliser_samples < 1:
            raise ValueError("value_samples must not be below 0, normaliser_samples be at least 1")
        if self.actor_weight_decay < 0.0:
            raise ValueError("actor_weight_decay must not be below 0")


class AWAC(Agent):
    """Gaussian actor, twin critics with slow copies. It explores by sampling, without added noise."""

    kind = "awac"

    def __init__(self, config: AWACConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(encoder, action_size, seed)
        self.config = config
        weights = torch.Generator().manual_seed(seed)
        self.critics = Critics(encoder.width, action_size, config.hidden, weights)
        self.actor = GaussianActor(config.gaussian, encoder.width, action_size, config.hidden,
                                   config.initial_scale, weights)
        judged = [*self.encoder.parameters(), *self.critics.online.parameters()]
        self.optimizer = LeanAdam(
            [{"params": judged, "lr": config.critic_rate},
             {"params": list(self.actor.parameters()), "lr": config.actor_rate,
              "weight_decay": config.actor_weight_decay}])

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        return self.actor.act(self.encoder(obs), deterministic, generator)

    def turn(self) -> int | None:
        return 0

    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step of critics and actor; detached metrics."""
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic = critic_loss(q, self.target(batch))
        weight = self.weight(features, batch.action)
        actor = self.actor_loss(features, batch.action, weight)
        self._descend(critic + actor)
        polyak(self.critics.target.parameters(), self.critics.online.parameters(), self.config.target_rate)
        return {"critic_loss": critic.detach(), "mean_q": q.detach().mean(), "actor_loss": actor.detach(),
                "mean_weight": weight.mean()}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``y = r + gamma * (1 - terminated) * min_i Qbar_i(s', a')`` (B,), a' ~ pi (equation 24)."""
        features = self.encoder(batch.next_obs)
        action = self.actor.sample(features, self._normal((len(features), self.action_size)))
        value = self._clamped(self.critics.slow(features, action)).amin(0)
        return td_target(batch.reward, value, batch.terminated, self.config.discount)

    def actor_loss(self, features: Tensor, action: Tensor, weight: Tensor) -> Tensor:
        """``-mean(weight * log pi(a | s))``; its gradient reaches the actor alone."""
        return policy_loss(self.actor.log_prob(features.detach(), action, self.generator), weight)

    @torch.no_grad()
    def weight(self, features: Tensor, action: Tensor) -> Tensor:
        """Weights (B,) of the buffer's actions, without gradient."""
        c = self.config
        value = self._value(features)
        adv = losses.advantage(self._clamped(self.critics(features, action)), value)
        if c.normalise == "batch":
            return losses.batch_weight(adv, c.lam, c.weight_clip)
        if c.normalise == "state":
            sampled = self._sampled_q(features, c.normaliser_samples).amin(0) - value
            return losses.state_weight(adv, sampled, c.lam, c.weight_clip)
        return losses.plain_weight(adv, c.lam, c.weight_clip)

    def _value(self, features: Tensor) -> Tensor:
        if self.config.value_samples:
            return losses.sampled_value(self._sampled_q(features, self.config.value_samples))
        return self._clamped(self.critics(features, self.actor.mean(features))).amin(0)

    def _sampled_q(self, features: Tensor, count: int) -> Tensor:
        """Q (n, count, B) of ``count`` actions of the policy in each state."""
        rows = len(features)
        action = self.actor.sample(features, self._normal((count, rows, self.action_size)))
        repeated = features.expand(count, *features.shape).flatten(0, 1)
        return self._clamped(self.critics(repeated, action.flatten(0, 1))).unflatten(1, (count, rows))

    def _clamped(self, q: Tensor) -> Tensor:
        return q if self.config.q_max is None else q.clamp(max=self.config.q_max)
