"""Composition of base controller and learned residual (law 3)."""

from __future__ import annotations

import numpy as np


def compose(base_m: np.ndarray, action: np.ndarray, limit_m: np.ndarray, blend: float
            ) -> tuple[np.ndarray, np.ndarray]:
    """Equation 49 of the thesis with a bound and a blend: u = base + blend * residual.

    ``base_m`` (3,) [m]; ``action`` (3,), clipped to [-1, 1]; ``limit_m`` (3,) [m]; ``blend`` in [0, 1].
    Returns (residual (3,) [m], sum (3,) [m]). At blend 0 the sum is the base bit for bit, whatever the
    action is. A NaN in the action stays a NaN in the sum, for the safety filter to stop.
    """
    base = np.array(base_m, dtype=np.float64)
    residual = np.clip(np.asarray(action, np.float64), -1.0, 1.0) * limit_m
    if blend == 0.0:
        return residual, base
    if not 0.0 < blend <= 1.0:
        raise ValueError(f"blend is {blend}; give 0 to 1")
    return residual, base + blend * residual
