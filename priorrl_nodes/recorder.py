"""Writes each closed episode to its own MCAP file, and one line a episode to ``index.jsonl``."""

from __future__ import annotations

import importlib
import json
import math
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from std_msgs.msg import String

from priorrl.msg import Episode, EpisodeTruth
from priorrl_core.data.mcap_episodes import EpisodeRecord, RawMessage, write_episode
from priorrl_core.data.ros2_schema import starts_with_header
from priorrl_core.data.run_index import INDEX, append_line, read_lines
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.tasks.kinds import load_kind
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.qos import EPISODE, LATCHED, STEPS

#: Ends of an episode that count as closed: learned from, or a fact about the arm. Others are repeated.
CLOSED = ("horizon", "fault")
_KEPT = 96  # live messages a topic; an episode and the reset behind it
_LIVE = ["robot_state:priorrl/msg/RobotState", "residual_command:priorrl/msg/ResidualCommand",
         "safe_command:priorrl/msg/CartesianCommand", "reward:priorrl/msg/Reward",
         "reconstruction:sensor_msgs/msg/Image"]


class Recorder(ManagedNode):
    """In: ``episode``, ``ground_truth/episode``, ``goal``, live topics. Out: files, ``recorder/closed``."""

    PARAMETERS = (
        Param("run_dir", "", "Run folder; episodes/, index.jsonl and ground_truth.jsonl go there."),
        Param("task", "insertion", "Task: a name or a YAML file (its control period dates the images)."),
        Param("connector", "", "Connector, where the task's file does not name it."),
        Param("topics", _LIVE, "Live topics that are recorded beside the episode, each "
                               "'topic:package/msg/Type'; the type must begin with a header."),
    )
    NICE = 10

    def setup(self) -> None:
        if not self.param("run_dir"):
            raise ConfigError("recorder: parameter 'run_dir' is empty; give the run folder")
        self.run_dir = Path(self.param("run_dir"))
        kind = load_kind(self.param("task"), self.param("connector"))
        self.period_ns = round(kind.control_period_s * 1e9)
        self.known = {e["episode_id"] for e in read_lines(self.run_dir / INDEX) if e.get("closed")}
        self.judged = {e["episode_id"] for e in read_lines(self.run_dir / "ground_truth.jsonl")}
        self.live: dict[str, deque[RawMessage]] = {}
        self.goal: RawMessage | None = None
        self.closed = self.make_publisher(String, "recorder/closed", EPISODE)
        self.make_subscription(Episode, "episode", self.on_episode, EPISODE)
        self.make_subscription(EpisodeTruth, "ground_truth/episode", self.on_truth, EPISODE)
        for entry in self.param("topics"):
            self._listen(entry, STEPS)
        self._listen("goal:priorrl/msg/Goal", LATCHED)

    def _listen(self, entry: str, qos: Any) -> None:
        """Subscribes to serialized messages: they are kept as they came, without the cost of decoding."""
        topic, _, kind = entry.partition(":")
        if not starts_with_header(kind):
            raise ConfigError(f"recorder: topic '{entry}' has no header, so it cannot be dated; leave it out")
        name = f"/{topic.lstrip('/')}"  # a namespace is not recorded: files of two arms look alike
        kept = self.live.setdefault(name, deque(maxlen=1 if topic == "goal" else _KEPT))

        def keep(data: bytes) -> None:
            message = RawMessage(name, kind, _stamp_ns(data), data)
            if kept and message.stamp_ns < kept[-1].stamp_ns:
                kept.clear()  # the arm's clock began anew: another session
            kept.append(message)

        subscription = self.create_subscription(_message_type(kind), topic, keep, qos, raw=True)
        self.own(self.destroy_subscription, subscription)

    # ---- what comes in ---------------------------------------------------------------------------
    def on_episode(self, message: Episode) -> None:
        """Closes one episode on the disk; a known one (sent again after a restart) is only confirmed."""
        if message.episode_id in self.known:
            self.confirm(message.episode_id, "")
            return
        try:
            self.store(EpisodeRecord.from_message(message))
        except DataError as error:
            self.get_logger().error(str(error))
            self.confirm(message.episode_id, str(error))
            return
        self.confirm(message.episode_id, "")

    def on_truth(self, message: EpisodeTruth) -> None:
        """The simulator's judgement goes to a file of its own, which no learner reads (law 6)."""
        if message.episode_id in self.judged:
            return
        self.judged.add(message.episode_id)
        append_line(self.run_dir / "ground_truth.jsonl", {
            "episode_id": message.episode_id, "inserted": bool(message.inserted),
            "depth_m": _finite(message.depth_m), "offset_m": [_finite(v) for v in message.offset_m],
            "goal_error_m": [_finite(v) for v in message.goal_error_m]})

    # ---- what goes out ---------------------------------------------------------------------------
    def store(self, record: EpisodeRecord) -> None:
        """MCAP first, index line behind it: a line never names a file that is not whole."""
        entry = _summary(record)
        if record.end_reason in CLOSED:
            file = self.run_dir / "episodes" / f"{_safe(record.episode_id)}.mcap"
            entry["sha256"] = write_episode(file, record, self.window(record), self.period_ns)
            entry["file"], entry["closed"] = str(file.relative_to(self.run_dir)), True
            try:
                append_line(self.run_dir / INDEX, entry)
            except DataError:
                file.unlink(missing_ok=True)
                raise
            self.known.add(record.episode_id)
        else:
            append_line(self.run_dir / INDEX, entry)

    def window(self, record: EpisodeRecord) -> Iterator[RawMessage]:
        """Live messages of the episode's time, each once, and the goal that it had."""
        first_ns = record.stamp_ns - record.length * self.period_ns
        seen: set[tuple[str, int, bytes]] = set()
        for kept in self.live.values():
            for message in kept:
                inside = first_ns <= message.stamp_ns <= record.stamp_ns
                key = (message.topic, message.stamp_ns, message.data)
                if message.kind == "priorrl/msg/Goal":
                    yield RawMessage(message.topic, message.kind, max(first_ns, 0), message.data)
                elif inside and key not in seen:
                    seen.add(key)
                    yield message

    def confirm(self, episode_id: str, problem: str) -> None:
        """Tells whether the episode is closed, or why not."""
        self.closed.publish(String(data=json.dumps({"episode_id": episode_id, "ok": not problem,
                                                    "message": problem})))


def _summary(record: EpisodeRecord) -> dict[str, Any]:
    """The index line of an episode, less its file."""
    last = record.probabilities[-1] if len(record.probabilities) else 0.0
    versions = record.policy_versions
    return {
        "episode_id": record.episode_id, "index": record.index, "kind": record.kind, "policy": record.policy,
        "connector": record.connector, "config_hash": record.config_hash, "length": record.length,
        "end_reason": record.end_reason, "terminated": record.terminated, "truncated": record.truncated,
        "success": record.success, "judge": record.judge, "probability": _finite(last),
        "reward_sum": _finite(record.rewards.sum()), "peak_force_n": _finite(record.peak_force_n),
        "policy_version": int(versions[-1]) if len(versions) else 0, "closed": False}


def _finite(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else 0.0


def _message_type(kind: str) -> type:
    """Class of ``package/msg/Name``."""
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"recorder: message type '{kind}' is not installed; leave its topic out") from error


def _safe(name: str) -> str:
    """``name`` as a file name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _stamp_ns(data: bytes) -> int:
    """Stamp of a serialized message that begins with a header (CDR; the byte before last tells the order)."""
    sec, nanosec = struct.unpack_from("<iI" if data[1] else ">iI", data, 4)
    return int(sec) * 1_000_000_000 + int(nanosec)


def main() -> int:
    return run(lambda: Recorder("recorder"))


if __name__ == "__main__":
    raise SystemExit(main())
