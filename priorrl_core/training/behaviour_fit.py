"""How well a behaviour model keeps up with its data while practice arrives (thesis section 6.3.4, figure 28.4).

Methods with an explicit constraint need such a model; where its likelihood falls their bound is of a wrong law.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from priorrl_core.agents.bc import BC, BCConfig
from priorrl_core.data.transitions import TransitionBatch, TransitionReplay
from priorrl_core.errors import DataError
from priorrl_core.perception.small_encoder import StateEncoder


@dataclass(frozen=True)
class FitPoint:
    """After ``practice`` steps: mean ``log pi_beta(a | s)`` of all data so far, of the prior data and of the newest."""

    practice: int
    everything: float
    prior: float
    newest: float
    """Of the steps since the point before, which the model had not seen then; of the prior data at the first point."""


@dataclass(frozen=True)
class FitPlan:
    """All ``ng``: the thesis shows the curve alone."""

    offline_updates: int = 5000
    every: int = 1000
    """Steps of practice between two points."""
    updates_per_step: float = 1.0
    batch_size: int = 256

    def __post_init__(self) -> None:
        if min(self.every, self.batch_size) < 1 or self.offline_updates < 0 or self.updates_per_step < 0.0:
            raise ValueError("every and batch_size must be at least 1, updates and their ratio not below 0")


def behaviour_curve(prior: TransitionReplay, practice: TransitionReplay, plan: FitPlan, config: BCConfig | None = None,
                    seed: int = 0) -> list[FitPoint]:
    """A Gaussian model fitted to the prior data, then to those and the growing practice, as an agent would do.

    ``newest`` is judged before the model learns from it. DataError if one of the two is empty.
    """
    if not prior.size or not practice.size:
        raise DataError("the behaviour model is fitted to data and followed through practice; give some of both")
    model = BC(config or BCConfig(), StateEncoder(prior.obs_shape[0]), prior.action_size, seed)
    obs, action = (torch.cat([_ordered(prior, name), _ordered(practice, name)]) for name in ("obs", "action"))
    sampler, known = torch.Generator().manual_seed(seed + 2), prior.size
    _fit(model, obs[:known], action[:known], plan.offline_updates, plan.batch_size, sampler)
    start = log_likelihood(model, obs[:known], action[:known])
    points = [FitPoint(0, start, start, start)]
    while known < len(obs):
        after = min(known + plan.every, len(obs))
        newest = log_likelihood(model, obs[known:after], action[known:after])
        updates = round((after - known) * plan.updates_per_step)
        known = after
        _fit(model, obs[:known], action[:known], updates, plan.batch_size, sampler)
        points.append(FitPoint(known - prior.size, log_likelihood(model, obs[:known], action[:known]),
                               log_likelihood(model, obs[:prior.size], action[:prior.size]), newest))
    return points


@torch.no_grad()
def log_likelihood(model: BC, obs: Tensor, action: Tensor) -> float:
    """Mean ``log pi(a | s)`` of observations (N, D) and actions (N, A)."""
    return float(model.actor.log_prob(model.encoder(obs), action).mean())


def _fit(model: BC, obs: Tensor, action: Tensor, updates: int, batch_size: int, sampler: torch.Generator) -> None:
    for _ in range(updates):
        rows = torch.randint(len(obs), (batch_size,), generator=sampler)
        nothing = torch.zeros(batch_size)
        model.update(TransitionBatch(obs[rows], action[rows], nothing, obs[rows], nothing))


def _ordered(replay: TransitionReplay, name: str) -> Tensor:
    """A column from its oldest row on."""
    return replay.columns[name][torch.arange(replay.added - replay.size, replay.added) % replay.capacity]
