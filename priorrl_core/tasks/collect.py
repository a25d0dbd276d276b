"""Prior data: scripted episodes on many connectors, one HDF5 file each, resumable, same data for the same seed."""

from __future__ import annotations

import multiprocessing as mp
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from priorrl_core.config import config_hash
from priorrl_core.data.episodes import EpisodeBatch, read_connector_file, write_connector_file
from priorrl_core.errors import DataError, UserError
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.connectors import ConnectorSpec, load_connector
from priorrl_core.tasks.env import InsertionEnv
from priorrl_core.tasks.expert import Expert, ExpertConfig
from priorrl_core.tasks.task import InsertionTask, load_task

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CollectConfig:
    episodes_per_connector: int = 45
    scenario_ii_share: float = 0.5
    """Share of episodes that start 10 to 20 mm off; the rest start within 10 mm."""
    expert: ExpertConfig = field(default_factory=ExpertConfig)


def collect(out_dir: Path, connectors: Iterable[str], seed: int, config: CollectConfig | None = None,
            processes: int = 1, progress: Progress | None = None) -> list[Path]:
    """Writes ``out_dir/<connector>.h5`` for every connector; files that are already whole are kept.

    Raises UserError where a kept file was made with other settings.
    """
    config = config or CollectConfig()
    out_dir.mkdir(parents=True, exist_ok=True)
    names = list(connectors)
    open_names = [n for n in names if not _done(out_dir / f"{n}.h5", n, seed, config)]
    if progress:
        progress("collect", len(names) - len(open_names), len(names))
    jobs = [(n, str(out_dir / f"{n}.h5"), seed, config) for n in open_names]
    done = len(names) - len(open_names)
    if processes <= 1:
        for job in jobs:
            _collect_one(job)
            done += 1
            if progress:
                progress(job[0], done, len(names))
        return [out_dir / f"{n}.h5" for n in names]
    with mp.get_context("spawn").Pool(processes) as pool:
        for name in pool.imap_unordered(_collect_one, jobs):
            done += 1
            if progress:
                progress(name, done, len(names))
    return [out_dir / f"{n}.h5" for n in names]


def settings_hash(connector: ConnectorSpec, task: InsertionTask, seed: int, config: CollectConfig) -> str:
    return config_hash(connector, task, load_robot(), config, {"seed": seed})


def _done(path: Path, name: str, seed: int, config: CollectConfig) -> bool:
    if not path.exists():
        return False
    try:
        _, attrs = read_connector_file(path)
    except DataError:
        return False
    if attrs.get("config_hash") != settings_hash(load_connector(name), load_task(), seed, config):
        raise UserError(f"'{path}' was made with other settings; choose another --out or remove it")
    return True


def _collect_one(job: tuple[str, str, int, CollectConfig]) -> str:
    name, path, seed, config = job
    connector, task = load_connector(name), load_task()
    batch = collect_episodes(connector, task, seed, config)
    write_connector_file(Path(path), batch, {
        "connector": connector.name, "family": connector.family, "robot": connector.robot,
        "background": str(list(connector.look.background_rgb)), "schema": 1, "seed": seed,
        "config_hash": settings_hash(connector, task, seed, config)})
    return name


def collect_episodes(connector: ConnectorSpec, task: InsertionTask, seed: int,
                     config: CollectConfig) -> EpisodeBatch:
    """``config.episodes_per_connector`` scripted episodes, in order; the same for the same arguments."""
    root = np.random.SeedSequence([seed, zlib.crc32(connector.name.encode())])
    env = InsertionEnv(connector, task=task)
    expert = Expert(config.expert, np.array(task.residual_limit_m))
    episodes = []
    try:
        for child in root.spawn(config.episodes_per_connector):
            episode_seed = int(child.generate_state(1)[0])
            episodes.append(_episode(env, expert, np.random.default_rng(child), episode_seed, config))
    finally:
        env.close()
    return EpisodeBatch(**{key: np.stack([e[key] for e in episodes]) for key in episodes[0]})


def _episode(env: InsertionEnv, expert: Expert, rng: np.random.Generator, episode_seed: int,
             config: CollectConfig) -> dict[str, np.ndarray]:
    scenario = "II" if rng.random() < config.scenario_ii_share else "I"
    error = env.task.sample_goal_error(scenario, rng)
    expert.reset(rng)
    obs, info = env.reset(options={"goal_error_m": error})
    rows: dict[str, list] = {k: [] for k in ("images", "proprio", "wrench", "labels", "offset_m", "actions",
                                             "base_m", "executed_m", "noisy")}
    _observe(rows, obs, info)
    terminated = False
    for _ in range(env.task.horizon):
        base = env.base(obs["proprio"][:3].astype(np.float64) + env.believed_goal_m, env.believed_goal_m)
        action = expert.action(info["ground_truth"]["offset_m"], base, rng).astype(np.float32)
        obs, _, fault, _, info = env.step(action)
        terminated = terminated or fault
        for key, value in (("actions", action), ("base_m", info["base_m"]), ("executed_m", info["executed_m"]),
                           ("noisy", expert.noisy)):
            rows[key].append(value)
        if fault:
            env.safety.rearm()
        _observe(rows, obs, info)
    kinds: dict[str, Any] = {"images": np.uint8, "labels": np.uint8, "noisy": np.bool_, "base_m": np.float64,
             "executed_m": np.float64}
    out: dict[str, Any] = {k: np.asarray(v, dtype=kinds.get(k, np.float32)) for k, v in rows.items()}
    out["rewards"] = out["labels"][1:].astype(np.float32)
    out["goal_error_m"] = error.astype(np.float32)
    # the script goes on after a fault, so that every episode is whole: it ends by its horizon
    out["terminated"], out["truncated"] = np.bool_(False), np.bool_(True)
    out["episode_seed"] = np.int64(episode_seed)
    return out


def _observe(rows: dict[str, list], obs: dict, info: dict) -> None:
    rows["images"].append(obs["image"])
    rows["proprio"].append(obs["proprio"])
    rows["wrench"].append(info["wrench"])
    rows["labels"].append(info["ground_truth"]["inserted"])
    rows["offset_m"].append(info["ground_truth"]["offset_m"])
