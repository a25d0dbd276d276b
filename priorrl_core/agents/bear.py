"""BEAR: a policy that maximises Q while its samples stay near those of a model of the behaviour, by MMD.

Kumar et al. 2019 (arXiv 1906.00949), algorithm 1, with constants of the authors' public code
(facts/peers_algorithms.md 1.5): MMD on the actions before the tanh, a multiplier by dual descent (the paper's
``auto``; the code's default is a fixed one), a warm start by the constraint alone. Departures: all losses take their
gradients at the same parameters; the policy's Q is the soft-clipped one of the pair with lambda 1, the minimum; the
candidates of target and acting are 10. The ABM paper's BEAR bounds a KL instead: ``agents.kl_bear``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from priorrl_core.agents import batch_losses as losses
from priorrl_core.agents.action_vae import ActionVAE
from priorrl_core.agents.adam import LeanAdam
from priorrl_core.agents.agent import Agent
from priorrl_core.agents.batch_config import BatchRLConfig
from priorrl_core.agents.critics import Critics, polyak
from priorrl_core.agents.iql import critic_loss, td_target
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.noise import candidate_noise
from priorrl_core.agents.perceptrons import leaf_outputs
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder

KERNELS: dict[str, losses.Kernel] = {"laplacian": losses.laplacian_kernel, "gaussian": losses.gaussian_kernel}


@dataclass(frozen=True)
class BEARConfig(BatchRLConfig):
    """The public code's values where it has one; ``ng``: our choice."""

    kernel: Literal["laplacian", "gaussian"] = "laplacian"
    """Of the MMD."""
    sigma: float = 10.0
    """Of the kernel; 10 for hopper and cheetah, 20 for walker and ant."""
    threshold: float = 0.05
    """Of the MMD."""
    mmd_samples: int = 10
    """Actions of policy and behaviour that the MMD compares in each state."""
    warm_updates: int = 100_000
    """First updates in which the policy follows the constraint alone: 20 epochs of 5000."""
    alpha_rate: float = 1e-3
    """Learning rate of the multiplier, whatever the networks' is; a slower one lets the policy leave the data for
    thousands of updates once the warm start is over."""
    log_alpha_init: float = 0.0
    """ng; the public code draws it."""
    log_alpha_min: float = -5.0
    """Bound of the multiplier."""
    log_alpha_max: float = 10.0
    """Bound of the multiplier."""
    log_std_min: float = -5.0
    """ng."""
    log_std_max: float = 2.0
    """ng."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.sigma, self.threshold, self.alpha_rate) <= 0.0 or self.warm_updates < 0 or self.mmd_samples < 1:
            raise ValueError("sigma, threshold and alpha_rate must be above 0, warm_updates at least 0, mmd_samples at "
                             "least 1")
        if not self.log_alpha_min <= self.log_alpha_init <= self.log_alpha_max:
            raise ValueError("log_alpha_init must lie between log_alpha_min and log_alpha_max")
        if not self.log_std_min < self.log_std_max:
            raise ValueError("log_std_min must be below log_std_max")


class BEAR(Agent):
    """Squashed Gaussian actor, VAE of actions, twin critics with slow copies, multiplier alpha."""

    kind = "bear"

    def __init__(self, config: BEARConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(encoder, action_size, seed)
        self.config = config
        weights = torch.Generator().manual_seed(seed)
        self.critics = Critics(encoder.width, action_size, config.hidden, weights)
        self.actor = EnsembleMLP(1, (encoder.width, *config.hidden, 2 * action_size), weights)
        self.vae = ActionVAE(encoder.width, action_size, config.vae_hidden,
                             config.latent_per_action * action_size, weights)
        self.log_alpha = nn.Parameter(torch.tensor(config.log_alpha_init))
        networks = [p for p in self.parameters() if p.requires_grad and p is not self.log_alpha]
        self.optimizer = LeanAdam([{"params": networks, "lr": config.learning_rate},
                                   {"params": [self.log_alpha], "lr": config.alpha_rate}])

    @property
    def alpha(self) -> Tensor:
        """Multiplier of the constraint, without gradient."""
        return self.log_alpha.detach().exp()

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """The policy's actions before the tanh (K, B, A) of standard normal ``noise``, with a gradient to it."""
        mean, log_std = self.actor(features).squeeze(0).chunk(2, -1)
        return mean + log_std.clamp(self.config.log_std_min, self.config.log_std_max).exp() * noise

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        """Of some actions the one (B, A) that the first critic likes best; deterministic: of an observation's own."""
        features, count = self.encoder(obs), self.config.act_samples
        noise = candidate_noise(count, self.action_size, obs, None if deterministic else generator, features.device)
        action = torch.tanh(self.sample(features, noise))
        q = self._of_samples(self.critics.forward, features, action)[0]
        return action[q.argmax(0), torch.arange(len(features), device=features.device)]

    def turn(self) -> int | None:
        return int(self.updates + 1 > self.config.warm_updates)

    @leaf_outputs()
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step of all networks and of the multiplier; detached metrics."""
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic, fixed = critic_loss(q, self.target(batch)), features.detach()
        vae = self.vae.loss(fixed, batch.action, self._normal((len(fixed), self.vae.latent)))
        actor, distance = self.actor_loss(fixed)
        multiplier = losses.constraint_multiplier_loss(self.log_alpha, distance, self.config.threshold)
        self._descend(critic + vae + actor + multiplier)
        with torch.no_grad():
            self.log_alpha.clamp_(self.config.log_alpha_min, self.config.log_alpha_max)
        polyak(self.critics.target.parameters(), self.critics.online.parameters(), self.config.target_rate)
        return {"critic_loss": critic.detach(), "mean_q": q.detach().mean(), "vae_loss": vae.detach(),
                "actor_loss": actor.detach(), "mmd": distance.detach().mean(), "alpha": self.alpha}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """As BCQ's: ``max_k [lambda min_i Qbar_i + (1 - lambda) max_i Qbar_i](s', a_k)``, a_k ~ pi; (B,)."""
        c, features = self.config, self.encoder(batch.next_obs)
        action = torch.tanh(self.sample(features, self._normal((c.target_samples, len(features), self.action_size))))
        value = losses.best_of_samples(self._of_samples(self.critics.slow, features, action), c.lam)
        return td_target(batch.reward, value, batch.terminated, c.discount)

    def actor_loss(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's loss, whose gradient reaches the actor alone, and the MMD (B,) of each state."""
        c, features = self.config, features.detach()
        raw = self.sample(features, self._normal((c.mmd_samples, len(features), self.action_size)))
        with torch.no_grad():
            repeated = features.expand(c.mmd_samples, *features.shape).flatten(0, 1)
            noise = self._normal((len(repeated), self.vae.latent))
            behaved = self.vae.sample(repeated, noise).view(raw.shape)
        distance = losses.mmd(behaved, raw, c.sigma, KERNELS[c.kernel])
        least = self.critics.least_of_action(features.expand(len(raw), *features.shape).flatten(0, 1),
                                             torch.tanh(raw).flatten(0, 1)).view(raw.shape[:2])
        warm = 0.0 if self.updates <= c.warm_updates else 1.0
        return losses.constrained_policy_loss(least.mean(0), distance, self.log_alpha, warm), distance

    @staticmethod
    def _of_samples(critics: Callable[[Tensor, Tensor], Tensor], features: Tensor, action: Tensor) -> Tensor:
        """Q (n, K, B) of actions (K, B, A)."""
        repeated = features.expand(len(action), *features.shape).flatten(0, 1)
        return critics(repeated, action.flatten(0, 1)).unflatten(1, action.shape[:2])
