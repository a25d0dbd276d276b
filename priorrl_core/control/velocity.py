"""The other low level of the thesis (chapter 10): joint velocities with a limit on the contact force."""

from __future__ import annotations

import numpy as np

from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import RobotProfile


class JointVelocity:
    """tau = feedforward + D_v (dq_ref - dq), where dq_ref moves the tip at the commanded velocity.

    The velocity into a contact is scaled down in proportion as the force nears ``force_limit_n`` and is
    zero at it, so that the plug is not pushed out of the grasp (row 10.31). An impact at more than about
    50 mm/s still passes the limit for some milliseconds. The thesis gives no numbers.
    """

    def __init__(self, profile: RobotProfile, force_limit_n: float = 20.0, damping: float = 1e-3) -> None:
        self.kinematics, self.force_limit_n = Kinematics(profile), force_limit_n
        self._period_s = profile.control_period_s
        self._weight = np.eye(6) * damping * damping
        self._gain = np.array(profile.velocity_gain_nm_s_rad)
        self._top = np.array(profile.torque_limit_nm)
        self._speed = np.array(profile.velocity_limit_rad_s)
        self._wish = np.zeros(6)
        self._inverse = np.zeros((len(profile.joint_names), 6))

    def command(self, q: np.ndarray, delta_m: np.ndarray, turn_rad: np.ndarray) -> None:
        """Takes one increment (3,) [m] and the turn (3,) [rad] that keeps the orientation, for one period."""
        jacobian = self.kinematics.jacobian(q)
        self._inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + self._weight)
        self._wish = np.concatenate([delta_m, turn_rad]) / self._period_s

    def torque(self, q: np.ndarray, dq: np.ndarray, force_n: np.ndarray,
               feedforward: np.ndarray) -> np.ndarray:
        """Torques (n,) [N m]; ``force_n`` (3,) [N] is what the world does to the tip, base frame."""
        wish = self._wish.copy()
        wish[:3] *= self._share(wish[:3], force_n)
        speed = np.clip(self._inverse @ wish, -self._speed, self._speed)
        return np.clip(feedforward + self._gain * (speed - dq), -self._top, self._top)

    def _share(self, velocity: np.ndarray, force_n: np.ndarray) -> float:
        """1 in the air, 0 at the force limit, linear between; against the direction of travel only."""
        length = float(np.linalg.norm(velocity))
        if length == 0.0:
            return 1.0
        resisting = -float(force_n @ velocity) / length
        return min(max(1.0 - resisting / self.force_limit_n, 0.0), 1.0)
