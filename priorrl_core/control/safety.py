"""The safety filter: every command passes it, and a fault stays until a person re-arms it (law 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from priorrl_core.robots.profile import RobotProfile


@dataclass(frozen=True)
class SafetyLimits:
    """What a command and the robot's state must keep to."""

    workspace_lower_m: tuple[float, float, float]
    workspace_upper_m: tuple[float, float, float]
    max_step_m: float
    """Longest increment (Euclidean) in one control period; divided by the period it is the speed limit."""
    force_budget_n: float
    """Largest contact force (Euclidean)."""
    stale_after_s: float
    """Oldest observation that a command may answer."""
    joint_lower_rad: tuple[float, ...] = ()
    joint_upper_rad: tuple[float, ...] = ()
    joint_speed_rad_s: tuple[float, ...] = ()

    @classmethod
    def from_profile(cls, profile: RobotProfile) -> SafetyLimits:
        """The limits of a robot; joint limits are drawn in by the profile's margin."""
        margin = profile.joint_margin_rad
        return cls(profile.workspace_lower_m, profile.workspace_upper_m, profile.max_step_m,
                   profile.force_budget_n, profile.stale_after_s,
                   tuple(v + margin for v in profile.lower_rad), tuple(v - margin for v in profile.upper_rad),
                   profile.velocity_limit_rad_s)


@dataclass(frozen=True)
class Verdict:
    """The command that may be executed; zero when there is a fault (the robot holds)."""

    delta_m: np.ndarray
    clipped: bool
    fault: str | None


class SafetyFilter:
    """Checks one command at a time. Too long a step or a step out of the box is clipped; a number that is
    not finite, a stale observation, a force over the budget, or a joint at its limit or too fast is a fault.
    """

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits = limits
        self.fault: str | None = None
        """The latched reason: a stable word, a colon, a sentence with numbers."""
        self.passed = self.clipped = self.refused = 0
        self._lower, self._upper = np.array(limits.workspace_lower_m), np.array(limits.workspace_upper_m)
        self._joint_lower = np.array(limits.joint_lower_rad)
        self._joint_upper = np.array(limits.joint_upper_rad)
        self._speed = np.array(limits.joint_speed_rad_s)

    def rearm(self) -> None:
        """A person takes the fault back."""
        self.fault = None

    def latch(self, reason: str) -> None:
        """A fault that somebody else found; the first reason stays."""
        self.fault = self.fault or reason

    def check(self, delta_m: np.ndarray, tip_m: np.ndarray, force_n: np.ndarray | float, age_s: float,
              q: np.ndarray, dq: np.ndarray | None = None) -> Verdict:
        """Judges the increment ``delta_m`` (3,) [m] of the tip at ``tip_m`` (3,) [m].

        ``force_n`` is a contact force (3,) or its magnitude [N]; ``age_s`` is the age of the observation
        that the command answers; ``q`` (n,) [rad] and, where known, ``dq`` (n,) [rad/s] are the joints'.
        """
        if self.fault is None:
            self.fault = self._find_fault(delta_m, tip_m, force_n, age_s, q, dq)
        if self.fault is not None:
            self.refused += 1
            return Verdict(np.zeros(3), False, self.fault)
        delta, clipped = self._clip(np.array(delta_m, dtype=np.float64), np.asarray(tip_m, np.float64))
        self.passed += 1
        self.clipped += clipped
        return Verdict(delta, clipped, None)

    # -- faults -----------------------------------------------------------------------------------------

    def _find_fault(self, delta_m: np.ndarray, tip_m: np.ndarray, force_n: np.ndarray | float, age_s: float,
                    q: np.ndarray, dq: np.ndarray | None) -> str | None:
        limits = self.limits
        for name, value in (("command", delta_m), ("tip position", tip_m)):
            bad = _not_vector(value, 3)
            if bad:
                return f"not_finite: the {name} {bad}"
        bad = _not_vector(q, len(self._joint_lower) or None)
        if bad:
            return f"not_finite: the joint state {bad}"
        force = float(np.linalg.norm(force_n))
        if not math.isfinite(force):
            return "not_finite: the force reading is not a number"
        if not -limits.stale_after_s <= age_s <= limits.stale_after_s:
            return (f"stale: the command answers an observation that is {age_s:.3f} s old; "
                    f"the limit is {limits.stale_after_s:.3f} s")
        if force > limits.force_budget_n:
            return f"force: {force:.1f} N is over the budget of {limits.force_budget_n:.1f} N"
        return self._joint_fault(np.asarray(q, float), dq)

    def _joint_fault(self, q: np.ndarray, dq: np.ndarray | None) -> str | None:
        if len(self._joint_lower):
            outside = np.flatnonzero((q < self._joint_lower) | (q > self._joint_upper))
            if len(outside):
                i = int(outside[0])
                return (f"joint_limit: joint {i} is at {q[i]:.3f} rad, outside {self._joint_lower[i]:.3f} to "
                        f"{self._joint_upper[i]:.3f} rad")
        if dq is not None and len(self._speed):
            bad = _not_vector(dq, len(self._speed))
            if bad:
                return f"not_finite: the joint speed {bad}"
            fast = np.flatnonzero(np.abs(dq) > self._speed)
            if len(fast):
                i = int(fast[0])
                return (f"joint_speed: joint {i} moves at {dq[i]:.3f} rad/s, "
                        f"the limit is {self._speed[i]:.3f} rad/s")
        return None

    # -- clipping ---------------------------------------------------------------------------------------

    def _clip(self, delta: np.ndarray, tip: np.ndarray) -> tuple[np.ndarray, bool]:
        """Shortens to the step limit, then stops each axis at the box; outside it only the way in is open."""
        clipped = False
        length = math.hypot(*delta)
        if length > self.limits.max_step_m:
            delta *= self.limits.max_step_m / length
            clipped = True
        low = np.minimum(self._lower - tip, 0.0)
        high = np.maximum(self._upper - tip, 0.0)
        if ((delta < low) | (delta > high)).any():
            delta = np.minimum(np.maximum(delta, low), high)
            clipped = True
        return delta, clipped


def check_with_way_out(guard: SafetyFilter, delta_m: np.ndarray, tip_m: np.ndarray, force_n: np.ndarray | float,
                       age_s: float, q: np.ndarray) -> Verdict:
    """``guard.check`` for one command of a reset in simulation, where nobody stands by to re-arm.

    A fault leaves one way out: the upward part of a rising command, with the force excused, for an arm that still
    presses can only leave so. The operator's re-arm is simulated; every other limit holds as before.
    """
    verdict = guard.check(delta_m, tip_m, force_n, age_s, q)
    if verdict.fault is None or not delta_m[2] > 0.0:
        return verdict
    guard.rearm()
    return guard.check(np.array([0.0, 0.0, delta_m[2]]), tip_m, 0.0, age_s, q)


def _not_vector(value: np.ndarray, size: int | None) -> str | None:
    """What is wrong with a vector that should hold ``size`` finite numbers (any number where None)."""
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return "is not numbers"
    if vector.ndim != 1 or (size is not None and len(vector) != size):
        return f"has shape {vector.shape}, not ({size},)"
    if not np.isfinite(vector).all():
        return "holds a NaN or an infinity"
    return None
