"""A conditional variational auto-encoder of actions: the model of the behaviour in BCQ and BEAR.

Fujimoto et al. 2019 (arXiv 1812.02900), with the authors' public code: log std clamped to [-4, 15], latents clamped
to +-0.5 where actions are drawn, squared error plus half the divergence, both as means over their entries.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from priorrl_core.agents.networks import EnsembleMLP

LATENT_CLIP = 0.5
LOG_STD_MIN, LOG_STD_MAX = -4.0, 15.0


def vae_loss(decoded: Tensor, action: Tensor, mean: Tensor, log_std: Tensor, kl_weight: float = 0.5) -> Tensor:
    """``mean (a_hat - a)^2 + w * mean KL(N(mean, std) || N(0, 1))``; the means are over rows and entries.

    ``decoded``, ``action`` (B, A); ``mean``, ``log_std`` (B, Z).
    """
    kl = 0.5 * (mean.square() + (2.0 * log_std).exp() - 1.0) - log_std
    return (decoded - action).square().mean() + kl_weight * kl.mean()


class ActionVAE(nn.Module):
    """Encoder (s, a) -> mean and log std (B, Z), decoder (s, z) -> action in (-1, 1), or any number if ``linear``."""

    def __init__(self, feature_size: int, action_size: int, hidden: tuple[int, ...], latent: int,
                 weights: torch.Generator, linear: bool = False) -> None:
        super().__init__()
        self.latent, self.linear = latent, linear
        self.encoder = EnsembleMLP(1, (feature_size + action_size, *hidden, 2 * latent), weights)
        self.decoder = EnsembleMLP(1, (feature_size + latent, *hidden, action_size), weights)

    def encode(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.encoder(torch.cat([features, action], -1)).squeeze(0).chunk(2, -1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def action(self, raw: Tensor) -> Tensor:
        """Actions of what is decoded."""
        return raw if self.linear else torch.tanh(raw)

    def decode(self, features: Tensor, z: Tensor) -> Tensor:
        """Actions (B, A) before the tanh."""
        return self.decoder(torch.cat([features, z], -1)).squeeze(0)

    def loss(self, features: Tensor, action: Tensor, noise: Tensor) -> Tensor:
        """``vae_loss`` of actions (B, A) with ``noise`` (B, Z)."""
        mean, log_std = self.encode(features, action)
        decoded = self.action(self.decode(features, mean + log_std.exp() * noise))
        return vae_loss(decoded, action, mean, log_std)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Actions (B, A) before the tanh, of latents ``noise`` (B, Z) clamped to +-0.5."""
        return self.decode(features, noise.clamp(-LATENT_CLIP, LATENT_CLIP))
