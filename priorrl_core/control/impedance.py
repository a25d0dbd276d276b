"""Joint-space impedance with an anti-windup integral: joint targets in, torques out, at 1 kHz."""

from __future__ import annotations

import numpy as np

from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import RobotProfile


def stiffness_matrix(profile: RobotProfile) -> np.ndarray:
    """Constant symmetric joint stiffness (n, n) [N m/rad]: diag(joint springs) + J^T diag(tip springs) J.

    J (6, n) is the Jacobian at home. A constant symmetric matrix keeps the loop a passive spring; the
    second term makes it nearly isotropic at the tip, so that pressing does not slide the tip sideways.
    """
    jacobian = Kinematics(profile).jacobian(np.array(profile.home_rad))
    tip = np.array([*profile.tip_stiffness_n_m, *profile.tip_stiffness_nm_rad])
    return np.diag(profile.stiffness_nm_rad) + jacobian.T @ (tip[:, None] * jacobian)


def tip_stiffness_n_m(profile: RobotProfile, q: np.ndarray) -> np.ndarray:
    """Stiffness (3,) [N/m] that a free-turning tip shows along x, y, z at ``q``: 1 / diag(J K^-1 J^T)."""
    jacobian = Kinematics(profile).jacobian(q)[:3]
    return 1.0 / np.diag(jacobian @ np.linalg.solve(stiffness_matrix(profile), jacobian.T))


class JointImpedance:
    """tau = feedforward + K (q_target - q) - D dq + I, |I| <= integral limit, |tau| <= torque limit.

    I integrates gain * (q_target - q) and is clamped at its own small limit, so a blocked arm stores no
    more than that (anti-windup by clamping). Gravity compensation is the caller's ``feedforward``.
    """

    def __init__(self, profile: RobotProfile) -> None:
        self._stiffness = stiffness_matrix(profile)
        self._damping = np.array(profile.damping_nm_s_rad)
        self._rate = np.array(profile.integral_gain_nm_rad_s) * profile.physics_period_s
        self._high = np.array(profile.integral_limit_nm)
        self._low = -self._high
        self._top = np.array(profile.torque_limit_nm)
        self._bottom = -self._top
        n = len(profile.joint_names)
        self.integral_nm = np.zeros(n)
        self._error, self._tau, self._part = np.zeros(n), np.zeros(n), np.zeros(n)

    def reset(self) -> None:
        """Forgets the integral."""
        self.integral_nm[:] = 0.0

    def torque(self, q: np.ndarray, dq: np.ndarray, q_target: np.ndarray,
               feedforward: np.ndarray) -> np.ndarray:
        """Torques (n,) [N m] for angles ``q`` and speeds ``dq`` (n,), all float arrays.

        The array returned is reused by the next call. No checks here: targets come from ``Kinematics``.
        """
        error, tau, part, integral = self._error, self._tau, self._part, self.integral_nm
        # positional outputs and the dot method save time at 1 kHz; minimum and maximum want the keyword
        np.subtract(q_target, q, error)
        np.multiply(error, self._rate, part)
        np.add(integral, part, integral)
        np.minimum(integral, self._high, out=integral)
        np.maximum(integral, self._low, out=integral)
        self._stiffness.dot(error, tau)
        np.multiply(dq, self._damping, part)
        np.subtract(tau, part, tau)
        np.add(tau, integral, tau)
        np.add(tau, feedforward, tau)
        np.minimum(tau, self._top, out=tau)
        np.maximum(tau, self._bottom, out=tau)
        return tau
