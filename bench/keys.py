"""What the file name of a cell says of its origins, so that ``--resume`` never takes a cell of other ones."""

from __future__ import annotations

import functools


@functools.cache
def fingerprint(agent: str, reward: str) -> str:
    """Eight digits of the checkpoints that a cell starts from; ``reward`` may be empty."""
    from priorrl_core.config import config_hash
    from priorrl_core.training.checkpoints import verify_checkpoint

    folders = (agent, reward) if reward else (agent,)
    return config_hash(*(verify_checkpoint(folder)["files"] for folder in folders))[:8]
