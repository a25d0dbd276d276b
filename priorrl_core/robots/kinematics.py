"""Forward and inverse kinematics of a serial arm, pure NumPy and fast enough for a 1 kHz loop.

Conventions: base frame, metres, radians; a rotation (3, 3) maps tip coordinates to base coordinates;
every joint turns about the z axis of its own frame, as in the URDF. Nothing here keeps state between
calls; returned arrays are the caller's.
"""

from __future__ import annotations

import math

import numpy as np

from priorrl_core.errors import UserError
from priorrl_core.robots.profile import RobotProfile

POSITION_TOLERANCE_M = 5e-4
ROTATION_TOLERANCE_RAD = 5e-3


class KinematicsError(UserError):
    """A pose that the arm cannot reach."""


def rotation_rpy(rpy: tuple[float, float, float]) -> np.ndarray:
    """Rotation (3, 3) of URDF roll, pitch, yaw [rad]: Rz(yaw) Ry(pitch) Rx(roll)."""
    cr, cp, cy = (math.cos(a) for a in rpy)
    sr, sp, sy = (math.sin(a) for a in rpy)
    return np.array([[cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                     [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                     [-sp, cp * sr, cp * cr]])


def transform(xyz_m: tuple[float, float, float], rpy: tuple[float, float, float]) -> np.ndarray:
    """Homogeneous transform (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_rpy(rpy)
    matrix[:3, 3] = xyz_m
    return matrix


class Kinematics:
    """Kinematics of the arm in ``profile``; n joints, in the profile's order."""

    def __init__(self, profile: RobotProfile) -> None:
        self.profile = profile
        self.joints = len(profile.joint_names)
        fixed = np.stack([transform(j.xyz_m, j.rpy_rad) for j in profile.joints])
        # local(q) = fixed @ Rz(q): columns x' = x cos + y sin, y' = y cos - x sin; z and the origin stay
        self._x, self._y = fixed[:, :, 0].copy(), fixed[:, :, 1].copy()
        self._local = fixed
        self._hand = transform(profile.hand_xyz_m, profile.hand_rpy)
        self._tip = transform((0.0, 0.0, profile.tip_offset_m), (0.0, 0.0, 0.0))
        margin = 2.0 * profile.joint_margin_rad
        self._lower = np.array(profile.lower_rad) + margin
        self._upper = np.array(profile.upper_rad) - margin
        self._home = np.array(profile.home_rad)
        self._eye = np.eye(6)

    # -- forward ----------------------------------------------------------------------------------------

    def frames(self, q: np.ndarray) -> np.ndarray:
        """Base-frame transforms (n + 2, 4, 4) of the n moving links, the hand's flange and the tip."""
        n = self.joints
        q = np.asarray(q)
        cos, sin = np.cos(q)[:, None], np.sin(q)[:, None]
        local = self._local.copy()
        local[:, :, 0] = self._x * cos + self._y * sin
        local[:, :, 1] = self._y * cos - self._x * sin
        out = np.empty((n + 2, 4, 4))
        out[0] = local[0]
        for i in range(1, n):
            np.dot(out[i - 1], local[i], out=out[i])
        np.dot(out[n - 1], self._hand, out=out[n])
        np.dot(out[n], self._tip, out=out[n + 1])
        return out

    def forward(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) [m] and rotation (3, 3) of the tip."""
        tip = self.frames(q)[-1]
        return tip[:3, 3].copy(), tip[:3, :3].copy()

    def forward_hand(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) [m] and rotation (3, 3) of the hand's flange."""
        hand = self.frames(q)[-2]
        return hand[:3, 3].copy(), hand[:3, :3].copy()

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Geometric Jacobian (6, n) at the tip: rows 0..2 [m/rad], rows 3..5 [rad/rad], base frame."""
        return self.jacobian_of(self.frames(q))

    def jacobian_of(self, frames: np.ndarray) -> np.ndarray:
        """``jacobian`` where the transforms ``frames`` (n + 2, 4, 4) are known."""
        n = self.joints
        axis = frames[:n, :3, 2].T
        arm = frames[-1, :3, 3][:, None] - frames[:n, :3, 3].T
        out = np.empty((6, n))
        out[0] = axis[1] * arm[2] - axis[2] * arm[1]
        out[1] = axis[2] * arm[0] - axis[0] * arm[2]
        out[2] = axis[0] * arm[1] - axis[1] * arm[0]
        out[3:] = axis
        return out

    # -- inverse ----------------------------------------------------------------------------------------

    def step(self, q: np.ndarray, position: np.ndarray, rotation: np.ndarray, iterations: int = 2,
             damping: float = 1e-3, home_pull: float = 0.02, frames: np.ndarray | None = None) -> np.ndarray:
        """Joint targets (n,) for a tip pose NEAR the pose at ``q``: damped least squares (Wampler 1986).

        Each iteration solves (J J^T + damping^2 I) y = e - J d and adds d + J^T y, where d is a small pull
        towards home in the null space (first iteration only). Joint limits are kept by clipping. No
        check of convergence: at steps of some millimetres two iterations leave less than 10 um.
        ``frames`` are the transforms at ``q`` where known.
        """
        q = np.array(q, dtype=float)
        weight = self._eye * (damping * damping)
        for i in range(iterations):
            frames = self.frames(q) if i > 0 or frames is None else frames
            jacobian = self.jacobian_of(frames)
            error = _pose_error(frames[-1], position, rotation)
            gram = jacobian @ jacobian.T
            gram += weight
            if i == 0 and home_pull > 0.0:
                pull = (self._home - q) * home_pull
                q += pull
                error -= jacobian @ pull
            q += jacobian.T @ np.linalg.solve(gram, error)
        return np.minimum(np.maximum(q, self._lower), self._upper)

    def inverse(self, position: np.ndarray, rotation: np.ndarray, q0: np.ndarray) -> np.ndarray:
        """Joint angles (n,) of a tip pose, found from ``q0`` (n,) and then from home.

        KinematicsError when the pose is not met to 0.5 mm and 5 mrad inside the joint limits.
        """
        position, rotation = np.asarray(position, float), np.asarray(rotation, float)
        if position.shape != (3,) or rotation.shape != (3, 3):
            raise KinematicsError("a pose is a position (3,) and a rotation (3, 3), "
                                  f"not {position.shape} and {rotation.shape}")
        if not (np.isfinite(position).all() and np.isfinite(rotation).all()):
            raise KinematicsError("a pose must be finite numbers; this one has a NaN or an infinity")
        miss = math.inf
        for start in (np.asarray(q0, float), self._home):
            q, found = self._descend(start, position, rotation)
            if found is None:
                return q
            miss = min(miss, found)
        where = ", ".join(f"{v:.3f}" for v in position)
        raise KinematicsError(f"{self.profile.name} cannot reach ({where}) m in that orientation: "
                              f"it misses by {1e3 * miss:.1f} mm; choose a pose inside its workspace")

    def _descend(self, q: np.ndarray, position: np.ndarray, rotation: np.ndarray
                 ) -> tuple[np.ndarray, float | None]:
        """(q, None) when converged, else (q, position miss in metres)."""
        q = np.minimum(np.maximum(q, self._lower), self._upper)
        for _ in range(300):
            tip = self.frames(q)[-1]
            error = _pose_error(tip, position, rotation)
            if np.abs(error).max() < 1e-9:
                break
            reach = min(1.0, 0.1 / max(float(np.linalg.norm(error[:3])), 1e-9),
                        0.3 / max(float(np.linalg.norm(error[3:])), 1e-9))
            part = tip[:3, 3] + reach * error[:3]
            turn = rotation if reach == 1.0 else _turn(reach * error[3:]) @ tip[:3, :3]
            q = self.step(q, part, turn, iterations=1, damping=1e-3 if reach == 1.0 else 2e-2,
                          home_pull=0.02 if reach < 1.0 else 0.0)
        error = _pose_error(self.frames(q)[-1], position, rotation)
        miss = float(np.linalg.norm(error[:3]))
        if miss <= POSITION_TOLERANCE_M and float(np.linalg.norm(error[3:])) <= ROTATION_TOLERANCE_RAD:
            return q, None
        return q, miss


class Pose:
    """Transforms and Jacobian at the arm's present angles, each computed at most once between two moves."""

    def __init__(self, kinematics: Kinematics) -> None:
        self._kinematics, self._q = kinematics, np.zeros(kinematics.joints)
        self._frames: np.ndarray | None = None
        self._jacobian: np.ndarray | None = None

    def moved(self, q: np.ndarray) -> None:
        """The joints are at ``q`` (n,) now; to be called again when somebody writes into that array."""
        self._q, self._frames, self._jacobian = q, None, None

    @property
    def frames(self) -> np.ndarray:
        """(n + 2, 4, 4), not to be written to."""
        if self._frames is None:
            self._frames = self._kinematics.frames(self._q)
        return self._frames

    @property
    def jacobian(self) -> np.ndarray:
        """(6, n), not to be written to."""
        if self._jacobian is None:
            self._jacobian = self._kinematics.jacobian_of(self.frames)
        return self._jacobian

    @property
    def tip_m(self) -> np.ndarray:
        """Position (3,) of the tip, the caller's."""
        return self.frames[-1, :3, 3].copy()

    @property
    def rotation(self) -> np.ndarray:
        """Rotation (3, 3) of the tip, the caller's."""
        return self.frames[-1, :3, :3].copy()


def _pose_error(tip: np.ndarray, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(6,): metres to go and the rotation vector to go [rad], base frame; tip (4, 4)."""
    out = np.empty(6)
    out[:3] = position - tip[:3, 3]
    turn = (rotation @ tip[:3, :3].T).tolist()
    x, y, z = turn[2][1] - turn[1][2], turn[0][2] - turn[2][0], turn[1][0] - turn[0][1]
    sine = 0.5 * math.sqrt(x * x + y * y + z * z)
    cosine = 0.5 * (turn[0][0] + turn[1][1] + turn[2][2] - 1.0)
    angle = math.atan2(sine, cosine)
    scale = 0.5 if sine < 1e-7 else 0.5 * angle / sine
    out[3], out[4], out[5] = x * scale, y * scale, z * scale
    return out


def _turn(vector: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of a rotation vector (3,) [rad] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)
