"""An episode's parts, joined by stamp."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image  # noqa: E402

from priorrl.msg import Reward, RobotState  # noqa: E402
from priorrl_nodes.assembly import EpisodeAssembly  # noqa: E402


def stamped(kind: type, tick: int, **fields: object) -> object:
    message = kind(**fields)
    message.header.stamp.sec = tick
    return message


def test_a_start_counts_as_heard_only_when_every_part_of_one_zeroed_observation_is_here() -> None:
    """A fast first episode was over before the judge's topics were joined, and had to be repeated."""
    made = EpisodeAssembly("e", np.zeros(3))
    made.on_state(stamped(RobotState, 1, zeroed=False))
    made.on_image(stamped(Image, 1))
    made.on_reward(stamped(Reward, 1))
    assert not made.complete(judged=True), "of the way back"
    made.on_state(stamped(RobotState, 2, zeroed=True))
    made.on_image(stamped(Image, 2))
    assert made.complete(judged=False)
    assert not made.complete(judged=True)
    made.on_reward(stamped(Reward, 2))
    assert made.complete(judged=True)
