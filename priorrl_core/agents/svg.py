"""SVG(0) under a bound on the divergence from a learned behaviour prior (BM+SVG, ABM+SVG), and without one.

Siegel et al. 2020, equations 6, 11 and 12; Heess et al. 2015 for the value gradient through a sampled action.
Without a prior the bound is to the target policy (ng: the paper does not say what its plain SVG is bound to).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from priorrl_core.agents import mpo_losses as losses
from priorrl_core.agents.prior_agent import PriorAgent, PriorAgentConfig, Steps
from priorrl_core.agents.td3_losses import policy_loss
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class SVGConfig(PriorAgentConfig):
    """Table 2; batch 512. ``eta_init`` 1 is appendix B.2's."""

    epsilon: float = 0.2


class SVG(PriorAgent):
    """See ``PriorAgent``; its multiplier is ``eta``."""

    kind = "svg"

    def __init__(self, config: SVGConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, seed, {"eta": config.eta_init})

    def improvement(self, steps: Steps) -> tuple[Tensor, dict[str, Tensor]]:
        eta, law = self.multipliers["eta"], self.policy.law(steps.features, steps.task)
        q = self.target_q(steps.features, self._sample(law, self.config.action_samples), steps.task)
        climb, kl = policy_loss(q), losses.gaussian_kl(law, self.reference(steps)).mean()
        loss = climb + losses.kl_penalty(eta, kl) + losses.multiplier_loss(eta, kl, self.config.epsilon)
        return loss, {"policy_loss": climb.detach(), "kl": kl.detach(), "mean_q": q.detach().mean()}
