"""The script that stacks a second block on the first."""

from __future__ import annotations

import numpy as np

GAIN = 12.0
"""Action per metre: an action of 1 moves the gripper by 5 cm."""
ABOVE_M, CLEAR_M = 0.06, 0.04
"""Of the gripper over the block before it goes down, of the carried block over its place."""
NEAR_M, EXACT_M = 0.03, 0.012
OPEN, CLOSED = 1.0, -1.0
CLOSING, RELEASE = 3, 3
"""Steps of the fingers."""


class Stack:
    """Picks up the second block, up, over the first, down, lets go and rises. ``seen`` is ``FetchWorld``'s (40,)."""

    def __init__(self) -> None:
        self.phase, self.held, self.open = 0, 0, 0

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        block, goal, grip = seen[3:6], seen[9:12], seen[12:15]
        return self._pick(block, grip) if self.phase < 2 else self._place(block, goal, grip)

    def _pick(self, block: np.ndarray, grip: np.ndarray) -> np.ndarray:
        target = block + np.array([0.0, 0.0, ABOVE_M if self.phase == 0 else 0.0])
        self.phase += bool(np.linalg.norm(target - grip) < (NEAR_M, EXACT_M)[self.phase])
        return np.append(GAIN * (target - grip), OPEN)

    def _place(self, block: np.ndarray, goal: np.ndarray, grip: np.ndarray) -> np.ndarray:
        self.held += 1
        if self.held <= CLOSING:
            return np.append(GAIN * (block - grip), CLOSED)
        if self.phase == 2:
            way = carry(goal - block)
            self.phase += bool(np.linalg.norm(goal - block) < EXACT_M)
            return np.append(GAIN * way, CLOSED)
        self.open += 1
        return np.array([0.0, 0.0, 0.0 if self.open <= RELEASE else 1.0, OPEN])


def carry(way: np.ndarray) -> np.ndarray:
    """Where a carried block goes next (3,), from the way (3,) to its place: up, across, then down."""
    aside = float(np.linalg.norm(way[:2]))
    if aside < EXACT_M:
        return way
    over = way + np.array([0.0, 0.0, CLEAR_M])
    low = aside > NEAR_M and over[2] > NEAR_M  # the other block may be in the way
    return np.append(over[:2] * (not low), over[2])
