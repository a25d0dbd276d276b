"""What the file name of a cell says of its origins, so that ``--resume`` never takes a cell of other ones."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from priorrl_core.training.agent_factory import CLASSES
from priorrl_core.training.learn_config import LearnConfig


@functools.cache
def fingerprint(agent: str, reward: str) -> str:
    """Eight digits of the checkpoints that a cell starts from; ``reward`` may be empty."""
    from priorrl_core.config import config_hash
    from priorrl_core.training.checkpoints import verify_checkpoint

    folders = (agent, reward) if reward else (agent,)
    return config_hash(*(verify_checkpoint(folder)["files"] for folder in folders))[:8]


LATER = ("image", "random_shift", "frames")
"""Settings of a run that came after the first cells were committed: at their default they do not count, for the cells
were computed as they still would be. A new field of ``LearnConfig`` is added here."""


def own_settings(config: LearnConfig) -> dict[str, Any]:
    """Of a run and of its agent; the tables of agents that do not learn in it do not count."""
    plain, own = dataclasses.asdict(LearnConfig(config.name, config.agent)), dataclasses.asdict(config)
    unused = {k for k in CLASSES if k != config.agent} | {k for k in LATER if own[k] == plain[k]}
    return {k: v for k, v in own.items() if k not in unused}
