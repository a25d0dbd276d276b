"""Rewards of connector insertion (thesis section 9.3): which the learner gets, from what it may know."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from priorrl_core.rewards.natural import DenseReward, Judgement, image_distance, sparse

RewardKind = Literal["dense", "sparse", "image"]


@dataclass(frozen=True)
class DenseInsertion:
    """Equation 48 with insertion indicated by a distance measurement: from there on phi turns its sign.

    The thesis gives no distance; ours is half the insertion depth AND near the axis, so that standing
    beside the socket does not count (spec A10).
    """

    equation: DenseReward = field(default_factory=DenseReward)
    depth_share: float = 0.5
    """Of the insertion depth, above which the plug is not yet in."""
    lateral_m: float = 0.0015

    def indicated(self, offset_m: np.ndarray, depth_m: float) -> bool:
        """Whether the tip at ``offset_m`` (3,) from the fully inserted tip has passed that share of the depth."""
        beside = math.hypot(float(offset_m[0]), float(offset_m[1]))
        return bool(offset_m[2] < (1.0 - self.depth_share) * depth_m and beside < self.lateral_m)

    @cached_property
    def _before(self) -> DenseReward:
        return replace(self.equation, inserted_m=0.0)

    @cached_property
    def _after(self) -> DenseReward:
        return replace(self.equation, inserted_m=math.inf)

    def __call__(self, offset_m: np.ndarray, depth_m: float, force_z_n: float) -> Judgement:
        """``depth_m``: travel from the mouth to the floor; ``force_z_n``: pressing positive."""
        after = self.indicated(offset_m, depth_m)
        return (self._after if after else self._before)(offset_m, force_z_n)


def image_l1(image: np.ndarray, goal: np.ndarray, scale: float = 1.0) -> float:
    """-scale * mean |I - I*| of two uint8 images of one shape, full range 1 (row 9.11; the thesis gives no scale)."""
    return scale * image_distance(image, goal).reward


def electrical(connected: bool) -> float:
    """Equation 47, per step: 1 while the connection is alive, else 0."""
    return sparse(connected).reward
