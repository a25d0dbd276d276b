"""Connector insertion of thesis chapter 9 as data: one task file, one file a connector (``config/tasks/plug/``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from priorrl_core.config import config_dir, load
from priorrl_core.control.base_loader import BaseSpec
from priorrl_core.control.control_noise import ControlNoise
from priorrl_core.errors import ConfigError, DataError, nearest
from priorrl_core.rewards.natural import Judgement, image_distance
from priorrl_core.rewards.plug import DenseInsertion, RewardKind, electrical, image_l1
from priorrl_core.tasks.connectors import ConnectorSpec
from priorrl_core.tasks.success import InsertionLimits
from priorrl_core.tasks.task import Camera, Contact, InsertionTask, Scenario, Vec3

ResetBy = Literal["drive", "place"]
OnFault = Literal["hold", "terminate"]
"""After a safety fault the arm holds. ``hold``: to the end of the episode, so that with rewards below 0 an early
end is no gain; ``terminate``: the episode ends there, as on the robot."""
IMAGE_SIZE = 32


@dataclass(frozen=True)
class GoalNoise:
    """Error of the commanded goal in x and y, drawn every episode (row 9.23); the thesis says "+-1 mm"."""

    max_m: float = 0.001
    corners: bool = False
    """Always +-max on both axes, instead of uniform between."""

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """(3,) [m]; z is exact."""
        x, y = rng.choice([-1.0, 1.0], 2) if self.corners else rng.uniform(-1.0, 1.0, 2)
        return self.max_m * np.array([x, y, 0.0])


@dataclass(frozen=True)
class Wear:
    """A connector gets smoother with every insertion and is replaced periodically (thesis section 9.2)."""

    smoothing: float = 0.0
    """Share of holding force and friction lost per insertion."""
    floor: float = 0.5
    """They never fall below this share of the new connector's."""
    replace_after: int = 0
    """Insertions; 0: never."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 1.0 or not 0.0 < self.floor <= 1.0 or self.replace_after < 0:
            raise ValueError("smoothing must lie in [0, 1), floor in (0, 1], replace_after must not be negative")

    def share(self, insertions: int) -> float:
        """What is left of force and friction after so many insertions."""
        return max((1.0 - self.smoothing) ** insertions, self.floor)


@dataclass(frozen=True)
class PlugSpec:
    """One connector of chapter 9."""

    connector: ConnectorSpec
    force_spread: float = 0.0
    """The holding force of an episode is the nominal one times U[1 - spread, 1 + spread]; not in the thesis."""
    wear: Wear = field(default_factory=Wear)


@dataclass(frozen=True)
class PositionView:
    """Observation [x(3), f_z] of the sparse and dense settings (row 9.15)."""

    goal_relative: bool = True
    """x minus the commanded goal; else x in the base frame."""
    unit: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """What 1 in the observation means [m, m, m, N]."""

    def observe(self, tip_m: np.ndarray, force_z_n: float, commanded_m: np.ndarray) -> np.ndarray:
        """Observation float32 (4,) of the tip (3,) and the vertical force."""
        zero = commanded_m if self.goal_relative else np.zeros(3)
        return (np.array([*(tip_m - zero), force_z_n]) / np.array(self.unit)).astype(np.float32)


@dataclass(frozen=True)
class Seen:
    """All that a natural reward may look at, after a step."""

    tip_m: np.ndarray
    force_z_n: float
    commanded_m: np.ndarray
    """Commanded goal (3,)."""
    connected: bool = False
    image: np.ndarray | None = None
    goal_image: np.ndarray | None = None


@dataclass(frozen=True)
class RewardScales:
    dense: DenseInsertion = field(default_factory=DenseInsertion)
    dense_goal: Literal["true", "commanded"] = "true"
    """Which goal the dense reward measures to (spec A8)."""
    dense_scale: float = 1.0
    image_scale: float = 1.0
    """The thesis gives no normalisation of the pixel distance."""

    def judge(self, kind: RewardKind, seen: Seen, goal_m: np.ndarray, depth_m: float) -> Judgement:
        """Equation 48 (dense), 47 (sparse) or the distance to the goal image. ``goal_m`` (3,) is the true goal,
        ``depth_m`` the travel from the mouth to the floor. DataError where an image is missing."""
        if kind == "image":
            if seen.image is None or seen.goal_image is None:
                raise DataError("the image reward has no image to compare; give camera and goal image")
            alike = image_distance(seen.image, seen.goal_image).probability
            return Judgement(alike, image_l1(seen.image, seen.goal_image, self.image_scale))
        if kind == "sparse":
            return Judgement(float(seen.connected), electrical(seen.connected))
        offset = seen.tip_m - (goal_m if self.dense_goal == "true" else seen.commanded_m)
        judged = self.dense(offset, depth_m, seen.force_z_n)
        return Judgement(judged.probability, self.dense_scale * judged.reward)


@dataclass(frozen=True)
class PlugTask:
    name: str
    horizon: int
    control_period_s: float
    start_height_m: float
    """Tip above the commanded goal at the start (5 cm in the thesis)."""
    start_xy_m: float
    """Start beside the commanded goal, uniform in +-this on x and y (row 9.24)."""
    socket_xyz_m: Vec3
    residual_limit_m: Vec3
    """What an action of 1 means, per axis and step."""
    camera: Camera
    """Fixed to the bench: eye and look_at from the centre of the socket's face, base frame axes."""
    contact: Contact
    base: BaseSpec = field(default_factory=BaseSpec)
    control_noise: ControlNoise = field(default_factory=ControlNoise)
    goal_noise: GoalNoise = field(default_factory=GoalNoise)
    view: PositionView = field(default_factory=PositionView)
    rewards: RewardScales = field(default_factory=RewardScales)
    success: InsertionLimits = field(default_factory=InsertionLimits)
    terminate_on_success: bool = False
    on_fault: OnFault = "hold"
    reset_by: ResetBy = "drive"
    """``drive``: commands through the safety filter; ``place``: set there at once, past the filter, for bulk training
    in simulation only. Law 2 is about commands to a robot; a robot cannot be placed, and the graph's task,
    ``InsertionTask``, has no such field."""

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.control_period_s < 0.1 - 1e-9:
            raise ValueError("horizon must be at least 1 and control_period_s at least 0.1 (up to 10 Hz)")
        if self.start_height_m <= 0.0 or self.start_xy_m < 0.0:
            raise ValueError("start_height_m must be positive and start_xy_m not negative")

    def bench(self) -> InsertionTask:
        """The same bench in the terms of ``InsertionWorld`` and of the way back to the start."""
        return InsertionTask(
            name=self.name, horizon=self.horizon, control_period_s=self.control_period_s,
            start_height_m=self.start_height_m, base_gain=(0.0, 0.0, 0.0), base_limit_m=(0.0, 0.0, 0.0),
            residual_limit_m=self.residual_limit_m, socket_xyz_m=self.socket_xyz_m,
            scenarios={"exact": Scenario("box", 0.0)}, held_out_families=(), camera=self.camera,
            contact=self.contact, reset_lift_m=self.start_height_m)

    def draw(self, rng: np.random.Generator) -> PlugDraw:
        """What chance decides about the next episode."""
        error, beside = self.goal_noise.sample(rng), self.start_xy_m * rng.uniform(-1.0, 1.0, 2)
        return PlugDraw(error, beside, rng.uniform(-1.0, 1.0))


class PlugDraw(NamedTuple):
    """The random part of one episode."""

    goal_error_m: np.ndarray
    """Of the commanded goal (3,), where the task is run with noisy goals."""
    beside_m: np.ndarray
    """Start beside the commanded goal, x and y (2,)."""
    spread: float
    """In [-1, 1], of the holding force."""


def load_plug_task(path: str | Path | None = None) -> PlugTask:
    """The task of a YAML file; without one, the packaged ``config/tasks/plug.yaml``."""
    return load(PlugTask, path or config_dir() / "tasks" / "plug.yaml")


def list_plugs() -> list[str]:
    """Connectors of chapter 9 in rising difficulty where known, then by name."""
    found = {p.stem for p in (config_dir() / "tasks" / "plug").glob("*.yaml")}
    known = [n for n in ("usb", "dsub", "model_e") if n in found]
    return known + sorted(found - set(known))


def load_plug(path_or_name: str | Path) -> PlugSpec:
    """The connector of a YAML file, or the packaged one of that name; ConfigError names the nearest."""
    text = str(path_or_name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(PlugSpec, text)
    if text not in list_plugs():
        raise ConfigError(f"unknown connector '{text}' of the plug task{nearest(text, list_plugs())}")
    return load(PlugSpec, config_dir() / "tasks" / "plug" / f"{text}.yaml")
