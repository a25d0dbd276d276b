"""The two sides of a cell: our learner in this process, or a peer's behind a pipe. Both meet the same environment.

A side learns and calls ``look(steps)`` at equal distances; meanwhile ``act`` answers, without exploration.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from bench.learner_goals import GoalSide
from bench.learner_jobs import OURS, Job
from bench.learner_settings import our_config, peer_config
from priorrl_core.config import ROOT
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import UserError
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.step_loop import TRAIN_STREAM, episode_seed

Look = Callable[[int], None]
SCRIPT = "bench/peers/learner_returns.py"


class Side(Protocol):
    """What a cell asks for."""

    def offline(self, steps: int, every: int, look: Look) -> None:
        """``steps`` updates on the data."""

    def online(self, env: ScaledEnv, steps: int, every: int, look: Look) -> None:
        """``steps`` of practice from nothing."""

    def act(self, obs: np.ndarray) -> np.ndarray:
        """Actions (B, A) in [-1, 1] of observations (B, D), without exploration."""

    def close(self) -> None: ...


def make_side(job: Job, obs_size: int, action_size: int, data: TransitionReplay | None, scratch: Path) -> Side:
    """The learner of the cell, untrained."""
    if job.library == OURS:
        return GoalSide(job, obs_size, action_size) if job.size.goals else Ours(job, obs_size, action_size, data)
    return Peer(job, obs_size, action_size, data, scratch)


class Ours:
    """The agent and the buffer of ``priorrl learn``."""

    def __init__(self, job: Job, obs_size: int, action_size: int, data: TransitionReplay | None) -> None:
        self.seed = job.seed
        self.learner = OfflineOnlineLearner(our_config(job), obs_size, action_size, job.seed, data)

    def offline(self, steps: int, every: int, look: Look) -> None:
        for done in range(1, steps + 1):
            self.learner.pretrain()
            if done % every == 0:
                look(done)

    def online(self, env: ScaledEnv, steps: int, every: int, look: Look) -> None:
        practise(self.learner, env, self.seed, steps, every, look)

    def act(self, obs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.learner.agent.act(torch.from_numpy(obs), True).numpy()

    def close(self) -> None:
        pass


def practise(learner: OfflineOnlineLearner, env: ScaledEnv, seed: int, steps: int, every: int, look: Look) -> None:
    """Acts, stores and learns; truncated and terminated are stored apart (law 5)."""
    episodes, done = 0, True
    for step in range(1, steps + 1):
        if done:
            obs, episodes = env.reset(episode_seed(seed, TRAIN_STREAM, episodes)), episodes + 1
        action = learner.act(obs, explore=True)
        following, reward, terminated, truncated, command = env.step(action)
        learner.add(Transition(obs, action, np.zeros_like(command), command, reward, following, terminated,
                               truncated and not terminated, learner.agent.updates))  # fmt: skip
        learner.practise()
        obs, done = following, terminated or truncated
        if step % every == 0:
            look(step)


class Peer:
    """Another library in a process of its own venv: JSON lines, its data as npz without pickle."""

    def __init__(self, job: Job, obs_size: int, action_size: int, data: TransitionReplay | None,
                 scratch: Path) -> None:  # fmt: skip
        self.name, self.seed = f"{job.library} {job.algorithm}", job.seed
        told = {**peer_config(job), "obs_size": obs_size, "action_size": action_size, "data": ""}
        if data is not None:
            told["data"] = str(export(data, job.size.reward_scale, scratch))
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
        self.child = subprocess.Popen([str(peers_python()), "-P", str(ROOT / SCRIPT)], cwd=scratch, text=True,
                                      env={**kept, **threads}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._tell(told)
        self._hear("ready")

    def offline(self, steps: int, every: int, look: Look) -> None:
        self._tell({"do": "offline", "steps": steps, "every": every})
        self._learn(None, look)

    def online(self, env: ScaledEnv, steps: int, every: int, look: Look) -> None:
        self._tell({"do": "online", "steps": steps, "every": every})
        self._learn(env, look)

    def _learn(self, env: ScaledEnv | None, look: Look) -> None:
        """Answers what the peer asks of the environment, until it is done."""
        episodes = 0
        while (said := self._hear())["say"] != "done":
            if said["say"] == "look":
                look(said["step"])
                self._tell({"do": "go"})
            elif said["say"] == "reset":
                assert env is not None
                obs, episodes = env.reset(episode_seed(self.seed, TRAIN_STREAM, episodes)), episodes + 1
                self._tell({"obs": obs.tolist()})
            else:
                assert env is not None
                obs, reward, terminated, truncated, _ = env.step(np.array(said["action"], np.float32))
                self._tell({"obs": obs.tolist(), "reward": reward, "terminated": terminated,
                            "truncated": truncated and not terminated})  # fmt: skip

    def act(self, obs: np.ndarray) -> np.ndarray:
        self._tell({"do": "act", "obs": obs.tolist()})
        return np.clip(np.array(self._hear("action")["action"], np.float32), -1.0, 1.0)

    def _tell(self, message: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(message) + "\n")
            self.child.stdin.flush()
        except BrokenPipeError as error:
            raise UserError(f"bench learners: the process of {self.name} ended; see the lines above") from error

    def _hear(self, wanted: str = "") -> dict[str, Any]:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        said = json.loads(line) if line else {"say": "error", "error": "the process ended; see the lines above"}
        if said["say"] == "error" or (wanted and said["say"] != wanted):
            raise UserError(f"bench learners: {self.name}: {said.get('error', said['say'])}")
        return dict(said)

    def close(self) -> None:
        if self.child.stdin is not None:
            self.child.stdin.close()
        self.child.terminate()
        self.child.wait()


def export(data: TransitionReplay, reward_scale: float, folder: Path) -> Path:
    """The rows as arrays for another library; rewards scaled as ours are when they are drawn."""
    path = folder / "data.npz"
    columns = {name: data.columns[name][:data.size].numpy() for name in ("obs", "action", "terminated", "truncated")}
    columns["reward"] = data.columns["reward"][:data.size].numpy() * np.float32(reward_scale)
    np.savez(path, **columns)
    return path


def peers_python() -> Path:
    """The peers' interpreter; UserError says how to make their venv."""
    venv = Path(os.environ.get("PRIORRL_PEERS", ROOT / ".venv-peers"))
    if not (venv / "bin" / "python").is_file():
        raise UserError(f"the libraries to compare with are not at '{venv}'; make it with 'python3.11 -m venv {venv} "
                        f"&& {venv}/bin/pip install -r requirements/peers.txt', or name another by PRIORRL_PEERS")
    return venv / "bin" / "python"
