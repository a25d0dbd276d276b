"""The random shift of DrQ: images moved by some pixels, the edge repeated.

Kostrikov et al. 2020 (arXiv 2004.13649), section 4.1: pad by 4 pixels with the edge's, crop to the old size.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_shift(images: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """Images (..., C, H, W) of any type, each moved by pixels drawn uniformly from -pad to pad, along and across.

    The channels of an image move together.
    """
    flat = images.flatten(0, -4)
    moves = torch.randint(-pad, pad + 1, (2, len(flat), 1), generator=generator)
    return shifted(flat, *moves).view(images.shape)


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """``out[n, c, y, x] = images[n, c, y + down[n], x + right[n]]``, indices held within (N, C, H, W); moves (N, 1)."""
    count, channels, height, width = images.shape
    rows = (torch.arange(height) + down).clamp_(0, height - 1)
    columns = (torch.arange(width) + right).clamp_(0, width - 1)
    pixels = (rows[:, :, None] * width + columns[:, None]).flatten(1)
    source = pixels[:, None].expand(count, channels, -1)
    return images.flatten(2).gather(2, source).view(images.shape)
