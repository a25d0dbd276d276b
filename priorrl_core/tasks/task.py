"""The insertion task: one YAML file that the ROS graph and the Gymnasium environment both read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, nearest

Vec3 = tuple[float, float, float]


@dataclass(frozen=True)
class Scenario:
    """Where the believed goal lies about the true one: a box (|x|, |y| <= max) or a ring (min to max)."""

    shape: str
    max_m: float
    min_m: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in ("box", "ring"):
            raise ValueError(f"shape '{self.shape}' is unknown; valid: box, ring")
        if not 0.0 <= self.min_m <= self.max_m:
            raise ValueError("min_m must lie between 0 and max_m")

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """Goal error (3,) [m]; z is exact."""
        if self.shape == "box":
            x, y = rng.uniform(-self.max_m, self.max_m, 2)
        else:
            radius, angle = rng.uniform(self.min_m, self.max_m), rng.uniform(0.0, 2.0 * math.pi)
            x, y = radius * math.cos(angle), radius * math.sin(angle)
        return np.array([x, y, 0.0])


@dataclass(frozen=True)
class Camera:
    """Wrist camera: fixed to the tip, in the tip-centred frame with base-frame axes (the hand points down)."""

    eye_m: Vec3
    look_at_m: Vec3
    fov_deg: float
    near_m: float = 0.01
    far_m: float = 1.0


@dataclass(frozen=True)
class Contact:
    """Physics of the bench."""

    lateral_tolerance_m: float
    """Beyond the clearance, how far beside the axis an inserted plug may stand (3-D success test, row 9.25)."""
    plug_mass_kg: float = 0.05
    stiffness_n_m: float = 8.0e4
    """Of the plastic that touches; a rigid contact would ring at hundreds of newtons."""
    damping_ns_m: float = 400.0


@dataclass(frozen=True)
class InsertionTask:
    name: str
    horizon: int
    control_period_s: float
    start_height_m: float
    """Tip above the believed goal at the start of an episode."""
    base_gain: Vec3
    base_limit_m: Vec3
    residual_limit_m: Vec3
    socket_xyz_m: Vec3
    """Centre of the socket's face in the base frame."""
    scenarios: dict[str, Scenario]
    held_out_families: tuple[str, ...]
    """Never trained on."""
    camera: Camera
    contact: Contact
    robot_camera_m: dict[str, Vec3] = field(default_factory=dict)
    """By robot id of a connector: where that robot's camera sits beside ``camera`` [m]."""
    reset_step_m: float = 0.010
    reset_lift_m: float = 0.030
    reset_tolerance_m: float = 0.0005
    reset_max_ticks: int = 60
    development_families: tuple[str, ...] = ()
    """Those of ``held_out_families`` that served to choose settings; the others are the test."""

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError("horizon must be at least 1")
        if self.control_period_s < 0.1 - 1e-9:
            raise ValueError("control_period_s must be at least 0.1 s (the arm takes commands at up to 10 Hz)")

    def sample_goal_error(self, scenario: str, rng: np.random.Generator) -> np.ndarray:
        """Error (3,) [m] of the believed goal in scenario ``I`` or ``II`` (thesis section 10.6)."""
        if scenario not in self.scenarios:
            raise ConfigError(f"unknown scenario '{scenario}'{nearest(scenario, self.scenarios)}")
        return self.scenarios[scenario].sample(rng)


def load_task(name: str | Path = "insertion") -> InsertionTask:
    """The task of a YAML file, or the packaged one of that name; ConfigError names the nearest."""
    text = str(name)
    folder = config_dir() / "tasks"
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(InsertionTask, text)
    if not (folder / f"{text}.yaml").is_file():
        raise ConfigError(f"unknown task '{text}'{nearest(text, [p.stem for p in folder.glob('*.yaml')])}")
    return load(InsertionTask, folder / f"{text}.yaml")
