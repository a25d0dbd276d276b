"""The Fetch tasks of thesis chapter 5 as worlds whose whole state can be read and restored.

What is seen is [achieved goal (G,), desired goal (G,), observation (D,)] float32, metres and metres a step. Deviation:
Gymnasium-Robotics steps at 25 Hz (20 substeps of 2 ms), the thesis at 50 Hz.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.her import GoalFunction, sparse_reward
from priorrl_core.errors import UserError, nearest
from priorrl_core.perception.small_encoder import ObservationEncoder
from priorrl_core.rewards.stacking import sparse_stack_reward, stack_horizon, stacked, step_stack_reward

HORIZON = 50
"""Steps of pushing and of pick-and-place: Gymnasium-Robotics' (the thesis gives none)."""
TASKS = {"push": "FetchPush-v4", "pick": "FetchPickAndPlace-v4", "stack": "two blocks, one on the other"}
REWARDS = ("sparse", "step")


def reward_of(task: str, reward: str) -> GoalFunction:
    """Equation 20, or for stacking 21 (``sparse``) or 22 (``step``)."""
    if task != "stack":
        return sparse_reward
    return sparse_stack_reward if reward == "sparse" else step_stack_reward


def return_range(task: str, reward: str, discount: float) -> tuple[float, float]:
    """The least and greatest discounted return that the reward allows."""
    whole = 1.0 / (1.0 - discount)
    return (-whole, 0.0) if task != "stack" else (0.0, whole) if reward == "sparse" else (-whole, whole)


def succeeded(achieved: np.ndarray, desired: np.ndarray) -> bool:
    """Every block within delta of its goal; asked of an episode's final state whatever the reward."""
    return bool(stacked(torch.from_numpy(achieved), torch.from_numpy(desired)))


class FetchWorld:
    """A task with the start and the restore of ``data.demo_resets.RestorableEnv``. UserError for an unknown task."""

    def __init__(self, task: str) -> None:
        if task not in TASKS:
            raise UserError(f"unknown Fetch task '{task}'{nearest(task, TASKS)}")
        self.task, self.env = task, _open(task)
        seen = self.env.observation_space
        self.goal_size, self.obs_size = seen["desired_goal"].shape[0], seen["observation"].shape[0]
        self.horizon = stack_horizon(2) if task == "stack" else HORIZON

    def start(self, seed: int | None = None) -> np.ndarray:
        """An ordinary start; without a seed the next one of the environment's own stream."""
        return self._seen(self.env.reset(seed=seed)[0])

    def step(self, action: np.ndarray) -> np.ndarray:
        return self._seen(self.env.step(action)[0])

    def state(self) -> np.ndarray:
        """All that the simulator integrates: time, qpos, qvel, mocap, controls, warm start; float64."""
        import mujoco

        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        out = np.empty(mujoco.mj_stateSize(self.env.model, spec))
        mujoco.mj_getState(self.env.model, self.env.data, out, spec)
        return out

    def restore(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """The simulator in ``state`` with ``goal``; the first observation.

        An ordinary observation, and the place from which the gripper's next target is reckoned, are one substep (2 ms)
        older than the state they come with. Here both are the state's own: it goes on within a millimetre as it did
        (pushing, whose step ends with that computation, bit for bit).
        """
        import mujoco

        model, data, spec = self.env.model, self.env.data, mujoco.mjtState.mjSTATE_INTEGRATION
        self.env.goal = np.array(goal, np.float64)
        mujoco.mj_setState(model, data, state, spec)
        mujoco.mj_forward(model, data)
        seen = self._seen(self.env._get_obs())
        mujoco.mj_setState(model, data, state, spec)  # mj_forward has changed the solver's warm start
        return seen

    def split(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Achieved goal, desired goal, observation."""
        g = self.goal_size
        return seen[..., :g], seen[..., g:2 * g], seen[..., 2 * g:]

    def close(self) -> None:
        self.env.close()

    @staticmethod
    def _seen(obs: dict[str, np.ndarray]) -> np.ndarray:
        parts = ("achieved_goal", "desired_goal", "observation")
        return np.concatenate([obs[name] for name in parts]).astype(np.float32)


def _open(task: str) -> Any:
    if task == "stack":
        from bench.fetch_stack import StackEnv

        return StackEnv()
    from priorrl_core.training.gym_env import open_env

    return open_env(f"gymnasium_robotics:{TASKS[task]}").unwrapped


# ---- what the networks see ---------------------------------------------------------------------------

POSITION, RELATIVE, FINGER, ANGLE, SPEED, SPIN, FINGER_SPEED = 0.1, 0.1, 0.025, 1.0, 0.02, 0.1, 0.005
"""What counts as 1 in an observation: metres, radians, and both for a step. ng; openai/baselines normalises running."""
TABLE = (1.34, 0.75, 0.45)
CLIP = 5.0
"""Of a scaled input, as openai/baselines."""


def layout(task: str) -> tuple[list[float], list[float]]:
    """Shift and unit of each entry of an observation."""
    blocks = 2 if task == "stack" else 1
    shift = [*TABLE * (1 + blocks), *[0.0] * 3 * blocks, FINGER, FINGER]
    unit = [POSITION] * 3 * (1 + blocks) + [RELATIVE] * 3 * blocks + [FINGER] * 2
    rest = [SPEED] * 6 if blocks == 2 else [ANGLE] * 3 + [SPEED] * 3 + [SPIN] * 3
    rest = [*rest, *[SPEED] * 3, *[FINGER_SPEED] * 2]
    return shift + [0.0] * len(rest), unit + rest


class FetchEncoder(ObservationEncoder):
    """[observation, goal] (B, D + G) -> scaled [observation, goal, goal - achieved] (B, D + 2 G), no parameters.

    The way to the goal is a difference of two inputs; it is given because these networks are small (ng).
    """

    shift: Tensor
    unit: Tensor

    def __init__(self, task: str) -> None:
        super().__init__()
        shift, unit = layout(task)
        self.obs_size, self.goal_size = len(shift), 6 if task == "stack" else 3
        goals = self.goal_size // 3
        self.width = self.obs_size + 2 * self.goal_size
        self.register_buffer("shift", torch.tensor([*shift, *TABLE * goals, *[0.0] * self.goal_size]))
        self.register_buffer("unit", torch.tensor(unit + [POSITION] * 2 * self.goal_size))

    def forward(self, obs: Tensor) -> Tensor:
        d, g = self.obs_size, self.goal_size
        way = obs[:, d:] - obs[:, 3:3 + g]  # the blocks' places follow the gripper's
        return ((torch.cat([obs, way], -1) - self.shift) / self.unit).clamp(-CLIP, CLIP)
