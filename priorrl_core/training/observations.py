"""What the one loop's agents see: a state of D numbers, or images as uint8 (C, H, W), stacked frames as channels."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.small_encoder import MOST_CHANNELS, SIDES

if TYPE_CHECKING:
    import gymnasium as gym

ObsSize = int | tuple[int, int, int]
"""D of a state, or (C, H, W) of an image."""
Layout = Literal["HW", "HWC", "CHW", "NHWC"]

AXES: dict[Layout, tuple[int, ...]] = {"HWC": (2, 0, 1), "CHW": (0, 1, 2), "NHWC": (0, 3, 1, 2)}
"""From an image to channels first; N are stacked frames, as Gymnasium's FrameStackObservation puts them."""


def obs_shape(size: ObsSize) -> tuple[int, ...]:
    """Of one observation."""
    return size if isinstance(size, tuple) else (size,)


def obs_size(data: TransitionReplay) -> ObsSize:
    """Of a data set that ``load_data`` made."""
    if not data.images:
        return data.obs_shape[0]
    channels, height, width = data.obs_shape
    return channels, height, width


def image_layout(shape: tuple[int, ...]) -> Layout:
    """Which axes an image of that shape has; ValueError where it is none, of a wrong size, or either of two."""
    ends: dict[Layout, int] = {}
    if len(shape) == 3:
        ends = {"CHW": shape[0], "HWC": shape[2]}
    elif len(shape) == 4:
        ends = {"NHWC": shape[0] * shape[3]}
    found: list[Layout] = ["HW"] if len(shape) == 2 else [name for name, c in ends.items() if 1 <= c <= MOST_CHANNELS]
    if len(found) != 1:
        raise ValueError("is no image or either of two: give (H, W), (H, W, C), (C, H, W) or, of stacked frames, "
                         f"(N, H, W, C), with at most {MOST_CHANNELS} channels in all")
    sides = image_size(shape, found[0])[1:]
    if min(sides) < SIDES[0] or max(sides) > SIDES[1]:
        raise ValueError(f"has sides of {sides[0]} and {sides[1]} pixels: resize images to {SIDES[0]} to {SIDES[1]}")
    return found[0]


def image_size(shape: tuple[int, ...], layout: Layout) -> tuple[int, int, int]:
    """(C, H, W)."""
    if layout == "HW":
        return 1, shape[0], shape[1]
    *channels, height, width = (shape[axis] for axis in AXES[layout])
    return math.prod(channels), height, width


def channels_first(image: np.ndarray, layout: Layout) -> np.ndarray:
    """A copy (C, H, W) of one image, whose frames' channels follow each other; DataError where it is not uint8, as its
    space said.
    """
    if image.dtype != np.uint8:
        raise DataError(f"the environment gave an image of {image.dtype}, its space says uint8; correct one of them")
    out = np.array(image[None] if layout == "HW" else image.transpose(AXES[layout]), order="C")
    return out.reshape(-1, *out.shape[2:]) if layout == "NHWC" else out


# ---- environments -------------------------------------------------------------------------------------


def holds_image(space: gym.Space) -> bool:
    """Whether the space is one of bytes in rows, or has such a part."""
    from gymnasium.spaces import Box, Dict, Tuple

    if isinstance(space, (Dict, Tuple)):
        return any(holds_image(part) for part in (space.values() if isinstance(space, Dict) else space))
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) > 1


def space_layout(space: gym.Space) -> Layout | None:
    """Of an environment's observations; None: a state. ConfigError says what this loop can learn from."""
    from gymnasium.spaces import Box

    if not isinstance(space, Box) or (len(space.shape) != 1 and space.dtype != np.uint8):
        raise ConfigError(f"observations are {space}; this loop learns from a vector of numbers or from one image of "
                          "uint8")
    if len(space.shape) == 1:
        return None
    try:
        return image_layout(space.shape)
    except ValueError as error:
        raise ConfigError(f"an observation of shape {space.shape} {error}; this loop learns from those") from error


# ---- data ---------------------------------------------------------------------------------------------


def with_channels_first(data: TransitionReplay, where: str) -> TransitionReplay:
    """Data of images as (C, H, W), of states as they are, without a copy but of stacked (N, H, W, C). DataError names
    ``where`` and the shape.
    """
    if not data.images:
        if len(data.obs_shape) != 1:
            raise DataError(f"{where}: 'obs' has shape {data.obs_shape}; this loop learns from a vector of numbers or "
                            "from one image of uint8")
        return data
    try:
        layout = image_layout(data.obs_shape)
    except ValueError as error:
        raise DataError(f"{where}: 'obs' of shape {data.obs_shape} {error}") from error
    if layout == "CHW":
        return data
    out = copy.copy(data)
    axes = [0, *(axis + 1 for axis in AXES.get(layout, ()))]
    out.obs_shape, out.columns = image_size(data.obs_shape, layout), dict(data.columns)
    for name in ("obs", "next_obs"):
        column = data.columns[name]
        out.columns[name] = column.unsqueeze(1) if layout == "HW" else column.permute(axes).flatten(1, -3)
    return out


def check_fit(data: TransitionReplay, size: ObsSize | None, action_size: int | None, where: str) -> None:
    """DataError where data have other observations or actions than an environment; None: any."""
    if size is not None and (data.images, data.obs_shape) != (isinstance(size, tuple), obs_shape(size)):
        raise DataError(f"{where}: 'obs' has {_words(data.obs_shape)}, the environment's has "
                        f"{_words(obs_shape(size))}; give its own data")
    if action_size is not None and data.action_size != action_size:
        raise DataError(f"{where}: 'action' has {data.action_size} numbers, the environment's has {action_size}; give "
                        "its own data")


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} numbers" if len(shape) == 1 else f"images {shape}"
