"""One closed episode, one MCAP file: what the graph said about it, readable by Foxglove and by the learner.

A file holds (all CDR, profile ``ros2``):

=========================  ========================  =======================================================
topic                      type                      what
=========================  ========================  =======================================================
``/camera/image_raw``      sensor_msgs/msg/Image     the T + 1 images, with their stamps
``/episode``               priorrl/msg/Episode       everything else of the episode; its ``images`` are empty
others                     as they were published    the live messages of that time, byte for byte
=========================  ========================  =======================================================

Ground truth is never in it (law 6). No rclpy: reading works on a machine without ROS.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2._dynamic import serialize_dynamic
from mcap_ros2.decoder import DecoderFactory

from priorrl_core.data.ros2_schema import schema_text
from priorrl_core.errors import DataError

IMAGE_SHAPE = (48, 48, 3)
GREY_SHAPE = (32, 32)
"""Of the plug tasks; block assembly has no image."""
IMAGE_TOPIC, IMAGE_KIND = "/camera/image_raw", "sensor_msgs/msg/Image"
EPISODE_TOPIC, EPISODE_KIND = "/episode", "priorrl/msg/Episode"

#: Array fields: their shape behind the time axis, their kind, and whether they have T + 1 rows.
_ARRAYS: dict[str, tuple[tuple[int, ...], Any, bool]] = {
    "images": (IMAGE_SHAPE, np.uint8, True),  # or GREY_SHAPE, or no row
    "features": ((-1,), np.float32, True),
    "proprio": ((6,), np.float32, True),
    "actions": ((3,), np.float32, False),
    "base_m": ((3,), np.float64, False),
    "executed_m": ((3,), np.float64, False),
    "probabilities": ((), np.float32, False),
    "rewards": ((), np.float32, False),
    "policy_versions": ((), np.uint32, False),
    "observation_age_s": ((), np.float32, False),
}


@dataclass
class EpisodeRecord:
    """An episode of T steps: the fields of priorrl/msg/Episode as arrays (shapes in ``_ARRAYS``)."""

    episode_id: str
    index: int
    kind: str
    policy: str
    connector: str
    config_hash: str
    length: int
    images: np.ndarray
    features: np.ndarray
    proprio: np.ndarray
    actions: np.ndarray
    base_m: np.ndarray
    executed_m: np.ndarray
    probabilities: np.ndarray
    rewards: np.ndarray
    policy_versions: np.ndarray
    observation_age_s: np.ndarray
    terminated: bool
    truncated: bool
    end_reason: str
    success: bool
    judge: str
    peak_force_n: float
    stamp_ns: int = 0
    """End of the episode, arm's clock."""

    @classmethod
    def from_message(cls, message: Any, where: str = "episode") -> EpisodeRecord:
        """From an Episode message (rclpy or MCAP); DataError names a field of another size."""
        steps = int(message.length)
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if field.name in _ARRAYS:
                values[field.name] = _array(field.name, getattr(message, field.name), steps, where)
            elif field.name != "stamp_ns":
                values[field.name] = getattr(message, field.name)
        stamp = message.header.stamp
        return cls(**values, stamp_ns=int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec))


@dataclass(frozen=True)
class RawMessage:
    """A message as it came over the wire."""

    topic: str
    kind: str
    stamp_ns: int
    data: bytes
    """CDR with its four bytes of encapsulation header."""


def _array(name: str, value: Any, steps: int, where: str) -> np.ndarray:
    shape, kind, one_more = _ARRAYS[name]
    flat = np.frombuffer(value, kind) if isinstance(value, bytes) else np.array(value, dtype=kind)
    rows = steps + one_more
    if name == "images" and flat.size == 0:
        rows = 0  # recorded beside the message, or the task has no camera
    elif name == "images" and flat.size == rows * GREY_SHAPE[0] * GREY_SHAPE[1]:
        shape = GREY_SHAPE
    try:
        if shape == (-1,):
            shape = (flat.size // rows if rows else 0,)
        return flat.reshape((rows, *shape)).copy()
    except ValueError as error:
        raise DataError(f"'{where}': '{name}' holds {flat.size} values, which do not fit {steps} steps; "
                        "record it again") from error


def write_episode(path: str | Path, record: EpisodeRecord, live: Iterable[RawMessage] = (),
                  period_ns: int = 100_000_000) -> str:
    """Writes, flushes to the disk and closes one file; its sha256. It appears whole or not at all.

    ``period_ns`` dates the images back from the end. DataError when the disk is full or not writable.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as stream:
            _write(stream, record, live, period_ns)
            stream.flush()
            os.fsync(stream.fileno())
        digest = file_sha256(part)
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot record '{path}' ({error.strerror}); free disk space or choose another run "
                        "folder") from error
    return digest


def _write(stream: BinaryIO, record: EpisodeRecord, live: Iterable[RawMessage], period_ns: int) -> None:
    writer = Writer(stream)
    writer.start(profile="ros2", library="priorrl")
    channels: dict[str, int] = {}

    def add(topic: str, kind: str, stamp_ns: int, data: bytes) -> None:
        if topic not in channels:
            schema = writer.register_schema(kind, "ros2msg", schema_text(kind).encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        writer.add_message(channels[topic], stamp_ns, data, stamp_ns)

    first_ns = record.stamp_ns - record.length * period_ns
    for row, image in enumerate(record.images):
        stamp_ns = max(first_ns + row * period_ns, 0)
        add(IMAGE_TOPIC, IMAGE_KIND, stamp_ns, _encode(IMAGE_KIND, _image_fields(image, stamp_ns)))
    for message in live:
        add(message.topic, message.kind, message.stamp_ns, message.data)
    add(EPISODE_TOPIC, EPISODE_KIND, record.stamp_ns, _encode(EPISODE_KIND, _episode_fields(record)))
    writer.add_metadata("priorrl", {"episode_id": record.episode_id, "connector": record.connector,
                                    "config_hash": record.config_hash, "kind": record.kind})
    writer.finish()


_encoders: dict[str, Any] = {}


def _encode(kind: str, fields: dict[str, Any]) -> bytes:
    if kind not in _encoders:
        _encoders[kind] = serialize_dynamic(kind, schema_text(kind))[kind]
    return bytes(_encoders[kind](fields))


def _header(stamp_ns: int, frame_id: str) -> dict[str, Any]:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame_id}


def _image_fields(image: np.ndarray, stamp_ns: int) -> dict[str, Any]:
    height, width = image.shape[:2]
    encoding, channels = ("mono8", 1) if image.ndim == 2 else ("rgb8", 3)
    return {"header": _header(stamp_ns, "wrist_camera_optical"), "height": height, "width": width,
            "encoding": encoding, "is_bigendian": 0, "step": channels * width, "data": image.tobytes()}


def _episode_fields(record: EpisodeRecord) -> dict[str, Any]:
    out: dict[str, Any] = {"header": _header(record.stamp_ns, "base")}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == "images":
            out[field.name] = b""
        elif isinstance(value, np.ndarray):
            out[field.name] = value.ravel().tolist()
        elif field.name != "stamp_ns":
            out[field.name] = value
    return out


def read_episode(path: str | Path, sha256: str = "") -> EpisodeRecord:
    """The episode of one file; DataError when it is missing, truncated, or not what ``sha256`` says."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"'{path}' does not exist; it was recorded, so look for a moved run folder")
    if sha256 and file_sha256(path) != sha256:
        raise DataError(f"'{path}' is not the file that was recorded (sha256 differs); restore it or remove "
                        "its line from index.jsonl")
    images: list[np.ndarray] = []
    episode: Any = None
    try:
        with open(path, "rb") as stream:
            reader = make_reader(stream, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages([IMAGE_TOPIC, EPISODE_TOPIC]):
                if channel.topic == IMAGE_TOPIC:
                    shape = (message.height, message.width, 3)[: 2 if message.encoding == "mono8" else 3]
                    images.append(np.frombuffer(message.data, np.uint8).reshape(shape))
                else:
                    episode = message
    except (OSError, McapError, ValueError, EOFError) as error:
        raise DataError(f"'{path}' is not a whole MCAP episode ({error}); record it again") from error
    if episode is None:
        raise DataError(f"'{path}' holds no message on '{EPISODE_TOPIC}'; it is not an episode of priorrl")
    record = EpisodeRecord.from_message(episode, str(path))
    if not images and record.features.size:
        return record  # a task without a camera: the features are all that was seen
    if len(images) != record.length + 1:
        raise DataError(f"'{path}' holds {len(images)} images for {record.length} steps; record it again")
    record.images = np.stack(images)
    return record


def file_sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def topics(path: str | Path) -> Sequence[str]:
    """Topics of a file, sorted."""
    with open(path, "rb") as stream:
        summary = make_reader(stream).get_summary()
    return sorted(c.topic for c in summary.channels.values()) if summary else []
