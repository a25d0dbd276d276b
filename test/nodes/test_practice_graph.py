"""The whole graph with its real networks (untrained) practises, and equals practice without ROS."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from priorrl.msg import PolicyVersion  # noqa: E402
from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode, topics  # noqa: E402
from priorrl_core.data.run_index import closed_episodes  # noqa: E402
from priorrl_core.rewards.classifier import RewardModel  # noqa: E402
from priorrl_core.tasks.connectors import load_connector  # noqa: E402
from priorrl_core.tasks.env import InsertionEnv  # noqa: E402
from priorrl_core.training.checkpoints import load_learner  # noqa: E402
from priorrl_core.training.practice import practice  # noqa: E402
from priorrl_core.training.runtime import configure_torch  # noqa: E402
from priorrl_nodes.bringup import describe  # noqa: E402
from priorrl_nodes.learning_job import LearningJob  # noqa: E402
from priorrl_nodes.qos import POLICY  # noqa: E402
from test.nodes import graph_rig  # noqa: E402
from test.nodes.tiny_checkpoint import write_tiny  # noqa: E402

TRIALS, SEED = 4, 5


KILLED = ("trainer", "perception", "recorder", "reward", "goal_proposer")
AFTER = 22
"""Most trials after the last kill, some seconds: Fast DDS announces a restarted node at once or 3 s later, and until
then the recorder's copy of the live topics lacks its own (the episode itself lacks nothing)."""
LIVE = {"/robot_state", "/residual_command", "/reward", "/safe_command", "/reconstruction", "/goal"}
FIELDS = {"kind": "practice", "policy": "online", "seed": SEED, "deterministic": False}


def graph_run(folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, trials: int = TRIALS,
              kill: tuple[str, ...] = (), heads: list[PolicyVersion] | None = None) -> list[EpisodeRecord]:
    """Records of ``trials`` practice episodes; after each of the first, one node of ``kill`` gets SIGKILL, and then
    there are as many more as it takes until the recorder hears all nodes again."""
    monkeypatch.setattr(graph_rig, "stand_in_specs", lambda options, **_: describe(options))
    graph = graph_rig.Graph(folder, checkpoint=str(checkpoint), seed=SEED)
    try:
        result = graph.goal(count=trials, **FIELDS).get_result_async()
        for count, name in enumerate(kill, 1):
            assert graph.rig.spin_until(lambda n=count: len(closed_episodes(folder)) >= n, 90), graph.logs()
            graph.rig.spin(0.1)
            graph.kill(name)
        assert graph.rig.spin_until(result.done, 120), graph.logs()
        assert result.result().result.episodes == trials, graph.logs()
        while kill and not heard_all(folder) and trials < len(kill) + AFTER:
            trials += 1
            assert graph.run(count=trials, **FIELDS).episodes == trials, graph.logs()
        if heads is not None:
            graph.rig.node.create_subscription(PolicyVersion, "policy", heads.append, POLICY)
            assert graph.rig.spin_until(lambda: heads and heads[-1].version == trials, 30), graph.logs()
    finally:
        graph.close()
    return records_of(folder)


def heard_all(folder: Path) -> bool:
    """Whether the recorder's copy of the last episode has all live topics."""
    return set(topics(folder / closed_episodes(folder, "practice")[-1]["file"])) >= LIVE


def records_of(folder: Path) -> list[EpisodeRecord]:
    assert heard_all(folder)
    return [read_episode(folder / e["file"], e["sha256"]) for e in closed_episodes(folder, "practice")]


def test_s_11_the_graph_practises_as_plain_python_does(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S.11: same checkpoint, same seed: the same actions, rewards and versions, with and without ROS."""
    configure_torch()
    checkpoint = write_tiny(tmp_path / "checkpoint")
    records = graph_run(tmp_path / "run", checkpoint, monkeypatch)
    assert [r.index for r in records] == list(range(TRIALS))
    assert [int(r.policy_versions[0]) for r in records] == [0, 0, 1, 2], "lag one"
    learner = load_learner(checkpoint, SEED)
    model = RewardModel.load(checkpoint / "reward.safetensors")
    env = InsertionEnv(load_connector(graph_rig.CONNECTOR))
    try:
        practice(env, learner, model, TRIALS, SEED)
    finally:
        env.close()
    for record, episode in zip(records, learner.replay.episodes, strict=True):
        for name, theirs in (("proprio", episode.proprio), ("actions", episode.actions),
                             ("rewards", episode.rewards), ("base_m", episode.base_m),
                             ("executed_m", episode.executed_m), ("policy_versions", episode.versions)):
            assert np.array_equal(getattr(record, name), theirs), f"{record.episode_id}: {name}"


def test_sigkill_of_the_learning_nodes_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five nodes are killed, one an episode: every trial is closed once, and the last policy is, bit for
    bit, the one that an undisturbed learner makes of the recorded episodes."""
    configure_torch()
    checkpoint = write_tiny(tmp_path / "checkpoint", checkpoint_every=2)
    heads: list[PolicyVersion] = []
    records = graph_run(tmp_path / "run", checkpoint, monkeypatch, len(KILLED) + 1, KILLED, heads)
    trials = len(records)
    assert [r.index for r in records] == list(range(trials))
    assert [int(r.policy_versions[-1]) for r in records][1:] == list(range(trials - 1)), "lag one"
    undisturbed = LearningJob(load_learner(checkpoint, SEED), None)
    for record in records:
        undisturbed.learn(record)
    assert heads[-1].version == trials
    assert heads[-1].safetensors.tobytes() == undisturbed.learner.policy_head()


def test_a_reward_node_that_stands_still_for_a_whole_episode_loses_no_trial(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for rewards while the base controller acts: with histories of ten, the other images of the
    episode were overwritten before a starved reward node took them, and the trial was repeated from another pose."""
    checkpoint = write_tiny(tmp_path / "checkpoint")
    monkeypatch.setattr(graph_rig, "stand_in_specs", lambda options, **_: describe(options))
    graph = graph_rig.Graph(tmp_path / "run", checkpoint=str(checkpoint), seed=SEED)
    try:
        result = graph.goal(count=4, kind="eval", policy="base", seed=SEED, deterministic=True).get_result_async()
        assert graph.rig.spin_until(lambda: len(closed_episodes(tmp_path / "run")) >= 1, 90), graph.logs()
        graph.kill("reward", signal.SIGSTOP)
        graph.rig.spin(1.5)
        graph.kill("reward", signal.SIGCONT)
        assert graph.rig.spin_until(result.done, 120), graph.logs()
        log = (tmp_path / "run" / "logs" / "episode_manager.log").read_text()
    finally:
        graph.close()
    assert len(closed_episodes(tmp_path / "run", "eval")) == 4 and "is repeated" not in log
