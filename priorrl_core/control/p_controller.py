"""The designed controller that the learned residual corrects: a clipped P-controller of the tip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from priorrl_core.errors import ConfigError


class PController:
    """Equation 50 of the thesis: u = -k_p (x - x*), element-wise, clipped to +-``limit_m`` an axis.

    The thesis gives k_p = (1, 1, 0.3) for x, y, z and no limit.
    """

    def __init__(self, gain: Sequence[float] | np.ndarray, limit_m: Sequence[float] | np.ndarray) -> None:
        self.gain, self.limit_m = np.array(gain, float), np.array(limit_m, float)
        for name, value in (("gain", self.gain), ("limit_m", self.limit_m)):
            if value.shape != (3,) or not (value >= 0.0).all():
                raise ConfigError(f"{name} of the P-controller must be three numbers >= 0, not {value}")

    def __call__(self, tip_m: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
        """Increment (3,) [m] of the tip at ``tip_m`` (3,) towards the believed goal ``goal_m`` (3,)."""
        wish = self.gain * (np.asarray(goal_m, float) - np.asarray(tip_m, float))
        return np.minimum(np.maximum(wish, -self.limit_m), self.limit_m)
