"""The agents on states or images that learn from transitions or snippets of them, by name."""

from __future__ import annotations

from typing import Any

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.awac import AWAC
from priorrl_core.agents.bc import BC
from priorrl_core.agents.bcq import BCQ
from priorrl_core.agents.bear import BEAR
from priorrl_core.agents.ddpg import DDPG
from priorrl_core.agents.iql_state import IQL
from priorrl_core.agents.kl_bear import KLBEAR
from priorrl_core.agents.mpo import MPO
from priorrl_core.agents.sac import SAC
from priorrl_core.agents.sacfd import SACfD
from priorrl_core.agents.svg import SVG
from priorrl_core.agents.td3 import TD3
from priorrl_core.perception.small_encoder import ObservationEncoder, SmallEncoder, StateEncoder
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.observations import ObsSize

CLASSES: dict[str, Any] = {"awac": AWAC, "bc": BC, "bcq": BCQ, "bear": BEAR, "ddpg": DDPG, "iql": IQL,
                           "kl_bear": KLBEAR, "mpo": MPO, "sac": SAC, "sacfd": SACfD, "svg": SVG, "td3": TD3}


def make_agent(config: LearnConfig, obs_size: ObsSize, action_size: int, seed: int) -> Agent:
    """The agent of ``config`` on a state of ``obs_size`` numbers or on images of that shape, untrained."""
    return CLASSES[config.agent](config.table, make_encoder(config, obs_size, seed), action_size, seed)


def make_encoder(config: LearnConfig, obs_size: ObsSize, seed: int) -> ObservationEncoder:
    """Of images with the sizes of ``config.image``, of a state without parameters."""
    return SmallEncoder(config.image, seed, obs_size) if isinstance(obs_size, tuple) else StateEncoder(obs_size)
