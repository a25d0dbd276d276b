"""Row 7.11: rewards divided by the range of the data's returns, and shifted (thesis appendix E)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from point_learn import mixed_data

from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.data import returns
from priorrl_core.data.returns import episode_returns, return_range
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.offline_online import OfflineOnlineLearner

CONFIG = LearnConfig("small", "iql", iql=IQLConfig(hidden=(8, 8)), batch_size=64)


def rows(*episodes: list[float], capacity: int = 20) -> TransitionReplay:
    """Episodes with the given rewards: the first ends its task, the second is cut off, others jump."""
    replay, seen = TransitionReplay(capacity, (1,), 1), 0.0
    for number, rewards in enumerate(episodes):
        seen += 10.0
        for t, reward in enumerate(rewards):
            last = t == len(rewards) - 1
            replay.add(Transition(np.array([seen]), np.zeros(1), np.zeros(1), np.zeros(1), reward,
                                  np.array([seen + 1.0]), last and number == 0, last and number == 1))
            seen += 1.0
    return replay


@pytest.mark.parametrize("block", [1, 2, 3, 4096])
def test_7_11_returns_of_episodes_that_end_in_three_ways(block, monkeypatch):
    """Observations are compared so many rows at a time."""
    monkeypatch.setattr(returns, "BLOCK", block)
    assert episode_returns(rows([1.0, 2.0], [-4.0], [0.5, 0.5], [2.0])).tolist() == [3.0, -4.0, 1.0, 2.0]
    assert return_range(rows([1.0, 2.0], [-4.0], [0.5, 0.5])) == 7.0


def test_7_11_a_replay_that_wrapped_around_is_read_from_its_oldest_row():
    wrapped = rows([1.0, 2.0], [-4.0], [0.5, 0.5], [9.0], capacity=5)
    assert episode_returns(wrapped).tolist() == [2.0, -4.0, 1.0, 9.0]


def test_7_11_locomotion_rewards_are_divided_by_the_return_range_of_the_data():
    data = rows([1.0, 2.0], [-4.0], [0.5, 0.5])
    learner = OfflineOnlineLearner(dataclasses.replace(CONFIG, return_range=True, reward_scale=1000.0), 1, 1, 0, data)
    given = {round(value, 3) for value in learner.sample(None).reward.tolist()}
    assert given == {round(1000.0 * r / 7.0, 3) for r in (1.0, 2.0, -4.0, 0.5)}
    learner.add(Transition(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), 70.0, np.zeros(1), False))
    assert float(learner.sample(0.0).reward[0]) == pytest.approx(10_000.0)  # practice is measured by the data
    assert torch.equal(learner.buffer.table.columns["reward"][:5], data.columns["reward"][:5])


def test_7_11_ant_maze_rewards_are_shifted_by_one():
    learner = OfflineOnlineLearner(dataclasses.replace(CONFIG, reward_shift=-1.0), 1, 1, 0, rows([0.0, 1.0]))
    assert set(learner.sample(None).reward.tolist()) == {-1.0, 0.0}


def test_7_11_without_data_or_with_equal_returns_there_is_no_range():
    ranged = dataclasses.replace(CONFIG, return_range=True)
    with pytest.raises(ConfigError, match="return_range"):
        OfflineOnlineLearner(ranged, 1, 1, 0)
    with pytest.raises(DataError, match="same return"):
        OfflineOnlineLearner(ranged, 1, 1, 0, rows([1.0], [1.0]))
    assert return_range(mixed_data(8)) > 1.0
