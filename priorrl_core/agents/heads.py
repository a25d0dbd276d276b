"""Policy, twin Q and V on given features: the part of the agent that practice on the job still trains."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from priorrl_core.agents import iql
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.data.batch import FeatureBatch

PROPRIO_SIZE = 6
ACTION_SIZE = 3


@dataclass(frozen=True)
class HeadsConfig:
    """Values of thesis appendix E where it has one; ``ng``: not given in the thesis, our choice."""

    hidden: tuple[int, ...] = (256, 256)
    discount: float = 0.9
    """gamma; ng for chapter 10. The horizon is 20 steps."""
    expectile: float = 0.8
    """tau_exp of equation 56 (appendix E, dexterous hand)."""
    temperature: float = 0.5
    """T_awr of equation 57, divides the advantage; ng."""
    weight_clip: float = 100.0
    q_weight: float = 0.0
    """Of the deterministic policy gradient beside equation 57; 0 is the thesis's own extraction."""
    learning_rate: float = 3e-4
    target_rate: float = 0.005
    log_std_init: float = -0.7
    log_std_min: float = -3.0
    log_std_max: float = 0.0
    proprio_scale: tuple[float, ...] = (50.0, 50.0, 50.0, 0.1, 0.1, 0.1)
    """Multiplies tip minus believed goal [1/m] and force [1/N]; ng."""

    def __post_init__(self) -> None:
        if not 0.0 < self.expectile < 1.0:
            raise ValueError("expectile must lie between 0 and 1")
        if not 0.0 <= self.discount < 1.0:
            raise ValueError("discount must lie in [0, 1)")
        if self.temperature <= 0.0 or self.learning_rate <= 0.0:
            raise ValueError("temperature and learning_rate must be above 0")
        if len(self.proprio_scale) != PROPRIO_SIZE:
            raise ValueError(f"proprio_scale must have {PROPRIO_SIZE} entries")


class IQLHeads(nn.Module):
    """MLPs on [features, scaled proprio]; Q also takes the action. The target critics have no gradient."""

    scale: Tensor

    def __init__(self, config: HeadsConfig, feature_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.feature_size = config, feature_size
        seen = feature_size + PROPRIO_SIZE
        self.policy = EnsembleMLP(1, (seen, *config.hidden, ACTION_SIZE), generator, last_scale=0.1)
        self.q = EnsembleMLP(2, (seen + ACTION_SIZE, *config.hidden, 1), generator)
        self.v = EnsembleMLP(1, (seen, *config.hidden, 1), generator)
        self.log_std = nn.Parameter(torch.full((ACTION_SIZE,), config.log_std_init))
        self.q_target = copy.deepcopy(self.q).requires_grad_(False)
        self.register_buffer("scale", torch.tensor(config.proprio_scale))

    def trained(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]

    def mean_action(self, features: Tensor, proprio: Tensor) -> Tensor:
        """tanh mean (B, 3) of the policy."""
        return torch.tanh(self.policy(torch.cat([features, proprio * self.scale], -1)).squeeze(0))

    def value(self, features: Tensor, proprio: Tensor) -> Tensor:
        """V (B,)."""
        return self.v(torch.cat([features, proprio * self.scale], -1)).flatten()

    def q_values(self, features: Tensor, proprio: Tensor, action: Tensor, target: bool = False) -> Tensor:
        """Twin Q (2, B)."""
        seen = torch.cat([features, proprio * self.scale, action], -1)
        return (self.q_target if target else self.q)(seen).squeeze(-1)

    def clamped_log_std(self) -> Tensor:
        return self.log_std.clamp(self.config.log_std_min, self.config.log_std_max)

    def losses(self, batch: FeatureBatch) -> dict[str, Tensor]:
        """Equations 55 to 57 on one batch: ``value``, ``critic``, ``policy`` and detached metrics.

        Each loss reaches only its own network (and its own features), so that one backward pass of the sum
        is the same as three.
        """
        c = self.config
        with torch.no_grad():
            target_q = self.q_values(batch.critic, batch.proprio, batch.action, target=True)
            next_v = self.value(batch.next_value, batch.next_proprio)
            target = iql.td_target(batch.reward, next_v, batch.terminated, c.discount)
        v = self.value(batch.value, batch.proprio)
        q = self.q_values(batch.critic, batch.proprio, batch.action)
        weight = iql.advantage_weight(target_q, v, c.temperature, c.weight_clip)
        mean = self.mean_action(batch.policy, batch.proprio)
        policy = iql.policy_loss(iql.gaussian_log_prob(batch.action, mean, self.clamped_log_std()), weight)
        if c.q_weight > 0.0:
            acted = self.q_values(batch.critic.detach(), batch.proprio, mean, target=True)
            policy = policy + c.q_weight * iql.value_ascent(acted, target_q)
        return {"value": iql.value_loss(target_q, v, c.expectile), "critic": iql.critic_loss(q, target),
                "policy": policy, "mean_v": v.detach().mean(),
                "mean_weight": weight.mean()}

    @torch.no_grad()
    def move_targets(self) -> None:
        """``Qbar <- (1 - alpha) Qbar + alpha Q``."""
        torch._foreach_lerp_(list(self.q_target.parameters()), list(self.q.parameters()),
                             self.config.target_rate)


LOSSES = ("value", "critic", "policy")


def total_loss(losses: dict[str, Tensor], names: Iterable[str] = LOSSES) -> Tensor:
    return torch.stack([losses[n] for n in names]).sum()


@dataclass
class MeanMetrics:
    """Running means of detached scalars; nothing is read from a tensor before ``read``."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            value = value.detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        self.count += 1

    def read(self) -> dict[str, float]:
        """Means since the last ``read``."""
        out = {name: float(value) / max(self.count, 1) for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return out


class HeadsTrainer:
    """Adam on the heads alone, with frozen (cached) features."""

    def __init__(self, heads: IQLHeads, learning_rate: float | None = None) -> None:
        self.heads = heads
        self.optimizer = torch.optim.Adam(heads.trained(), lr=learning_rate or heads.config.learning_rate,
                                          fused=True)
        self.metrics = MeanMetrics()

    def update(self, batch: FeatureBatch) -> dict[str, Tensor]:
        """One gradient step of policy, Q and V on ``batch``; detached losses, no synchronisation."""
        losses = self.heads.losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        total_loss(losses).backward()
        self.optimizer.step()
        self.heads.move_targets()
        return losses
