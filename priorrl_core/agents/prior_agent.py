"""What MPO and SVG share: policy evaluation, a learned behaviour prior, several tasks, hard targets.

Siegel et al. 2020 (seeds/behavior_priors.txt), algorithm 1. One Q without an ensemble, evaluated by one-step TD with
the mean of M actions of the target policy; no Retrace: the paper has "standard TD-0 backups". The prior is of the
behaviour (``bm``), of its better part (``abm``), or absent (``none``). Gradients of Q, prior, policy and multipliers
are taken at the same parameters. Actions are clipped to [-1, 1] before Q sees them (ng), as the robot sees them.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from priorrl_core.agents import abm_losses, mpo_losses
from priorrl_core.agents.agent import Agent
from priorrl_core.agents.iql import gaussian_log_prob, td_target
from priorrl_core.agents.noise import normal
from priorrl_core.agents.task_networks import TaskGaussian, TaskMLP
from priorrl_core.data.snippets import SnippetBatch
from priorrl_core.perception.small_encoder import ObservationEncoder

Law = tuple[Tensor, Tensor]
"""Mean and std (N, A)."""


@dataclass(frozen=True)
class PriorAgentConfig:
    """Tables 1 and 2 of the paper; ``ng``: not given there, our choice."""

    prior: Literal["none", "bm", "abm"] = "abm"
    """Learned model of the behaviour, of its better part (advantage-weighted), or none."""
    tasks: int = 1
    """Each has a head of its own."""
    snippet: int = 4
    """Steps of the snippets that it learns from (ng; 2 where ``epsilon`` is 0), in ``priorrl learn``."""
    policy_trunk: tuple[int, ...] = (256,)
    """With ``policy_head`` the policy's and the prior's 256-256; table 5 has 200 -> 300 for seven tasks."""
    policy_head: tuple[int, ...] = (256,)
    """Hidden layers of each task's policy."""
    critic_trunk: tuple[int, ...] = (256, 256)
    """With ``critic_head`` the critic's 256-256-256; table 5 has 400 -> 400."""
    critic_head: tuple[int, ...] = (256,)
    """Hidden layers of each task's critic."""
    action_samples: int = 20
    """M."""
    epsilon: float = 0.1
    """Of KL(policy || prior). 0: no improvement step, the policy is the prior and Q is its value (section 3.2; table 6
    has this with snippets of 2 steps)."""
    discount: float = 0.99
    """gamma."""
    learning_rate: float = 2e-4
    """Of all networks and, unless ``multiplier_rate`` says otherwise, of the multipliers."""
    multiplier_rate: float = 0.0
    """Of the multipliers; 0: as the networks', the paper's. ng: in a run of far fewer updates than its they must move
    faster to hold their bounds."""
    target_period: int = 200
    """Updates after which the slow copies are renewed."""
    min_std: float = 0.1
    """Square root of the minimum variance 0.01."""
    eta_init: float = 1.0
    """Temperature (MPO) or multiplier of the KL (SVG) at the start."""

    def __post_init__(self) -> None:
        sizes = (self.policy_trunk, self.critic_trunk, self.policy_head, self.critic_head)
        if not all(sizes[:2]) or min(u for s in sizes for u in (*s, 1)) < 1:
            raise ValueError("policy_trunk and critic_trunk must name at least one layer, each of at least 1 unit")
        if min(self.tasks, self.snippet, self.action_samples, self.target_period) < 1:
            raise ValueError("tasks, snippet, action_samples and target_period must be at least 1")
        if min(self.learning_rate, self.min_std, self.eta_init) <= 0.0 or min(self.epsilon, self.multiplier_rate) < 0.0:
            raise ValueError("learning_rate, min_std and eta_init must be above 0, epsilon and multiplier_rate not "
                             "below 0")
        if self.epsilon == 0.0 and self.prior == "none":
            raise ValueError("epsilon 0 needs a prior, which is the policy then")
        if not 0.0 <= self.discount < 1.0:
            raise ValueError("discount must lie in [0, 1)")


@dataclass(frozen=True)
class Steps:
    """The valid steps of a batch of snippets in one row each: features (N, F), action (N, A), task (N,)."""

    features: Tensor
    action: Tensor
    task: Tensor


class PriorAgent(Agent):
    """Policy, prior and Q with a head a task; ``task`` is the one that it acts for. Subclasses improve the policy.

    ``multipliers`` has ``eta`` (and what a subclass adds), each kept at 0.001 or above.
    """

    task = 0
    critic: TaskMLP
    critic_target: TaskMLP
    policy: TaskGaussian
    policy_target: TaskGaussian
    prior: TaskGaussian

    def __init__(self, config: PriorAgentConfig, encoder: ObservationEncoder, action_size: int, seed: int,
                 multipliers: dict[str, float]) -> None:
        super().__init__(encoder, action_size, seed)
        self.config: PriorAgentConfig = config
        c, weights = config, torch.Generator().manual_seed(seed)
        self.critic = TaskMLP(c.tasks, encoder.width + action_size, c.critic_trunk, c.critic_head, 1, weights)
        self.policy, self.prior = (TaskGaussian(c.tasks, encoder.width, c.policy_trunk, c.policy_head, action_size,
                                                c.min_std, weights) for _ in range(2))
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.policy_target = copy.deepcopy(self.acting).requires_grad_(False)
        self.multipliers = nn.ParameterDict({n: nn.Parameter(torch.tensor(v)) for n, v in multipliers.items()})
        bounds = list(self.multipliers.parameters())
        learned = [p for p in self.parameters() if p.requires_grad and not any(p is b for b in bounds)]
        groups: list[dict[str, Any]] = [{"params": learned},
                                        {"params": bounds, "lr": c.multiplier_rate or c.learning_rate}]
        self.optimizer = torch.optim.Adam(groups, lr=c.learning_rate, fused=True)

    # ---- acting --------------------------------------------------------------------------------------

    @property
    def acting(self) -> TaskGaussian:
        """The network that acts and is evaluated: the policy, or the prior where ``epsilon`` is 0."""
        return self.policy if self.config.epsilon > 0.0 else self.prior

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        return self._act(self.acting, obs, deterministic, generator)

    @torch.no_grad()
    def act_as_prior(self, obs: Tensor, deterministic: bool, generator: torch.Generator | None = None) -> Tensor:
        """Actions (B, A) of the learned prior: what the data did, or did well."""
        return self._act(self.prior, obs, deterministic, generator)

    def _act(self, network: TaskGaussian, obs: Tensor, deterministic: bool,
             generator: torch.Generator | None) -> Tensor:
        features = self.encoder(obs)
        mean, std = network.law(features, torch.full((len(features),), self.task, device=features.device))
        if not deterministic:
            mean = mean + std * normal(mean.shape, generator, mean.device)
        return mean.clamp(-1.0, 1.0)

    # ---- learning ------------------------------------------------------------------------------------

    def update(self, batch: SnippetBatch) -> dict[str, Tensor]:
        """One gradient step of all networks on B snippets; detached metrics."""
        self.updates += 1
        length, steps = batch.action.shape[1], batch.valid.flatten() > 0.0
        features = self.encoder(batch.obs.flatten(0, 1))
        with torch.no_grad():
            next_features = self.encoder(batch.next_obs.flatten(0, 1))
        task = batch.task.repeat_interleave(length)
        fixed, next_value = features.detach(), self.value(next_features, task)
        critic = self._critic_loss(batch, features, next_value, task)
        prior, kept = self._prior_loss(batch, fixed, task, next_value.unflatten(0, batch.valid.shape)[:, -1])
        improvement = critic.new_zeros(())
        metrics: dict[str, Tensor] = {}
        if self.config.epsilon > 0.0:
            rows = Steps(fixed[steps], batch.action.flatten(0, 1)[steps], task[steps])
            improvement, metrics = self.improvement(rows)
        self._descend(critic + prior + improvement)
        for multiplier in self.multipliers.values():
            mpo_losses.project(multiplier)
        if self.updates % self.config.target_period == 0:
            self.critic_target.load_state_dict(self.critic.state_dict())
            self.policy_target.load_state_dict(self.acting.state_dict())
        return {"critic_loss": critic.detach(), "prior_loss": prior.detach(), "prior_kept": kept, **metrics,
                **{name: m.detach().clone() for name, m in self.multipliers.items()}}

    @abstractmethod
    def improvement(self, steps: Steps) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of policy and multipliers, whose gradient reaches nothing else, and detached metrics."""

    def _critic_loss(self, batch: SnippetBatch, features: Tensor, next_value: Tensor, task: Tensor) -> Tensor:
        """Mean squared TD error over the valid steps (equation 1); ``next_value`` (B T,) is V(s')."""
        valid = batch.valid.flatten()
        target = td_target(batch.reward.flatten(), next_value, batch.terminated.flatten(), self.config.discount)
        q = self.critic(torch.cat([features, batch.action.flatten(0, 1)], -1), task).squeeze(-1)
        return (valid * (q - target).square()).sum() / valid.sum()

    @torch.no_grad()
    def value(self, features: Tensor, task: Tensor) -> Tensor:
        """``V(s) = (1/M) sum_j Qbar(s, a_j)`` (N,), a_j of the target policy."""
        action = self._sample(self.policy_target.law(features, task), self.config.action_samples)
        return abm_losses.sampled_value(self.target_q(features, action, task))

    def _prior_loss(self, batch: SnippetBatch, features: Tensor, task: Tensor,
                    last_value: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 3 or 4, and the share of steps that it keeps; the prior is not trained when it is ``none``."""
        if self.config.prior == "none":
            return features.new_zeros(()), features.new_zeros(())
        weight = self.prior_weight(batch, features, task, last_value)
        mean, std = self.prior.law(features, task)
        log_prob = gaussian_log_prob(batch.action.flatten(0, 1), mean, std.log()).unflatten(0, batch.valid.shape)
        kept = (weight * batch.valid).sum() / batch.valid.sum()
        return abm_losses.prior_loss(log_prob, weight, batch.valid), kept

    @torch.no_grad()
    def prior_weight(self, batch: SnippetBatch, features: Tensor, task: Tensor, last_value: Tensor) -> Tensor:
        """Weights (B, T) of the prior's data: 1 (bm), or 1 where the snippet did no worse than the policy (abm).

        ``last_value`` (B,) is V of the state after each snippet's last valid step.
        """
        if self.config.prior == "bm":
            return torch.ones_like(batch.valid)
        returns = abm_losses.snippet_returns(batch.reward, batch.terminated, batch.valid, last_value,
                                             self.config.discount)
        return abm_losses.step_weight(returns, self.value(features, task).unflatten(0, batch.valid.shape))

    # ---- for subclasses ------------------------------------------------------------------------------

    @torch.no_grad()
    def reference(self, steps: Steps) -> Law:
        """What the improved policy must stay near: the prior, or without one the target policy."""
        network = self.policy_target if self.config.prior == "none" else self.prior
        return network.law(steps.features, steps.task)

    def _sample(self, law: Law, count: int) -> Tensor:
        """Actions (count, N, A), with a gradient to the law."""
        return law[0] + law[1] * self._normal((count, *law[0].shape))

    def target_q(self, features: Tensor, action: Tensor, task: Tensor) -> Tensor:
        """Qbar (M, N) of clipped actions (M, N, A), with a gradient to the actions alone."""
        count = len(action)
        rows = features.detach().expand(count, *features.shape).flatten(0, 1)
        seen = torch.cat([rows, action.clamp(-1.0, 1.0).flatten(0, 1)], -1)
        return self.critic_target(seen, task.repeat(count)).view(count, -1)
