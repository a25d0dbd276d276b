"""A point in a maze of corridors, and data that go a little way in it: never from the start to the goal.

The layout is ours. The task is AntMaze's in kind (thesis section 7.5): reward 1 in the goal cell, which ends the
episode, 0 elsewhere; the behaviour goes between places that have nothing to do with the goal.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.data.transitions import Transition, TransitionReplay

Cell = tuple[int, int]

LAYOUT = ("########",
          "#S.....#",
          "######.#",
          "#......#",
          "#.######",
          "#.....G#",
          "########")
"""Rows from y = 0; S start, G goal."""
TOWN = ("############",
        "#....#.....#",
        "#.##.#.###.#",
        "#.#......#.#",
        "#.#.####.#.#",
        "#...#..#...#",
        "#.#.#.####.#",
        "#.#......#.#",
        "#.####.#.#.#",
        "#S...#.#..G#",
        "############")
"""57 free cells with ways round, the farthest 20 cells from the goal."""
STEP = 0.5
"""Cells a step, at most, along each axis."""
HORIZON = 100
SCATTER = 0.3
"""Of the start within its cell."""


class Maze(gym.Env):
    """Sees its position (x, y) in cells from the maze's middle, acts by a displacement in [-1, 1]^2 times ``STEP``.

    A displacement into a wall is lost, each axis by itself. ``reset(options={"position": (x, y)})`` starts there;
    with ``anywhere`` an episode starts in any free cell but the goal's.
    """

    def __init__(self, layout: tuple[str, ...] = LAYOUT, anywhere: bool = False) -> None:
        self.anywhere = anywhere
        self.free = np.array([[c != "#" for c in row] for row in layout])
        self.start, self.goal = (_find(layout, c) for c in "SG")
        self.middle = (np.array(self.free.shape[::-1]) - 1) / 2.0
        self.observation_space = gym.spaces.Box(-self.middle.astype(np.float32), self.middle.astype(np.float32))
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.point, self.age = np.zeros(2), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        scattered = np.array(self._start_cell()) + self.np_random.uniform(-SCATTER, SCATTER, 2)
        self.point, self.age = np.array((options or {}).get("position", scattered), float), 0
        return self._seen(), {}

    def _start_cell(self) -> Cell:
        if not self.anywhere:
            return self.start
        cells = [(int(x), int(y)) for y, x in np.argwhere(self.free) if (x, y) != self.goal]
        return cells[self.np_random.integers(len(cells))]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        for axis, move in enumerate(np.clip(action, -1.0, 1.0) * STEP):
            there = self.point.copy()
            there[axis] += move
            if self.is_free(self.cell(there)):
                self.point = there
        self.age += 1
        arrived = self.cell(self.point) == self.goal
        return self._seen(), float(arrived), arrived, self.age >= HORIZON, {}

    @staticmethod
    def cell(point: np.ndarray) -> Cell:
        """(x, y) of the cell that holds ``point``; a cell's middle has whole numbers."""
        x, y = np.floor(point + 0.5).astype(int)
        return int(x), int(y)

    def is_free(self, cell: Cell) -> bool:
        return bool(self.free[cell[1], cell[0]])

    def distances(self, origin: Cell) -> dict[Cell, int]:
        """Cells from ``origin`` to every free cell, along the corridors."""
        out, queue = {origin: 0}, deque([origin])
        while queue:
            x, y = queue.popleft()
            for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if self.is_free(near) and near not in out:
                    out[near] = out[x, y] + 1
                    queue.append(near)
        return out

    def _seen(self) -> np.ndarray:
        return (self.point - self.middle).astype(np.float32)


def _find(layout: tuple[str, ...], letter: str) -> Cell:
    return next((row.index(letter), y) for y, row in enumerate(layout) if letter in row)


# ---- data --------------------------------------------------------------------------------------------


def stitching_data(walks: int, seed: int, shown: int = 0, reach: int = 5, noise: float = 0.4,
                   steps: int = 20, layout: tuple[str, ...] = LAYOUT) -> TransitionReplay:
    """Noisy walks from a random place to a cell at most ``reach`` cells off; start and goal lie far more apart.

    ``shown`` more go from the start to the goal, where they are given.
    """
    env, rng = Maze(layout), np.random.default_rng(seed)
    data, every = TransitionReplay(walks * steps + shown * HORIZON, (2,), 2), sorted(env.distances(env.start))
    for _ in range(walks):
        origin = every[rng.integers(len(every))]
        near = [c for c, d in env.distances(origin).items() if 0 < d <= reach]
        _walk(env, data, rng, origin, near[rng.integers(len(near))], noise, steps)
    for _ in range(shown):
        _walk(env, data, rng, env.start, env.goal, noise, HORIZON)
    return data


def _walk(env: Maze, data: TransitionReplay, rng: np.random.Generator, origin: Cell, target: Cell, noise: float,
          steps: int) -> None:
    far, none = env.distances(target), np.zeros(2)
    begin = np.array(origin) + rng.uniform(-SCATTER, SCATTER, 2)
    obs, _ = env.reset(seed=0, options={"position": begin})
    for step in range(1, steps + 1):
        action = (heading(env, target, far) + noise * rng.standard_normal(2)).clip(-1.0, 1.0).astype(np.float32)
        following, reward, ended, _, _ = env.step(action)
        cut = step == steps or env.cell(env.point) == target
        data.add(Transition(obs, action, none, none, reward, following, ended, cut and not ended))
        obs = following
        if ended or cut:
            return


def heading(env: Maze, target: Cell, far: dict[Cell, int]) -> np.ndarray:
    """The action (2,) towards the middle of the next cell on the way; ``far`` are the distances to the target."""
    x, y = env.cell(env.point)
    near = [c for c in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1), (x, y)) if c in far]
    aim = np.array(min(near, key=lambda c: far[c])) - env.point
    return np.clip(aim / STEP, -1.0, 1.0)
