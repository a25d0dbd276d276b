"""A whole checkpoint of untrained networks, made in a second, shared by the tests of the verbs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

T = 20


def synthetic_prior():  # type: ignore[no-untyped-def]
    """Two connectors of two families, three random episodes each."""
    from priorrl_core.data.episodes import EpisodeBatch, PriorData

    rng, n = np.random.default_rng(0), 6
    zeros = np.zeros((n, T, 3))
    labels = rng.integers(0, 2, (n, T + 1)).astype(np.uint8)
    batch = EpisodeBatch(
        images=rng.integers(0, 255, (n, T + 1, 48, 48, 3)).astype(np.uint8),
        proprio=rng.normal(0, 0.01, (n, T + 1, 6)).astype(np.float32),
        wrench=np.zeros((n, T + 1, 6), np.float32),
        labels=labels,
        actions=rng.uniform(-1, 1, (n, T, 3)).astype(np.float32),
        base_m=zeros,
        executed_m=zeros,
        noisy=np.zeros((n, T), bool),
        rewards=labels[:, 1:].astype(np.float32),
        terminated=np.zeros(n, bool),
        truncated=np.ones(n, bool),
        episode_seed=np.arange(n),
        offset_m=np.zeros((n, T + 1, 3), np.float32),
        goal_error_m=np.zeros((n, 3), np.float32),
    )
    return PriorData(batch, np.repeat([0, 1], 3), ("usb", "xlr"), ("rectangular", "round"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that 'priorrl train' leaves, from untrained networks."""
    import torch

    from priorrl_core.agents.iql_agent import IQLAgent
    from priorrl_core.perception.vqvae import VQVAE
    from priorrl_core.rewards.classifier import RewardModel
    from priorrl_core.rewards.config import load_reward_config
    from priorrl_core.rewards.network import build_networks
    from priorrl_core.training.checkpoints import write_checkpoint
    from priorrl_core.training.localize import LocalizeConfig, Localizer
    from priorrl_core.training.method import load_method
    from priorrl_core.training.offline import make_cache

    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    folder.mkdir()
    method, prior = load_method("daib_iql"), synthetic_prior()
    agent = IQLAgent(method.agent, 2, 0)
    config = load_reward_config("daib")
    RewardModel([build_networks(config, 2, 0)[0]], config).save(folder / "reward.safetensors")
    VQVAE().save(folder / "vqvae.safetensors")
    Localizer(LocalizeConfig()).save(folder / "localize.safetensors")
    write_checkpoint(folder, agent, make_cache(agent, prior, method, 0), method, 0, "test", prior.names)
    return folder


@pytest.fixture
def copy_of_checkpoint(checkpoint: Path, tmp_path: Path) -> Path:
    """One that a test may damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path
