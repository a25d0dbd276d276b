"""Random data of thesis chapter 6 (SawyerPush): actions of an Ornstein-Uhlenbeck process."""

from __future__ import annotations

import math

import numpy as np


class OrnsteinUhlenbeck:
    """``x <- x - theta x dt + sigma sqrt(dt) e`` (A,), from 0 at the start of an episode.

    theta 0.15 and sigma 0.3 are the thesis's; ``dt`` is not given: 1 is the form ``x += -theta x + sigma e``.
    """

    def __init__(self, size: int, rng: np.random.Generator, theta: float = 0.15, sigma: float = 0.3,
                 dt: float = 1.0) -> None:
        if size < 1 or min(theta, dt) <= 0.0 or theta * dt >= 2.0 or sigma < 0.0:
            raise ValueError("size must be at least 1, theta and dt above 0 with theta * dt below 2, sigma not below 0")
        self.theta, self.sigma, self.dt, self._rng = theta, sigma, dt, rng
        self._state = np.zeros(size)

    @property
    def stationary_std(self) -> float:
        """``sigma sqrt(dt / (1 - (1 - theta dt)^2))``; ``sigma / sqrt(2 theta)`` as dt goes to 0."""
        return self.sigma * math.sqrt(self.dt / (1.0 - (1.0 - self.theta * self.dt) ** 2))

    def reset(self) -> None:
        """To 0: another episode."""
        self._state[:] = 0.0

    def state(self) -> np.ndarray:
        """The next value (A,), not clipped."""
        noise = self._rng.standard_normal(len(self._state))
        self._state += -self.theta * self.dt * self._state + self.sigma * math.sqrt(self.dt) * noise
        return self._state.copy()

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Action (A,) float32 in [-1, 1]; the observation does not matter."""
        del obs
        return np.clip(self.state(), -1.0, 1.0).astype(np.float32)
