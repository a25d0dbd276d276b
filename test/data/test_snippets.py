"""Snippets of a replay: their ends, their tasks, and what they never join."""

import numpy as np
import pytest
import torch

from priorrl_core.data.snippets import SnippetSampler
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError


def walk(replay, start, steps, terminated=False, truncated=True):
    """A walk on a line from ``start``; the reward is the state after the step."""
    for i in range(steps):
        here, last = np.array([start + i], np.float32), i == steps - 1
        replay.add(Transition(here, np.array([0.1], np.float32), np.zeros(1), np.zeros(1), float(start + i + 1),
                              here + 1, terminated and last, truncated and last))


def replay(*walks, capacity=50, **ends):
    out = TransitionReplay(capacity, (1,), 1)
    for start, steps in walks:
        walk(out, start, steps, **ends)
    return out


def test_snippets_are_consecutive_and_padded_past_the_episodes_end():
    rows = SnippetSampler(replay((0, 3), (10, 2)), 3).batch(torch.tensor([0, 1, 3]), torch.zeros(3, dtype=torch.int64))
    assert rows.obs[..., 0].tolist() == [[0, 1, 2], [1, 2, 2], [10, 11, 11]]
    assert rows.valid.tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 0]]
    assert rows.next_obs[:, -1, 0].tolist() == [3, 3, 12]  # where the value of the end is asked
    assert rows.reward[0].tolist() == [1, 2, 3]


def test_law_5_an_end_is_kept_and_a_cut_off_is_not_one():
    ended = SnippetSampler(replay((0, 3), terminated=True, truncated=False), 3)
    assert ended.batch(torch.tensor([1]), torch.zeros(1, dtype=torch.int64)).terminated.tolist() == [[0, 1, 1]]
    cut = SnippetSampler(replay((0, 3)), 3).batch(torch.tensor([1]), torch.zeros(1, dtype=torch.int64))
    assert not cut.terminated.any() and cut.valid.tolist() == [[1, 1, 0]]


def test_episodes_without_a_marked_end_are_told_apart_by_their_states():
    r = replay((0, 2), (10, 2), truncated=False)
    rows = SnippetSampler(r, 4).batch(torch.tensor([0]), torch.zeros(1, dtype=torch.int64))
    assert rows.valid.tolist() == [[1, 1, 0, 0]]


def test_a_full_replay_is_not_joined_at_its_newest_step():
    r = replay((0, 30), capacity=10, truncated=False)  # rows 20..29, the newest before the oldest
    rows = SnippetSampler(r, 5).sample(500, torch.Generator().manual_seed(0))
    steps = rows.obs[:, 1:, 0] - rows.obs[:, :-1, 0]
    assert torch.equal(steps, rows.valid[:, 1:]) and float(rows.obs.min()) == 20.0
    assert rows.valid.sum(1).min() == 1.0


def test_a_snippet_goes_on_when_the_replay_has_grown():
    r = replay((0, 2), truncated=False)
    sampler, zero = SnippetSampler(r, 3), torch.zeros(1, dtype=torch.int64)
    assert sampler.batch(torch.tensor([0]), zero).valid.sum() == 2.0
    walk(r, 2, 1)
    assert sampler.batch(torch.tensor([0]), zero).valid.sum() == 3.0


def test_each_snippet_has_the_reward_of_its_own_task():
    tasks = [lambda obs, action, following: following[:, 0], lambda obs, action, following: -10.0 * obs[:, 0]]
    sampler = SnippetSampler(replay((0, 3)), 3, tasks)
    rows = sampler.batch(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert rows.reward.tolist() == [[1, 2, 3], [0, -10, -20]]
    drawn = sampler.sample(2000, torch.Generator().manual_seed(0)).task.float().mean()
    assert sampler.tasks == 2 and float(drawn) == pytest.approx(0.5, abs=0.05)


def test_an_empty_replay_says_so():
    with pytest.raises(DataError, match="empty"):
        SnippetSampler(TransitionReplay(3, (1,), 1), 2).sample(1, torch.Generator())


@pytest.mark.parametrize(("terminated", "truncated"), [(True, False), (False, True)])
def test_an_episode_that_starts_where_the_last_one_ended_is_not_joined_to_it(terminated, truncated):
    r = replay((0, 3), (3, 2), terminated=terminated, truncated=truncated)
    rows = SnippetSampler(r, 5).batch(torch.tensor([0]), torch.zeros(1, dtype=torch.int64))
    assert rows.valid.tolist() == [[1, 1, 1, 0, 0]]


def test_the_newest_step_is_not_joined_to_the_oldest_where_nothing_moves():
    r, still = TransitionReplay(3, (1,), 1), np.zeros(1, np.float32)
    for _ in range(4):  # the oldest is now row 1, the newest row 0
        r.add(Transition(still, still, np.zeros(1), np.zeros(1), 0.0, still, terminated=False))
    rows = SnippetSampler(r, 3).batch(torch.tensor([1, 2, 0]), torch.zeros(3, dtype=torch.int64))
    assert rows.valid.sum(1).tolist() == [3.0, 2.0, 1.0]
