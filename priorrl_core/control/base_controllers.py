"""Designed controllers that a residual corrects: what the robot senses and a goal in, an increment of the tip out.

pi_H of thesis equation 45 sees the robot alone (row 8.02): everything that it may know is in ``RobotState``.
Each controller is a frozen dataclass, so that a YAML mapping fills it strictly; ``base_loader`` does that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from priorrl_core.control.p_controller import PController
from priorrl_core.errors import DataError

Vec3 = tuple[float, float, float]


@dataclass(frozen=True)
class RobotState:
    """s_m of equation 45. Base frame."""

    tip_m: np.ndarray
    """(3,)"""
    velocity_m_s: np.ndarray
    """(3,)"""
    force_n: np.ndarray
    """(3,) on the tip; zeroed before the episode."""
    step: int = 0
    """Control periods since the episode began."""


@runtime_checkable
class BaseController(Protocol):
    """pi_H. It is never differentiated and never updated (row 8.05); ``base_kit.check_base`` tests a user's."""

    def reset(self) -> None:
        """A new episode begins."""
        ...

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        """Increment (3,) [m] of the tip towards the commanded goal ``goal_m`` (3,) [m], a new array."""
        ...


@runtime_checkable
class ObservingBase(BaseController, Protocol):
    """A base that answers the policy's observation, not the robot's state: a frozen policy."""

    def observe(self, observation: np.ndarray) -> None: ...


@dataclass(frozen=True)
class ZeroBase:
    """pi_H = 0: "only RL" is the same code as residual RL with this base (row 8.08)."""

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        return np.zeros(3)


@dataclass(frozen=True)
class ProportionalBase:
    """Equation 50, u = -k_p (x - x*), k_p = (1, 1, 0.3); clipped to +-``limit_m`` an axis (not in the thesis)."""

    gain: Vec3 = (1.0, 1.0, 0.3)
    limit_m: Vec3 = (0.01, 0.01, 0.01)

    def __post_init__(self) -> None:
        assert self._law

    @cached_property
    def _law(self) -> PController:
        return PController(self.gain, self.limit_m)

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        return self._law(robot.tip_m, goal_m)


@dataclass(frozen=True)
class ImpedanceBase:
    """Cartesian impedance: the tip shall pull with F = K (x* - x) - D v, each axis at most ``force_limit_n``.

    The arm below is itself a spring of ``arm_stiffness_n_m`` at the tip, so the set point x + F / that
    stiffness makes it pull with F in contact. The thesis names impedance control, and no numbers.
    """

    stiffness_n_m: Vec3
    damping_ns_m: Vec3
    force_limit_n: Vec3
    arm_stiffness_n_m: Vec3

    def __post_init__(self) -> None:
        if min(*self.stiffness_n_m, *self.damping_ns_m) < 0.0:
            raise ValueError("stiffness_n_m and damping_ns_m must not be negative")
        if min(*self.force_limit_n, *self.arm_stiffness_n_m) <= 0.0:
            raise ValueError("force_limit_n and arm_stiffness_n_m must be positive")

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        wish = (np.array(self.stiffness_n_m) * (np.asarray(goal_m, float) - robot.tip_m)
                - np.array(self.damping_ns_m) * robot.velocity_m_s)
        limit = np.array(self.force_limit_n)
        return np.clip(wish, -limit, limit) / np.array(self.arm_stiffness_n_m)


class FrozenPolicyBase:
    """A policy trained elsewhere, as pi_H (thesis section 8.6: the simulator as a source of pi_H).

    ``policy`` maps the environment's observation to an action (3,) in [-1, 1]; it is only ever called.
    """

    def __init__(self, policy: Callable[[np.ndarray], np.ndarray], limit_m: Vec3 | np.ndarray) -> None:
        self._policy, self._limit = policy, np.array(limit_m, float)
        self._seen: np.ndarray | None = None

    def reset(self) -> None:
        self._seen = None

    def observe(self, observation: np.ndarray) -> None:
        self._seen = np.array(observation)

    def __call__(self, robot: RobotState, goal_m: np.ndarray) -> np.ndarray:
        if self._seen is None:
            raise DataError("a frozen policy was asked before it saw an observation; call observe() first")
        action = np.asarray(self._policy(self._seen), np.float64)
        return np.clip(action, -1.0, 1.0) * self._limit
