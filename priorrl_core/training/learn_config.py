"""Settings of one run from offline to online: which agent learns, and how data, steps and updates are spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.bc import BCConfig
from priorrl_core.agents.bcq import BCQConfig
from priorrl_core.agents.bear import BEARConfig
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.kl_bear import KLBEARConfig
from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.agents.prior_agent import PriorAgentConfig
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.sacfd import SACfDConfig
from priorrl_core.agents.svg import SVGConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.config import config_dir, load
from priorrl_core.data.her import HERConfig
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.perception.small_encoder import SmallEncoderConfig


@dataclass(frozen=True)
class LearnConfig:
    """One file of ``config/agents/``."""

    name: str
    agent: Literal["awac", "bc", "bcq", "bear", "ddpg", "iql", "kl_bear", "mpo", "sac", "sacfd", "svg", "td3"]
    """Which of the tables below counts."""
    awac: AWACConfig = field(default_factory=AWACConfig)
    bc: BCConfig = field(default_factory=BCConfig)
    bcq: BCQConfig = field(default_factory=BCQConfig)
    bear: BEARConfig = field(default_factory=BEARConfig)
    ddpg: DDPGConfig = field(default_factory=DDPGConfig)
    iql: IQLConfig = field(default_factory=IQLConfig)
    kl_bear: KLBEARConfig = field(default_factory=KLBEARConfig)
    mpo: MPOConfig = field(default_factory=MPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    sacfd: SACfDConfig = field(default_factory=SACfDConfig)
    svg: SVGConfig = field(default_factory=SVGConfig)
    td3: TD3Config = field(default_factory=TD3Config)
    batch_size: int = 256
    """Steps in a batch; agents that learn from snippets (MPO, SVG, KL-BEAR) get as many snippets as make that many."""
    replay: int = 1_000_000
    """Transitions of practice; when it is full the oldest gives way. The data set is kept whole beside it."""
    sampling: Literal["mixed", "symmetric", "weighted"] = "mixed"
    """Online batches: uniform over data and practice; half of each (RLPD); ``prior_share`` from the data."""
    prior_share: float = 0.5
    """Of an online batch, with ``weighted`` sampling."""
    demo_rows: int = 0
    """Extra rows of the data set in every batch, marked as demonstrations (thesis chapter 5; TD3, DDPG)."""
    keep_data: bool = True
    """Off: practice alone is sampled once pretraining is over (WSRL)."""
    updates_per_step: float = 1.0
    """Update-to-data ratio while practising; below 1: not after every step."""
    random_steps: int = 0
    """First online steps, with uniformly random actions."""
    exploration_std: float = 0.0
    """Of Gaussian noise added to each action of practice, beside the agent's own exploration; 0.03 in thesis appendix E
    for IQL on the hand."""
    warm_steps: int = 0
    """First online steps without updates: the policy acts as it is (WSRL), or at random for ``random_steps``."""
    reward_scale: float = 1.0
    reward_shift: float = 0.0
    """The agent learns from ``reward_scale * reward + reward_shift``; returns are reported unscaled. Thesis appendix E
    shifts the ant maze's by -1."""
    return_range: bool = False
    """Divides ``reward_scale`` by the data's best minus its worst episode return (appendix E, locomotion; the authors'
    public code also has ``reward_scale`` 1000)."""
    her: HERConfig | None = None
    """Hindsight, in environments with goals (observations of gymnasium-robotics' form); null: none. In others no."""
    image: SmallEncoderConfig = field(default_factory=SmallEncoderConfig)
    """Encoder of image observations, ng; numbers are read as they are."""
    frames: int = 1
    """Newest images that are seen together, as channels, so that they show velocity; the first of an episode is
    repeated. Data sets must hold them so. ng."""
    random_shift: int = 0
    """Pixels by which images are moved at random when they are drawn (DrQ, arXiv 2004.13649: 4); 0: none. ng."""
    episode_steps: int = 0
    """Time limit of an episode; 0: the environment's own."""
    offline_epoch: int = 5000
    """Updates of pretraining between two evaluations; each is followed by a checkpoint."""
    online_epoch: int = 1000
    """The same in steps; the episode is finished first."""
    eval_episodes: int = 10
    """Of each evaluation."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "replay", "offline_epoch", "online_epoch", "eval_episodes", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("demo_rows", "updates_per_step", "random_steps", "exploration_std", "warm_steps", "episode_steps",
                     "random_shift"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        if not 0.0 <= self.prior_share <= 1.0:
            raise ValueError("prior_share must lie in [0, 1]")
        if self.frames > 1 and self.her is not None:
            raise ValueError("frames stacks images, her reads goals as numbers; leave one out")
        if self.snippet:
            self._check_snippets()

    def _check_snippets(self) -> None:
        if self.batch_size < self.snippet:
            raise ValueError(f"batch_size {self.batch_size} is below one snippet of {self.snippet} steps")
        if self.demo_rows or self.her is not None:
            raise ValueError(f"{self.agent} learns from snippets, to which neither demo_rows nor her apply")
        if self.table.tasks != 1:
            raise ValueError(f"{self.agent}: tasks must be 1 here, for an environment has one reward")

    @property
    def table(self) -> Any:
        """The settings of the agent that counts."""
        return getattr(self, self.agent)

    @property
    def snippet(self) -> int:
        """Steps of the snippets that the agent learns from; 0: it learns from single transitions."""
        return self.table.snippet if isinstance(self.table, PriorAgentConfig) else 0

    @property
    def batch_rows(self) -> int:
        """Transitions or snippets in a batch."""
        return self.batch_size // (self.snippet or 1)

    @property
    def share(self) -> float | None:
        """Of the data in an online batch; None: uniform over both."""
        return {"mixed": None, "symmetric": 0.5, "weighted": self.prior_share}[self.sampling]


def list_agents() -> list[str]:
    """Names of the packaged presets."""
    return sorted(p.stem for p in (config_dir() / "agents").glob("*.yaml"))


def load_learn_config(path_or_name: str | Path) -> LearnConfig:
    """The settings of a YAML file, or the packaged preset of that name; ConfigError names the nearest."""
    text = str(path_or_name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(LearnConfig, text)
    if text not in list_agents():
        raise ConfigError(f"unknown agent '{text}'{nearest(text, list_agents())}")
    return load(LearnConfig, config_dir() / "agents" / f"{text}.yaml")
