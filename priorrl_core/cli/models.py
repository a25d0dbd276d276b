"""The models and policies that a verb works with, from a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from priorrl_core.errors import DataError


def reward_model(checkpoint: Path) -> Any:
    """The learned judge of a checkpoint; DataError where it has none."""
    from priorrl_core.rewards.classifier import RewardModel
    from priorrl_core.training.checkpoints import REWARD

    if not (checkpoint / REWARD).is_file():
        raise DataError(
            f"checkpoint '{checkpoint}' holds no reward model; train it again with 'priorrl train'"
        )
    return RewardModel.load(checkpoint / REWARD)


def localizer(checkpoint: Path) -> Any:
    """The localiser of a checkpoint, or None where it has none."""
    from priorrl_core.training.checkpoints import LOCALIZE
    from priorrl_core.training.localize import Localizer

    return Localizer.load(checkpoint / LOCALIZE) if (checkpoint / LOCALIZE).is_file() else None


def make_policy(name: str, checkpoint: Path, task: Any, scenario: str, agent: Any = None) -> Any:
    """``policy``: the checkpoint's own; ``base``; or a search (after the localiser in scenario II)."""
    from priorrl_core.training.baselines import SearchPolicy
    from priorrl_core.training.checkpoints import load_agent
    from priorrl_core.training.rollout import BasePolicy, HeadPolicy

    if name == "base":
        return BasePolicy()
    if name == "policy":
        agent = agent if agent is not None else load_agent(checkpoint)
        return HeadPolicy(agent, agent.policy_head_bytes(0))
    needed = name == "localize" or scenario == "II"
    model = localizer(checkpoint) if needed else None
    if needed and model is None:
        raise DataError(
            f"'{name}' in scenario {scenario} needs a localiser, and checkpoint '{checkpoint}' has "
            "none; train it again with 'priorrl train'"
        )
    return SearchPolicy(name, task, model)
