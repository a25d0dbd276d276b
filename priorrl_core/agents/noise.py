"""Random numbers for any device, drawn where their generator is: a run's explorer on the CPU, an agent on its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import torch
from torch import Tensor


def normal(shape: Iterable[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Standard normal numbers on ``device``."""
    return torch.randn(tuple(shape), generator=generator, device=_source(generator, device)).to(device)


def uniform(shape: Iterable[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Uniform numbers in [0, 1) on ``device``."""
    return torch.rand(tuple(shape), generator=generator, device=_source(generator, device)).to(device)


def permutation(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """The numbers below ``count`` (count,) in random order, on ``device``."""
    return torch.randperm(count, generator=generator, device=generator.device).to(device)


def candidate_noise(count: int, size: int, obs: Tensor, generator: torch.Generator | None, device: torch.device
                    ) -> Tensor:
    """Standard normal numbers (count, B, size) for candidate actions in observations (B, ...).

    Without a generator an observation's numbers are its own, the same wherever it is met: for agents that choose from
    candidates and are to be judged twice alike. One draw for all observations would be wrong by the same way at every
    step of an episode.
    """
    if generator is not None:
        return normal((count, len(obs), size), generator, device)
    rows = obs.cpu().contiguous().flatten(1).numpy()
    draws = [torch.Generator().manual_seed(zlib.crc32(row.tobytes())) for row in rows]
    return torch.stack([torch.randn((count, size), generator=draw) for draw in draws], 1).to(device)


def _source(generator: torch.Generator | None, device: torch.device) -> torch.device:
    return device if generator is None else generator.device
