"""Rewards that nobody has to learn: dense (equation 48), sparse (47), image distance (thesis section 9.4).

Each returns ``Judgement(probability, reward)``: the reward as the source defines it, and a number in [0, 1]
that says how done the task looks, so that all modes of the reward node share one schema (checklist S.06).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from priorrl_core.errors import DataError


class Judgement(NamedTuple):
    """Probability of success in [0, 1], and the reward that a learner gets."""

    probability: float
    reward: float


@dataclass(frozen=True)
class DenseReward:
    """Coefficients of equation 48, metres and newtons.

    ``inverse_sign`` is +1: with the printed minus sign the reward is largest 4.47 mm from the goal and repels
    from insertion (spec section 3.3). ``eps_m`` is a sensor's resolution; the thesis only says 0 < eps << 1.
    ``inserted_m`` (not given) is the distance at which insertion is indicated and pressing is rewarded.
    """

    alpha: float = 100.0
    beta_inv: float = 0.002
    phi: float = 0.1
    eps_m: float = 1e-4
    inverse_sign: float = 1.0
    inserted_m: float = 0.0015

    def __call__(self, offset_m: np.ndarray, force_z_n: float) -> Judgement:
        """``offset_m`` (3,) tip minus goal; ``force_z_n`` vertical force on the tip, pressing positive."""
        distance = float(np.linalg.norm(offset_m))
        inserted = distance < self.inserted_m
        phi = -self.phi if inserted else self.phi
        pull = self.inverse_sign * self.beta_inv / (distance + self.eps_m)
        reward = -self.alpha * float(np.abs(offset_m).sum()) + pull - phi * force_z_n
        return Judgement(float(inserted), reward)


def sparse(connected: bool) -> Judgement:
    """Equation 47: 1 if the connection is electrically alive, else 0."""
    return Judgement(float(connected), float(connected))


def image_distance(image: np.ndarray, goal: np.ndarray) -> Judgement:
    """Minus the mean absolute difference of two uint8 images, as a fraction of the full range (row A9)."""
    if image.shape != goal.shape:
        raise DataError(f"image shape is {image.shape}, the goal's {goal.shape}; use one camera for both")
    distance = float(np.abs(image.astype(np.int16) - goal.astype(np.int16)).mean()) / 255.0
    return Judgement(1.0 - distance, -distance)
