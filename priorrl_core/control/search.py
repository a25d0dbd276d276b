"""Scripted strategies that learning is compared with (thesis section 10.5; numbers are not given there).

Every strategy sees where the tip is relative to the believed goal, the contact force, and the step's
number, and returns an increment of the tip. All increments are metres in the base frame, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from priorrl_core.errors import ConfigError, nearest

CENTRE = np.zeros(2)


class Search(Protocol):
    """A strategy; ``act`` once a control period with ``step`` = 0, 1, 2 ..."""

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int) -> np.ndarray:
        """Increment (3,) [m] for the tip's offset (3,) [m] from the believed goal and the force (3,) [N]."""


@dataclass(frozen=True)
class SearchConfig:
    """Our choices; the thesis names the strategies only."""

    down_step_m: float = 0.004
    """Increment down while the tip is in the air."""
    press_m: float = 0.002
    """Increment down while searching: with a tip stiffness of 3770 N/m it presses with about 7.5 N."""
    lateral_step_m: float = 0.003
    """Longest horizontal increment."""
    contact_force_n: float = 4.0
    """Above this the tip has met something and the search begins."""
    targets: int = 5
    """Random Search: positions visited."""
    target_radius_m: float = 0.005
    """Random Search: positions are uniform in a disc of this radius."""
    target_steps: int = 3
    """Random Search: steps given to each position."""
    spiral_pitch_m: float = 0.0015
    """Spiral Search: growth of the radius in one turn."""
    spiral_arc_m: float = 0.002
    """Spiral Search: length of path in one step."""
    spiral_radius_m: float = 0.006
    """Spiral Search: the radius stops growing here."""
    centre_line_m: float = 0.001
    """Localize: nearer than this the tip goes straight down (from the thesis)."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ConfigError(f"'{name}' of the search is {value}; give a number above 0")


class StraightDown:
    """Down from the start, pressing once it stands on something."""

    def __init__(self, config: SearchConfig | None = None) -> None:
        self.config = config or SearchConfig()
        self.touched = False

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int) -> np.ndarray:
        """Only z moves."""
        return np.array([0.0, 0.0, self._down(force_n)])

    def _down(self, force_n: np.ndarray) -> float:
        """Increment in z [m]; notices the first contact."""
        self.touched = self.touched or float(np.linalg.norm(force_n)) >= self.config.contact_force_n
        return -(self.config.press_m if self.touched else self.config.down_step_m)

    def _towards(self, aim_m: np.ndarray, tip_minus_goal_m: np.ndarray) -> np.ndarray:
        """Horizontal increment (2,) to ``aim_m`` (2,), not longer than the lateral step."""
        return shorten(aim_m - np.asarray(tip_minus_goal_m)[:2], self.config.lateral_step_m)


class RandomSearch(StraightDown):
    """Down to contact, then ``targets`` random positions one after the other, pressing all the time.

    Positions are uniform in a disc around ``centre_m`` (2,), relative to the believed goal; after the
    last one the tip stays there and presses.
    """

    def __init__(self, rng: np.random.Generator, config: SearchConfig | None = None,
                 centre_m: np.ndarray = CENTRE) -> None:
        super().__init__(config)
        c = self.config
        radius = c.target_radius_m * np.sqrt(rng.random(c.targets))
        angle = rng.uniform(0.0, 2.0 * math.pi, c.targets)
        self.targets_m = np.asarray(centre_m) + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        self._since = 0

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int) -> np.ndarray:
        down = self._down(force_n)
        if not self.touched:
            return np.array([0.0, 0.0, down])
        index = min(self._since // self.config.target_steps, self.config.targets - 1)
        self._since += 1
        return np.array([*self._towards(self.targets_m[index], tip_minus_goal_m), down])


class SpiralSearch(StraightDown):
    """Down to contact, then an Archimedean spiral r = pitch * angle / (2 pi) at even path speed, pressing."""

    def __init__(self, config: SearchConfig | None = None, centre_m: np.ndarray = CENTRE) -> None:
        super().__init__(config)
        self.centre_m = np.asarray(centre_m, float)
        self.angle = 0.0

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int) -> np.ndarray:
        down = self._down(force_n)
        if not self.touched:
            return np.array([0.0, 0.0, down])
        c, growth = self.config, self.config.spiral_pitch_m / (2.0 * math.pi)
        radius = min(growth * self.angle, c.spiral_radius_m)
        # path length ds = sqrt(r^2 + growth^2) d(angle); the midpoint of the step makes it even at the start
        middle = radius + 0.5 * growth * c.spiral_arc_m / math.hypot(radius, growth)
        self.angle += min(c.spiral_arc_m / math.hypot(middle, growth), 1.5)
        radius = min(growth * self.angle, c.spiral_radius_m)
        aim = self.centre_m + radius * np.array([math.cos(self.angle), math.sin(self.angle)])
        return np.array([*self._towards(aim, tip_minus_goal_m), down])


class Localize(StraightDown):
    """Horizontally to within 1 mm of the estimated centre line, then straight down; decided every step.

    ``tip_minus_goal_m`` is here the localisation model's estimate of the tip's offset from the socket,
    (2,) or (3,); only x and y are read.
    """

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int) -> np.ndarray:
        if arrived(tip_minus_goal_m, self.config):
            return np.array([0.0, 0.0, -self.config.down_step_m])
        return np.array([*self._towards(CENTRE, tip_minus_goal_m), 0.0])


class LocalizeFirst:
    """Scenario II: the localisation model's goal first, then a blind strategy from there.

    The estimate handed to ``act`` is used until the tip is within 1 mm of it; then ``strategy`` runs
    around that place and the model is not asked again.
    """

    def __init__(self, strategy: Search, config: SearchConfig | None = None) -> None:
        self.strategy, self.config = strategy, config or SearchConfig()
        self.found_m: np.ndarray | None = None
        """Where the strategy began (2,), relative to the believed goal."""
        self._began = 0

    def act(self, tip_minus_goal_m: np.ndarray, force_n: np.ndarray, step: int,
            estimate_m: np.ndarray | None = None) -> np.ndarray:
        """``estimate_m`` (2,) or (3,): the model's tip minus socket, needed until the tip has arrived."""
        offset = np.asarray(tip_minus_goal_m, float)
        if self.found_m is None:
            if estimate_m is None:
                raise ValueError("give the localisation model's estimate until the tip has arrived")
            if not arrived(estimate_m, self.config):
                go = shorten(-np.asarray(estimate_m, float)[:2], self.config.lateral_step_m)
                return np.array([*go, 0.0])
            self.found_m, self._began = offset[:2] - np.asarray(estimate_m, float)[:2], step
        about = offset - np.array([*self.found_m, 0.0])
        return self.strategy.act(about, force_n, step - self._began)


def arrived(estimate_m: np.ndarray, config: SearchConfig) -> bool:
    """Whether the horizontal offset is within the centre-line tolerance."""
    return float(np.hypot(estimate_m[0], estimate_m[1])) <= config.centre_line_m


def shorten(vector: np.ndarray, longest: float) -> np.ndarray:
    """The vector, or the one of length ``longest`` in its direction."""
    length = float(np.linalg.norm(vector))
    return vector if length <= longest else vector * (longest / length)


SEARCHES = ("straight_down", "random_search", "spiral_search", "localize")


def make_search(name: str, seed: int = 0, config: SearchConfig | None = None) -> Search:
    """A new strategy for one trial; ConfigError for a name that is not in ``SEARCHES``."""
    if name == "straight_down":
        return StraightDown(config)
    if name == "random_search":
        return RandomSearch(np.random.default_rng(seed), config)
    if name == "spiral_search":
        return SpiralSearch(config)
    if name == "localize":
        return Localize(config)
    raise ConfigError(f"there is no search '{name}'{nearest(name, SEARCHES)}")
