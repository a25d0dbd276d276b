"""What ``--task`` names: one definition that the ROS graph and the Gymnasium environments both read.

``insertion`` (thesis chapter 10), ``usb``, ``dsub``, ``model_e`` (chapter 9), ``blocks`` (chapter 8), or a YAML file
of one of them. Worlds are imported where one is made: a controller needs no physics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from priorrl_core.config import build, load_yaml
from priorrl_core.control.base_controllers import BaseController, ProportionalBase
from priorrl_core.control.base_loader import load_base
from priorrl_core.control.control_noise import ControlNoise
from priorrl_core.errors import ConfigError, DataError, nearest
from priorrl_core.goals.calibration import believed_goal_m, calibrated_goal_m
from priorrl_core.rewards.natural import Judgement
from priorrl_core.rewards.plug import RewardKind
from priorrl_core.robots.profile import RobotProfile
from priorrl_core.tasks.blocks import (
    DRIVE_TICKS,
    OBSERVATION_SIZE,
    BlockTask,
    load_block_task,
    shifts_m,
    tilts_rad,
)
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.plug import IMAGE_SIZE, PlugSpec, PlugTask, Seen, list_plugs, load_plug, load_plug_task
from priorrl_core.tasks.reset_path import reset_step, start_pose
from priorrl_core.tasks.success import assembly_done
from priorrl_core.tasks.task import InsertionTask, load_task

if TYPE_CHECKING:
    from priorrl_core.tasks.cells import Cell

OBSERVATIONS = ("position", "image")


class TaskKind(ABC):
    """A task as the nodes see it. Each subclass is one chapter of the thesis."""

    residual = True
    """Learned from scratch by TD3 or SAC on ``observe``; False: chapter 10, with perception and learned reward."""
    rewards: tuple[str, ...] = ()
    """Modes of the reward node that fit; the first is the task's own."""
    scenarios: tuple[str, ...] = ("exact",)
    image_shape: tuple[int, ...] = ()
    """Of the camera; () without one."""
    tracked = False
    """Objects are tracked, and part of the observation."""
    observation = "position"
    observation_shape: tuple[int, ...] = ()
    reset_max_ticks = 60

    def __init__(self, name: str, task: InsertionTask | PlugTask | BlockTask) -> None:
        self.name, self.horizon, self.control_period_s = name, task.horizon, task.control_period_s
        self.residual_limit_m = np.array(task.residual_limit_m)
        self.noise = ControlNoise()

    @abstractmethod
    def base(self) -> BaseController:
        """A fresh base controller."""

    @abstractmethod
    def cell(self, robot: RobotProfile, seed: int) -> Cell:
        """The simulated bench; imports the physics engine."""

    @abstractmethod
    def goal_m(self, scenario: str, seed: int) -> np.ndarray:
        """Commanded goal (3,) [m] of the episode with ``seed``; ConfigError for an unknown scenario."""

    @abstractmethod
    def start_m(self, goal_m: np.ndarray, seed: int) -> np.ndarray:
        """Tip (3,) [m] at the start of the episode with ``seed``."""

    @abstractmethod
    def reset_step(self, tip_m: np.ndarray, start_m: np.ndarray) -> np.ndarray | None:
        """Next increment (3,) [m] towards the start; None when there."""

    @abstractmethod
    def observe(self, tip_m: np.ndarray, force_n: np.ndarray, goal_m: np.ndarray, objects: np.ndarray | None
                ) -> np.ndarray:
        """Observation float32 of the position view: tip (3,), force (3,), commanded goal (3,), tracked poses (N, 6)."""

    @abstractmethod
    def judge(self, mode: str, seen: Seen, objects: np.ndarray | None) -> Judgement:
        """The natural reward ``mode`` of one observation; DataError where an input is missing."""

    def goal_image(self, robot: RobotProfile) -> np.ndarray | None:
        """How success looks to the camera; None where only practice can tell."""
        return None

    def _check(self, scenario: str) -> None:
        if scenario not in self.scenarios:
            raise ConfigError(f"unknown scenario '{scenario}' of task '{self.name}'{nearest(scenario, self.scenarios)}")


class InsertionKind(TaskKind):
    """Chapter 10: perception, learned reward and heads of IQL."""

    residual = False
    rewards = ("daib", "sparse", "dense", "image")
    image_shape, observation = (48, 48, 3), "image"

    def __init__(self, name: str, task: InsertionTask, connector: str) -> None:
        super().__init__(name, task)
        self.task, self._connector = task, connector
        self.reset_max_ticks, self.scenarios = task.reset_max_ticks, tuple(task.scenarios)

    def base(self) -> BaseController:
        return ProportionalBase(self.task.base_gain, self.task.base_limit_m)

    def cell(self, robot: RobotProfile, seed: int) -> Cell:
        from priorrl_core.tasks.cells import InsertionCell

        return InsertionCell(load_connector(self._connector), robot, self.task, seed)

    def goal_m(self, scenario: str, seed: int) -> np.ndarray:
        return believed_goal_m(load_connector(self._connector), self.task, scenario, seed)

    def start_m(self, goal_m: np.ndarray, seed: int) -> np.ndarray:
        return start_pose(goal_m, self.task)

    def reset_step(self, tip_m: np.ndarray, start_m: np.ndarray) -> np.ndarray | None:
        return reset_step(tip_m, start_m, self.task)

    def observe(self, tip_m: np.ndarray, force_n: np.ndarray, goal_m: np.ndarray, objects: np.ndarray | None
                ) -> np.ndarray:
        raise DataError(f"task '{self.name}' has no position view; its policy sees perception's features")

    def judge(self, mode: str, seen: Seen, objects: np.ndarray | None) -> Judgement:
        raise DataError(f"task '{self.name}' is judged from its images by the reward node, not by its definition")


class PlugKind(TaskKind):
    """Chapter 9: connector insertion from position or from a grey image."""

    rewards, scenarios = ("dense", "sparse", "image"), ("exact", "noisy")
    image_shape = (IMAGE_SIZE, IMAGE_SIZE)

    def __init__(self, name: str, plug: PlugSpec, task: PlugTask, observation: str) -> None:
        super().__init__(name, task)
        self.plug, self.task, self.noise, self.observation = plug, task, task.control_noise, observation
        self.observation_shape = (4,) if observation == "position" else (1, *self.image_shape)
        self._bench = task.bench()
        self.reset_max_ticks = self._bench.reset_max_ticks
        self._goal_m = calibrated_goal_m(plug.connector, self._bench)

    def base(self) -> BaseController:
        return load_base(self.task.base)

    def cell(self, robot: RobotProfile, seed: int) -> Cell:
        from priorrl_core.tasks.plug_cell import PlugCell

        return PlugCell(self.plug, self.task, robot, seed)

    def goal_m(self, scenario: str, seed: int) -> np.ndarray:
        self._check(scenario)
        error = self.task.draw(np.random.default_rng(seed)).goal_error_m
        return self._goal_m + (error if scenario == "noisy" else np.zeros(3))

    def start_m(self, goal_m: np.ndarray, seed: int) -> np.ndarray:
        beside = self.task.draw(np.random.default_rng(seed)).beside_m
        return np.asarray(goal_m) + [*beside, self.task.start_height_m]

    def reset_step(self, tip_m: np.ndarray, start_m: np.ndarray) -> np.ndarray | None:
        return reset_step(tip_m, start_m, self._bench)

    def observe(self, tip_m: np.ndarray, force_n: np.ndarray, goal_m: np.ndarray, objects: np.ndarray | None
                ) -> np.ndarray:
        return self.task.view.observe(tip_m, float(force_n[2]), goal_m)

    def judge(self, mode: str, seen: Seen, objects: np.ndarray | None) -> Judgement:
        depth_m = self.plug.connector.fit.depth_mm * 1e-3
        return self.task.rewards.judge(cast(RewardKind, mode), seen, self._goal_m, depth_m)

    def goal_image(self, robot: RobotProfile) -> np.ndarray | None:
        from priorrl_core.tasks.plug_cell import PlugCell

        cell = PlugCell(self.plug, self.task, robot)
        cell.close()
        return cell.goal_image


class BlockKind(TaskKind):
    """Chapter 8: block assembly from tracked poses."""

    rewards, tracked, observation_shape = ("assembly",), True, (OBSERVATION_SIZE,)
    reset_max_ticks = DRIVE_TICKS

    def __init__(self, name: str, task: BlockTask) -> None:
        super().__init__(name, task)
        self.task, self.noise = task, task.control_noise

    def base(self) -> BaseController:
        return load_base(self.task.base)

    def cell(self, robot: RobotProfile, seed: int) -> Cell:
        from priorrl_core.tasks.blocks_cell import BlockCell

        return BlockCell(self.task, robot, seed)

    def goal_m(self, scenario: str, seed: int) -> np.ndarray:
        self._check(scenario)
        return self.task.goal_m

    def start_m(self, goal_m: np.ndarray, seed: int) -> np.ndarray:
        beside = self.task.draw(np.random.default_rng(seed)).beside_m
        return np.asarray(goal_m) + [*beside, self.task.start_height_m]

    def reset_step(self, tip_m: np.ndarray, start_m: np.ndarray) -> np.ndarray | None:
        return self.task.drive_step(tip_m, start_m)

    def observe(self, tip_m: np.ndarray, force_n: np.ndarray, goal_m: np.ndarray, objects: np.ndarray | None
                ) -> np.ndarray:
        return self.task.observe(tip_m, force_n, _given(objects))

    def judge(self, mode: str, seen: Seen, objects: np.ndarray | None) -> Judgement:
        """The probability is 1 where the assembly looks done to the tracker."""
        poses, offset = _given(objects), seen.tip_m - self.task.goal_m
        done = assembly_done(offset, tilts_rad(poses), shifts_m(poses), self.task.success)
        return Judgement(float(done), self.task.terms(seen.tip_m, poses).reward)


def _given(objects: np.ndarray | None) -> np.ndarray:
    if objects is None:
        raise DataError("no object was tracked; publish 'objects'")
    return objects


def list_kinds() -> list[str]:
    """Names for ``--task``."""
    return ["insertion", *list_plugs(), "blocks"]


def load_kind(task: str | Path = "insertion", connector: str = "", observation: str = "position") -> TaskKind:
    """The task of that name or YAML file. ``connector`` is chapter 10's, or for a file of ``config/tasks/plug.yaml``'s
    form the plug's; ``observation`` (position, image) is chapter 9's. ConfigError names the nearest."""
    text = str(task)
    if observation not in OBSERVATIONS:
        raise ConfigError(f"unknown observation '{observation}'{nearest(observation, OBSERVATIONS)}")
    if text.endswith((".yaml", ".yml")) or "/" in text:
        kind = _from_file(text, connector, observation)
    elif text == "insertion":
        kind = InsertionKind(text, load_task(), connector)
    elif text == "blocks":
        kind = BlockKind(text, load_block_task())
    elif text in list_plugs():
        kind = PlugKind(text, load_plug(text), load_plug_task(), observation)
    else:
        raise ConfigError(f"unknown task '{text}'{nearest(text, list_kinds())}")
    if observation == "image" and not kind.image_shape:
        raise ConfigError(f"task '{text}' has no camera; leave out '--observation image'")
    return kind


def _from_file(path: str, connector: str, observation: str) -> TaskKind:
    """By what the file holds: a plug (``connector``), the plug task (``view``), blocks (``shapes``), else insertion."""
    data: dict[str, Any] = load_yaml(path)
    if "connector" in data:
        return PlugKind(Path(path).stem, build(PlugSpec, data, path), load_plug_task(), observation)
    if "view" in data:
        return PlugKind(connector, load_plug(connector), build(PlugTask, data, path), observation)
    if "shapes" in data:
        return BlockKind(Path(path).stem, build(BlockTask, data, path))
    return InsertionKind(Path(path).stem, build(InsertionTask, data, path), connector)
