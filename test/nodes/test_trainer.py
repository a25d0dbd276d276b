"""The trainer as a real process, and the job behind it without ROS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from priorrl.msg import Episode, Metrics, PolicyVersion  # noqa: E402
from priorrl_core.control.policy_head import PolicyHead  # noqa: E402
from priorrl_core.data.mcap_episodes import EpisodeRecord, write_episode  # noqa: E402
from priorrl_core.data.run_index import INDEX, append_line  # noqa: E402
from priorrl_core.training.checkpoints import load_learner  # noqa: E402
from priorrl_core.training.runtime import configure_torch  # noqa: E402
from priorrl_nodes.learning_job import LearningJob  # noqa: E402
from priorrl_nodes.qos import CONTROL, EPISODE, LATCHED, POLICY  # noqa: E402
from test.nodes.node_rig import Rig  # noqa: E402
from test.nodes.test_recorder import episode  # noqa: E402
from test.nodes.tiny_checkpoint import write_tiny  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configure_torch()
    return write_tiny(tmp_path_factory.mktemp("checkpoint"), checkpoint_every=2)


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def record(run: Path, index: int, end_reason: str = "horizon") -> EpisodeRecord:
    """An episode as the recorder leaves it on the disk."""
    done = EpisodeRecord.from_message(episode(index, end_reason))
    file = run / "episodes" / f"{done.episode_id}.mcap"
    digest = write_episode(file, done)
    append_line(run / INDEX, {"episode_id": done.episode_id, "index": index, "kind": done.kind,
                              "end_reason": end_reason, "closed": True, "sha256": digest,
                              "file": str(file.relative_to(run))})
    return done


def job(checkpoint: Path, run: Path | None) -> LearningJob:
    return LearningJob(load_learner(checkpoint, seed=3), run)


def test_s_08_a_killed_learner_comes_back_the_same_bit_for_bit(checkpoint: Path, tmp_path: Path) -> None:
    """S.08: state of episode 4, episodes 5 learned again from the recorder's files, episode 6 live."""
    whole = job(checkpoint, None)
    run = tmp_path / "run"
    first = job(checkpoint, run)
    for index in range(5):
        done = record(run, index)
        assert whole.learn(done).version == index + 1 and first.learn(done).version == index + 1
    kept = [p.name for p in sorted((run / "trainer").iterdir())]
    assert kept == ["state_00004.json", "state_00004.safetensors"]
    del first  # killed: nothing is saved now
    again = job(checkpoint, run)
    assert [s.version for s in again.resume()] == [5], "only what came after the state is learned again"
    assert again.learn(record(run, 4)) is None, "a known episode is not learned twice"
    last = record(run, 5)
    assert whole.learn(last).version == again.learn(last).version == 6
    assert whole.learner.policy_head() == again.learner.policy_head()
    assert whole.learner.policy_head(0) == again.learner.policy_head(0)
    assert len(again.learner.replay.episodes) == 6
    rows = (run / "metrics.csv").read_text().splitlines()
    assert [float(r.split(",")[0]) for r in rows[1:]] == [1, 2, 3, 4, 5, 6], "one row a version"


def test_an_episode_without_a_step_counts_but_teaches_nothing(checkpoint: Path) -> None:
    learner = job(checkpoint, None)
    before = PolicyHead.from_bytes(learner.learner.policy_head())
    empty = EpisodeRecord.from_message(Episode(
        episode_id="practice-online-I-s0-0000", kind="practice", end_reason="fault",
        images=[0] * 6912, proprio=[0.0] * 6))
    step = learner.learn(empty)
    assert step.version == 1 and "first step" in step.problem
    x, p = np.ones(64, np.float32), np.zeros(6, np.float32)
    after = PolicyHead.from_bytes(learner.learner.policy_head())
    assert np.array_equal(before.act(x, p, None, 0.0), after.act(x, p, None, 0.0))
    lost = EpisodeRecord.from_message(episode(1, "node_lost"))
    assert learner.learn(lost) is None, "an aborted attempt is repeated by the manager and does not count"


def test_the_node_publishes_a_version_for_each_episode_and_catches_up_after_a_kill(
        rig: Rig, checkpoint: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    out = rig.node.create_publisher(Episode, "episode", EPISODE)
    policies = rig.listen(PolicyVersion, "policy", POLICY)
    offline = rig.listen(PolicyVersion, "policy/offline", LATCHED)
    metrics = rig.listen(Metrics, "metrics", CONTROL)
    process = rig.start("trainer", checkpoint=checkpoint, run_dir=run, seed=3)
    assert rig.connected(out) and rig.spin_until(lambda: policies and offline)
    rig.meet("trainer")
    assert (policies[0].version, offline[0].version) == (0, 0)
    assert PolicyHead.from_bytes(offline[0].safetensors.tobytes())
    for index in range(2):
        record(run, index)
        out.publish(episode(index))
        assert rig.spin_until(lambda n=index: policies[-1].version == n + 1)
    assert policies[-1].encoder_hash == policies[0].encoder_hash and policies[-1].episodes == 2
    assert rig.spin_until(lambda: len(metrics) == 2)
    assert {"trainer/updates_per_s", "trainer/version"} <= set(metrics[-1].names)
    rig.kill(process)
    record(run, 2)  # closed while nobody learned
    policies.clear()
    offline.clear()
    rig.start("trainer", checkpoint=checkpoint, run_dir=run, seed=3)
    assert rig.spin_until(lambda: policies and policies[-1].version == 3 and offline)
    assert offline[-1].version == 0
    expected = job(checkpoint, None)
    for index in range(3):
        expected.learn(EpisodeRecord.from_message(episode(index)))
    assert policies[-1].safetensors.tobytes() == expected.learner.policy_head(), "same bits as without ROS"


def test_a_truncated_checkpoint_ends_the_node_with_one_sentence(rig: Rig, tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "torn")
    agent = folder / "agent.safetensors"
    agent.write_bytes(agent.read_bytes()[:-100])
    assert rig.start("trainer", checkpoint=folder).wait(120) == 2
    said = rig.log("trainer").strip().splitlines()[-1]
    assert "agent.safetensors" in said and "truncated" in said
