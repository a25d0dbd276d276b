"""Settings and objects that train in seconds."""

from __future__ import annotations

import dataclasses

from point_env import collect

from priorrl_core.agents.heads import HeadsConfig
from priorrl_core.agents.iql_agent import AgentConfig, IQLAgent
from priorrl_core.data.episodes import PriorData
from priorrl_core.perception.encoder import EncoderConfig
from priorrl_core.training.method import MethodConfig, OfflineConfig, OnlineConfig
from priorrl_core.training.offline import make_cache
from priorrl_core.training.online import OnlineLearner


def small_method(**online) -> MethodConfig:
    agent = AgentConfig(heads=HeadsConfig(hidden=(32, 32), target_rate=0.02, learning_rate=1e-3),
                        encoder=EncoderConfig(channels=(8, 8, 8), width=16))
    offline = OfflineConfig(updates=12, batch_size=32, learning_rate=1e-3, cache_copies=2, cache_episodes=10,
                            log_every=5, checkpoint_every=6)
    settings = {"trials": 6, "batch_size": 32, "updates_per_step": 1, "checkpoint_every": 2, **online}
    return MethodConfig("small", agent=agent, offline=offline, online=OnlineConfig(**settings))


def small_prior(episodes: int = 6) -> PriorData:
    return collect(colours=3, episodes=episodes)


def small_learner(seed: int = 0, **online) -> OnlineLearner:
    """A learner with an untrained agent and a cache of the point world."""
    method, prior = small_method(**online), small_prior()
    agent = IQLAgent(method.agent, prior.n_connectors, seed=0)
    return OnlineLearner(agent, make_cache(agent, prior, method, seed=0), method.online, seed, horizon=8)


def with_updates(method: MethodConfig, updates: int) -> MethodConfig:
    return dataclasses.replace(method, offline=dataclasses.replace(method.offline, updates=updates))
