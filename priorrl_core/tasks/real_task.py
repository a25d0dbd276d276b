"""The three robots of thesis chapter 6 (section 6.6.2, appendix D.8): what they see, do, earn, and had as prior data.

``RealEnv`` is the Gymnasium environment of such a task over any driver. The reset mechanism runs before every
episode. Limits, periods and horizons are ours: the thesis gives none. On a robot the driver's commands go through the
safety gate (law 2); the checks here come before it, not in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gymnasium as gym
import numpy as np

from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, DataError, nearest
from priorrl_core.rewards import manipulation


@dataclass(frozen=True)
class Part:
    """A run of numbers of the state."""

    name: str
    size: int


@dataclass(frozen=True)
class RealTask:
    """One file of ``config/real_tasks``."""

    name: str
    state: tuple[Part, ...]
    command: Literal["joint_angles", "tip_velocity", "joint_angles_and_tip"]
    """What the action means: desired joint angles for a PID follower, a velocity of the end effector, or both."""
    low: tuple[float, ...]
    """Lowest command of each action, in its unit (rad, m/s); ``ng``."""
    high: tuple[float, ...]
    max_step: float
    """Largest change of a command from one period to the next; ``ng``."""
    reward: Literal["claw", "drawer", "reposition"]
    demos: int
    demo_source: Literal["kinesthetic", "spacemouse"]
    clone_trajectories: int
    period_s: float = 0.1
    """``ng``."""
    horizon: int = 100
    """``ng``."""
    watchdog_s: float = 0.5
    """Oldest state that may be acted on; ``ng``."""

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("low and high must have one entry for each action, low below high")
        if min(self.max_step, self.period_s, self.watchdog_s) <= 0.0 or self.horizon < 1:
            raise ValueError("max_step, period_s and watchdog_s must be above 0, horizon at least 1")

    @property
    def state_size(self) -> int:
        return sum(part.size for part in self.state)

    @property
    def action_size(self) -> int:
        return len(self.low)

    def part(self, state: np.ndarray, name: str) -> np.ndarray:
        """The numbers of one part of a state (D,)."""
        begin = 0
        for part in self.state:
            if part.name == name:
                return state[begin:begin + part.size]
            begin += part.size
        raise ConfigError(f"task '{self.name}' has no part '{name}'{nearest(name, [p.name for p in self.state])}")


def list_real_tasks() -> list[str]:
    """Names of the packaged tasks."""
    return sorted(p.stem for p in (config_dir() / "real_tasks").glob("*.yaml"))


def load_real_task(name: str) -> RealTask:
    """ConfigError names the nearest if there is none of that name."""
    if name not in list_real_tasks():
        raise ConfigError(f"unknown task '{name}'{nearest(name, list_real_tasks())}")
    return load(RealTask, config_dir() / "real_tasks" / f"{name}.yaml")


class Driver(Protocol):
    """What stands between the environment and a robot."""

    def state(self) -> tuple[np.ndarray, float]:
        """The newest state (D,) and its age [s]."""

    def command(self, command: np.ndarray) -> None:
        """Carries out a command (A,) for one period."""

    def stop(self) -> None:
        """Holds still."""

    def reset(self) -> None:
        """Runs the rig's reset mechanism to its end."""


class RealEnv(gym.Env):
    """Actions are commands in their units, clipped to the task's limits and to ``max_step`` from the last one.

    A state older than the watchdog allows, or one that is not finite, stops the robot and ends the episode as
    terminated with ``info["fault"]``. ``goal`` is what the reward compares with, where it needs one.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, task: RealTask, driver: Driver, goal: np.ndarray | float = 0.0) -> None:
        self.task, self.driver, self.goal = task, driver, np.asarray(goal, np.float64)
        self.action_space = gym.spaces.Box(np.array(task.low, np.float32), np.array(task.high, np.float32))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (task.state_size,), np.float32)
        self._last: np.ndarray | None = None
        self._start, self._step = np.zeros(task.state_size), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Runs the reset mechanism; DataError if there is no fresh state after it."""
        super().reset(seed=seed)
        self.driver.stop()
        self.driver.reset()
        state, fault = self._seen()
        if fault:
            self.driver.stop()
            raise DataError(f"no episode begins: {fault}; check the driver")
        self._last, self._start, self._step = None, state, 0
        return state.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        command = self._within(np.asarray(action, np.float64))
        state, fault = self._seen()
        if not fault:
            self.driver.command(command)
            self._last = command
            state, fault = self._seen()
        if fault:
            self.driver.stop()
        self._step += 1
        state = state if np.isfinite(state).all() else self._start
        return (state.astype(np.float32), self._reward(state), bool(fault), self._step >= self.task.horizon,
                {"fault": fault or None, "executed": None if fault else command})

    def _within(self, action: np.ndarray) -> np.ndarray:
        if action.shape != (self.task.action_size,) or not np.isfinite(action).all():
            self.driver.stop()
            raise DataError(f"the action is {action}; give {self.task.action_size} finite numbers")
        command = np.clip(action, self.task.low, self.task.high)
        if self._last is not None:
            command = np.clip(command, self._last - self.task.max_step, self._last + self.task.max_step)
        return command

    def _seen(self) -> tuple[np.ndarray, str]:
        """The newest state, and what is wrong with it."""
        state, age_s = self.driver.state()
        state = np.asarray(state, np.float64)
        if state.shape != (self.task.state_size,):
            return np.full(self.task.state_size, np.nan), f"the state has shape {state.shape}"
        if not np.isfinite(state).all():
            return state, "the state is not finite"
        return state, f"the state is {age_s:.2f} s old" if age_s > self.task.watchdog_s else ""

    def _reward(self, state: np.ndarray) -> float:
        part = self.task.part
        if self.task.reward == "claw":
            return float(manipulation.claw_reward(part(state, "object_rad")[0], self.goal))
        if self.task.reward == "drawer":
            return float(manipulation.drawer_reward(part(state, "motor_rad")[0], part(self._start, "motor_rad")[0]))
        return float(manipulation.reposition_reward(part(state, "object_m"), part(state, "hand_m"),
                                                    part(state, "target_m")))

    def close(self) -> None:
        self.driver.stop()
