"""The one way from a camera image to a network input, for nodes and for offline training alike (S.05)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from priorrl_core.errors import DataError

IMAGE_SHAPE = (48, 48, 3)
ENCODING = "rgb8"


def check_image(array: Any, encoding: str = ENCODING) -> NDArray[np.uint8]:
    """``array`` as a contiguous uint8 image (48,48,3); DataError says what is wrong and what to do."""
    if encoding != ENCODING:
        raise DataError(f"image encoding is '{encoding}'; publish '{ENCODING}'")
    image = np.asarray(array)
    if image.dtype != np.uint8:
        raise DataError(f"image values are {image.dtype}; give uint8 in 0 to 255")
    if image.shape != IMAGE_SHAPE:
        raise DataError(f"image shape is {image.shape}; give {IMAGE_SHAPE} (rows, columns, RGB)")
    return np.ascontiguousarray(image)


def check_batch(array: Any) -> NDArray[np.uint8]:
    """``array`` as uint8 images (B,48,48,3); DataError if it is anything else."""
    images = np.asarray(array)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != IMAGE_SHAPE:
        raise DataError(f"images are {images.dtype} {images.shape}; give uint8 (batch, 48, 48, 3)")
    return images


def to_tensor(images: NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
    """uint8 (B,48,48,3) -> float32 (B,3,48,48) in [-0.5, 0.5], channels-last in memory."""
    if not isinstance(images, torch.Tensor):
        # a message's buffer is read-only: copied then, and only then
        images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return images.permute(0, 3, 1, 2).float().mul_(1.0 / 255.0).sub_(0.5)


def to_images(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """Float (B,3,48,48) in [-0.5, 0.5] -> uint8 (B,48,48,3), rounded to the nearest value."""
    scaled = tensor.detach().add(0.5).mul(255.0).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
