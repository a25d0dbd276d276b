"""A PID controller that follows desired joint angles (thesis appendix D.8, the valve and the hand)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PIDGains:
    """The thesis gives none: all ``ng``. The same for every joint."""

    p: float = 4.0
    i: float = 0.5
    d: float = 0.2
    integral_limit: float = 0.5
    """Largest share of the output that the integral may hold (anti-windup by clamping)."""
    output_limit: float = 2.0

    def __post_init__(self) -> None:
        if min(self.p, self.i, self.d, self.integral_limit) < 0.0 or self.output_limit <= 0.0:
            raise ValueError("gains and integral_limit must not be below 0, output_limit must be above 0")


class JointPID:
    """``u = p e + I - d dq``, ``I <- clamp(I + i e dt)``, ``|u| <= output_limit``, e = wanted - q; all (n,).

    The derivative is of the measured angle, so that a new target gives no kick.
    """

    def __init__(self, joints: int, gains: PIDGains, period_s: float) -> None:
        if joints < 1 or period_s <= 0.0:
            raise ValueError("joints must be at least 1, period_s above 0")
        self.gains, self.period_s, self.integral = gains, period_s, np.zeros(joints)

    def reset(self) -> None:
        """Forgets the integral."""
        self.integral[:] = 0.0

    def output(self, wanted: np.ndarray, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
        """Joint command (n,) of one control period."""
        g, error = self.gains, wanted - q
        self.integral = np.clip(self.integral + g.i * error * self.period_s, -g.integral_limit, g.integral_limit)
        return np.clip(g.p * error + self.integral - g.d * dq, -g.output_limit, g.output_limit)
