"""Agents of a few units, batches, and networks with weights that one can compute with by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.sac import SAC, SACConfig
from priorrl_core.agents.td3 import TD3, TD3Config
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import SmallEncoder, SmallEncoderConfig, StateEncoder

FAST = {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02}
TINY_ENCODER = SmallEncoderConfig((8, 16, 16), 32)


def td3(seed: int = 0, images: bool = False, size: int = 2, **config) -> TD3:
    encoder = SmallEncoder(TINY_ENCODER, seed) if images else StateEncoder(size)
    return TD3(TD3Config(**{**FAST, **config}), encoder, 2, seed)


def sac(seed: int = 0, images: bool = False, size: int = 2, **config) -> SAC:
    encoder = SmallEncoder(TINY_ENCODER, seed) if images else StateEncoder(size)
    return SAC(SACConfig(**{**FAST, "alpha_init": 0.2, **config}), encoder, 2, seed)


def batch(rows: int = 8, seed: int = 0, demos: int = 0, images: bool = False) -> TransitionBatch:
    g = torch.Generator().manual_seed(seed)

    def seen() -> Tensor:
        if images:
            return torch.randint(0, 256, (rows, 1, 32, 32), generator=g).to(torch.uint8)
        return torch.randn(rows, 2, generator=g)

    ends = (torch.rand(rows, generator=g) < 0.3).float()
    return TransitionBatch(seen(), torch.rand(rows, 2, generator=g) * 2 - 1, torch.randn(rows, generator=g),
                           seen(), ends, demos)


@torch.no_grad()
def make_linear(network: EnsembleMLP, slopes: Tensor, offsets: Tensor) -> None:
    """Member i becomes ``x @ slopes[i] + offsets[i]`` for |x| < 50: slopes (n, in), offsets (n,)."""
    for tensor in [*network.weights, *network.biases]:
        tensor.zero_()
    network.weights[0][:, :, 0] = slopes
    network.biases[0][:, 0, 0] = 500.0
    for weight in network.weights[1:]:
        weight[:, 0, 0] = 1.0
    network.biases[-1][:, 0, 0] = offsets - 500.0


def copies(tensors) -> list[Tensor]:
    return [t.detach().clone() for t in tensors]


def moved(before: list[Tensor], after) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
