"""The learner between two kills: which episodes it has learned from, its state on disk. No rclpy here."""

from __future__ import annotations

import csv
import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.errors import DataError
from priorrl_core.training.online import Episode, OnlineLearner
from priorrl_core.training.residual_practice import ResidualPractice
from priorrl_nodes.policy_shelf import FROZEN_MLP

#: Ends of a practice episode that count: each makes one policy version. Others are repeated by the manager.
COUNTED = ("horizon", "fault")


@dataclass(frozen=True)
class Step:
    """What one episode brought: the new version and its numbers."""

    version: int
    metrics: dict[str, float]
    problem: str = ""
    """Why nothing was learned from the episode, or empty."""


class LearningJob:
    """``resume`` once, then ``learn`` for every practice episode in the order in which they were closed.

    The state is a file pair ``trainer/state_<version>.{safetensors,json}``; the JSON names the episodes. What
    was closed after the newest state is learned again from the recorder's files, so that the learner is the
    same, bit for bit, as if it had never been killed.
    """

    def __init__(self, learner: OnlineLearner | ResidualPractice, run_dir: Path | None) -> None:
        self.learner, self.run_dir = learner, run_dir
        self.architecture = learner.agent.architecture if isinstance(learner, OnlineLearner) else FROZEN_MLP
        self.known: list[str] = []
        self.saved = 0

    # ---- learning --------------------------------------------------------------------------------
    def learn(self, record: EpisodeRecord) -> Step | None:
        """One new version from one practice episode; None for one that is known or does not count."""
        if record.kind != "practice" or record.end_reason not in COUNTED or record.episode_id in self.known:
            return None
        start, learner = time.perf_counter(), self.learner
        self.known.append(record.episode_id)
        problem = self._add(record)
        if problem:
            learner.skip()
        else:
            learner.learn()
        numbers = {k: v for k, v in learner.read_metrics().items() if math.isfinite(v)}
        numbers.update(version=float(learner.version), seconds=time.perf_counter() - start,
                       reward_sum=float(record.rewards.sum()), success=float(record.success))
        if self.run_dir is not None:
            self._write_metrics(self.run_dir / "metrics.csv", numbers)
            if learner.version - self.saved >= learner.config.checkpoint_every:
                self.save()
        return Step(learner.version, numbers, problem)

    def _add(self, record: EpisodeRecord) -> str:
        if record.length == 0:
            return "it ended before its first step"
        try:
            if isinstance(self.learner, ResidualPractice):
                self.learner.add_record(record)
            else:
                self.learner.add_episode(Episode(
                    record.images, record.proprio, record.actions, record.rewards, record.terminated,
                    record.base_m, record.executed_m, record.policy_versions.astype("int64"),
                    record.observation_age_s, record.config_hash))
        except DataError as error:
            return str(error)
        return ""

    # ---- state on disk ---------------------------------------------------------------------------
    def resume(self) -> Iterator[Step]:
        """Restores the newest whole state, then learns from the episodes that were closed after it."""
        if self.run_dir is None:
            return
        self._restore(self.run_dir / "trainer")
        for entry in closed_episodes(self.run_dir, "practice"):
            if entry["episode_id"] not in self.known and entry["end_reason"] in COUNTED:
                step = self.learn(read_episode(self.run_dir / entry["file"], entry["sha256"]))
                if step is not None:
                    yield step

    def _restore(self, folder: Path) -> None:
        for names in sorted(folder.glob("state_*.json"), reverse=True):
            state = names.with_suffix(".safetensors")
            if state.is_file():
                self.learner.restore(state)
                self.known = list(json.loads(names.read_text()))
                self.saved = self.learner.version
                return

    def save(self) -> None:
        """Writes the pair of the present version, names first, and removes the older pairs."""
        if self.run_dir is None or self.learner.version == self.saved:
            return
        folder = self.run_dir / "trainer"
        folder.mkdir(parents=True, exist_ok=True)
        names = folder / f"state_{self.learner.version:05d}.json"
        try:
            names.write_text(json.dumps(self.known))
        except OSError as error:
            raise DataError(f"cannot write '{names}' ({error.strerror}); free disk space") from error
        self.learner.save(names.with_suffix(".safetensors"))
        self.saved = self.learner.version
        for old in folder.glob("state_*"):
            if old.stem != names.stem:
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)

    def _write_metrics(self, path: Path, numbers: dict[str, float]) -> None:
        """One row a version; a version that is learned again after a kill keeps its first row."""
        header, last = _head_and_tail(path)
        columns = header or ["version", *sorted(n for n in numbers if n != "version")]
        if last and float(dict(zip(columns, last, strict=False)).get("version") or 0) >= numbers["version"]:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("a", newline="") as stream:
                writer = csv.DictWriter(stream, columns, extrasaction="ignore")
                if not header:
                    writer.writeheader()
                writer.writerow(numbers)
        except OSError as error:
            raise DataError(f"cannot write '{path}' ({error.strerror}); free disk space") from error


def _head_and_tail(path: Path) -> tuple[list[str], list[str]]:
    """First and last row of a CSV; empty lists if there is none."""
    if not path.is_file():
        return [], []
    with path.open(newline="") as stream:
        rows = [row for row in csv.reader(stream) if row]
    return (rows[0] if rows else []), (rows[-1] if len(rows) > 1 else [])
