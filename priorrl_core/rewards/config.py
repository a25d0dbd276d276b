"""Every number of the reward model's training, with its default; the YAML files hold the reasons."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.perception.augment import AugmentConfig
from priorrl_core.perception.encoder import MODES, DAIBWeights, EncoderConfig, Mode


@dataclass(frozen=True)
class RewardConfig:
    """Settings of ``train_reward``; none of the numbers is given in the thesis (chapter 10)."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    daib: DAIBWeights = field(default_factory=DAIBWeights)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    augmentation: bool = True
    head_hidden: int = 64
    domain_hidden: int = 64
    iterations: int = 1500
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    gradient_clip: float = 5.0
    hard_negatives: float = 0.5
    average_decay: float = 0.99
    members: int = 3
    min_precision: float = 0.98
    reward: Literal["hard", "soft"] = "hard"
    report_every: int = 100

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "members", "head_hidden", "domain_hidden", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("hard_negatives", "average_decay", "min_precision"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        if self.learning_rate <= 0 or self.gradient_clip <= 0:
            raise ValueError("learning_rate and gradient_clip must be positive")

    @property
    def mode(self) -> Mode:
        return self.encoder.mode


def load_reward_config(mode: str = "daib") -> RewardConfig:
    """``config/methods/reward_<mode>.yaml``; ConfigError names the nearest mode for a misspelt one."""
    if mode not in MODES:
        raise ConfigError(f"unknown reward model '{mode}'{nearest(mode, MODES)}")
    return load(RewardConfig, config_dir() / "methods" / f"reward_{mode}.yaml")


def with_mode(config: RewardConfig, mode: Mode) -> RewardConfig:
    """The same settings with another of the five modes: the ablations differ in nothing else."""
    return dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, mode=mode))
