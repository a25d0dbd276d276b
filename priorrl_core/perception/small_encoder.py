"""What an online agent reads of its observation: a small image through convolutions, or a state as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

IMAGE_SHAPE = (1, 32, 32)
"""One grey image, row 9.10."""
MOST_CHANNELS = 12
"""That the encoder takes: four frames of colour; fewer than pixels of a side, so that a shape says which they are."""
SIDES = (16, 128)
"""Least and most pixels of a side that the encoder takes; ng."""
FINE = 48
"""Longest side whose third layer keeps the resolution; a larger image's halves it: a map of at most 16 x 16. ng."""


class ObservationEncoder(nn.Module):
    """Observations (B, ...) -> features (B, width). An agent trains its parameters by the critics' loss."""

    width: int


class StateEncoder(ObservationEncoder):
    """State (B, D) times ``scale``, without parameters. ``scale`` (one number an entry) brings units near 1."""

    scale: Tensor

    def __init__(self, size: int, scale: tuple[float, ...] = ()) -> None:
        super().__init__()
        if scale and len(scale) != size:
            raise ValueError(f"scale must have {size} entries, has {len(scale)}")
        self.width, self.scaled = size, bool(scale)
        self.register_buffer("scale", torch.tensor(scale or (1.0,) * size))

    def forward(self, obs: Tensor) -> Tensor:
        return obs * self.scale if self.scaled else obs


@dataclass(frozen=True)
class SmallEncoderConfig:
    """Sizes; none is given in the thesis."""

    channels: tuple[int, int, int] = (16, 32, 32)
    """Of the three convolutions."""
    width: int = 64
    """Features that they give."""

    def __post_init__(self) -> None:
        if len(self.channels) != 3 or min(*self.channels, self.width) < 1:
            raise ValueError("channels must be three numbers, they and width at least 1")


class SmallEncoder(ObservationEncoder):
    """Images (B, C, H, W), uint8 or float in [-0.5, 0.5] -> features (B, width) in (-1, 1).

    ``shape`` is (C, H, W): C at most ``MOST_CHANNELS``, sides in ``SIDES``. Strides 2, 2, 1 (2 above ``FINE``) give
    32 x 32 images an 8 x 8 map and 0.16 M parameters; it is flattened and not pooled, so that positions stay readable;
    layer norm and tanh bound the features, as the trunk of DrQ-v2 (Yarats et al. 2021, public code) does. ValueError
    for other shapes.
    """

    def __init__(self, config: SmallEncoderConfig | None = None, seed: int = 0,
                 shape: tuple[int, int, int] = IMAGE_SHAPE) -> None:
        super().__init__()
        if not 1 <= shape[0] <= MOST_CHANNELS or min(shape[1:]) < SIDES[0] or max(shape[1:]) > SIDES[1]:
            raise ValueError(f"images are {shape}; give 1 to {MOST_CHANNELS} channels and sides of {SIDES[0]} to "
                             f"{SIDES[1]} pixels")
        self.config, self.shape = config or SmallEncoderConfig(), shape
        self.width = self.config.width
        a, b, c = self.config.channels
        stride = 1 if max(shape[1:]) <= FINE else 2
        height, width = ((side // 4 - 1) // stride + 1 for side in shape[1:])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Conv2d(shape[0], a, 4, 2, 1), nn.ReLU(),
                nn.Conv2d(a, b, 4, 2, 1), nn.ReLU(),
                nn.Conv2d(b, c, 3, stride, 1), nn.ReLU(),
                nn.Flatten(),
                nn.Linear(c * height * width, self.width), nn.LayerNorm(self.width), nn.Tanh(),
            )  # fmt: skip

    def forward(self, obs: Tensor) -> Tensor:
        if obs.shape[1:] != self.shape:
            raise ValueError(f"images are {tuple(obs.shape)}; give (batch, {', '.join(map(str, self.shape))})")
        return self.layers(grey_to_float(obs))


def grey_to_float(images: Tensor) -> Tensor:
    """uint8 images, grey or colour, as float32 in [-0.5, 0.5]; float images as they are."""
    return images.float().mul_(1.0 / 255.0).sub_(0.5) if images.dtype == torch.uint8 else images
