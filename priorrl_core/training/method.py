"""One method, one YAML file: reward model, agent, offline training and practice on the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from priorrl_core.agents.iql_agent import AgentConfig
from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.perception.augment import AugmentConfig
from priorrl_core.perception.encoder import Mode


@dataclass(frozen=True)
class OfflineConfig:
    """Training on prior data, and the cache of features that practice goes on reading."""

    updates: int = 12000
    batch_size: int = 128
    learning_rate: float = 3e-4
    grad_clip: float = 5.0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    proprio_noise: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """Standard deviation [m, m, m, N, N, N] added to what the networks feel, the same at s and s'."""
    cosine_to: float = 0.1
    """The learning rate falls along a cosine to this fraction of itself."""
    cache_copies: int = 4
    cache_episodes: int = 800
    """At most so many prior episodes, drawn evenly, go into the cache of practice."""
    log_every: int = 200
    checkpoint_every: int = 2000

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "cache_copies", "cache_episodes", "log_every",
                     "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if len(self.proprio_noise) != 6:
            raise ValueError("proprio_noise must have 6 entries")


@dataclass(frozen=True)
class OnlineConfig:
    """Practice on the job (thesis section 10.5.3)."""

    trials: int = 200
    batch_size: int = 256
    online_share: float = 0.25
    updates_per_step: int = 2
    warmup_trials: int = 1
    """Trials before the first update."""
    learning_rate: float = 1e-3
    q_weight: float = 2.0
    """Of the deterministic policy gradient beside equation 57 during practice; 0: the thesis's own."""
    temperature: float = 0.2
    """T_awr of equation 57 during practice."""
    exploration_std: float = 0.2
    """Gaussian, in units of the action, of policy version 0 ..."""
    exploration_std_end: float = 0.05
    """... and of version ``exploration_trials``, with a geometric decay between."""
    exploration_correlation: float = 0.0
    """Of successive steps of an episode; 0: white noise."""
    exploration_trials: int = 120
    policy_lag: int = 1
    """Episode n is rolled out with the policy that has learned from n - lag episodes."""
    checkpoint_every: int = 25

    def __post_init__(self) -> None:
        if not 0.0 < self.online_share <= 1.0:
            raise ValueError("online_share must lie in (0, 1]")
        if self.exploration_std <= 0.0 or self.exploration_std_end <= 0.0:
            raise ValueError("exploration_std and exploration_std_end must be above 0")
        for name in ("trials", "batch_size", "updates_per_step", "exploration_trials", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def noise_std(self, version: int) -> float:
        """Standard deviation of exploration that travels with policy ``version``."""
        done = min(1.0, version / self.exploration_trials)
        return self.exploration_std * (self.exploration_std_end / self.exploration_std) ** done

    def version_for(self, trial: int) -> int:
        """Policy version that trial ``trial`` = 0, 1, ... is rolled out with: ``max(0, trial - lag)``."""
        return max(0, trial - self.policy_lag)


@dataclass(frozen=True)
class MethodConfig:
    name: str
    reward: Mode = "daib"
    """Which reward model: ``config/methods/reward_<reward>.yaml``."""
    agent: AgentConfig = field(default_factory=AgentConfig)
    offline: OfflineConfig = field(default_factory=OfflineConfig)
    online: OnlineConfig = field(default_factory=OnlineConfig)


def list_methods() -> list[str]:
    """Names of the packaged methods."""
    files = (config_dir() / "methods").glob("*.yaml")
    return sorted(p.stem for p in files if "_iql" in p.stem)


def load_method(name: str | Path = "daib_iql") -> MethodConfig:
    """The method of a YAML file, or the packaged one of that name; ConfigError names the nearest."""
    text = str(name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(MethodConfig, text)
    if text not in list_methods():
        raise ConfigError(f"unknown method '{text}'{nearest(text, list_methods())}")
    return load(MethodConfig, config_dir() / "methods" / f"{text}.yaml")
