"""The data that the learners' bench learns from: our own SAC, and what its policies do, as replays with a manifest.

Named as in D4RL (arXiv 2004.07219): ``expert`` is the policy of the best evaluation; ``medium`` one of about a third
of its return, counted from a random policy's; ``medium-replay`` all that was practised until then. Policies act with
their noise.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.harness import Context
from bench.keys import own_settings
from bench.learner_jobs import DATA_SEED, KINDS, Size, size_of
from bench.learner_settings import data_config
from bench.learner_sides import practise
from priorrl_core.config import config_hash
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError
from priorrl_core.reporting.summary import write_json
from priorrl_core.training.gym_env import ScaledEnv, open_env
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.step_loop import EVAL_STREAM, episode_seed

ROLLOUT_STREAM = 2
THIRD = 1.0 / 3.0
MANIFEST = "manifest.json"
Act = Callable[[np.ndarray], np.ndarray]


class Judge:
    """Returns of whole episodes from equal starts, several at a time: the one way in which anything is judged."""

    def __init__(self, env: str, count: int, seed: int) -> None:
        self.envs, self.seed = [ScaledEnv(open_env(env)) for _ in range(count)], seed

    def returns(self, act: Act) -> list[float]:
        """One an episode; ``act`` takes observations (B, D) of those that still go on."""
        obs = np.stack([e.reset(episode_seed(self.seed, EVAL_STREAM, i)) for i, e in enumerate(self.envs)])
        totals, running = np.zeros(len(self.envs)), np.arange(len(self.envs))
        while len(running):
            actions = act(obs[running])
            over = []
            for index, action in zip(running, actions, strict=True):
                obs[index], reward, terminated, truncated, _ = self.envs[index].step(action)
                totals[index] += reward
                over.append(terminated or truncated)
            running = running[~np.array(over)]
        return totals.tolist()

    def close(self) -> None:
        for env in self.envs:
            env.close()


def folder(env: str, quick: bool) -> Path:
    """Where the sets of an environment lie; changes with the settings that they are made with."""
    size = size_of(env, quick)
    return Path("runs").resolve() / "bench" / "learners" / "data" / f"{env}_s{DATA_SEED}_{settings(size)}"


def settings(size: Size) -> str:
    """Eight digits of what the data depend on."""
    return config_hash(own_settings(data_config(size)), _spent(size))[:8]


def _spent(size: Size) -> dict[str, Any]:
    names = ("env", "data_steps", "data_rows", "looks", "evals")
    return {"seed": DATA_SEED, "expert": "best evaluation", **{name: getattr(size, name) for name in names}}


def manifest(env: str, quick: bool) -> dict[str, Any]:
    """What ``make`` wrote; DataError says how to make it, or which file is not the one that was written."""
    path = folder(env, quick) / MANIFEST
    if not path.is_file():
        raise DataError(f"'{path}' is missing; run 'priorrl bench learners --only data,{env}'")
    facts = dict(json.loads(path.read_text()))
    for name, one in facts["sets"].items():
        if sha256(path.parent / one["file"]) != one["sha256"]:
            raise DataError(f"'{path.parent / one['file']}' ({name}) is not the file of its manifest; make it again")
    return facts


def load_set(env: str, kind: str, quick: bool) -> TransitionReplay:
    """One of ``KINDS``."""
    return TransitionReplay.load(folder(env, quick) / f"{kind}.safetensors")


def ensure(context: Context, env: str) -> dict[str, Any]:
    """The manifest of data that are there, or are made now."""
    if not (folder(env, context.quick) / MANIFEST).is_file():
        make(context, env)
    return manifest(env, context.quick)


def make(context: Context, env: str) -> None:
    """Trains, rolls out, writes; the manifest comes last."""
    size, where = size_of(env, context.quick), folder(env, context.quick)
    where.mkdir(parents=True, exist_ok=True)
    world, judge = ScaledEnv(open_env(size.env)), Judge(size.env, size.evals, DATA_SEED)
    learner = OfflineOnlineLearner(data_config(size), world.obs_size, world.action_size, DATA_SEED)
    random = float(np.mean(judge.returns(_random(world.action_size))))
    shots: list[tuple[int, float, dict[str, Any]]] = []

    def look(step: int) -> None:
        score = float(np.mean(judge.returns(_greedy(learner))))
        shots.append((step, score, copy.deepcopy(learner.agent.state_dict())))
        context.progress("data", step, size.data_steps, f"{env}, return {score:.0f}")

    practise(learner, world, DATA_SEED, size.data_steps, max(1, size.data_steps // (3 * size.looks)), look)
    chosen = medium([(step, score) for step, score, _ in shots], random)
    best, sets = best_shot([score for _, score, _ in shots]), {}
    for stream, (kind, index) in enumerate((("expert", best), ("medium", chosen))):
        learner.agent.load_state_dict(shots[index][2])
        sets[kind] = rollout(learner, world, size.data_rows, stream)
    sets["medium-replay"] = first_rows(learner.buffer.practised(), shots[chosen][0])
    for part in (world, judge):
        part.close()
    write_json(where / MANIFEST, {
        "command": f"priorrl bench learners --only data,{env}{' --quick' if context.quick else ''}",
        "settings": settings(size), **_spent(size), "config": own_settings(data_config(size)),
        "versions": versions(), "random_return": round(random, 3),
        "expert_return": round(shots[best][1], 3), "expert_step": shots[best][0],
        "medium_return": round(shots[chosen][1], 3), "medium_step": shots[chosen][0],
        "curve": [[step, round(score, 3)] for step, score, _ in shots],
        "sets": {kind: _written(where, kind, sets[kind]) for kind in KINDS}})  # fmt: skip



def medium(curve: Sequence[tuple[int, float]], random: float) -> int:
    """The snapshot whose return, with a random policy's as 0 and the best one's as 1, is nearest to a third.

    The first of equals, and none after the best one: a learner that has fallen back is no beginner.
    """
    best = best_shot([score for _, score in curve])
    wanted = random + THIRD * (curve[best][1] - random)
    return int(np.argmin([abs(score - wanted) for _, score in curve[:best + 1]]))


def best_shot(scores: Sequence[float]) -> int:
    """The first of the highest."""
    return int(np.argmax(scores))


def rollout(learner: OfflineOnlineLearner, env: ScaledEnv, rows: int, stream: int) -> TransitionReplay:
    """``rows`` steps of the policy with its noise; the last episode is cut off, its last row counts as truncated."""
    out = TransitionReplay(rows, (env.obs_size,), env.action_size)
    generator = torch.Generator().manual_seed(DATA_SEED + 100 + stream)
    episodes, done = 0, True
    for row in range(rows):
        if done:
            seed = episode_seed(DATA_SEED, ROLLOUT_STREAM + stream, episodes)
            obs, episodes = env.reset(seed), episodes + 1
        action = learner.agent.act(torch.from_numpy(obs[None]), False, generator)[0].numpy()
        following, reward, terminated, truncated, command = env.step(action)
        cut = (truncated or row == rows - 1) and not terminated
        out.add(Transition(obs, action, np.zeros_like(command), command, reward, following, terminated, cut))
        obs, done = following, terminated or truncated
    return out


def first_rows(replay: TransitionReplay, count: int) -> TransitionReplay:
    """The oldest ``count`` rows of one that has not wrapped; the last counts as truncated if its episode goes on."""
    out = TransitionReplay(count, replay.obs_shape, replay.action_size)
    for name, column in out.columns.items():
        column[:] = replay.columns[name][:count]
    out.columns["truncated"][-1] = ~out.columns["terminated"][-1]
    out.added, out.config_hashes = count, list(replay.config_hashes)
    return out


def episode_returns(replay: TransitionReplay) -> list[float]:
    """Of the episodes that end in the data by termination or time."""
    ends = (replay.columns["terminated"] | replay.columns["truncated"])[:replay.size].nonzero().flatten().tolist()
    sums = replay.columns["reward"][:replay.size].double().cumsum(0)
    totals = np.diff(np.concatenate([[0.0], sums[ends].numpy()]))
    return [float(t) for t in totals]


def _written(where: Path, kind: str, replay: TransitionReplay) -> dict[str, Any]:
    path = where / f"{kind}.safetensors"
    replay.save(path)
    returns = episode_returns(replay)
    return {"file": path.name, "sha256": sha256(path), "rows": replay.size, "episodes": len(returns),
            "terminated": int(replay.columns["terminated"].sum()), "truncated": int(replay.columns["truncated"].sum()),
            "mean_return": round(float(np.mean(returns)), 3), "best_return": round(max(returns), 3)}  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Of what the data come from; a package that is not there is left out."""
    out = {}
    for name in ("gymnasium", "mujoco", "numpy", "torch"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out


def _greedy(learner: OfflineOnlineLearner) -> Act:
    def act(obs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return learner.agent.act(torch.from_numpy(obs), True).numpy()

    return act


def _random(action_size: int) -> Act:
    draws = np.random.default_rng(DATA_SEED)
    return lambda obs: draws.uniform(-1.0, 1.0, (len(obs), action_size)).astype(np.float32)
