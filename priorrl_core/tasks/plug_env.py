"""Connector insertion of chapter 9 as a Gymnasium environment of tip increments, and its residual version."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
import numpy as np

from priorrl_core.control.base_controllers import RobotState
from priorrl_core.control.base_loader import BaseSpec, load_base
from priorrl_core.control.safety import SafetyFilter, SafetyLimits, Verdict, check_with_way_out
from priorrl_core.errors import ConfigError, DataError, UserError, nearest
from priorrl_core.rewards.plug import RewardKind
from priorrl_core.robots.profile import RobotProfile, load_robot
from priorrl_core.tasks.plug import IMAGE_SIZE, PlugSpec, PlugTask, Seen, load_plug, load_plug_task
from priorrl_core.tasks.plug_cell import PlugCell
from priorrl_core.tasks.reset_path import reset_step
from priorrl_core.tasks.residual import ResidualEnv
from priorrl_core.tasks.success import insertion_done

View = Literal["image", "position"]
GOALS = ("exact", "noisy")


class PlugEnv(gym.Env):
    """Action: increment (3,) [m] of the tip, through the safety filter. Episodes of ``horizon`` periods.

    Observation ``image``: uint8 (1, 32, 32), nothing else; ``position``: float32 (4,) = [x(3), f_z] in
    ``task.view.unit``. Reward ``dense`` (equation 48), ``sparse`` (47) or ``image`` (L1 to ``goal_image``).
    A time-out truncates; a safety fault or success terminates where the task says so. The simulator's
    knowledge is under ``info["ground_truth"]`` alone and can be withheld.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(self, plug: PlugSpec, task: PlugTask | None = None, view: View = "position",
                 reward: RewardKind = "dense", goal: str = "exact", robot: RobotProfile | None = None,
                 seed: int = 0, ground_truth: bool = True) -> None:
        self.plug, self.task, self.robot = plug, task or load_plug_task(), robot or load_robot()
        self.view, self.reward_kind, self.goal, self.ground_truth = view, reward, goal, ground_truth
        _check(view, ("image", "position"), "view")
        _check(reward, ("dense", "sparse", "image"), "reward")
        _check(goal, GOALS, "goal")
        self.cell = PlugCell(plug, self.task, self.robot, seed)
        self.world, self.goal_image = self.cell.world, self.cell.goal_image
        self.safety = SafetyFilter(SafetyLimits.from_profile(self.robot))
        self._bench, self._rng = self.task.bench(), np.random.default_rng(seed)
        step = self.robot.max_step_m
        self.action_space = gym.spaces.Box(-step, step, (3,), np.float64)
        self.observation_space: gym.Space = (
            gym.spaces.Box(0, 255, (1, IMAGE_SIZE, IMAGE_SIZE), np.uint8) if view == "image"
            else gym.spaces.Box(-np.inf, np.inf, (4,), np.float32))
        self.observation_age_s = 0.0
        """Age of the newest observation, for the safety filter; a late camera sets it."""
        self.reset_ticks = self._step = 0
        self._zeroed = False
        self._state = self.world.state()
        self._commanded = self.world.goal_m.copy()
        self._image = self.goal_image

    @property
    def commanded_goal_m(self) -> np.ndarray:
        """Goal (3,) of base controller and observation; the reward's and the judge's is ``world.goal_m``."""
        return self._commanded

    def robot_state(self) -> RobotState:
        return RobotState(self._state.tip_m, self.world.velocity_m_s(), self._state.force_n, self._step)

    # -- episodes ---------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Options: ``goal`` (exact, noisy), ``goal_error_m`` (3,), ``start_xy_m`` (2,). Draws what is not given,
        takes the arm to the start and makes the force reading zero (row 9.07)."""
        super().reset(seed=seed)
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        given = options or {}
        goal = given.get("goal", self.goal)
        _check(goal, GOALS, "goal")
        drawn = self.task.draw(self._rng)
        error = given.get("goal_error_m", drawn.goal_error_m if goal == "noisy" else np.zeros(3))
        self._commanded = self.world.goal_m + np.asarray(error, float)
        beside = np.asarray(given.get("start_xy_m", drawn.beside_m), float)
        start = self._commanded + [*beside, self.task.start_height_m]
        self._check_reach(start)
        self.cell.refresh(drawn.spread)
        self._go_to(start)
        self.world.zero_wrench()
        self._state, self._step, self._zeroed = self.world.state(), 0, True
        return self._observe(), self._info({})

    def _check_reach(self, start_m: np.ndarray) -> None:
        """ConfigError where the commanded goal or the start lies outside the workspace box (row 9.31)."""
        low, high = np.array(self.robot.workspace_lower_m), np.array(self.robot.workspace_upper_m)
        for name, place in (("goal", self._commanded), ("start", start_m)):
            if not ((place >= low) & (place <= high)).all():
                raise ConfigError(f"the commanded {name} {np.round(place, 4).tolist()} m lies outside the workspace "
                                  f"{low.tolist()} to {high.tolist()} m; move it inside")

    def _go_to(self, start_m: np.ndarray) -> None:
        self.safety.rearm()
        self.reset_ticks = 0
        if self.task.reset_by == "place":
            self.world.place(start_m)
            self._state = self.world.step(None)  # the force reading settles
            return
        for tick in range(self._bench.reset_max_ticks):
            self.reset_ticks = tick
            delta = reset_step(self._state.tip_m, start_m, self._bench)
            if delta is None:
                return
            state = self._state
            self._move(check_with_way_out(self.safety, delta, state.tip_m, state.peak_force_n,
                                          self.observation_age_s, state.q))
        raise UserError(f"the arm did not reach the start pose in {self._bench.reset_max_ticks} periods; "
                        "check the socket's place and the workspace limits")

    def _move(self, verdict: Verdict) -> None:
        """One control period; a faulted command holds the set point."""
        self._state = self.world.step(None if verdict.fault else verdict.delta_m)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not self._zeroed:
            raise DataError("the force reading was not made zero; call reset() before the first step")
        state = self._state
        verdict = self.safety.check(np.asarray(action, np.float64), state.tip_m, state.peak_force_n,
                                    self.observation_age_s, state.q)
        self._move(verdict)
        self._step += 1
        observation = self._observe()
        connected = self.cell.count()
        info = self._info({"executed_m": verdict.delta_m, "clipped": verdict.clipped, "fault": verdict.fault,
                           "peak_force_n": self._state.peak_force_n})
        faulted = verdict.fault is not None and self.task.on_fault == "terminate"
        done = faulted or (self.task.terminate_on_success and self._success())
        return observation, self._reward(connected), done, self._step >= self.task.horizon, info

    # -- what is seen, and what it is worth -------------------------------------------------------------

    def _observe(self) -> np.ndarray:
        if self.view == "image" or self.reward_kind == "image":
            self._image = self.world.grey()
        if self.view == "image":
            return self._image[None].copy()
        return self.task.view.observe(self._state.tip_m, self._state.force_n[2], self._commanded)

    def _reward(self, connected: bool) -> float:
        seen = Seen(self._state.tip_m, float(self._state.force_n[2]), self._commanded, connected, self._image,
                    self.goal_image)
        depth_m = self.plug.connector.fit.depth_mm * 1e-3
        return self.task.rewards.judge(self.reward_kind, seen, self.world.goal_m, depth_m).reward

    def _success(self) -> bool:
        return insertion_done(self._state.tip_m - self.world.goal_m, self.plug.connector.fit, self.task.success)

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        info["wear"] = {"insertions": self.cell.insertions, "replacements": self.cell.replacements}
        if self.ground_truth:
            offset = self._state.tip_m - self.world.goal_m
            info["ground_truth"] = {
                "success": self._success(), "inserted": self.world.truth().inserted, "offset_m": offset,
                "distance_m": float(np.linalg.norm(offset)), "goal_error_m": self._commanded - self.world.goal_m}
        return info

    def render(self) -> np.ndarray:
        """uint8 (32, 32, 3)."""
        return np.repeat(self.world.grey()[..., None], 3, axis=2)

    def close(self) -> None:
        self.world.close()


def _check(value: str, valid: tuple[str, ...], name: str) -> None:
    if value not in valid:
        raise ConfigError(f"unknown {name} '{value}'{nearest(value, valid)}")


def make_plug(plug: str | PlugSpec, view: View = "position", reward: RewardKind = "dense", goal: str = "exact",
              base: BaseSpec | None = None, task: PlugTask | None = None, blend: float = 1.0, seed: int = 0,
              ground_truth: bool = True) -> ResidualEnv:
    """The residual environment of a connector; ``base=BaseSpec("zero")`` makes it "only RL" (row 8.08)."""
    task = task or load_plug_task()
    env = PlugEnv(plug if isinstance(plug, PlugSpec) else load_plug(plug), task, view, reward, goal, seed=seed,
                  ground_truth=ground_truth)
    return ResidualEnv(env, load_base(base or task.base), task.residual_limit_m, blend, task.control_noise, seed)
