"""Recorded episodes on disk: what a damaged or foreign file says, and how the index survives a crash."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode, write_episode
from priorrl_core.data.ros2_schema import schema_text, starts_with_header
from priorrl_core.data.run_index import append_line, closed_episodes, read_lines
from priorrl_core.errors import DataError

STEPS = 5


def record() -> EpisodeRecord:
    rng = np.random.default_rng(0)

    def floats(*shape: int, kind: type = np.float32) -> np.ndarray:
        return rng.normal(size=shape).astype(kind)

    return EpisodeRecord(
        "practice-online-I-s0-0003", 3, "practice", "online", "usb", "c0ffee", STEPS,
        rng.integers(0, 255, (STEPS + 1, 48, 48, 3), dtype=np.uint8), floats(STEPS + 1, 64),
        floats(STEPS + 1, 6), floats(STEPS, 3), floats(STEPS, 3, kind=np.float64),
        floats(STEPS, 3, kind=np.float64), floats(STEPS), floats(STEPS), np.arange(STEPS, dtype=np.uint32),
        floats(STEPS), False, True, "horizon", True, "daib", 12.5, 900_000_000)


def test_s_10_round_trip_without_ros(tmp_path: Path) -> None:
    """S.10: what was written is what is read, every array, shape and type."""
    sent = record()
    got = read_episode(tmp_path / "a.mcap", write_episode(tmp_path / "a.mcap", sent))
    for field in dataclasses.fields(sent):
        a, b = getattr(sent, field.name), getattr(got, field.name)
        assert np.array_equal(a, b), field.name
        assert getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b)), field.name


def test_the_same_episode_gives_the_same_file(tmp_path: Path) -> None:
    assert write_episode(tmp_path / "a.mcap", record()) == write_episode(tmp_path / "b.mcap", record())


def test_a_truncated_or_changed_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    digest = write_episode(path, record())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="a.mcap"):
        read_episode(path)
    with pytest.raises(DataError, match="sha256"):
        read_episode(path, digest)
    with pytest.raises(DataError, match="does not exist"):
        read_episode(tmp_path / "b.mcap")


def test_a_field_of_the_wrong_size_is_named(tmp_path: Path) -> None:
    broken = record()
    broken.actions = broken.actions[:-1]
    write_episode(tmp_path / "a.mcap", broken)
    with pytest.raises(DataError, match="'actions' holds 12 values"):
        read_episode(tmp_path / "a.mcap")


def test_the_index_mends_a_torn_line_and_counts_an_episode_once(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    append_line(path, {"episode_id": "a", "closed": True, "kind": "practice"})
    with path.open("a") as stream:
        stream.write('{"episode_id": "b", "clo')  # killed while it wrote
    assert [e["episode_id"] for e in read_lines(path)] == ["a"]
    append_line(path, {"episode_id": "b", "closed": False, "kind": "practice"})
    append_line(path, {"episode_id": "b", "closed": True, "kind": "practice"})
    append_line(path, {"episode_id": "c", "closed": True, "kind": "eval"})
    assert [e["episode_id"] for e in closed_episodes(tmp_path, "practice")] == ["a", "b"]
    assert len(read_lines(path)) == 4


def test_schemas_hold_everything_that_they_refer_to() -> None:
    text = schema_text("priorrl/msg/RobotState")
    for name in ("std_msgs/Header", "builtin_interfaces/Time", "geometry_msgs/Pose", "geometry_msgs/Vector3"):
        assert text.count(f"MSG: {name}\n") == 1
    assert starts_with_header("priorrl/msg/Reward") and not starts_with_header("geometry_msgs/msg/Pose")
    with pytest.raises(DataError, match="did you mean 'priorrl/msg/Reward'"):
        schema_text("priorrl/msg/Rewards")
