"""The insertion task as a Gymnasium environment: the same world, base controller and safety as the graph."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.control.p_controller import PController
from priorrl_core.control.residual import compose
from priorrl_core.control.safety import SafetyFilter, SafetyLimits, Verdict, check_with_way_out
from priorrl_core.errors import UserError
from priorrl_core.robots.profile import RobotProfile, load_robot
from priorrl_core.tasks.connectors import ConnectorSpec
from priorrl_core.tasks.reset_path import reset_step, start_pose
from priorrl_core.tasks.task import InsertionTask, load_task
from priorrl_core.tasks.world import InsertionWorld, WorldState


class ResetFailed(UserError):
    """The arm did not reach the start pose."""


class InsertionEnv(gym.Env):
    """Observation: ``image`` uint8 (48, 48, 3) and ``proprio`` float32 (6,) = tip minus believed goal [m],
    force [N]. Action: float32 (3,) in [-1, 1], the residual in units of ``task.residual_limit_m``.

    Reward: the connector's electrical signal (thesis equation 47), 0 or 1. Learners that reward themselves
    ignore it. ``info`` holds ``base_m``, ``residual_m``, ``sum_m``, ``executed_m``, ``clipped``, ``fault``,
    ``peak_force_n``; the simulator's own knowledge is under ``info["ground_truth"]`` and can be withheld.
    Episodes end by truncation at the horizon; a safety fault terminates.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(self, connector: ConnectorSpec, robot: RobotProfile | None = None,
                 task: InsertionTask | None = None, scenario: str = "I", blend: float = 1.0, seed: int = 0,
                 ground_truth: bool = True, images: bool = True) -> None:
        self.robot, self.task = robot or load_robot(), task or load_task()
        self.connector, self.scenario, self.blend = connector, scenario, blend
        self.ground_truth = ground_truth
        self.world = InsertionWorld(connector, self.robot, self.task, seed, images)
        self.base = PController(np.array(self.task.base_gain), np.array(self.task.base_limit_m))
        self.safety = SafetyFilter(SafetyLimits.from_profile(self.robot))
        self._limit = np.array(self.task.residual_limit_m)
        self._rng = np.random.default_rng(seed)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.observation_space = gym.spaces.Dict({
            "image": gym.spaces.Box(0, 255, (48, 48, 3), np.uint8),
            "proprio": gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)})
        self._state: WorldState = self.world.state()
        self.believed_goal_m = self.world.goal_m.copy()
        self.reset_ticks = 0
        self._step = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Draws the goal error of the scenario, moves to the start through the safety filter, zeroes the force."""
        super().reset(seed=seed)
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        options = options or {}
        error = options.get("goal_error_m")
        if error is None:
            error = self.task.sample_goal_error(options.get("scenario", self.scenario), self._rng)
        self.believed_goal_m = self.world.goal_m + np.asarray(error)
        self.safety.rearm()
        self._go_to(start_pose(self.believed_goal_m, self.task))
        self.world.zero_wrench()
        images, self._step = self.world.images, 0
        self._state = self.world.state() if images else self._state
        return self._obs(), self._info({})

    def _go_to(self, target_m: np.ndarray) -> None:
        images, self.world.images = self.world.images, False
        try:
            for tick in range(self.task.reset_max_ticks):
                delta = reset_step(self._state.tip_m, target_m, self.task)
                if delta is None:
                    self.reset_ticks = tick
                    return
                state = self._state
                self._move(check_with_way_out(self.safety, delta, state.tip_m, state.peak_force_n, 0.0, state.q))
        finally:
            self.world.images = images
        raise ResetFailed(f"the arm did not reach the start pose in {self.task.reset_max_ticks} periods; "
                          "check the socket's place and the workspace limits")

    def _move(self, verdict: Verdict) -> None:
        """One control period; a faulted command holds the set point."""
        self._state = self.world.step(None if verdict.fault else verdict.delta_m)

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        base = self.base(self._state.tip_m, self.believed_goal_m)
        residual, total = compose(base, np.asarray(action, np.float64), self._limit, self.blend)
        state = self._state
        verdict = self.safety.check(total, state.tip_m, state.peak_force_n, 0.0, state.q)
        self._move(verdict)
        self._step += 1
        info = self._info({
            "base_m": base, "residual_m": residual, "sum_m": total,
            "executed_m": verdict.delta_m,
            "clipped": verdict.clipped, "fault": verdict.fault, "peak_force_n": self._state.peak_force_n})
        reward = float(self.world.electrical())
        return self._obs(), reward, verdict.fault is not None, self._step >= self.task.horizon, info

    def _obs(self) -> dict[str, np.ndarray]:
        state = self._state
        proprio = np.concatenate([state.tip_m - self.believed_goal_m, state.force_n]).astype(np.float32)
        return {"image": state.image, "proprio": proprio}

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        if self.ground_truth:
            truth = self.world.truth()
            info["ground_truth"] = {"inserted": truth.inserted, "depth_m": truth.depth_m,
                                    "offset_m": truth.offset_m,
                                    "goal_error_m": self.believed_goal_m - self.world.goal_m}
        info["wrench"] = np.concatenate([self._state.force_n, self._state.torque_nm])
        return info

    def render(self) -> np.ndarray:
        return self.world.render()

    def close(self) -> None:
        self.world.close()
