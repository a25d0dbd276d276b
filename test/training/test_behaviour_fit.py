"""Row 6.15: a behaviour model's log-likelihood, fitted to the data and followed while practice arrives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from point_learn import mixed_data

from priorrl_core.agents.bc import BC, BCConfig
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.behaviour_fit import FitPlan, behaviour_curve, log_likelihood
from priorrl_core.training.runtime import configure_torch

SMALL = BCConfig(hidden=(32, 32), learning_rate=3e-3)


def steps(count: int, shift: float, std: float, seed: int) -> TransitionReplay:
    """Actions about ``shift`` times the observation."""
    rng, out = np.random.default_rng(seed), TransitionReplay(count, (2,), 2)
    for _ in range(count):
        obs = rng.uniform(-0.8, 0.8, 2).astype(np.float32)
        action = np.clip(shift * obs + std * rng.standard_normal(2), -1.0, 1.0).astype(np.float32)
        out.add(Transition(obs, action, np.zeros(2), np.zeros(2), 0.0, obs, False))
    return out


def test_6_15_likelihood_is_the_gaussians_by_hand():
    model, data = BC(SMALL, StateEncoder(2), 2, 0), mixed_data(2)
    law = torch.distributions.Normal(model.actor.mean(data.columns["obs"]), model.actor.clamped_log_std().exp())
    wanted = float(law.log_prob(data.columns["action"]).sum(-1).mean().detach())
    assert log_likelihood(model, data.columns["obs"], data.columns["action"]) == pytest.approx(wanted, abs=1e-5)


def test_6_15_the_fit_falls_when_practice_leaves_the_data_and_the_newest_is_judged_unseen():
    """Data about +0.8 s, practice about -0.8 s: no one Gaussian is both. Three seeds."""
    configure_torch()
    plan = FitPlan(400, every=200, updates_per_step=1.0, batch_size=64)
    for seed in range(3):
        prior = steps(400, 0.8, 0.1, seed)
        curve = behaviour_curve(prior, steps(400, -0.8, 0.1, seed + 10), plan, SMALL, seed)
        assert [p.practice for p in curve] == [0, 200, 400] and curve[0].everything == curve[0].prior
        assert curve[0].everything > 1.0 and curve[2].everything < curve[0].everything - 1.0
        assert curve[2].prior < curve[0].prior - 1.0 and curve[1].newest < curve[2].newest < curve[0].newest


def test_6_15_the_fit_stays_where_practice_is_like_the_data():
    configure_torch()
    plan = FitPlan(400, every=200, updates_per_step=1.0, batch_size=64)
    curve = behaviour_curve(steps(400, 0.8, 0.1, 0), steps(300, 0.8, 0.1, 1), plan, SMALL)
    assert [p.practice for p in curve] == [0, 200, 300]
    assert all(abs(p.everything - curve[0].everything) < 0.3 for p in curve)
    assert abs(curve[1].newest - curve[0].newest) < 0.3


def test_6_15_empty_halves_are_refused():
    with pytest.raises(DataError, match="some of both"):
        behaviour_curve(mixed_data(2), TransitionReplay(4, (2,), 2), FitPlan())
