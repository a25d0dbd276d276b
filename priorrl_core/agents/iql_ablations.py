"""IQL less one of its parts (thesis section 7.5.2 and tables 19 and 22): one critic, or V by samples of the policy.

The expectile itself is a setting of IQL: 0.5 is the one-step method of figure 34.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from priorrl_core.agents.adam import LeanAdam
from priorrl_core.agents.critics import Critics
from priorrl_core.agents.iql_state import IQL, IQLConfig
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class IQLAblationConfig(IQLConfig):
    """IQL's, and what is taken away."""

    critics: int = 2
    """1: without clipped double Q."""
    value: Literal["expectile", "sampled"] = "expectile"
    """``sampled``: ``V(s) = (1/N) sum Q(s, a_i)``, a_i of the learned policy, as ABM (table 22)."""
    value_samples: int = 20
    """N of table 22."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critics < 1 or self.value_samples < 1:
            raise ValueError("critics and value_samples must be at least 1")


class IQLAblation(IQL):
    """See IQL. With ``sampled`` the network V is left untrained and actions outside the data are judged."""

    kind = "iql_ablation"

    def __init__(self, config: IQLAblationConfig, encoder: ObservationEncoder, action_size: int,
                 seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, seed)
        self.config: IQLAblationConfig = config
        if config.critics != 2:
            weights = torch.Generator().manual_seed(seed)
            self.critics = Critics(encoder.width, action_size, config.hidden, weights, config.critics)
            judged = [*self.encoder.parameters(), *self.critics.online.parameters(), *self.v.parameters()]
            self.optimizer = LeanAdam([{"params": judged, "lr": config.critic_rate},
                                       {"params": list(self.actor.parameters()), "lr": config.actor_rate}])

    def value(self, features: Tensor) -> Tensor:
        """V (B,): the network's, or the mean of the lower target critic over the policy's actions, without gradient."""
        if self.config.value == "expectile":
            return super().value(features)
        return self.sampled_value(features)

    @torch.no_grad()
    def sampled_value(self, features: Tensor) -> Tensor:
        """``(1/N) sum_i min_j Qbar_j(s, a_i)`` (B,)."""
        count = self.config.value_samples
        action = self.actor.sample(features, self._normal((count, len(features), self.action_size)))
        rows = features.expand(count, *features.shape).flatten(0, 1)
        return self.critics.slow(rows, action.flatten(0, 1)).amin(0).view(count, -1).mean(0)
