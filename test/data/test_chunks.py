"""Windows of a data set as single decisions, beside values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.data.chunks import chunked
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError

NONE = np.zeros(1)


def episodes(*lengths_and_ends: tuple[int, str]) -> TransitionReplay:
    """Episode k's step t has obs 10 k + t, action (k + 1) / 10 + t / 100, reward 1 + t; ends by its word."""
    data = TransitionReplay(100, (1,), 1)
    for k, (length, end) in enumerate(lengths_and_ends):
        for t in range(length):
            last = t == length - 1
            data.add(Transition(np.float32([10 * k + t]), np.float32([(k + 1) / 10 + t / 100]), NONE, NONE, 1.0 + t,
                                np.float32([10 * k + t + 1]), last and end == "terminated",
                                last and end == "truncated"))
    return data


def column(data: TransitionReplay, name: str) -> list:
    return np.round(data.columns[name][:data.size].numpy().astype(float), 4).tolist()


def test_a_window_has_its_actions_in_a_row_and_the_discounted_sum_of_its_rewards() -> None:
    out = chunked(episodes((4, "truncated")), 3, 0.5)
    assert column(out, "obs") == [[0], [1]] and column(out, "next_obs") == [[3], [4]]
    assert column(out, "action") == [[0.1, 0.11, 0.12], [0.11, 0.12, 0.13]]
    assert column(out, "reward") == [1 + 0.5 * 2 + 0.25 * 3, 2 + 0.5 * 3 + 0.25 * 4]
    assert column(out, "truncated") == [0, 1] and column(out, "terminated") == [0, 0]


def test_a_termination_inside_the_window_ends_it_and_a_time_limit_leaves_it_out() -> None:
    out = chunked(episodes((2, "terminated"), (2, "truncated"), (4, "cut")), 3, 0.5)
    assert column(out, "obs") == [[0], [1], [20], [21]]
    assert column(out, "action")[:2] == [[0.1, 0.11, 0.0], [0.11, 0.0, 0.0]]
    assert column(out, "reward")[:2] == [2.0, 2.0] and column(out, "terminated") == [1, 1, 0, 0]
    assert column(out, "next_obs") == [[2], [2], [23], [24]]


def test_no_window_reaches_into_the_next_episode() -> None:
    out = chunked(episodes((3, "truncated"), (3, "terminated")), 2, 1.0)
    first, last = column(out, "obs"), column(out, "next_obs")
    assert all(a[0] // 10 == (b[0] - 1) // 10 for a, b in zip(first, last, strict=True))


def test_chunks_of_one_step_are_the_data() -> None:
    data = episodes((3, "truncated"), (2, "terminated"), (2, "cut"))
    out = chunked(data, 1, 0.9)
    for name in data.columns:
        assert column(out, name) == column(data, name), name


def test_chunks_longer_than_every_episode_are_refused() -> None:
    with pytest.raises(DataError, match="no episode of the data has 5 steps; take shorter chunks"):
        chunked(episodes((4, "truncated")), 5, 0.9)
