"""Batches of transitions, as the agents see them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class FeatureBatch:
    """B transitions as the networks see them: features (B, F) of each network's own encoder."""

    policy: Tensor
    critic: Tensor
    value: Tensor
    next_value: Tensor
    """Value network's features of the next image."""
    proprio: Tensor
    next_proprio: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor


@dataclass
class ImageBatch:
    """B offline transitions: images (B, 3, 48, 48) in [-0.5, 0.5], domain (B,) int64, the rest as usual."""

    image: Tensor
    next_image: Tensor
    proprio: Tensor
    next_proprio: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    domain: Tensor
