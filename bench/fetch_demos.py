"""Demonstrations of the Fetch tasks with the simulator's states: recorded, accepted or rejected, stored, read.

Thesis section 5.4: 100 a task, by a person in virtual reality, those judged mostly correct kept. Here a script acts
with noise, and an episode is kept if it ends at its goal; ``by`` says who acted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from bench.fetch_env import TASKS, FetchWorld, succeeded
from priorrl_core.config import ROOT, config_hash
from priorrl_core.data.demo_resets import DemoStates
from priorrl_core.data.her import GoalEpisode
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import DataError
from priorrl_core.training.step_loop import episode_seed

KIND, FOLDER = "fetch_demonstrations", ROOT / "runs" / "bench" / "fetch"
STREAM, SEED = 3, 0
"""Every seed of the bench learns from the same demonstrations."""
NOISE = 0.1
"""Standard deviation of the normal noise on the script's actions."""
TRIES = 3
"""Episodes for each demonstration that is wanted."""
Script = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Demonstration:
    """One episode and the simulator's states (T + 1, S) before, between and after its T steps."""

    episode: GoalEpisode
    states: np.ndarray

    @property
    def resets(self) -> DemoStates:
        """What ``data.demo_resets`` draws from; the goal is the one that the end achieved."""
        return DemoStates(self.states, self.episode.achieved[-1])


@dataclass(frozen=True)
class DemoSet:
    """``tried`` episodes were acted by ``by``, those in ``kept`` accepted."""

    task: str
    by: Literal["script", "human"]
    tried: int
    kept: tuple[Demonstration, ...]


def script_of(task: str) -> Script:
    """A fresh script, for one episode."""
    if task == "stack":
        from bench.fetch_script import Stack

        return Stack()
    from bench.learner_goals import SCRIPTS

    return next(made for name, made in SCRIPTS.items() if TASKS[task].startswith(name))()


def accepted(demo: Demonstration) -> bool:
    """It ends at its goal."""
    return succeeded(demo.episode.achieved[-1], demo.episode.desired)


def record(world: FetchWorld, count: int, seed: int = SEED, accept: Callable[[Demonstration], bool] = accepted,
           noise: float = NOISE) -> DemoSet:
    """``count`` accepted episodes of the script; DataError if it fails too often."""
    kept: list[Demonstration] = []
    for index in range(TRIES * count):
        if len(kept) == count:
            return DemoSet(world.task, "script", index, tuple(kept))
        start = episode_seed(seed, STREAM, index)
        demo = act_out(world, script_of(world.task), start, noise)
        if accept(demo):
            kept.append(demo)
    if len(kept) < count:
        raise DataError(f"the script of '{world.task}' gave {len(kept)} good episodes of {TRIES * count}, {count} are "
                        "wanted; it does not fit this version of the environment")
    return DemoSet(world.task, "script", TRIES * count, tuple(kept))


def act_out(world: FetchWorld, script: Script, seed: int, noise: float) -> Demonstration:
    """One episode of a script, with its states."""
    rng, seen, actions = np.random.default_rng(seed), [world.start(seed)], []
    states = [world.state()]
    for _ in range(world.horizon):
        action = script(seen[-1]) + noise * rng.standard_normal(4)
        actions.append(np.clip(action, -1.0, 1.0).astype(np.float32))
        seen.append(world.step(actions[-1]))
        states.append(world.state())
    return Demonstration(goal_episode(world, seen, actions), np.stack(states))


def goal_episode(world: FetchWorld, seen: list[np.ndarray], actions: list[np.ndarray]) -> GoalEpisode:
    """T actions and the T + 1 things seen before and after them; never terminated, time cuts it off (law 5)."""
    achieved, desired, obs = world.split(np.stack(seen))
    return GoalEpisode(obs, np.stack(actions), achieved[1:], desired[0])


# ---- files -------------------------------------------------------------------------------------------

PARTS = ("obs", "action", "achieved", "desired")


def save(path: Path, demos: DemoSet) -> None:
    """One safetensors file; states in float64, bit for bit."""
    columns = {name: np.stack([getattr(d.episode, name) for d in demos.kept]) for name in PARTS}
    columns["states"] = np.stack([d.states for d in demos.kept])
    meta = {"task": demos.task, "by": demos.by, "tried": str(demos.tried)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, KIND, {n: torch.from_numpy(np.ascontiguousarray(c)) for n, c in columns.items()}, meta)


def load(path: Path) -> DemoSet:
    """What ``save`` wrote; DataError if the file is not one."""
    tensors, meta = read_tensors(path, KIND)
    columns = {name: tensors[name].numpy() for name in (*PARTS, "states")}
    kept = [Demonstration(GoalEpisode(*(columns[n][i] for n in PARTS)), columns["states"][i])
            for i in range(len(columns["states"]))]
    return DemoSet(meta["task"], meta["by"], int(meta["tried"]), tuple(kept))  # type: ignore[arg-type]


def demonstrations(world: FetchWorld, count: int) -> DemoSet:
    """The stored ones; recorded first where they are not there."""
    digits = config_hash({"task": world.task, "count": count, "noise": NOISE, "horizon": world.horizon})[:8]
    path = FOLDER / f"demos_{world.task}_{count}_{digits}.safetensors"
    if not path.is_file():
        save(path, record(world, count))
    return load(path)
