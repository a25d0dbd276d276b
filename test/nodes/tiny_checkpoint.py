"""A checkpoint folder with networks that nobody trained: as real as any for loading, speed and plumbing."""

from __future__ import annotations

from pathlib import Path

import torch

from priorrl_core.agents.iql_agent import AgentConfig, IQLAgent
from priorrl_core.data.replay import FeatureCache
from priorrl_core.perception.vqvae import VQVAE, VQVAEConfig
from priorrl_core.rewards.classifier import RewardModel
from priorrl_core.rewards.config import RewardConfig
from priorrl_core.rewards.network import build_networks
from priorrl_core.training.checkpoints import REWARD, write_checkpoint
from priorrl_core.training.checkpoints import VQVAE as VQVAE_FILE
from priorrl_core.training.method import MethodConfig, OnlineConfig

STEPS = 20


def write_tiny(folder: Path, seed: int = 0, checkpoint_every: int = 25) -> Path:
    """Writes the folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    online = OnlineConfig(batch_size=32, updates_per_step=1, checkpoint_every=checkpoint_every)
    method = MethodConfig(name="daib_iql", agent=AgentConfig(), online=online)
    agent = IQLAgent(method.agent, domains=2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    width = 3 * agent.config.encoder.width
    cache = FeatureCache(
        torch.randn(1, 4, STEPS + 1, width, generator=generator), torch.zeros(4, STEPS + 1, 6),
        torch.rand(4, STEPS, 3, generator=generator) * 2 - 1, torch.zeros(4, STEPS),
        torch.zeros(4, dtype=torch.bool))
    config = RewardConfig(members=1)
    RewardModel([build_networks(config, 2, seed)[0]], config, threshold=0.5).save(folder / REWARD)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        VQVAE(VQVAEConfig(hidden=16, residual_hidden=8, residual_layers=1)).save(folder / VQVAE_FILE)
    write_checkpoint(folder, agent, cache, method, seed)
    return folder


if __name__ == "__main__":
    import sys

    write_tiny(Path(sys.argv[1]))
