"""The Gaussian policy of cloning, AWAC and IQL: a tanh mean and a standard deviation that no state changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from priorrl_core.agents.iql import gaussian_log_prob
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.noise import normal


@dataclass(frozen=True)
class GaussianConfig:
    """The thesis gives a Gaussian with state-independent std (appendix E) and no bounds: those are ``ng``."""

    log_std_init: float = -1.0
    """ng."""
    log_std_min: float = -5.0
    """ng; the public IQL code's."""
    log_std_max: float = 0.0
    """ng; rlkit's AWAC."""
    dropout: float = 0.0
    """Of hidden units while training; appendix E has 0.1 for Franka Kitchen and Adroit."""

    def __post_init__(self) -> None:
        if not self.log_std_min <= self.log_std_init <= self.log_std_max:
            raise ValueError("log_std_init must lie between log_std_min and log_std_max")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError("dropout must lie in [0, 1)")


class GaussianActor(nn.Module):
    """``N(tanh m(s), diag(sigma)^2)``; its density is not squashed: actions are clipped where they act."""

    def __init__(self, config: GaussianConfig, feature_size: int, action_size: int, hidden: tuple[int, ...],
                 initial_scale: float, weights: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.network = EnsembleMLP(1, (feature_size, *hidden, action_size), weights, last_scale=initial_scale)
        self.log_std = nn.Parameter(torch.full((action_size,), config.log_std_init))

    def mean(self, features: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Mean (B, A); ``drop`` draws the dropout, None: none."""
        rate = 0.0 if drop is None else self.config.dropout
        return torch.tanh(self.network(features, rate, drop).squeeze(0))

    def clamped_log_std(self) -> Tensor:
        """(A,)."""
        return self.log_std.clamp(self.config.log_std_min, self.config.log_std_max)

    def log_prob(self, features: Tensor, action: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """``log pi(a | s)`` (B,)."""
        return gaussian_log_prob(action, self.mean(features, drop), self.clamped_log_std())

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Actions (..., B, A) clipped to [-1, 1]; ``noise`` (..., B, A) is standard normal."""
        return (self.mean(features) + self.clamped_log_std().exp() * noise).clamp(-1.0, 1.0)

    @torch.no_grad()
    def act(self, features: Tensor, deterministic: bool, generator: torch.Generator | None) -> Tensor:
        """The mean or a sample (B, A)."""
        if deterministic:
            return self.mean(features)
        shape = (len(features), len(self.log_std))
        return self.sample(features, normal(shape, generator, features.device))
