"""DDPG, with demonstrations as in thesis chapter 5: cloning loss, Q-filter, and more rows from the demonstrations.

Equations 14 to 19. With a goal in the observation and ``data.her.GoalReplay`` it is DDPG + HER; with
``sample_with_demos`` (1024 and 128 rows) and ``data.demo_resets`` it is the chapter's "Ours, Resets".

Not given and settled here: the actor has a slow copy too (as in DDPG's own paper, arXiv 1509.02971); what the L2
regularisation acts on is an option (spec 5, row 15); critic and actor take their gradients at the same parameters.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from priorrl_core.agents import td3_losses as losses
from priorrl_core.agents.actor_critic import ActorCriticAgent, ActorCriticConfig
from priorrl_core.agents.critics import polyak
from priorrl_core.agents.iql import critic_loss, td_target
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.noise import uniform
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import ObservationEncoder


@dataclass(frozen=True)
class DDPGConfig(ActorCriticConfig):
    """Thesis section 5.5.2 where it has a value; ``ng``: not given, our choice."""

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    discount: float = 0.98
    actor_rate: float = 1e-3
    critic_rate: float = 1e-3
    target_rate: float = 0.05
    """ng; openai/baselines' HER."""
    initial_scale: float = 1.0
    """ng."""
    rl_weight: float = 1e-3
    """lambda_1 of equation 18; 1 without demonstrations."""
    bc_weight: float = 1.0
    """lambda_2 times N_D; 0 is the ablation "No BC"."""
    q_filter: bool = True
    """Equation 19 instead of 17; off is the ablation "No Q-filter"."""
    filter_from: int = 0
    """Number of the first update with the filter, those before it clone by equation 17; ng: 0. An untrained critic
    ranks actions by its initial weights, and the actor that climbs these beats every demonstration in its eyes."""
    l2: float = 5e-3
    """Coefficient; ``(l2 / 2) * ||w||^2`` or ``l2 * mean ||pi(s)||^2``."""
    l2_of: Literal["weights", "actions"] = "weights"
    """What the L2 regularisation acts on (spec 5, row 15)."""
    random_probability: float = 0.1
    """Of an action drawn uniformly."""
    exploration_range: float = 0.1
    """Else uniform noise within this share of an action's maximum, which is 1."""
    return_range: tuple[float, float] | None = None
    """Targets are clipped to it; ng: none. openai/baselines has [-1 / (1 - gamma), 0]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.rl_weight, self.bc_weight, self.l2, self.exploration_range, self.filter_from) < 0.0:
            raise ValueError("rl_weight, bc_weight, l2, exploration_range and filter_from must not be below 0")
        if not 0.0 <= self.random_probability <= 1.0:
            raise ValueError("random_probability must lie in [0, 1]")
        if self.return_range is not None and self.return_range[0] > self.return_range[1]:
            raise ValueError("return_range must be a lower and an upper bound")


class DDPG(ActorCriticAgent):
    """Actor (B, F) -> tanh (B, A) and one critic, each with a slow copy."""

    kind = "ddpg"

    def __init__(self, config: DDPGConfig, encoder: ObservationEncoder, action_size: int, seed: int = 0) -> None:
        super().__init__(config, encoder, action_size, action_size, seed, critics=1)
        self.config = config
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        decay = config.l2 if config.l2_of == "weights" else 0.0
        self.optimizer = torch.optim.Adam([
            {"params": list(encoder.parameters()), "lr": config.critic_rate},
            *parameter_groups(self.critics.online, config.critic_rate, decay),
            *parameter_groups(self.actor, config.actor_rate, decay)], fused=True)

    def policy(self, features: Tensor) -> Tensor:
        """``pi(s)`` (B, A)."""
        return torch.tanh(self.actor(features).squeeze(0))

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        action = self.policy(self.encoder(obs))
        if deterministic:
            return action
        c = self.config
        anywhere = uniform(action.shape, generator, action.device) * 2.0 - 1.0
        noise = uniform(action.shape, generator, action.device) * 2.0 - 1.0
        wander = uniform((len(action), 1), generator, action.device) < c.random_probability
        return torch.where(wander, anywhere, (action + c.exploration_range * noise).clamp(-1.0, 1.0))

    def turn(self) -> int | None:
        return int(self.updates + 1 >= self.config.filter_from)

    def update(self, batch: TransitionBatch) -> dict[str, Tensor]:
        self.updates += 1
        features = self.encoder(batch.obs)
        q = self.critics(features, batch.action)
        critic = critic_loss(q, self.target(batch))
        actor, metrics = self.actor_loss(features, batch)
        self._descend(critic + actor)
        polyak([*self.critics.target.parameters(), *self.actor_target.parameters()],
               [*self.critics.online.parameters(), *self.actor.parameters()], self.config.target_rate)
        return {"critic_loss": critic.detach(), "mean_q": q.detach().mean(), **metrics}

    @torch.no_grad()
    def target(self, batch: TransitionBatch) -> Tensor:
        """``y = r + gamma * (1 - terminated) * Qbar(s', pibar(s'))`` (B,), equation 14."""
        c, features = self.config, self.encoder(batch.next_obs)
        action = torch.tanh(self.actor_target(features).squeeze(0))
        y = td_target(batch.reward, self.critics.slow(features, action).squeeze(0), batch.terminated, c.discount)
        return y if c.return_range is None else y.clamp(*c.return_range)

    def actor_loss(self, features: Tensor, batch: TransitionBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """``-lambda_1 J + lambda_2 L_BC``: the negative of what equation 18 ascends, and detached metrics.

        Its gradient reaches the actor alone. The last ``batch.demos`` rows are the demonstrations'.
        """
        c, features, n = self.config, features.detach(), batch.demos
        action = self.policy(features)
        q = self.critics.of_action(features, action, 1).squeeze(0)
        loss = c.rl_weight * losses.policy_loss(q)
        if c.l2_of == "actions":
            loss = loss + c.l2 * action.square().sum(-1).mean()
        bc, kept = loss.new_zeros(()), loss.new_zeros(())
        if n and c.bc_weight > 0.0:
            q_demo = self.critics.of_action(features[-n:], batch.action[-n:], 1).squeeze(0)
            filtered = c.q_filter and self.updates >= c.filter_from
            keep = losses.q_filter(q_demo, q[-n:]) if filtered else q.new_ones(n)
            bc, kept = losses.behaviour_cloning_loss(action[-n:], batch.action[-n:], keep), keep.mean()
            loss = loss + c.bc_weight * bc
        return loss, {"actor_loss": loss.detach(), "bc_loss": bc.detach(), "bc_kept": kept}


def parameter_groups(network: EnsembleMLP, rate: float, decay: float) -> list[dict[str, object]]:
    """Weights with L2, biases without; Adam's coupled decay is the gradient of ``(decay / 2) * ||w||^2``."""
    parts: list[tuple[nn.ParameterList, float]] = [(network.weights, decay), (network.biases, 0.0)]
    return [{"params": list(part), "lr": rate, "weight_decay": d} for part, d in parts]
