"""The action of thesis section 5.5.1: a point in a cube about the gripper, and how far the fingers are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from priorrl_core.errors import DataError

PERIOD_S = 0.02
"""50 Hz."""


class GripperTarget(NamedTuple):
    """Where the gripper shall go (3,) [m] and how wide it shall be [m]."""

    position_m: np.ndarray
    width_m: float


@dataclass(frozen=True)
class CubeAction:
    """(4,) in [-1, 1] -> a target. The cube is 10 cm wide; that the gripper is in its middle is our reading."""

    edge_m: float = 0.1
    open_m: float = 0.1
    """Distance of the fingers at 1; -1 is closed. ng."""
    fingers_blocked: bool = False
    """Pushing: the fingers stay closed."""
    low_m: tuple[float, float, float] = (-np.inf, -np.inf, -np.inf)
    high_m: tuple[float, float, float] = (np.inf, np.inf, np.inf)
    """Workspace that targets are clipped to."""

    def __post_init__(self) -> None:
        if min(self.edge_m, self.open_m) <= 0.0:
            raise ValueError("edge_m and open_m must be above 0")
        if not all(low < high for low, high in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError("low_m must lie below high_m")

    def target(self, gripper_m: np.ndarray, action: np.ndarray) -> GripperTarget:
        """Of the gripper's position (3,) [m] and an action (4,); DataError if it is misshapen or not finite."""
        action = np.asarray(action, np.float64)
        if action.shape != (4,) or not np.isfinite(action).all():
            raise DataError(f"the action is {action}; give 4 finite numbers: x, y, z and the fingers")
        action = np.clip(action, -1.0, 1.0)
        wanted = np.clip(gripper_m + 0.5 * self.edge_m * action[:3], self.low_m, self.high_m)
        width = 0.0 if self.fingers_blocked else 0.5 * (action[3] + 1.0) * self.open_m
        return GripperTarget(wanted, float(width))
