"""What a report draws of a recorded episode: images, forces, probabilities, reconstructions, goal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from priorrl_core.data.mcap_episodes import IMAGE_TOPIC, read_episode
from priorrl_core.errors import DataError

RECONSTRUCTION_TOPIC, GOAL_TOPIC = "reconstruction", "goal"


@dataclass
class EpisodeView:
    """One episode of T steps."""

    images: np.ndarray
    """uint8 (T+1, 48, 48, 3)."""
    force_n: np.ndarray
    """(T+1,) size of the contact force."""
    probabilities: np.ndarray
    """(T,) of success, of the image after each action."""
    reconstructed: list[np.ndarray] = field(default_factory=list)
    """Images uint8 (48, 48, 3) of which there is a reconstruction."""
    reconstructions: list[np.ndarray] = field(default_factory=list)
    """uint8 (48, 48, 3) each, in the order of ``reconstructed``."""
    goal: np.ndarray | None = None
    """uint8 (48, 48, 3): how success is expected to look."""


def load_episode(path: Path) -> EpisodeView:
    """The episode of an MCAP file; DataError names what is wrong with it."""
    record = read_episode(path)
    view = EpisodeView(record.images, np.linalg.norm(record.proprio[:, 3:], axis=1), record.probabilities)
    _add_live(path, view)
    return view


def _add_live(path: Path, view: EpisodeView) -> None:
    """Reconstructions joined with their images by stamp, and the goal's image, where they were recorded."""
    from mcap.exceptions import McapError
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    images: dict[int, np.ndarray] = {}
    rebuilt: dict[int, np.ndarray] = {}
    try:
        with path.open("rb") as stream:
            reader = make_reader(stream, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages():
                topic = channel.topic.strip("/")
                if topic == IMAGE_TOPIC:
                    images[_stamp(message)] = _image(message)
                elif topic == RECONSTRUCTION_TOPIC:
                    rebuilt[_stamp(message)] = _image(message)
                elif topic == GOAL_TOPIC and message.image.width:
                    view.goal = _image(message.image)
    except (McapError, ValueError, OSError) as error:
        raise DataError(f"'{path}' is not a whole MCAP episode ({error}); record it again") from error
    pairs = [(images[s], r) for s, r in sorted(rebuilt.items()) if s in images]
    view.reconstructed, view.reconstructions = [a for a, _ in pairs], [b for _, b in pairs]


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _image(message: Any) -> np.ndarray:
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)
