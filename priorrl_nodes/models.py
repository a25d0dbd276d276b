"""The networks of a checkpoint folder, loaded for nodes; each file is checked where it is read."""

from __future__ import annotations

from pathlib import Path

from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.errors import ConfigError
from priorrl_core.perception.vqvae import VQVAE
from priorrl_core.rewards.classifier import RewardModel
from priorrl_core.training.checkpoints import AGENT, REWARD
from priorrl_core.training.checkpoints import VQVAE as VQVAE_FILE


def folder(checkpoint: str) -> Path:
    """The checkpoint folder; ConfigError if none is given or it does not exist."""
    if not checkpoint:
        raise ConfigError("parameter 'checkpoint' is empty; give a folder made by 'priorrl train'")
    path = Path(checkpoint)
    if not path.is_dir():
        raise ConfigError(f"checkpoint folder '{path}' does not exist; make one with 'priorrl train'")
    return path


def load_agent(checkpoint: str) -> IQLAgent:
    """Policy, critic and value with their frozen encoders."""
    agent = IQLAgent.load(folder(checkpoint) / AGENT)
    return agent.eval().requires_grad_(False)


def load_vqvae(checkpoint: str) -> VQVAE | None:
    """VQ-VAE of the camera's images; None for a checkpoint that was made without one."""
    path = folder(checkpoint) / VQVAE_FILE
    return VQVAE.load(path) if path.is_file() else None


def load_reward_model(checkpoint: str) -> RewardModel:
    """The learned judge of success."""
    return RewardModel.load(folder(checkpoint) / REWARD)
