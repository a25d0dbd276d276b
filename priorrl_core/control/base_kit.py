"""Test kit for base controllers: what a user's own class must keep to before it may move a robot."""

from __future__ import annotations

from typing import Any

import numpy as np

from priorrl_core.control.base_controllers import BaseController, ObservingBase, RobotState
from priorrl_core.errors import ConfigError

_STATES = 16
_CENTRE_M = (0.55, 0.16, 0.05)


def check_base(base: Any, where: str = "base", observation: np.ndarray | None = None) -> None:
    """ConfigError names what is wrong: methods, shape, type, finite numbers, in-place changes, memory.

    Sixteen fixed states are shown twice with a ``reset`` before each pass; both must give the same
    increments, each in an array of its own. ``observation`` is shown to a base that observes.
    """
    if not isinstance(base, BaseController):
        lacking = "reset()" if callable(base) else "__call__(robot, goal_m)"
        raise ConfigError(f"'{where}': {type(base).__name__} has no method {lacking}; "
                          "see BaseController in priorrl_core.control.base_controllers")
    first, second = _pass(base, where, observation), _pass(base, where, observation)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        if not np.array_equal(a, b):
            raise ConfigError(f"'{where}': answers {a} and then {b} to the same episode (step {i}); "
                              "make reset() forget everything and draw no random numbers")


def _pass(base: BaseController, where: str, observation: np.ndarray | None) -> list[np.ndarray]:
    """Copies of the increments of one pass over the states."""
    copies: list[np.ndarray] = []
    before: np.ndarray | None = None
    _run(base.reset, where, "reset()")
    for robot, goal in _states():
        if observation is not None and isinstance(base, ObservingBase):
            base.observe(observation)
        answer = _run(lambda r=robot, g=goal: base(r, g), where, "a call")
        _check_answer(answer, where)
        if before is not None and np.shares_memory(before, answer):
            raise ConfigError(f"'{where}': two calls return the same array; return a new one each time")
        before = answer
        copies.append(np.array(answer))
    return copies


def _states() -> list[tuple[RobotState, np.ndarray]]:
    """The same states in every pass; the arrays are read-only."""
    rng = np.random.default_rng(0)
    made = []
    for step in range(_STATES):
        tip, goal = (_fixed(np.array(_CENTRE_M) + rng.uniform(-0.05, 0.05, 3)) for _ in range(2))
        speed, force = _fixed(rng.uniform(-0.1, 0.1, 3)), _fixed(rng.uniform(-20.0, 20.0, 3))
        made.append((RobotState(tip, speed, force, step), goal))
    return made


def _fixed(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _run(call: Any, where: str, what: str) -> Any:
    try:
        return call()
    except Exception as error:
        raise ConfigError(f"'{where}': {what} raised {type(error).__name__}: {error}; mend it (its inputs are "
                          "read-only arrays)") from error


def _check_answer(answer: Any, where: str) -> None:
    if not isinstance(answer, np.ndarray) or answer.shape != (3,) or not np.issubdtype(answer.dtype, np.floating):
        shape = getattr(answer, "shape", None)
        raise ConfigError(f"'{where}': a call returned {type(answer).__name__} of shape {shape}; "
                          "return three metres as a float array (3,)")
    if not np.isfinite(answer).all():
        raise ConfigError(f"'{where}': a call returned {answer}; return finite numbers")
