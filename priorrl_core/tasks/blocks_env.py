"""Block assembly of chapter 8 as a Gymnasium environment of tip increments, and its residual version."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.control.base_controllers import RobotState
from priorrl_core.control.base_loader import BaseSpec, load_base
from priorrl_core.control.safety import SafetyFilter, SafetyLimits, Verdict, check_with_way_out
from priorrl_core.errors import DataError, UserError
from priorrl_core.robots.profile import RobotProfile, load_robot
from priorrl_core.tasks.blocks import (
    DRIVE_TICKS,
    OBSERVATION_SIZE,
    BlockTask,
    load_block_task,
    shifts_m,
    tilts_rad,
)
from priorrl_core.tasks.blocks_cell import BlockCell
from priorrl_core.tasks.residual import ResidualEnv
from priorrl_core.tasks.success import assembly_done


class BlocksEnv(gym.Env):
    """Action: increment (3,) [m] of the tip, through the safety filter. Episodes of ``horizon`` periods.

    Observation float32 (18,) in ``task.observation_unit``: tip minus goal (3), force on the held block (3), and
    for each standing block position minus nominal (3), roll, pitch, yaw, as the tracker reports them. Reward
    f(s_m) + g(s_o) (equation 44), the terms under ``info["reward_terms"]``, g from the tracker too. A time-out
    truncates, a safety fault terminates where the task says so. True poses and success stand under
    ``info["ground_truth"]`` alone.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, task: BlockTask | None = None, robot: RobotProfile | None = None, seed: int = 0,
                 ground_truth: bool = True) -> None:
        self.task, self.robot, self.ground_truth = task or load_block_task(), robot or load_robot(), ground_truth
        self.cell = BlockCell(self.task, self.robot, seed)
        self.world = self.cell.world
        self.safety = SafetyFilter(SafetyLimits.from_profile(self.robot))
        self._rng = np.random.default_rng(seed)
        step = self.robot.max_step_m
        self.action_space = gym.spaces.Box(-step, step, (3,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
        self._step, self.reset_ticks, self._zeroed = 0, 0, False
        self.observation_age_s = 0.0
        """Age of the newest observation, for the safety filter."""

    @property
    def commanded_goal_m(self) -> np.ndarray:
        """Tip (3,) when the held block is in its place; known exactly in chapter 8."""
        return self.task.goal_m

    def robot_state(self) -> RobotState:
        arm = self.world.arm
        return RobotState(arm.tip_m, arm.velocity_m_s, arm.force_n, self._step)

    # -- episodes ---------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Options: ``yaw_rad`` (2,), ``start_xy_m`` (2,). Draws what is not given; the arm leaves before the blocks
        are set up again, then the force reading is made zero (row 9.07). ``task.reset_by`` says how it leaves:
        ``place`` sets it there at once, outside the safety filter, which only a simulator can (law 2)."""
        super().reset(seed=seed)
        if seed is not None:
            self._rng = np.random.default_rng(seed)
            self.cell.seed(seed)
        given = options or {}
        drawn = self.task.draw(self._rng)
        beside = np.asarray(given.get("start_xy_m", drawn.beside_m), float)
        self._go_to(self.task.goal_m + [*beside, self.task.start_height_m])
        self.cell.set_up(np.asarray(given.get("yaw_rad", drawn.yaw_rad), float))
        self._step, self._zeroed = 0, True
        return self._observe(), self._info({})

    def _go_to(self, start_m: np.ndarray) -> None:
        self.safety.rearm()
        self.reset_ticks = 0
        if self.task.reset_by == "place":
            self.world.place(start_m)
            return
        for tick in range(DRIVE_TICKS):
            self.reset_ticks = tick
            delta = self.task.drive_step(self.world.arm.tip_m, start_m)
            if delta is None:
                return
            arm = self.world.arm
            self._move(check_with_way_out(self.safety, delta, arm.tip_m, arm.peak_force_n, self.observation_age_s,
                                          arm.q))
        raise UserError(f"the arm did not reach the start pose in {DRIVE_TICKS} periods; check the workspace limits")

    def _move(self, verdict: Verdict) -> None:
        """One control period; a faulted command holds the set point."""
        self.world.step(None if verdict.fault else verdict.delta_m)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not self._zeroed:
            raise DataError("the force reading was not made zero; call reset() before the first step")
        arm = self.world.arm
        verdict = self.safety.check(np.asarray(action, np.float64), arm.tip_m, arm.peak_force_n,
                                    self.observation_age_s, arm.q)
        self._move(verdict)
        self._step += 1
        observation = self._observe()
        terms = self.task.terms(self.world.arm.tip_m, self.cell.tracked)
        info = self._info({"executed_m": verdict.delta_m, "clipped": verdict.clipped, "fault": verdict.fault,
                           "peak_force_n": self.world.arm.peak_force_n,
                           "reward_terms": {"f": terms.robot, "g": terms.objects}})
        faulted = verdict.fault is not None and self.task.on_fault == "terminate"
        return observation, terms.reward, faulted, self._step >= self.task.horizon, info

    # -- what is seen -----------------------------------------------------------------------------------

    def _offset(self) -> np.ndarray:
        return self.world.arm.tip_m - self.task.goal_m

    def _observe(self) -> np.ndarray:
        arm = self.world.arm
        return self.task.observe(arm.tip_m, arm.force_n, self.cell.track())

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        if self.ground_truth:
            poses, offset = self.world.poses(), self._offset()
            tilt, shift = tilts_rad(poses), shifts_m(poses)
            info["ground_truth"] = {
                "success": assembly_done(offset, tilt, shift, self.task.success), "offset_m": offset,
                "distance_m": float(np.linalg.norm(offset)), "poses": poses, "tilt_rad": tilt, "shift_m": shift}
        return info

    def close(self) -> None:
        self.world.close()


def make_blocks(task: BlockTask | None = None, base: BaseSpec | None = None, blend: float = 1.0, seed: int = 0,
                ground_truth: bool = True) -> ResidualEnv:
    """The residual environment of block assembly; ``base=BaseSpec("zero")`` makes it "only RL" (row 8.08)."""
    task = task or load_block_task()
    env = BlocksEnv(task, seed=seed, ground_truth=ground_truth)
    return ResidualEnv(env, load_base(base or task.base), task.residual_limit_m, blend, task.control_noise, seed)
