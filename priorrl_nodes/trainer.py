"""Learns from each closed practice episode and publishes a new policy version; practice goes on meanwhile."""

from __future__ import annotations

import array
import dataclasses
import os
import queue
import threading
import traceback
from pathlib import Path

from priorrl.msg import Episode, Metrics, PolicyVersion
from priorrl_core.data.mcap_episodes import EpisodeRecord
from priorrl_core.errors import ConfigError, UserError
from priorrl_core.tasks.kinds import OBSERVATIONS, TaskKind, load_kind
from priorrl_core.training.checkpoints import load_config, load_learner
from priorrl_core.training.method import load_method
from priorrl_core.training.online import OnlineLearner
from priorrl_core.training.residual_learner import ResidualLearner, load_residual_method
from priorrl_core.training.residual_practice import ResidualPractice
from priorrl_core.training.runtime import configure_torch
from priorrl_nodes import models
from priorrl_nodes.learning_job import LearningJob, Step
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.qos import CONTROL, EPISODE, LATCHED, POLICY


class Trainer(ManagedNode):
    """In: ``episode``. Out: ``policy/offline`` (version 0), ``policy`` (the newest), ``metrics``.

    A thread learns, so that the executor stays free; the thread alone touches the learner.
    """

    PARAMETERS = (
        Param("checkpoint", "", "Checkpoint folder to practise from."),
        Param("run_dir", "", "Run folder with the recorded episodes; its trainer/ keeps the state."),
        Param("task", "insertion", "Task: a name or a YAML file."),
        Param("connector", "", "Connector, where the task's file does not name it."),
        Param("observation", "position", "What the policy of a plug task sees.", options=OBSERVATIONS),
        Param("method", "", "Method: a name or a YAML file; empty: the checkpoint's own, td3 for plugs and blocks."),
        Param("seed", 0, "Seed of learning.", 0, 2**62),
        Param("trials", 0, "Practice trials that there is room for; 0: the method's.", 0, 100000),
    )
    NICE = 5

    def setup(self) -> None:
        configure_torch()
        kind = load_kind(*(self.param(n) for n in ("task", "connector", "observation")))
        learner = self._residual(kind) if kind.residual else self._heads_of_checkpoint(kind)
        self.job = LearningJob(learner, Path(self.param("run_dir")) if self.param("run_dir") else None)
        self.episodes: queue.Queue[EpisodeRecord | None] = queue.Queue()
        self.thread: threading.Thread | None = None
        self.offline = self.make_publisher(PolicyVersion, "policy/offline", LATCHED)
        self.policy = self.make_publisher(PolicyVersion, "policy", POLICY)
        self.metrics = self.make_publisher(Metrics, "metrics", CONTROL)
        self.make_subscription(Episode, "episode", self.on_episode, EPISODE)

    def _heads_of_checkpoint(self, kind: TaskKind) -> OnlineLearner:
        """Chapter 10: what a checkpoint goes on with."""
        folder = models.folder(self.param("checkpoint"))
        method = load_method(self.param("method")) if self.param("method") else load_config(folder)
        if self.param("trials"):
            online = dataclasses.replace(method.online, trials=self.param("trials"))
            method = dataclasses.replace(method, online=online)
        return load_learner(folder, self.param("seed"), method, kind.horizon)

    def _residual(self, kind: TaskKind) -> ResidualPractice:
        """Chapters 8 and 9: TD3 or SAC from nothing."""
        if kind.observation != "position":
            raise ConfigError("the trainer learns from observation 'position' alone; for images use the Gymnasium "
                              "environment make_plug(view='image')")
        method = load_residual_method(self.param("method") or "td3")
        return ResidualPractice(ResidualLearner(method, kind.observation_shape, seed=self.param("seed")))

    def start(self) -> None:
        """Version 0 is out at once; the thread then catches up with what was recorded before."""
        self.publish(self.offline, 0)
        self.thread = threading.Thread(target=self.work, name="learn", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Finishes the episode in hand, keeps the state."""
        thread, self.thread = self.thread, None
        if thread is not None and thread is not threading.current_thread():
            self.episodes.put(None)
            thread.join(20.0)
            self.job.save()

    # ---- what comes in ---------------------------------------------------------------------------
    def on_episode(self, message: Episode) -> None:
        if message.kind == "practice":
            self.episodes.put(EpisodeRecord.from_message(message))

    # ---- the learning thread ---------------------------------------------------------------------
    def work(self) -> None:
        """Catch up, then one version an episode. A bug ends the process: it is restarted and catches up."""
        try:
            self._catch_up()
            while (record := self.episodes.get()) is not None:
                step = self.job.learn(record)
                if step is not None:
                    self.announce(step)
                    self.publish(self.policy, step.version)
        except UserError as error:
            self.get_logger().fatal(f"cannot learn: {error}")
            os._exit(2)
        except Exception:
            self.get_logger().fatal(f"cannot learn: {traceback.format_exc()}")
            os._exit(1)

    def _catch_up(self) -> None:
        for step in self.job.resume():
            self.announce(step)
        newest = self.job.learner.version
        for version in range(max(0, newest - self.job.learner.config.policy_lag), newest + 1):
            self.publish(self.policy, version)

    # ---- what goes out ---------------------------------------------------------------------------
    def announce(self, step: Step) -> None:
        """Numbers of one episode, and why nothing was learned from it if so."""
        if step.problem:
            self.get_logger().error(f"episode {self.job.known[-1]} is not learned from: {step.problem}")
        if self.job.learner.alarm:
            self.get_logger().warning(self.job.learner.alarm, throttle_duration_sec=10.0)
        out = Metrics(names=[f"trainer/{name}" for name in step.metrics], values=list(step.metrics.values()))
        out.header.stamp = self.get_clock().now().to_msg()
        self.metrics.publish(out)

    def publish(self, publisher: object, version: int) -> None:
        """One policy head, whole; the controller takes it between two steps."""
        learner = self.job.learner
        out = PolicyVersion(version=version, episodes=version, architecture=self.job.architecture,
                            config_hash=learner.settings, encoder_hash=learner.encoder_hash)
        out.header.stamp = self.get_clock().now().to_msg()
        out.safetensors = array.array("B", learner.policy_head(version))
        publisher.publish(out)  # type: ignore[attr-defined]


def main() -> int:
    return run(lambda: Trainer("trainer"), threads=True)


if __name__ == "__main__":
    raise SystemExit(main())
