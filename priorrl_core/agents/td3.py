"""TD3, alone and with demonstrations (the "RL + LfD" of thesis chapter 9).

Fujimoto et al. 2018 (arXiv 1802.09477), algorithm 1: the minimum of two target critics, a target action with
clipped noise, an actor and targets that move at every second update. Exploration is Gaussian (thesis 9.4).
Departures: images are read through the critics' encoder (``ActorCriticAgent``); rlkit does not clip the
smoothed target action to the action range, the paper's authors' code does, and so do we.

With demonstrations (thesis section 5, equations 17 to 19; row 9.21): the last ``batch.demos`` rows also pull
the actor towards their actions, by a Q-filter only where the critic prefers them. All rows train the critics.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from priorrl_core.agents import td3_losses as losses
from priorrl_core.agents.actor_critic import ActorCriticAgent, ActorCriticConfig
from priorrl_core.agents.critics import polyak
from priorrl_core.agents.iql import critic_loss, td_target
from priorrl_core.agents.noise import normal
from priorrl_core.agents.perceptrons import leaf_outputs
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder

ACTOR_METRICS = ("actor_loss", "bc_loss", "bc_kept")


@dataclass(frozen=True)
class TD3Config(ActorCriticConfig):
    """``ng``: not given in the thesis, our choice; noise and delay are the TD3 paper's and rlkit's defaults."""

    target_noise: float = 0.2
    """Std of the target action's noise."""
    target_noise_clip: float = 0.5
    """Bound of that noise."""
    policy_delay: int = 2
    """Updates of the critics for one of the actor and the targets."""
    exploration_std: float = 0.1
    """Of the Gaussian added to the action, in action units; ng, rlkit's default."""
    rl_weight: float = 1.0
    """lambda_1 of thesis equation 18; ng for chapter 9. 0 with bc_weight 1 is plain behaviour cloning."""
    bc_weight: float = 0.0
    """lambda_2 times N_D of equation 18; ng for chapter 9. 0: demonstrations are only data."""
    q_filter: bool = False
    """Equation 19 instead of 17; ng for chapter 9."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.target_noise, self.target_noise_clip, self.exploration_std) < 0.0:
            raise ValueError("target_noise, target_noise_clip and exploration_std must not be below 0")
        if self.policy_delay < 1:
            raise ValueError("policy_delay must be at least 1")
        if self.rl_weight < 0.0 or self.bc_weight < 0.0:
            raise ValueError("rl_weight and bc_weight must not be below 0")


class TD3(ActorCriticAgent):
    """Actor (B, F) -> tanh (B, A), its slow copy, twin critics with slow copies."""

    kind = "td3"
    actor_metrics: Tensor

    def __init__(self, config: TD3Config, encoder: ObservationEncoder, action_size: int,
                 seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, action_size, seed)
        self.config = config
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.register_buffer("actor_metrics", torch.zeros(len(ACTOR_METRICS)))
        self.optimizer = self._adam(config)

    def policy(self, features: Tensor) -> Tensor:
        """``pi(s)`` (B, A)."""
        return torch.tanh(self.actor(features).squeeze(0))

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        action = self.policy(self.encoder(obs))
        if deterministic:
            return action
        noise = normal(action.shape, generator, action.device)
        return (action + self.config.exploration_std * noise).clamp_(-1.0, 1.0)

    def turn(self) -> int | None:
        return int((self.updates + 1) % self.config.policy_delay == 0)

    @leaf_outputs()
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        loss = critic_loss(q, self.target(batch))
        self._descend(loss)
        if self.updates % self.config.policy_delay == 0:
            self._descend(self.actor_loss(features, batch))
            self._move_targets()
        return {"critic_loss": loss.detach(), "mean_q": q.detach().mean(),
                **dict(zip(ACTOR_METRICS, self.actor_metrics.clone(), strict=True))}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``y = r + gamma * (1 - terminated) * min_i Qbar_i(s', a~)`` (B,), a~ the smoothed target action."""
        c, features = self.config, self.encoder(batch.next_obs)
        action = torch.tanh(self.actor_target(features).squeeze(0))
        action = losses.smoothed_action(action, self._normal(action.shape), c.target_noise, c.target_noise_clip)
        value = losses.clipped_double_q(self.critics.slow(features, action))
        return td_target(batch.reward, value, batch.terminated, c.discount)

    def actor_loss(self, features: Tensor, batch: TransitionBatch) -> Tensor:
        """``-rl_weight * mean Q_1(s, pi(s)) + bc_weight * L_BC``: the negative of what equation 18 ascends.

        Its gradient reaches the actor alone: not the features (B, F), not the critics.
        """
        c, features = self.config, features.detach()
        action = self.policy(features)
        q = self.critics.of_action(features, action, 1).squeeze(0)
        loss = c.rl_weight * losses.policy_loss(q)
        bc, kept = loss.new_zeros(()), loss.new_zeros(())
        if batch.demos and c.bc_weight > 0.0:
            keep = self._kept(features, batch, q)
            bc = losses.behaviour_cloning_loss(action[-batch.demos:], batch.action[-batch.demos:], keep)
            kept = loss.new_ones(()) if keep is None else keep.mean()
            loss = loss + c.bc_weight * bc
        self.actor_metrics.copy_(torch.stack([loss.detach(), bc.detach(), kept]))
        return loss

    def _kept(self, features: Tensor, batch: TransitionBatch, q_policy: Tensor) -> Tensor | None:
        """Demonstration rows (demos,) whose action the first critic prefers to the actor's; None: all."""
        if not self.config.q_filter:
            return None
        n = batch.demos
        with torch.no_grad():
            q_demo = self.critics.of_action(features[-n:], batch.action[-n:], 1).squeeze(0)
        return losses.q_filter(q_demo, q_policy[-n:])

    def _move_targets(self) -> None:
        polyak([*self.critics.target.parameters(), *self.actor_target.parameters()],
               [*self.critics.online.parameters(), *self.actor.parameters()], self.config.target_rate)
