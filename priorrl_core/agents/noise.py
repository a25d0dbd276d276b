"""Random numbers for any device, drawn where their generator is: a run's explorer on the CPU, an agent on its own."""

from __future__ import annotations

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


def _source(generator: torch.Generator | None, device: torch.device) -> torch.device:
    return device if generator is None else generator.device
