"""MPO with a learned behaviour prior (BM+MPO, ABM+MPO), and without one.

Siegel et al. 2020, equations 5, 7, 8 and 10; Abdolmaleki et al. 2018 (arXiv 1806.06920) for the M-step's split.
E-step: actions of the prior, or without one of the target policy, weighted by ``exp(Q / eta)``. M-step: weighted
likelihood, its mean and covariance each within a bound of the target policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from priorrl_core.agents import mpo_losses as losses
from priorrl_core.agents.prior_agent import PriorAgent, PriorAgentConfig, Steps
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class MPOConfig(PriorAgentConfig):
    """Table 1; batch 512."""

    epsilon_mean: float = 5e-3
    """Bound of the KL to the last policy, the mean's part."""
    epsilon_covariance: float = 1e-5
    """Bound of the covariance's part."""
    eta_init: float = 3.0
    """Appendix B.1."""
    alpha_init: float = 1.0
    """Of both trust regions' multipliers, appendix B.1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.epsilon_mean, self.epsilon_covariance, self.alpha_init) <= 0.0:
            raise ValueError("epsilon_mean, epsilon_covariance and alpha_init must be above 0")


class MPO(PriorAgent):
    """See ``PriorAgent``; its multipliers are ``eta``, ``alpha_mean`` and ``alpha_covariance``."""

    kind = "mpo"

    def __init__(self, config: MPOConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        alpha = config.alpha_init
        super().__init__(config, encoder, action_size, seed,
                         {"eta": config.eta_init, "alpha_mean": alpha, "alpha_covariance": alpha})
        self.config: MPOConfig = config

    def improvement(self, steps: Steps) -> tuple[Tensor, dict[str, Tensor]]:
        c, m = self.config, self.multipliers
        with torch.no_grad():
            action = self._sample(self.reference(steps), c.action_samples)
            q = self.target_q(steps.features, action, steps.task)
            old = self.policy_target.law(steps.features, steps.task)
        weight = losses.action_weights(q, m["eta"])
        new = self.policy.law(steps.features, steps.task)
        fit = losses.weighted_likelihood(action, weight, new, old)
        kl_mean, kl_covariance = losses.split_kl(old, new)
        loss = (fit + losses.kl_penalty(m["alpha_mean"], kl_mean)
                + losses.kl_penalty(m["alpha_covariance"], kl_covariance)
                + losses.temperature_loss(m["eta"], q, c.epsilon)
                + losses.multiplier_loss(m["alpha_mean"], kl_mean, c.epsilon_mean)
                + losses.multiplier_loss(m["alpha_covariance"], kl_covariance, c.epsilon_covariance))
        return loss, {"policy_loss": fit.detach(), "kl_mean": kl_mean.detach(),
                      "kl_covariance": kl_covariance.detach(), "mean_q": q.mean()}
