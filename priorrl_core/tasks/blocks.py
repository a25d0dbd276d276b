"""Block assembly of thesis chapter 8 as data: its strict YAML, the yaws of an episode, the tracker of poses."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from priorrl_core.config import config_dir, load
from priorrl_core.control.base_loader import BaseSpec
from priorrl_core.control.control_noise import ControlNoise
from priorrl_core.rewards.assembly import AssemblyReward, AssemblyTerms
from priorrl_core.tasks.plug import OnFault, ResetBy
from priorrl_core.tasks.success import AssemblyLimits
from priorrl_core.tasks.task import Vec3

Backend = Literal["position", "impedance"]
BLOCKS = 2
OBSERVATION_SIZE = 6 + 6 * BLOCKS
DRIVE_TICKS = 80
_DRIVE_STEP_M, _ARRIVED_M = 0.01, 0.0005
_TRACKER_STREAM = 8


@dataclass(frozen=True)
class Yaw:
    """Turn of each standing block about the vertical, drawn for each block on its own at every reset."""

    kind: Literal["uniform", "three_way"] = "uniform"
    """``uniform``: U[-range, range] (row 8.16); ``three_way``: straight, +angle or -angle (row 8.17)."""
    range_rad: float = 0.0
    """The thesis sweeps 0 to 0.3."""
    three_way_deg: float = 20.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.range_rad <= math.pi / 4:
            raise ValueError("range_rad must lie between 0 and pi/4")

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """(2,) [rad]."""
        if self.kind == "three_way":
            return math.radians(self.three_way_deg) * rng.integers(-1, 2, BLOCKS)
        return self.range_rad * rng.uniform(-1.0, 1.0, BLOCKS)


@dataclass(frozen=True)
class Tracking:
    """How the policy learns where the blocks are: exactly, or from a camera-based tracker (row 8.15)."""

    position_std_m: float = 0.0
    angle_std_rad: float = 0.0
    delay_steps: int = 0

    def __post_init__(self) -> None:
        if min(self.position_std_m, self.angle_std_rad, self.delay_steps) < 0:
            raise ValueError("noise and delay must not be negative")


class Tracker:
    """Gives out the block poses (2, 6) [m, rad] of ``delay_steps`` calls ago, with fresh Gaussian noise."""

    def __init__(self, config: Tracking) -> None:
        self.config = config
        self._held: deque[np.ndarray] = deque(maxlen=config.delay_steps + 1)
        self._std = np.array([config.position_std_m] * 3 + [config.angle_std_rad] * 3)

    def reset(self) -> None:
        """A new episode: until the delay has passed, its first pose is given out."""
        self._held.clear()

    def __call__(self, poses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self._held.append(np.array(poses))
        if not self._std.any():
            return self._held[0].copy()
        return self._held[0] + self._std * rng.standard_normal(poses.shape)


@dataclass(frozen=True)
class Perturbation:
    """What is otherwise in a second simulator than in the first: the sim-to-real analogue (row 8.24)."""

    friction_scale: float = 1.0
    mass_scale: float = 1.0
    command_delay_steps: int = 0

    def __post_init__(self) -> None:
        if self.friction_scale <= 0.0 or self.mass_scale <= 0.0 or self.command_delay_steps < 0:
            raise ValueError("friction_scale and mass_scale must be positive, command_delay_steps not negative")


@dataclass(frozen=True)
class BlockShapes:
    """Boxes: x, y, z [m]. The standing blocks stand beside the slot along y."""

    standing_m: Vec3
    held_m: Vec3
    clearance_m: float
    """Between held and standing block on each side, when the blocks are straight."""
    foot_m: Vec3
    """Narrower lower end of the held block, part of its height: with it the standing blocks can be nudged."""
    hang_m: float
    """From the tip of the gripper down to the bottom of the held block."""
    goal_bottom_m: float
    """Bottom of the held block above the table, in its place."""
    standing_mass_kg: float = 0.25
    held_mass_kg: float = 0.1
    friction: float = 0.4
    """Between a block and the table; between two blocks its square."""
    stiffness_n_m: float = 8.0e4
    """Of the standing blocks' faces; a rigid contact would ring at hundreds of newtons."""
    damping_ns_m: float = 400.0

    def __post_init__(self) -> None:
        if any(f > h for f, h in zip(self.foot_m, self.held_m, strict=True)):
            raise ValueError("foot_m must not be larger than held_m")


@dataclass(frozen=True)
class BlockTask:
    name: str
    horizon: int
    control_period_s: float
    table_xyz_m: Vec3
    """Point of the table's top below the slot, base frame."""
    start_height_m: float
    """Of the held block above its place, at the start."""
    start_xy_m: float
    shapes: BlockShapes
    residual_limit_m: Vec3
    servo_margin_nm: tuple[float, ...]
    """Position back-end: what each joint servo may add beyond gravity."""
    observation_unit: tuple[float, float, float]
    """What 1 in the observation means: metres, newtons, radians."""
    backend: Backend = "position"
    """``position``: Cartesian position control (simulation); ``impedance``: the robot's joint impedance (row 8.14)."""
    blocks_fixed: bool = False
    """The standing blocks cannot move (experiment 8-D)."""
    base: BaseSpec = field(default_factory=BaseSpec)
    control_noise: ControlNoise = field(default_factory=ControlNoise)
    yaw: Yaw = field(default_factory=Yaw)
    tracking: Tracking = field(default_factory=Tracking)
    perturbation: Perturbation = field(default_factory=Perturbation)
    reward: AssemblyReward = field(default_factory=AssemblyReward)
    success: AssemblyLimits = field(default_factory=AssemblyLimits)
    on_fault: OnFault = "hold"
    reset_by: ResetBy = "place"
    """As in ``PlugTask``: ``place`` passes no safety filter and is for training in simulation, as in chapter 8."""

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.start_height_m <= 0.0 or self.start_xy_m < 0.0:
            raise ValueError("horizon and start_height_m must be positive, start_xy_m not negative")

    @property
    def goal_m(self) -> np.ndarray:
        """Tip (3,) when the held block is in its place."""
        return np.array(self.table_xyz_m) + [0.0, 0.0, self.shapes.goal_bottom_m + self.shapes.hang_m]

    @property
    def nominal_m(self) -> np.ndarray:
        """Centres (2, 3) of the standing blocks as they are set up."""
        aside = (self.shapes.held_m[1] + self.shapes.standing_m[1]) / 2 + self.shapes.clearance_m
        up = self.shapes.standing_m[2] / 2
        return np.array(self.table_xyz_m) + np.array([[0.0, -aside, up], [0.0, aside, up]])

    def draw(self, rng: np.random.Generator) -> BlockDraw:
        """What chance decides about the next episode."""
        yaw = self.yaw.sample(rng)
        return BlockDraw(yaw, self.start_xy_m * rng.uniform(-1.0, 1.0, 2))

    def observe(self, tip_m: np.ndarray, force_n: np.ndarray, tracked: np.ndarray) -> np.ndarray:
        """Observation float32 (18,) in ``observation_unit`` from tip (3,), force (3,) and tracked poses (2, 6)."""
        metre, newton, radian = self.observation_unit
        unit = np.array([metre] * 3 + [newton] * 3 + ([metre] * 3 + [radian] * 3) * BLOCKS)
        return (np.concatenate([tip_m - self.goal_m, force_n, tracked.reshape(-1)]) / unit).astype(np.float32)

    def terms(self, tip_m: np.ndarray, tracked: np.ndarray) -> AssemblyTerms:
        """f(s_m) and g(s_o) (equation 44) of tip (3,) and tracked poses (2, 6)."""
        return self.reward(tip_m - self.goal_m, tilts_rad(tracked), shifts_m(tracked))

    def drive_step(self, tip_m: np.ndarray, start_m: np.ndarray) -> np.ndarray | None:
        """Next increment (3,) [m] towards ``start_m`` (3,), up before across; None when there."""
        error = np.asarray(start_m, float) - tip_m
        if float(np.abs(error).max()) <= _ARRIVED_M:
            return None
        if error[2] > 0.005:
            error[:2] = 0.0
        return np.clip(error, -_DRIVE_STEP_M, _DRIVE_STEP_M)


class BlockDraw(NamedTuple):
    """The random part of one episode."""

    yaw_rad: np.ndarray
    """(2,)"""
    beside_m: np.ndarray
    """Start beside the goal, x and y (2,)."""


def tracker_rng(seed: int) -> np.random.Generator:
    """The tracker's noise, apart from the draws of the reset of the same seed."""
    return np.random.default_rng([seed, _TRACKER_STREAM])


def tilts_rad(poses: np.ndarray) -> np.ndarray:
    """Angle (2,) between each block's axis and the vertical, from poses (2, 6) with roll and pitch."""
    return np.arccos(np.clip(np.cos(poses[:, 3]) * np.cos(poses[:, 4]), -1.0, 1.0))


def shifts_m(poses: np.ndarray) -> np.ndarray:
    """Horizontal distance (2,) of each block from where it was set up, from poses (2, 6)."""
    return np.hypot(poses[:, 0], poses[:, 1])


def load_block_task(path: str | Path | None = None) -> BlockTask:
    """The task of a YAML file; without one, the packaged ``config/tasks/blocks.yaml``."""
    return load(BlockTask, path or config_dir() / "tasks" / "blocks.yaml")
