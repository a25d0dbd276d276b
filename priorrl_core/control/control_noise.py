"""Noise on the executed command (thesis equation 46): the environment's own, never in the stored action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STREAM = 46  # keeps the control noise apart from the environment's own draws of the same seed


def control_noise_rng(seed: int) -> np.random.Generator:
    """The control noise of the episode with ``seed``."""
    return np.random.default_rng([seed, _STREAM])


@dataclass(frozen=True)
class ControlNoise:
    """u' = u + N(mean, std^2) at every step, the same for every method and for the base controller alone."""

    mean: float = 0.0
    """mu, in units of ``unit_m``; the thesis sweeps 0 to 0.2 and gives no unit."""
    std: float = 0.0
    """sigma, in units of ``unit_m``; the thesis sweeps 0.01 to 0.1."""
    unit_m: float = 0.02
    """What 1 means in metres, on each axis; not given in the thesis."""

    def __post_init__(self) -> None:
        if self.std < 0.0 or self.unit_m <= 0.0:
            raise ValueError("std must not be negative and unit_m must be positive")

    @property
    def active(self) -> bool:
        return self.mean != 0.0 or self.std != 0.0

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """One draw (3,) [m]; zeros, and no random number used, where the noise is off."""
        if not self.active:
            return np.zeros(3)
        return self.unit_m * (self.mean + self.std * rng.standard_normal(3))
