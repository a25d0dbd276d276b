"""The recorder as a real process: a round trip, a restart, a full disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from rclpy.duration import Duration  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from priorrl.msg import Episode, EpisodeTruth, Reward, RobotState  # noqa: E402
from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode, topics  # noqa: E402
from priorrl_core.data.run_index import closed_episodes, read_lines  # noqa: E402
from priorrl_nodes.messages import floats, octets, stamp_of  # noqa: E402
from priorrl_nodes.qos import EPISODE  # noqa: E402
from priorrl_nodes.qos import STEPS as EVERY_STEP  # noqa: E402
from test.nodes.node_rig import Rig  # noqa: E402

STEPS = 20


def episode(index: int, end_reason: str = "horizon", end_ns: int = 5_000_000_000) -> Episode:
    rng = np.random.default_rng(index)
    out = Episode(episode_id=f"practice-online-I-s0-{index:04d}", index=index, kind="practice",
                  policy="online", connector="usb", config_hash="c0ffee", length=STEPS, truncated=True,
                  end_reason=end_reason, success=True, judge="daib", peak_force_n=12.5)
    out.header.stamp = stamp_of(end_ns)
    out.images = octets(rng.integers(0, 255, (STEPS + 1, 48, 48, 3), dtype=np.uint8))
    out.features = floats(rng.normal(size=(STEPS + 1, 64)), "f")
    out.proprio = floats(rng.normal(size=(STEPS + 1, 6)), "f")
    out.actions = floats(rng.uniform(-1, 1, (STEPS, 3)), "f")
    out.base_m, out.executed_m = floats(rng.normal(size=(STEPS, 3))), floats(rng.normal(size=(STEPS, 3)))
    out.probabilities, out.rewards = floats(rng.random(STEPS), "f"), floats(np.ones(STEPS), "f")
    out.policy_versions = [index] * STEPS
    out.observation_age_s = floats(np.zeros(STEPS), "f")
    return out


def same(a: EpisodeRecord, b: EpisodeRecord) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_s_10_an_episode_survives_the_recorder_bit_for_bit(rig: Rig, tmp_path: Path) -> None:
    """S.10: published episode -> MCAP -> read_episode gives every array back, beside the live messages."""
    run = tmp_path / "run"
    rig.start("recorder", run_dir=run)
    out = rig.node.create_publisher(Episode, "episode", EPISODE)
    truth = rig.node.create_publisher(EpisodeTruth, "ground_truth/episode", EPISODE)
    state = rig.node.create_publisher(RobotState, "robot_state", EVERY_STEP)
    reward = rig.node.create_publisher(Reward, "reward", EVERY_STEP)
    closed = rig.listen(String, "recorder/closed", EPISODE)
    assert all(rig.connected(p) for p in (out, truth, state, reward))
    rig.meet("recorder")
    for tick in range(28, 53):  # the episode is ticks 30 to 50
        for publisher, kind in ((state, RobotState), (reward, Reward)):
            message = kind()
            message.header.stamp = stamp_of(tick * 100_000_000)
            publisher.publish(message)
        rig.spin(0.03)
    assert all(rig.spin_until(lambda p=p: p.wait_for_all_acked(Duration(seconds=0.1))) for p in (state, reward))
    sent = episode(0)
    out.publish(sent)
    truth.publish(EpisodeTruth(episode_id=sent.episode_id, inserted=True, depth_m=0.01))
    assert rig.spin_until(lambda: closed)
    assert json.loads(closed[0].data) == {"episode_id": sent.episode_id, "ok": True, "message": ""}
    entry = closed_episodes(run, "practice")[0]
    record = read_episode(run / entry["file"], entry["sha256"])
    assert same(record, EpisodeRecord.from_message(sent))
    assert {"/camera/image_raw", "/episode", "/robot_state", "/reward"} <= set(topics(run / entry["file"]))
    assert _stamps(run / entry["file"], "/robot_state") == [t * 100_000_000 for t in range(30, 51)]
    assert rig.spin_until(lambda: read_lines(run / "ground_truth.jsonl"))
    assert "inserted" not in entry, "ground truth stays apart (law 6)"


def test_foxglove_topics_are_standard_images_with_stamps(tmp_path: Path) -> None:
    from priorrl_core.data.mcap_episodes import write_episode

    write_episode(tmp_path / "a.mcap", EpisodeRecord.from_message(episode(0)))
    assert _stamps(tmp_path / "a.mcap", "/camera/image_raw") == [t * 100_000_000 for t in range(30, 51)]
    assert _schemas(tmp_path / "a.mcap")["/camera/image_raw"] == ("sensor_msgs/msg/Image", "ros2msg")


def test_a_killed_recorder_loses_no_closed_episode_and_stores_none_twice(rig: Rig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    out = rig.node.create_publisher(Episode, "episode", EPISODE)
    process = rig.start("recorder", run_dir=run)
    assert rig.connected(out)
    out.publish(episode(0))
    assert rig.spin_until(lambda: len(read_lines(run / "index.jsonl")) == 1)
    rig.kill(process)
    out.publish(episode(1))  # while nobody records
    out.publish(episode(2, "node_lost"))
    closed = rig.listen(String, "recorder/closed", EPISODE)
    rig.start("recorder", run_dir=run)
    assert rig.spin_until(lambda: len(closed) >= 3)
    assert [e["index"] for e in closed_episodes(run)] == [0, 1]
    lines = [(e["index"], e["closed"]) for e in read_lines(run / "index.jsonl")]
    assert lines == [(0, True), (1, True), (2, False)]


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(rig: Rig, tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the write fails in the middle in the same way."""
    run = tmp_path / "run"
    out = rig.node.create_publisher(Episode, "episode", EPISODE)
    closed = rig.listen(String, "recorder/closed", EPISODE)
    process = rig.start("recorder", wrap=["prlimit", "--fsize=60000"], run_dir=run)
    assert rig.connected(out)
    out.publish(episode(0))
    assert rig.spin_until(lambda: closed)
    said = json.loads(closed[0].data)
    assert not said["ok"] and "free disk space" in said["message"] and said["message"].count(".") <= 3
    assert process.poll() is None, "the recorder keeps running"
    assert list((run / "episodes").iterdir()) == [] and closed_episodes(run) == []


def _stamps(path: Path, topic: str) -> list[int]:
    from mcap.reader import make_reader

    with open(path, "rb") as stream:
        return sorted(m.log_time for _, _, m in make_reader(stream).iter_messages([topic]))


def _schemas(path: Path) -> dict[str, tuple[str, str]]:
    from mcap.reader import make_reader

    with open(path, "rb") as stream:
        return {c.topic: (s.name, s.encoding) for s, c, _ in make_reader(stream).iter_messages()}
