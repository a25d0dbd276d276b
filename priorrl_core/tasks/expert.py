"""The collection script of thesis section 10.4: down when within 1 mm of the centre line, else towards it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ExpertConfig:
    """Steps per control period [m]; the first two values are the thesis's, the others are not given there."""

    centre_line_m: float = 0.001
    noise_probability: float = 0.2
    step_m: float = 0.004
    miss_fraction: float = 0.25
    """Share of episodes that aim beside the socket, so that pressing on its face is seen as a failure."""
    miss_min_m: float = 0.0015
    miss_max_m: float = 0.007
    miss_steps: tuple[int, int] = (6, 26)
    """When the script finds its mistake, drawn from this range; beyond the horizon: never. Before it, the
    data show pressing beside the hole; after it, how to recover."""


class Expert:
    """Scripted policy over total commands; ``reset`` once an episode.

    ``noisy`` after a call tells whether the action was replaced by a random one (with probability 0.2).
    """

    def __init__(self, config: ExpertConfig, action_limit_m: np.ndarray) -> None:
        self.config, self._limit = config, np.asarray(action_limit_m)
        self.noisy = False
        self._aim = np.zeros(2)
        self._wrong_steps = 0

    def reset(self, rng: np.random.Generator) -> None:
        self._aim = np.zeros(2)
        self._wrong_steps = int(rng.integers(*self.config.miss_steps))
        if rng.random() < self.config.miss_fraction:
            radius = rng.uniform(self.config.miss_min_m, self.config.miss_max_m)
            angle = rng.uniform(0.0, 2.0 * np.pi)
            self._aim = radius * np.array([np.cos(angle), np.sin(angle)])

    def rule(self, offset_m: np.ndarray) -> np.ndarray:
        """Command (3,) [m] for the tip's offset (3,) from the centre line; no noise."""
        aside = offset_m[:2] - self._aim
        command = np.zeros(3)
        if float(np.hypot(aside[0], aside[1])) < self.config.centre_line_m:
            command[2] = -self.config.step_m
        command[:2] = np.clip(-aside, -self.config.step_m, self.config.step_m)
        return command

    def action(self, offset_m: np.ndarray, base_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Residual action (3,) in [-1, 1] that makes base + residual the script's command, or a noisy one."""
        self._wrong_steps -= 1
        if self._wrong_steps < 0:
            self._aim = np.zeros(2)
        self.noisy = bool(rng.random() < self.config.noise_probability)
        if self.noisy:
            return rng.uniform(-1.0, 1.0, 3)
        return np.clip((self.rule(offset_m) - base_m) / self._limit, -1.0, 1.0)
