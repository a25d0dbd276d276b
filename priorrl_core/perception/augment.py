"""Image augmentation of offline data with the values of the thesis' Table 24; seeded, batched, no loops.

All four colour operations are linear in RGB once brightness, contrast and saturation are written as blends
and the hue shift as a rotation about the grey axis (YIQ): an image needs one 3x3 matrix and one offset. The
resized crop is separable: one interpolation matrix for the rows and one for the columns. Departures from
torchvision: fixed order of the colour operations, one clamp at the end, hue as YIQ rotation instead of HSV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from priorrl_core.perception.preprocess import IMAGE_SHAPE

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of Table 24. Hue is a fraction of a full turn; scale a fraction of the image's area.

    ``mix`` (0 = off, as in Table 24) mixes the colour channels at random: standard deviation of a Gaussian
    matrix added to the identity, rows then of length 1. At 1 a picture keeps its edges and loses its colours,
    which is what makes a classifier read geometry where every connector has other colours. ``flip`` is the
    probability of a mirror image (left to right): right for a success label, wrong for anything with a
    direction, such as an action.
    """

    brightness: tuple[float, float] = (0.75, 1.25)
    contrast: tuple[float, float] = (0.9, 1.1)
    saturation: tuple[float, float] = (0.9, 1.1)
    hue: tuple[float, float] = (-0.1, 0.1)
    scale: tuple[float, float] = (0.9, 1.0)
    ratio: tuple[float, float] = (0.9, 1.1)
    mix: float = 0.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation", "hue", "scale", "ratio"):
            low, high = getattr(self, name)
            if low > high or (name != "hue" and low <= 0):
                raise ValueError(f"{name} must be a range [low, high] with low <= high, not [{low}, {high}]")
        if self.mix < 0.0:
            raise ValueError(f"mix must not be negative, not {self.mix}")
        if not 0.0 <= self.flip <= 1.0:
            raise ValueError(f"flip must be a probability in [0, 1], not {self.flip}")
        if self.scale[1] > 1.0:
            raise ValueError(f"scale cannot exceed 1, not {self.scale[1]}")


@dataclass
class AugmentParameters:
    """One draw for a batch: colour factors (B,), crop (left, top, width, height) in pixels (B,4), and mix."""

    brightness: torch.Tensor
    contrast: torch.Tensor
    saturation: torch.Tensor
    hue: torch.Tensor
    crop: torch.Tensor
    mix: torch.Tensor | None = None
    """(B,3,3), rows of length 1, applied about mid-grey; None = not drawn."""
    mirrored: torch.Tensor | None = None
    """(B,) bool; None = not drawn."""


class Augment:
    """``augment(x, generator)``: x (B,3,48,48) in [-0.5,0.5] -> the same, augmented; counts images."""

    def __init__(self, config: AugmentConfig | None = None) -> None:
        self.config = config or AugmentConfig()
        self.images_seen = 0

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        self.images_seen += x.shape[0]
        drawn = draw_parameters(x.shape[0], self.config, generator)
        return resized_crop(colour_jitter(x, drawn), drawn.crop, drawn.mirrored)


def draw_parameters(n: int, config: AugmentConfig, generator: torch.Generator) -> AugmentParameters:
    """Uniform draws; the aspect ratio is log-uniform as in torchvision, the crop stays inside the image."""
    u = torch.rand(8, n, generator=generator)

    def between(row: int, limits: tuple[float, float]) -> torch.Tensor:
        return limits[0] + (limits[1] - limits[0]) * u[row]

    side = float(IMAGE_SHAPE[0])
    area = between(4, config.scale) * side * side
    ratio = torch.exp(between(5, (math.log(config.ratio[0]), math.log(config.ratio[1]))))
    width = torch.sqrt(area * ratio).clamp(max=side)
    height = torch.sqrt(area / ratio).clamp(max=side)
    crop = torch.stack([u[6] * (side - width), u[7] * (side - height), width, height], 1)
    return AugmentParameters(
        brightness=between(0, config.brightness),
        contrast=between(1, config.contrast),
        saturation=between(2, config.saturation),
        hue=between(3, config.hue),
        crop=crop,
        mix=_channel_mix(n, config.mix, generator) if config.mix else None,
        mirrored=torch.rand(n, generator=generator) < config.flip if config.flip else None,
    )


def _channel_mix(n: int, strength: float, generator: torch.Generator) -> torch.Tensor:
    matrix = torch.eye(3) + strength * torch.randn(n, 3, 3, generator=generator)
    return nn.functional.normalize(matrix, dim=2)


def colour_matrix(drawn: AugmentParameters) -> torch.Tensor:
    """(B,3,3) matrix of brightness, then saturation, then hue, for RGB in [0,1]."""
    grey = torch.tensor(GREY).expand(3, 3)
    s = drawn.saturation[:, None, None]
    saturation = s * torch.eye(3) + (1.0 - s) * grey
    to_yiq = torch.tensor([list(GREY), [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    angle = 2.0 * math.pi * drawn.hue
    rotation = torch.zeros(angle.shape[0], 3, 3)
    rotation[:, 0, 0] = 1.0
    rotation[:, 1, 1] = rotation[:, 2, 2] = torch.cos(angle)
    rotation[:, 1, 2], rotation[:, 2, 1] = -torch.sin(angle), torch.sin(angle)
    hue = torch.linalg.inv(to_yiq) @ rotation @ to_yiq
    return drawn.brightness[:, None, None] * (hue @ saturation)


def colour_jitter(x: torch.Tensor, drawn: AugmentParameters) -> torch.Tensor:
    """Brightness, contrast (about the image's mean grey), saturation, hue; one affine map, one clamp."""
    matrix = colour_matrix(drawn)
    flat = x.reshape(x.shape[0], 3, -1)
    mean = torch.tensor(GREY) @ (flat.mean(2) + 0.5).T * drawn.brightness
    c = drawn.contrast[:, None, None]
    linear = matrix * c
    offset = 0.5 * linear.sum(2, keepdim=True) + (1.0 - c) * mean[:, None, None] - 0.5  # (B,3,1)
    if drawn.mix is not None:
        linear, offset = drawn.mix @ linear, drawn.mix @ offset
    return torch.baddbmm(offset, linear, flat).clamp_(-0.5, 0.5).view(x.shape)


def _interpolation(start: torch.Tensor, length: torch.Tensor, side: int) -> torch.Tensor:
    """(B,side,side) linear interpolation from a window [start, start+length] of pixels to ``side`` pixels."""
    centre = torch.arange(side) + 0.5
    source = start[:, None] + centre * (length / side)[:, None] - 0.5
    source = source.clamp(0.0, side - 1.0)
    distance = (source[:, :, None] - torch.arange(side)).abs()
    return (1.0 - distance).clamp(min=0.0)


def resized_crop(
    x: torch.Tensor, crop: torch.Tensor, mirrored: torch.Tensor | None = None
) -> torch.Tensor:
    """The window ``crop`` (B,4) of each image, resized bilinearly to the full size (half-pixel centres)."""
    side = x.shape[2]
    columns = _interpolation(crop[:, 0], crop[:, 2], side)
    rows = _interpolation(crop[:, 1], crop[:, 3], side)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None, None], columns.flip(1), columns)
    # (rows @ image) @ columns^T, the same two matrices for the three channels of an image
    tall = torch.bmm(x.reshape(x.shape[0], -1, side), columns.transpose(1, 2)).view(x.shape)
    return torch.matmul(rows[:, None], tall)
