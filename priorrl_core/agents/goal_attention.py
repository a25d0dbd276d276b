"""The attention actor of thesis section 5.7.3, for goals that are positions of several objects, and DDPG with it.

A network of three layers of 128 asks each object with its goal how much it matters; one head, so that the same weights
extract a state and a goal; five layers of 256 act on those. Settled here, as the thesis says no more: the score of an
object is a function of the robot's part, its state and its goal (additive attention, Bahdanau et al. 2015, with the
robot as the query), and the robot's part goes past the attention to the five layers.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from priorrl_core.agents.ddpg import DDPG, DDPGConfig, parameter_groups
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class GoalLayout:
    """How an observation is laid out: the robot's numbers, each object's, each goal's."""

    robot: int = 4
    objects: int = 4
    object_size: int = 3
    goal_size: int = 3

    def __post_init__(self) -> None:
        if self.robot < 0 or min(self.objects, self.object_size, self.goal_size) < 1:
            raise ValueError("objects, object_size and goal_size must be at least 1, robot not below 0")

    @property
    def size(self) -> int:
        return self.robot + self.objects * (self.object_size + self.goal_size)

    @property
    def one(self) -> int:
        """Of the robot with a single object and its goal."""
        return self.robot + self.object_size + self.goal_size

    def split(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Robot (B, R), objects (B, N, O) and goals (B, N, G) of features (B, ``size``)."""
        robot, objects, goals = features.split(
            [self.robot, self.objects * self.object_size, self.objects * self.goal_size], -1)
        return robot, objects.unflatten(-1, (self.objects, -1)), goals.unflatten(-1, (self.objects, -1))


class GoalAttentionActor(nn.Module):
    """Features (B, F) -> (1, B, A) before the tanh, as ``EnsembleMLP`` of one member gives it."""

    def __init__(self, layout: GoalLayout, action_size: int, query_hidden: tuple[int, ...], hidden: tuple[int, ...],
                 initial_scale: float, weights: torch.Generator) -> None:
        super().__init__()
        self.layout = layout
        self.query = EnsembleMLP(1, (layout.one, *query_hidden, 1), weights)
        self.network = EnsembleMLP(1, (layout.one, *hidden, action_size), weights, last_scale=initial_scale)

    def attention(self, features: Tensor) -> Tensor:
        """Weights (B, N) of the objects, which sum to 1."""
        robot, objects, goals = self.layout.split(features)
        asked = torch.cat([robot.unsqueeze(1).expand(-1, self.layout.objects, -1), objects, goals], -1)
        return torch.softmax(self.query(asked.flatten(0, 1)).view(len(features), -1), -1)

    def extracted(self, features: Tensor) -> Tensor:
        """Robot, attended state and attended goal (B, ``layout.one``)."""
        robot, objects, goals = self.layout.split(features)
        weight = self.attention(features).unsqueeze(-1)
        return torch.cat([robot, (weight * objects).sum(1), (weight * goals).sum(1)], -1)

    def forward(self, features: Tensor) -> Tensor:
        return self.network(self.extracted(features))


@dataclass(frozen=True)
class AttentionDDPGConfig(DDPGConfig):
    """Chapter 5's for four blocks and more; ``hidden`` is the critic's ("a larger network", ng)."""

    layout: GoalLayout = field(default_factory=GoalLayout)
    query_hidden: tuple[int, ...] = (128, 128, 128)
    actor_hidden: tuple[int, ...] = (256, 256, 256, 256, 256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.query_hidden or not self.actor_hidden or min(*self.query_hidden, *self.actor_hidden) < 1:
            raise ValueError("query_hidden and actor_hidden must name at least one layer, each of at least 1 unit")


class AttentionDDPG(DDPG):
    """See DDPG. ValueError if the encoder's features are not laid out as ``config.layout`` says."""

    kind = "ddpg_attention"

    def __init__(self, config: AttentionDDPGConfig, encoder: ObservationEncoder, action_size: int,
                 seed: int = 0) -> None:
        if encoder.width != config.layout.size:
            raise ValueError(f"observations have {encoder.width} numbers, the layout {config.layout.size}")
        super().__init__(config, encoder, action_size, seed)
        actor = GoalAttentionActor(config.layout, action_size, config.query_hidden, config.actor_hidden,
                                   config.initial_scale, torch.Generator().manual_seed(seed))
        self.actor = actor  # type: ignore[assignment]
        self.actor_target = copy.deepcopy(actor).requires_grad_(False)  # type: ignore[assignment]
        decay = config.l2 if config.l2_of == "weights" else 0.0
        self.optimizer = torch.optim.Adam([
            {"params": list(encoder.parameters()), "lr": config.critic_rate},
            *parameter_groups(self.critics.online, config.critic_rate, decay),
            *parameter_groups(actor.query, config.actor_rate, decay),
            *parameter_groups(actor.network, config.actor_rate, decay)],
            fused=True)
