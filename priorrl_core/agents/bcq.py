"""BCQ for continuous actions: the best of some actions that the data could hold, each perturbed a little.

Fujimoto et al. 2019 (arXiv 1812.02900), algorithm 1. Settings of the paper and of the authors' public code
(facts/peers_algorithms.md 1.5), 100 actions when acting. Departures: the losses of critics, perturbation and VAE
take their gradients at the same parameters; the ABM paper's settings (table 3: phi 0.25, latent 64, rate 2e-4, no
critic pair) are a matter of the configuration but for the pair.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

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
from priorrl_core.agents.td3_losses import policy_loss
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class BCQConfig(BatchRLConfig):
    """The public code's; batch 100."""

    phi: float = 0.05
    """Bound of the perturbation."""
    act_samples: int = 100
    """Actions of which the best is carried out."""
    linear_decoder: bool = False
    """The VAE's actions are not squashed by a tanh, as in d3rlpy 2.8: near the bounds they are learned faster. The
    paper's and its public code's are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.phi < 0.0:
            raise ValueError("phi must not be below 0")


class BCQ(Agent):
    """VAE of actions, perturbation with a slow copy, twin critics with slow copies.

    It has no exploration: ``act`` draws its candidates from ``generator``, and without one, or when deterministic,
    has an observation's own, so that evaluation repeats.
    """

    kind = "bcq"

    def __init__(self, config: BCQConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(encoder, action_size, seed)
        self.config = config
        weights = torch.Generator().manual_seed(seed)
        self.critics = Critics(encoder.width, action_size, config.hidden, weights)
        self.perturbation = EnsembleMLP(1, (encoder.width + action_size, *config.hidden, action_size), weights)
        self.perturbation_target = copy.deepcopy(self.perturbation).requires_grad_(False)
        self.vae = ActionVAE(encoder.width, action_size, config.vae_hidden,
                             config.latent_per_action * action_size, weights, config.linear_decoder)
        self.optimizer = LeanAdam([p for p in self.parameters() if p.requires_grad], lr=config.learning_rate)

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        """The perturbed candidate (B, A) that the first critic likes best; deterministic: of an observation's own."""
        features, count = self.encoder(obs), self.config.act_samples
        noise = candidate_noise(count, self.vae.latent, obs, None if deterministic else generator, features.device)
        action = self._candidates(features, noise, self.perturbation)
        repeated = features.expand(count, *features.shape).flatten(0, 1)
        q = self.critics(repeated, action.flatten(0, 1))[0].view(count, -1)
        return action[q.argmax(0), torch.arange(len(features), device=features.device)]

    def turn(self) -> int | None:
        return 0

    @leaf_outputs()
    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        """One gradient step of all networks; detached metrics."""
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic, fixed = critic_loss(q, self.target(batch)), features.detach()
        vae = self.vae.loss(fixed, batch.action, self._normal((len(fixed), self.vae.latent)))
        actor = self.actor_loss(fixed)
        self._descend(critic + vae + actor)
        polyak([*self.critics.target.parameters(), *self.perturbation_target.parameters()],
               [*self.critics.online.parameters(), *self.perturbation.parameters()], self.config.target_rate)
        return {"critic_loss": critic.detach(), "mean_q": q.detach().mean(), "vae_loss": vae.detach(),
                "actor_loss": actor.detach()}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``r + gamma (1 - terminated) max_k [lambda min_i Qbar_i + (1 - lambda) max_i Qbar_i](s', a_k)`` (B,)."""
        c, features = self.config, self.encoder(batch.next_obs)
        noise = self._normal((c.target_samples, len(features), self.vae.latent))
        action = self._candidates(features, noise, self.perturbation_target)
        repeated = features.expand(c.target_samples, *features.shape).flatten(0, 1)
        q = self.critics.slow(repeated, action.flatten(0, 1)).unflatten(1, (c.target_samples, len(features)))
        return td_target(batch.reward, losses.best_of_samples(q, c.lam), batch.terminated, c.discount)

    def actor_loss(self, features: Tensor) -> Tensor:
        """``-mean Q_1(s, a + xi(s, a))``, a of the VAE; its gradient reaches the perturbation alone."""
        features = features.detach()
        with torch.no_grad():
            drawn = self.vae.action(self.vae.sample(features, self._normal((len(features), self.vae.latent))))
        action = self._perturbed(features, drawn, self.perturbation)
        return policy_loss(self.critics.of_action(features, action, 1).squeeze(0))

    def _candidates(self, features: Tensor, noise: Tensor, network: EnsembleMLP) -> Tensor:
        """Perturbed actions (K, B, A) of latents (K, B, Z)."""
        repeated = features.expand(len(noise), *features.shape).flatten(0, 1)
        drawn = self.vae.action(self.vae.sample(repeated, noise.flatten(0, 1)))
        return self._perturbed(repeated, drawn, network).view(*noise.shape[:2], -1)

    def _perturbed(self, features: Tensor, action: Tensor, network: EnsembleMLP) -> Tensor:
        raw = network(torch.cat([features, action], -1)).squeeze(0)
        return losses.perturbed(action, raw, self.config.phi)
