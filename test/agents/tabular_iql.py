"""Implicit Q-learning solved exactly on finite problems (thesis sections 7.3 and 7.4), and its U-maze of figure 34."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXACT = 1e-11


@dataclass(frozen=True)
class Model:
    """A finite problem seen through data: ``behaviour`` (S, A) with 0 where an action is not in the data.

    ``reward`` (S, A), ``transition`` (S, A, S); a row of zeros ends the episode.
    """

    behaviour: np.ndarray
    reward: np.ndarray
    transition: np.ndarray
    discount: float = 0.9


def expectiles(x: np.ndarray, prob: np.ndarray, tau: float, near: np.ndarray | None = None) -> np.ndarray:
    """The ``tau`` expectile of each row of ``x`` (N, K) under ``prob`` (N, K), by reweighting until nothing changes."""
    m = (prob * x).sum(1) / prob.sum(1) if near is None else near
    while True:
        weight = prob * np.where(x < m[:, None], 1.0 - tau, tau)
        fresh = (weight * x).sum(1) / weight.sum(1)
        if np.abs(fresh - m).max() < EXACT:
            return fresh
        m = fresh


def q_of(model: Model, v: np.ndarray) -> np.ndarray:
    """``Q(s, a) = r + gamma E V(s')`` (S, A)."""
    return model.reward + model.discount * model.transition @ v


def values(model: Model, tau: float) -> np.ndarray:
    """The fixed point ``V_tau`` (S,) of equations 40 and 41; states without data stay 0."""
    seen, v = model.behaviour.sum(1) > 0.0, np.zeros(len(model.behaviour))
    while True:
        before = v[seen]
        v[seen] = expectiles(q_of(model, v)[seen], model.behaviour[seen], tau, before)
        if np.abs(v[seen] - before).max() < EXACT:
            return v


def best_values(model: Model) -> np.ndarray:
    """``max_a Q*(s, a)`` (S,) over the actions of the data: what theorem 1 compares with."""
    seen, v = model.behaviour.sum(1) > 0.0, np.zeros(len(model.behaviour))
    for _ in range(400):
        v[seen] = np.where(model.behaviour > 0.0, q_of(model, v), -np.inf).max(1)[seen]
    return v


def random_model(seed: int, states: int = 8, actions: int = 4) -> Model:
    """Random rewards and transitions; each state has some of the actions in its data, at least one."""
    rng = np.random.default_rng(seed)
    support = rng.random((states, actions)) < 0.6
    support[np.arange(states), rng.integers(actions, size=states)] = True
    behaviour = support * rng.uniform(0.1, 1.0, (states, actions))
    transition = rng.dirichlet(np.full(states, 0.5), (states, actions))
    return Model(behaviour / behaviour.sum(1, keepdims=True), rng.normal(size=(states, actions)), transition)


class UMaze:
    """A corridor bent into a U: start at one end, goal at the other; state 0 is the start, ``size - 1`` the goal.

    Section 7.3.1: 10 on entering the goal, which ends it; a quarter of the moves end in a random state. The layout,
    ``leg`` cells a leg with one between, is ours: the thesis has it in an image alone. Four moves, walls all round.
    """

    JUMP, REWARD, MOVES = 0.25, 10.0, np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])

    def __init__(self, leg: int = 5) -> None:
        cells = [(0, y) for y in range(leg)] + [(1, leg - 1)] + [(2, y) for y in reversed(range(leg))]
        self.size, self.goal = len(cells), len(cells) - 1
        where = {cell: i for i, cell in enumerate(cells)}
        self.next = np.array([[where.get((x + dx, y + dy), i) for dx, dy in self.MOVES]
                              for i, (x, y) in enumerate(cells)])
        self.best = np.array([int(np.argmax(self.next[i])) for i in range(self.size)])

    def model(self) -> Model:
        """The maze itself, with every action in the data."""
        moved = np.eye(self.size)[self.next]
        arrive = (1.0 - self.JUMP) * moved + self.JUMP / self.size
        reward = self.REWARD * arrive[..., self.goal]
        arrive[..., self.goal] = 0.0
        arrive[self.goal] = 0.0
        reward[self.goal] = 0.0
        return Model(np.full((self.size, 4), 0.25), reward, arrive)

    def data(self, seed: int, walks: int = 99, horizon: int = 50) -> Model:
        """What one optimal and ``walks`` uniformly random trajectories say of the maze."""
        rng, counts = np.random.default_rng(seed), np.zeros((self.size, 4, self.size))
        for walk in range(walks + 1):
            state = 0
            for _ in range(horizon):
                action = self.best[state] if walk == 0 else rng.integers(4)
                jumps = rng.random() < self.JUMP
                after = int(rng.integers(self.size)) if jumps else int(self.next[state, action])
                counts[state, action, after] += 1.0
                state = after
                if state == self.goal:
                    break
        tried = counts.sum(2)
        arrive = counts / np.maximum(tried, 1.0)[..., None]
        reward = self.REWARD * arrive[..., self.goal]
        arrive[..., self.goal] = 0.0
        return Model(tried / np.maximum(tried.sum(1, keepdims=True), 1.0), reward, arrive)


def greedy_value(model: Model, choice: np.ndarray, start: int = 0) -> float:
    """Discounted return from ``start`` of the policy that takes ``choice`` (S,)."""
    rows = np.arange(len(choice))
    step = np.eye(len(choice)) - model.discount * model.transition[rows, choice]
    return float(np.linalg.solve(step, model.reward[rows, choice])[start])
