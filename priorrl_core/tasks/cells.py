"""What the simulator node drives: one bench, whatever the task; and the cell of chapter 10's insertion."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from priorrl_core.tasks.world import InsertionWorld, Truth, WorldState


class Cell(Protocol):
    """A bench stepped one control period at a time. Nobody looks on the way back to a start (``looking`` false):
    no picture is taken, no object tracked."""

    goal_m: np.ndarray
    """Tip (3,) when the task is done."""
    looking: bool

    @property
    def tick(self) -> int:
        """Control periods since the start."""
        ...

    def begin(self, seed: int) -> None:
        """What chance and a person change between episodes, for the episode of ``seed``."""
        ...

    def step(self, delta_m: np.ndarray | None) -> WorldState:
        """One control period under an increment (3,) [m] of the tip, or holding."""
        ...

    def state(self) -> WorldState:
        """Newest reading; ``image`` is empty where the task has no camera."""
        ...

    def zero_wrench(self) -> None: ...

    def objects(self) -> np.ndarray | None:
        """Tracked poses (N, 6) of the newest observation: position minus nominal [m]; roll, pitch, yaw [rad]."""
        ...

    def electrical(self) -> bool: ...

    def truth(self) -> Truth: ...

    def close(self) -> None: ...


class InsertionCell(InsertionWorld):
    """The bench of chapter 10: nothing changes between episodes."""

    @property
    def looking(self) -> bool:
        return self.images

    @looking.setter
    def looking(self, value: bool) -> None:
        self.images = value

    def begin(self, seed: int) -> None:
        """The believed goal is all that chance decides."""

    def objects(self) -> np.ndarray | None:
        return None
