"""Residual RL as a wrapper: any environment of tip increments becomes one of residual actions (thesis Algorithm 6)."""

from __future__ import annotations

from typing import Any, Protocol, cast

import gymnasium as gym
import numpy as np

from priorrl_core.control.base_controllers import BaseController, RobotState
from priorrl_core.control.control_noise import ControlNoise, control_noise_rng
from priorrl_core.control.residual import compose


class IncrementEnv(Protocol):
    """What the wrapper needs: actions are increments (3,) [m] of the tip; ``info`` holds ``executed_m``."""

    observation_space: gym.Space

    def robot_state(self) -> RobotState: ...

    @property
    def commanded_goal_m(self) -> np.ndarray:
        """Goal (3,) that was commanded; with a goal error not the true one (row 9.23)."""
        ...


class ResidualEnv(gym.Wrapper):
    """Action: float32 (3,) in [-1, 1], the residual in units of ``limit_m`` (3,) [m].

    Command = base + blend * residual + control noise (equations 45, 46, 49). The critic's action is
    ``info["policy_action"]``, what the learner stores (law 4); beside it stand ``base_m``, ``residual_m``,
    ``sum_m`` (without noise), ``noise_m``, ``command_m`` (sent) and the environment's ``executed_m`` (what its
    safety filter let through). The base sees the robot and the commanded goal, never an object (row 8.02).
    """

    def __init__(self, env: gym.Env, base: BaseController, limit_m: tuple[float, float, float] | np.ndarray,
                 blend: float = 1.0, noise: ControlNoise | None = None, seed: int = 0) -> None:
        super().__init__(env)
        self.base, self.blend, self.noise = base, blend, noise or ControlNoise()
        self.limit_m = np.array(limit_m, np.float64)
        compose(np.zeros(3), np.zeros(3), self.limit_m, blend)  # a wrong blend is refused here
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self._arm = cast(IncrementEnv, env.unwrapped)
        self._rng = control_noise_rng(seed)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """``seed`` also restarts the control noise."""
        if seed is not None:
            self._rng = control_noise_rng(seed)
        observation, info = self.env.reset(seed=seed, options=options)
        self.base.reset()
        self._show(observation)
        return observation, info

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        policy_action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        base = np.array(self.base(self._arm.robot_state(), self._arm.commanded_goal_m), np.float64)
        residual, total = compose(base, policy_action, self.limit_m, self.blend)
        noise = self.noise.sample(self._rng)
        command = total + noise if self.noise.active else total
        observation, reward, terminated, truncated, info = self.env.step(command)
        self._show(observation)
        info |= {"policy_action": policy_action.astype(np.float32), "base_m": base, "residual_m": residual,
                 "sum_m": total, "noise_m": noise, "command_m": command}
        return observation, float(reward), terminated, truncated, info

    def action_for(self, command_m: np.ndarray) -> np.ndarray:
        """Action (3,) float32 whose command comes nearest to ``command_m`` (3,) [m], without noise: for scripts
        and teleoperation, that think in increments of the tip."""
        base = self.base(self._arm.robot_state(), self._arm.commanded_goal_m)
        wish = (np.asarray(command_m, np.float64) - base) / (max(self.blend, 1e-9) * self.limit_m)
        return np.clip(wish, -1.0, 1.0).astype(np.float32)

    def _show(self, observation: Any) -> None:
        observe = getattr(self.base, "observe", None)  # of an ObservingBase; isinstance of a protocol is slow
        if observe is not None:
            observe(observation)
