"""BEAR as the ABM paper has it: a policy within a KL bound of the behaviour model, the best of its actions acting.

Siegel et al. 2020, appendix C.2 and table 4: a KL instead of the MMD, the multiplier as in SVG, one Q function. What is
BEAR's own (Kumar et al. 2019; section 4 of the paper): the target takes the maximum over actions of the policy where
(1) has their mean, and of such actions the one of the highest Q is executed. ``agents.bear`` has the MMD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from priorrl_core.agents.noise import candidate_noise
from priorrl_core.agents.prior_agent import PriorAgentConfig
from priorrl_core.agents.svg import SVG, SVGConfig


def best_value(q: Tensor) -> Tensor:
    """``max_j Q(s, a_j)`` (N,) of ``q`` (M, N), a_j ~ pi."""
    return q.amax(0)


@dataclass(frozen=True)
class KLBEARConfig(SVGConfig):
    """Table 4: epsilon 0.2, 20 actions; else as SVG. The prior is the plain behaviour model."""

    prior: Literal["none", "bm", "abm"] = "bm"

    def __post_init__(self) -> None:
        PriorAgentConfig.__post_init__(self)
        if self.prior != "bm" or self.epsilon == 0.0:
            raise ValueError("BEAR is bound to the behaviour model: prior must be bm, epsilon above 0")


class KLBEAR(SVG):
    """See ``PriorAgent``; its multiplier is ``eta``."""

    kind = "kl_bear"

    @torch.no_grad()
    def value(self, features: Tensor, task: Tensor) -> Tensor:
        """``max_j Qbar(s, a_j)`` (N,), a_j of the target policy."""
        action = self._sample(self.policy_target.law(features, task), self.config.action_samples)
        return best_value(self.target_q(features, action, task))

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        """Of some actions of the policy the one (B, A) of the highest Q; deterministic: of an observation's own."""
        features, count = self.encoder(obs), self.config.action_samples
        task, (mean, std) = self._tasks(features), self.policy.law(features, self._tasks(features))
        noise = candidate_noise(count, self.action_size, obs, None if deterministic else generator, mean.device)
        action = (mean + std * noise).clamp(-1.0, 1.0)
        rows = features.expand(len(action), *features.shape).flatten(0, 1)
        q = self.critic(torch.cat([rows, action.flatten(0, 1)], -1), task.repeat(len(action))).view(len(action), -1)
        return action[q.argmax(0), torch.arange(len(features), device=features.device)]

    def _tasks(self, features: Tensor) -> Tensor:
        return torch.full((len(features),), self.task, device=features.device)
