"""Exploration noise that lasts: successive steps of an episode are correlated, so that a wrong estimate of
where the hole is gets tried from another side for several steps, not jittered about (row 10.22)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ACTION_SIZE = 3


class Exploration:
    """Stationary first-order Gaussian noise (3,): ``n_t = rho n_(t-1) + sqrt(1 - rho^2) std e_t``.

    ``rho`` = 0 is white noise, 1 a constant for the whole episode. The thesis gives neither kind nor scale.
    """

    def __init__(self, std: float, correlation: float, rng: np.random.Generator) -> None:
        if std < 0.0 or not 0.0 <= correlation <= 1.0:
            raise ValueError("std must not be negative and correlation must lie in [0, 1]")
        self.std, self.correlation, self._rng = std, correlation, rng
        self._noise = std * rng.standard_normal(ACTION_SIZE)
        self._fresh = True

    @classmethod
    def of_policy(cls, metadata: Mapping[str, str], rng: np.random.Generator,
                  std: float | None = None) -> Exploration:
        """With the values that travel in a policy's header; ``std`` overrides its scale."""
        own = float(metadata.get("exploration_std", "0"))
        return cls(own if std is None else std, float(metadata.get("exploration_correlation", "0")), rng)

    def __call__(self) -> np.ndarray:
        """The noise of the next step, to be added to the policy's mean before clipping to [-1, 1]."""
        if self._fresh:
            self._fresh = False
        else:
            rho = self.correlation
            self._noise = (rho * self._noise
                           + np.sqrt(1.0 - rho * rho) * self.std * self._rng.standard_normal(ACTION_SIZE))
        return self._noise.copy()

    def perturb(self, mean: np.ndarray) -> np.ndarray:
        """Action (3,) float32 in [-1, 1]: ``mean`` plus the next noise."""
        return np.clip(mean + self(), -1.0, 1.0).astype(np.float32)
