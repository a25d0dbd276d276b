"""Control-suite domains with tasks that conflict; each task's reward is a function of what was seen.

Observations are the suite's with the few numbers behind them that its rewards read, so that a data set of one task
can be rewarded for another (Siegel et al. 2020, section 2). Rewards are the suite's own (``tolerance`` of dm_control)
for cheetah and walker; the goals of point_mass and reacher, and cheetah backwards, are ours.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from priorrl_core.data.snippets import TaskReward
from priorrl_core.errors import UserError

Judge = Callable[[Tensor], Tensor]
"""Next observation (N, D) -> reward (N,) in [0, 1]."""


def gaussian_tolerance(below: Tensor, margin: float) -> Tensor:
    """1 where ``below`` (how far the bound is missed) is at most 0, 0.1 at ``margin``: dm_control's default sigmoid."""
    return torch.exp(math.log(0.1) * (below.clamp(min=0.0) / margin).square())


def linear_tolerance(below: Tensor, margin: float, at_margin: float) -> Tensor:
    """1 where ``below`` is at most 0, on a line to ``at_margin`` at ``margin`` and on to 0."""
    return (1.0 - (1.0 - at_margin) * below.clamp(min=0.0) / margin).clamp(min=0.0)


def run(seen: Tensor, direction: float) -> Tensor:
    """Cheetah: speed (last entry) of 10 m/s in ``direction``."""
    return linear_tolerance(10.0 - direction * seen[:, -1], 10.0, 0.0)


def stand(seen: Tensor) -> Tensor:
    """Walker: height 1.2 m and torso upright; the last three entries are speed, height, uprightness."""
    standing = gaussian_tolerance(1.2 - seen[:, -2], 0.6)
    return (3.0 * standing + (1.0 + seen[:, -1]) / 2.0) / 4.0


def move(seen: Tensor, speed: float) -> Tensor:
    """Walker: stands, and walks at ``speed`` m/s."""
    moving = linear_tolerance(speed - seen[:, -3], speed / 2.0, 0.5)
    return stand(seen) * (5.0 * moving + 1.0) / 6.0


def reach(seen: Tensor, x: float, y: float, start: int) -> Tensor:
    """The point in entries ``start`` and ``start + 1`` is within 0.015 of (x, y), 0.1 beyond: a tenth."""
    distance = (seen[:, start:start + 2] - torch.tensor([x, y])).norm(dim=-1)
    return gaussian_tolerance(distance - 0.015, 0.1)


def _corners(size: float, start: int) -> dict[str, Judge]:
    """Goals at (+-size, +-size) for the point in the observation's entries ``start`` and ``start + 1``."""
    return {name: partial(reach, x=x * size, y=y * size, start=start)
            for name, x, y in (("north_east", 1, 1), ("north_west", -1, 1), ("south_west", -1, -1),
                               ("south_east", 1, -1))}


@dataclass(frozen=True)
class Domain:
    """One domain of the suite; the first task is the one at hand, the others are in its data."""

    name: str
    base_task: str
    """The suite's, for model and starts."""
    keys: tuple[str, ...]
    """Of the suite's observation."""
    features: Callable[[Any], list[float]]
    """Of the suite's physics, behind the observation."""
    tasks: dict[str, Judge]
    repeat: int
    """Control steps for one action; ng."""
    steps: int = 250
    """Actions an episode: the suite's 1000 control steps, but 500 of point_mass and reacher. ng."""

    def facts(self) -> dict[str, Any]:
        """What the key of data and cells must change with."""
        return {"domain": self.name, "repeat": self.repeat, "steps": self.steps, "tasks": list(self.tasks),
                "keys": self.keys}


DOMAINS = {d.name: d for d in (
    Domain("point_mass", "easy", ("position", "velocity"), lambda p: [], _corners(0.15, 0), 5, 100),
    Domain("reacher", "easy", ("position", "velocity"), lambda p: list(p.named.data.geom_xpos["finger", :2]),
           _corners(0.12, 4), 5, 100),
    Domain("cheetah", "run", ("position", "velocity"), lambda p: [float(p.speed())],
           {"forwards": partial(run, direction=1.0), "backwards": partial(run, direction=-1.0)}, 4),
    Domain("walker", "walk", ("orientations", "height", "velocity"),
           lambda p: [float(p.horizontal_velocity()), float(p.torso_height()), float(p.torso_upright())],
           {"walk": partial(move, speed=1.0), "stand": stand, "run": partial(move, speed=8.0)}, 4),
)}


def task_reward(domain: str, task: str) -> TaskReward:
    """As ``data.snippets`` wants it; the state after the step is what counts, as in the suite."""
    judge = DOMAINS[domain].tasks[task]
    return lambda obs, action, next_obs: judge(next_obs)


class SuiteEnv(gym.Env):
    """A domain without a task: its rewards are 0, the tasks' are computed from ``next_obs``, after the last of the
    repeated control steps. Truncated after the domain's ``steps`` actions.
    """

    def __init__(self, domain: str) -> None:
        self.domain, self.age = DOMAINS[domain], 0
        self.suite = _suite().load(domain, self.domain.base_task)
        spec = self.suite.action_spec()
        self.action_space = gym.spaces.Box(spec.minimum.astype(np.float32), spec.maximum.astype(np.float32))
        seen = self._seen(self.suite.reset().observation)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, seen.shape, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        if seed is not None:
            self.suite.task.random.seed(seed)
        self.age = 0
        return self._seen(self.suite.reset().observation), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        for _ in range(self.domain.repeat):
            following = self.suite.step(action)
        self.age += 1
        return self._seen(following.observation), 0.0, False, self.age >= self.domain.steps, {}

    def _seen(self, observation: Any) -> np.ndarray:
        parts = [np.ravel(observation[key]) for key in self.domain.keys]
        return np.concatenate([*parts, self.domain.features(self.suite.physics)]).astype(np.float32)


def _suite() -> Any:
    os.environ.setdefault("MUJOCO_GL", "disabled")  # nothing is drawn: no display is looked for
    try:
        from dm_control import suite
    except ImportError as error:
        raise UserError(f"this bench needs dm_control ({error}); pip install -r requirements/bench_abm.txt") from error
    return suite
