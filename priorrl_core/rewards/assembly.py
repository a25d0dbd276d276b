"""Reward of block assembly: r = f(s_m) + g(s_o) (thesis equation 44), the two terms logged apart (row 8.13).

The thesis gives neither formulas nor weights: f moves the gripper to the slot, g keeps the standing blocks
upright and in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class AssemblyTerms(NamedTuple):
    """``robot`` is f(s_m), ``objects`` is g(s_o); the reward is their sum."""

    robot: float
    objects: float

    @property
    def reward(self) -> float:
        return self.robot + self.objects


@dataclass(frozen=True)
class AssemblyReward:
    """Weights; none is given in the thesis."""

    distance: float = 10.0
    """Per metre of the held block to its place."""
    tilt: float = 1.0
    """Per radian, summed over the standing blocks."""
    shift: float = 10.0
    """Per metre, summed over the standing blocks."""

    def robot(self, offset_m: np.ndarray) -> float:
        """f: minus the distance of the held block to its place, from the robot's own state (3,)."""
        return -self.distance * float(np.linalg.norm(offset_m))

    def objects(self, tilt_rad: np.ndarray, shift_m: np.ndarray) -> float:
        """g: tilts (N,) from the vertical and shifts (N,) from where the blocks stood, all >= 0."""
        return -self.tilt * float(np.sum(tilt_rad)) - self.shift * float(np.sum(shift_m))

    def __call__(self, offset_m: np.ndarray, tilt_rad: np.ndarray, shift_m: np.ndarray) -> AssemblyTerms:
        return AssemblyTerms(self.robot(offset_m), self.objects(tilt_rad, shift_m))
