"""Prior data as thesis chapter 6 makes it: some demonstrations, and trajectories of a policy cloned from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from priorrl_core.agents.bc import BC, BCConfig
from priorrl_core.data.formats.episode_set import EpisodeSet
from priorrl_core.data.formats.replay import to_replay
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import ConfigError, DataError, nearest
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.observations import obs_shape
from priorrl_core.training.step_loop import TRAIN_STREAM, episode_seed

CLONE_HASH = "cloned"
"""What the trajectories of the clone carry as their configuration."""

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CloneRecipe:
    """How much of each kind. ``updates`` and ``batch_size`` of the cloning are ``ng``."""

    demos: int
    """Demonstrations, the first of the file."""
    trajectories: int
    """Episodes of the cloned policy, which acts by sampling."""
    updates: int = 10_000
    batch_size: int = 256

    def __post_init__(self) -> None:
        if min(self.demos, self.updates, self.batch_size) < 1 or self.trajectories < 0:
            raise ValueError("demos, updates and batch_size must be at least 1, trajectories not below 0")


RECIPES = {
    "dexterous": CloneRecipe(25, 500),
    "mujoco": CloneRecipe(15, 100),
    "claw": CloneRecipe(10, 200),
    "drawer": CloneRecipe(10, 500),
    "hand": CloneRecipe(19, 50),
}
"""Thesis sections 6.6 and D.3 (simulation), D.8 (robots)."""


def load_recipe(name: str) -> CloneRecipe:
    """ConfigError names the nearest if there is none of that name."""
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe '{name}'{nearest(name, RECIPES)}")
    return RECIPES[name]


def clone_and_collect(env: ScaledEnv, demos: EpisodeSet, recipe: CloneRecipe, config: BCConfig | None = None,
                      seed: int = 0, report: Report | None = None) -> TransitionReplay:
    """The demonstrations and, behind them, the clone's episodes; DataError if there are too few demonstrations."""
    if len(demos) < recipe.demos:
        raise DataError(f"'{demos.path}' holds {len(demos)} episodes, {recipe.demos} are wanted; record more")
    shown = to_replay(EpisodeSet.of([demos.load(i) for i in range(recipe.demos)], demos.path, demos.meta))
    if shown.images or isinstance(env.obs_size, tuple):
        raise DataError(f"'{demos.path}' or the environment has images; only states are cloned here")
    policy = clone(shown, recipe, config or BCConfig(), seed)
    if not recipe.trajectories:
        return shown
    return appended(shown, roll_out(env, policy, recipe.trajectories, seed, report))


def clone(demos: TransitionReplay, recipe: CloneRecipe, config: BCConfig, seed: int = 0) -> BC:
    """A policy after ``recipe.updates`` steps of behaviour cloning."""
    policy = BC(config, StateEncoder(demos.obs_shape[0]), demos.action_size, seed)
    sampler = torch.Generator().manual_seed(seed + 2)
    for _ in range(recipe.updates):
        policy.update(demos.sample(recipe.batch_size, sampler))
    return policy


def roll_out(env: ScaledEnv, policy: BC, episodes: int, seed: int = 0, report: Report | None = None
             ) -> TransitionReplay:
    """``episodes`` whole episodes of the policy with its own randomness."""
    explorer, steps = torch.Generator().manual_seed(seed + 1), []
    for number in range(episodes):
        obs, done = env.reset(episode_seed(seed, TRAIN_STREAM, number)), False
        while not done:
            action = policy.act(torch.from_numpy(obs[None]), False, explorer)[0].numpy()
            following, reward, terminated, truncated, command = env.step(action)
            done = terminated or truncated
            steps.append(Transition(obs, action, np.zeros_like(command), command, reward, following, terminated,
                                    truncated and not terminated, policy.updates, 0.0, CLONE_HASH))
            obs = following
        if report is not None:
            report("clone", number + 1, episodes)
    replay = TransitionReplay(max(len(steps), 1), obs_shape(env.obs_size), env.action_size)
    for step in steps:
        replay.add(step)
    return replay


def appended(one: TransitionReplay, two: TransitionReplay) -> TransitionReplay:
    """The rows of both, each from its oldest on; configuration hashes keep their meaning."""
    sizes = [(r.obs_shape, r.action_size, r.command_size) for r in (one, two)]
    if sizes[0] != sizes[1]:
        raise DataError(f"demonstrations have observations, actions and commands of {sizes[0]}, the environment of "
                        f"{sizes[1]}; give demonstrations of this environment")
    out = TransitionReplay(one.size + two.size, *sizes[0])
    out.config_hashes = list(dict.fromkeys([*one.config_hashes, *two.config_hashes]))
    for replay in (one, two):
        rows = torch.arange(replay.added - replay.size, replay.added) % replay.capacity
        number = torch.tensor([out.config_hashes.index(h) for h in replay.config_hashes], dtype=torch.int32)
        for name, column in out.columns.items():
            values = replay.columns[name][rows]
            column[out.added:out.added + replay.size] = number[values.long()] if name == "config" else values
        out.added += replay.size
    return out
