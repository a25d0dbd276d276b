"""An episode's parts, joined by stamp."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image  # noqa: E402

from priorrl.msg import CartesianCommand, ResidualCommand, Reward, RobotState  # noqa: E402
from priorrl_nodes.assembly import EpisodeAssembly  # noqa: E402
from priorrl_nodes.episode_script import EpisodeScript  # noqa: E402
from priorrl_nodes.patience import NodeLost, Patience  # noqa: E402
from priorrl_nodes.schedule import Series  # noqa: E402


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


def test_an_episode_is_whole_only_with_as_many_commands_as_the_controller_sent() -> None:
    """Commands that a starved manager lost were no steps: the episode was shorter, and called whole."""
    made = EpisodeAssembly("e", np.zeros(3))
    for tick in range(4):
        made.on_state(stamped(RobotState, tick))
        made.on_image(stamped(Image, tick))
    for tick in (0, 2):
        made.on_command(stamped(ResidualCommand, tick, episode_id="e"))
        made.on_safe(stamped(CartesianCommand, tick))
    end_ns = 3_000_000_000
    assert made.missing(end_ns, judged=False) == "", "of a rollout that a fault ended nobody knows the steps"
    assert made.missing(end_ns, judged=False, steps=3) == "residual_command of 1 of 3 steps"
    made.on_command(stamped(ResidualCommand, 1, episode_id="e"))
    assert made.missing(end_ns, judged=False, steps=3) == "safe_command of 1 of 3 steps"
    made.on_safe(stamped(CartesianCommand, 1))
    assert made.missing(end_ns, judged=False, steps=3) == ""


def test_parts_that_come_slowly_are_awaited_and_a_silent_node_is_lost() -> None:
    """A starved reward node was given up while its rewards came, 3 s after the rollout, and the trial repeated."""
    made, steps = EpisodeAssembly("e", np.zeros(3)), 5
    for tick in range(steps + 1):
        made.on_state(stamped(RobotState, tick))
        made.on_image(stamped(Image, tick))
        made.on_command(stamped(ResidualCommand, tick, episode_id="e"))
        made.on_safe(stamped(CartesianCommand, tick))
    end_ns = steps * 1_000_000_000
    graph = SimpleNamespace(patience=Patience(lambda: None), judged=True, stall_s=0.01)
    script = EpisodeScript(graph, Series("eval", "base", "I", 0), 1.0, True)
    with pytest.raises(NodeLost, match="reward of 5 of 5 steps"):
        script._await_parts(made, end_ns, steps)

    def judge() -> None:
        for tick in range(1, steps + 1):
            time.sleep(0.6)
            with graph.patience.news:
                made.on_reward(stamped(Reward, tick))

    graph.stall_s = 2.5
    threading.Thread(target=judge, daemon=True).start()
    script._await_parts(made, end_ns, steps)
    assert not made.missing(end_ns, judged=True, steps=steps)
