"""What the stack knows of a robot: one typed, strict YAML profile (``config/robots/<name>.yaml``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, nearest

Vec3 = tuple[float, float, float]
Floats = tuple[float, ...]


@dataclass(frozen=True)
class JointOrigin:
    """Fixed transform from the parent link to a joint that turns about its own z axis (URDF ``origin``)."""

    xyz_m: Vec3
    rpy_rad: Vec3


@dataclass(frozen=True)
class RobotProfile:
    """A serial arm with a tool, its limits and the gains of its joint impedance loop.

    Per-joint tuples all have ``len(joint_names)`` entries, in the order of the chain from the base.
    """

    name: str
    urdf: str
    """Path of the URDF, relative to the repository."""
    base_frame: str
    hand_frame: str
    tip_frame: str
    joint_names: tuple[str, ...]
    lower_rad: Floats
    upper_rad: Floats
    velocity_limit_rad_s: Floats
    effort_limit_nm: Floats
    home_rad: Floats
    joints: tuple[JointOrigin, ...]
    hand_xyz_m: Vec3
    """Last link to the hand's flange."""
    hand_rpy: Vec3
    """Last link to the hand's flange [rad], fixed axes."""
    tip_offset_m: float
    """From the hand's flange to the tip, along the flange's z axis."""
    stiffness_nm_rad: Floats
    """Each joint's own spring; the stiffness matrix is diag(this) + J^T diag(tip stiffness) J, J at home."""
    damping_nm_s_rad: Floats
    integral_gain_nm_rad_s: Floats
    integral_limit_nm: Floats
    """The integral part never exceeds this torque: anti-windup by clamping."""
    torque_limit_nm: Floats
    velocity_gain_nm_s_rad: Floats
    """Of the velocity back-end."""
    control_period_s: float
    physics_period_s: float
    """Period of the torque loop."""
    workspace_lower_m: Vec3
    workspace_upper_m: Vec3
    force_budget_n: float
    max_step_m: float
    """Longest increment of the tip in one control period, Euclidean."""
    joint_margin_rad: float = 0.02
    """The safety filter faults nearer to a joint limit than this; the kinematics stay outside twice this."""
    tip_stiffness_n_m: Vec3 = (0.0, 0.0, 0.0)
    """Spring between the joints that acts at the tip along the base's axes."""
    tip_stiffness_nm_rad: Vec3 = (0.0, 0.0, 0.0)
    """The same for turns of the tip about the base's axes."""
    stale_after_s: float = 0.2
    """Oldest observation that a command may answer."""

    def __post_init__(self) -> None:
        n = len(self.joint_names)
        for field in _PER_JOINT:
            if len(getattr(self, field)) != n:
                has = len(getattr(self, field))
                raise ValueError(f"'{field}' has {has} entries for {n} joints; give {n}")
        for name, low, high, home in zip(self.joint_names, self.lower_rad, self.upper_rad, self.home_rad,
                                         strict=True):
            if not low < high:
                raise ValueError(f"limits of joint '{name}' are not lower < upper; correct them")
            if not low < home < high:
                raise ValueError(f"home of joint '{name}' is outside its limits; move it inside")
        for field in _POSITIVE:
            value = getattr(self, field)
            if min(value if isinstance(value, tuple) else (value,)) <= 0.0:
                raise ValueError(f"'{field}' must be positive; correct it")
        if any(not a < b for a, b in zip(self.workspace_lower_m, self.workspace_upper_m, strict=True)):
            raise ValueError("the workspace box is empty; make each lower bound smaller than its upper bound")
        if any(t > e for t, e in zip(self.torque_limit_nm, self.effort_limit_nm, strict=True)):
            raise ValueError("'torque_limit_nm' exceeds 'effort_limit_nm'; lower it")


_PER_JOINT = ("lower_rad", "upper_rad", "velocity_limit_rad_s", "effort_limit_nm", "home_rad", "joints",
              "stiffness_nm_rad", "damping_nm_s_rad", "velocity_gain_nm_s_rad", "integral_gain_nm_rad_s",
              "integral_limit_nm", "torque_limit_nm")
_POSITIVE = ("velocity_limit_rad_s", "effort_limit_nm", "stiffness_nm_rad", "damping_nm_s_rad",
             "velocity_gain_nm_s_rad", "torque_limit_nm", "control_period_s", "physics_period_s",
             "force_budget_n", "max_step_m", "stale_after_s")


def list_robots() -> list[str]:
    """Names of the profiles in ``config/robots``."""
    return sorted(path.stem for path in (config_dir() / "robots").glob("*.yaml"))


def load_robot(name: str | Path = "sawyer") -> RobotProfile:
    """The profile of that name, or of a YAML file at that path; ConfigError names the fix."""
    if str(name).endswith((".yaml", ".yml")):
        return load(RobotProfile, name)
    path = config_dir() / "robots" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"there is no robot '{name}'{nearest(str(name), list_robots())}")
    return load(RobotProfile, path)
