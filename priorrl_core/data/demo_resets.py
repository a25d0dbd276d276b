"""Episodes that start inside a demonstration (thesis section 5.4.4): for training, where states can be restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from priorrl_core.errors import DataError


class RestorableEnv(Protocol):
    """What an environment must offer; states are its own arrays, goals those of the task."""

    def start(self) -> np.ndarray:
        """An ordinary start with an ordinary goal; the first observation."""

    def restore(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Puts the simulation into ``state`` with ``goal`` for a whole episode; the first observation."""


@dataclass(frozen=True)
class DemoStates:
    """States x_0 ... x_N (N + 1, S) of one demonstration and the goal (G,) that its last state satisfies."""

    states: np.ndarray
    final_goal: np.ndarray


class DemoResets:
    """Chooses the start of each episode. ``share`` of training episodes start in a demonstration: ng."""

    def __init__(self, demos: Sequence[DemoStates], share: float, seed: int = 0) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError("share must lie in [0, 1]")
        if share > 0.0 and not (demos and all(len(d.states) for d in demos)):
            raise DataError("resets to demonstrations need demonstrations with states; record some or set share to 0")
        self.demos, self.share, self.rng = tuple(demos), share, np.random.default_rng(seed)

    def start(self, env: RestorableEnv, training: bool = True) -> np.ndarray:
        """First observation of an episode. Never a demonstration's state when ``training`` is False."""
        if not training or self.rng.random() >= self.share:
            return env.start()
        return env.restore(*self.draw())

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """A uniform demonstration, a uniform state of it, and the goal that its end achieved."""
        demo = self.demos[self.rng.integers(len(self.demos))]
        return demo.states[self.rng.integers(len(demo.states))], demo.final_goal
