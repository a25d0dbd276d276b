"""Row 6.14: on going online AWAC keeps what the data gave it, a policy that was cloned before SAC loses it."""

from __future__ import annotations

import numpy as np
from point_learn import PointReach, mixed_data

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.sacfd import SACfDConfig
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.runtime import configure_torch

OFFLINE, ONLINE = 300, 60
QUICK = {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02, "actor_rate": 3e-3, "critic_rate": 3e-3}
AGENTS = {"awac": {"awac": AWACConfig(**QUICK)},
          "sacfd": {"sacfd": SACfDConfig(**QUICK, initial_scale=1.0, alpha_init=0.1, clone_updates=OFFLINE)}}


def fall(agent: str, seed: int, folder) -> tuple[float, float]:
    """How far the first evaluations online fall below the offline level, and what pretraining gained."""
    settings = LearnConfig("small", agent, **AGENTS[agent], batch_size=64, replay=1000, offline_epoch=OFFLINE,
                           online_epoch=20, eval_episodes=16)
    loop = LearnLoop(settings, LearnPlan(OFFLINE, ONLINE, seed, PointReach, "point", mixed_data()), folder)
    loop.run()
    start, offline, *online = (float(row["eval/return"]) for row in loop.log.rows)
    return max(offline - min(online), 0.0), offline - start


def test_6_14_awac_goes_online_without_the_dip_of_sacfd_pretrain(tmp_path):
    """Five seeds, data of which 3 episodes in 10 are good. SACfD-pretrain's critics know nothing when it starts."""
    configure_torch()
    found = {agent: np.array([fall(agent, seed, tmp_path / f"{agent}{seed}") for seed in range(5)]) for agent in AGENTS}
    falls, gains = found["awac"].T
    assert (gains > 4.0).all() and (falls < 0.1 * gains).all()
    falls, gains = found["sacfd"].T
    assert (gains > 1.0).all() and falls.mean() > 0.2 * gains.mean()
    assert falls.mean() > 5.0 * found["awac"][:, 0].mean()
