"""What a batch is made of, and where practice and data lie in the one buffer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from point_learn import mixed_data

from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.data.transitions import Transition
from priorrl_core.errors import DataError
from priorrl_core.training.learn_buffer import LearnBuffer
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.offline_online import OfflineOnlineLearner

CONFIG = LearnConfig("small", "iql", iql=IQLConfig(hidden=(8, 8)), batch_size=10)


def step(value: float = 0.0, terminated: bool = False, truncated: bool = False) -> Transition:
    seen = np.full(2, value, np.float32)
    return Transition(seen, np.zeros(2, np.float32), np.zeros(2), np.zeros(2), value, seen, terminated, truncated)


def filled(capacity: int = 8, practised: int = 5) -> LearnBuffer:
    buffer = LearnBuffer(capacity, 2, 2, mixed_data(4))
    for i in range(practised):
        buffer.add(step(100.0 + i))
    return buffer


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def counts(buffer: LearnBuffer, share: float | None, size: int = 64) -> tuple[int, int]:
    practice = int((buffer.rows(size, share, generator()) >= buffer.prior).sum())
    return size - practice, practice


def test_symmetric_and_weighted_batches_have_exactly_their_shares():
    buffer = filled()
    assert counts(buffer, 0.5) == (32, 32) and counts(buffer, 0.75) == (48, 16) and counts(buffer, 0.0) == (0, 64)
    assert counts(buffer, 1.0) == (64, 0) and counts(buffer, 0.5, 7) == (4, 3)


def test_6_01_mixed_batches_are_uniform_over_data_and_practice():
    rows = filled(practised=8).rows(48_000, None, generator())
    shares = torch.bincount(rows, minlength=48) / 48_000
    assert len(shares) == 48 and float((shares - 1 / 48).abs().max()) < 0.003


def test_each_half_is_uniform_over_its_own():
    rows = filled().rows(40_000, 0.5, generator())
    shares = torch.bincount(rows, minlength=45) / 20_000
    assert float((shares[:40] - 1 / 40).abs().max()) < 0.006 and float((shares[40:] - 1 / 5).abs().max()) < 0.02


@pytest.mark.parametrize("share", [None, 0.5, 0.0])
def test_an_empty_half_is_made_up_by_the_other(share):
    assert counts(filled(practised=0), share) == (64, 0)
    alone = LearnBuffer(8, 2, 2)
    alone.add(step())
    assert counts(alone, share) == (0, 64)
    with pytest.raises(DataError, match="nothing to learn from"):
        LearnBuffer(8, 2, 2).rows(4, share, generator())


def test_practice_overwrites_its_oldest_and_never_the_data():
    buffer, data = filled(capacity=8, practised=11), mixed_data(4)
    assert torch.equal(buffer.table.columns["obs"][:40], data.columns["obs"])
    assert buffer.practice == 8 and sorted(buffer.table.columns["reward"][40:].tolist()) == list(range(103, 111))
    own = buffer.practised()
    assert own.columns["reward"].tolist() == list(range(103, 111)) and own.size == 8


def test_truncated_is_not_terminated_in_what_the_agent_sees():
    buffer = LearnBuffer(8, 2, 2)
    for ends in ({"terminated": True}, {"truncated": True}, {}):
        buffer.add(step(**ends))
    batch = buffer.batch(torch.arange(3))
    assert batch.terminated.tolist() == [1.0, 0.0, 0.0]
    assert buffer.practised().columns["truncated"].tolist() == [False, True, False]


def test_demonstration_rows_come_last_and_from_the_data():
    learner = OfflineOnlineLearner(dataclasses.replace(CONFIG, demo_rows=6), 2, 2, 0, mixed_data(4))
    for i in range(8):
        learner.add(step(100.0 + i))
    batch = learner.sample(0.0)
    assert batch.demos == 6 and len(batch.reward) == 16
    assert (batch.reward[:10] >= 100.0).all() and (batch.reward[10:] <= 0.0).all()


def test_rewards_are_scaled_for_the_agent_and_kept_as_they_were():
    changed = dataclasses.replace(CONFIG, reward_scale=2.0, reward_shift=-1.0)
    plain, scaled = (OfflineOnlineLearner(c, 2, 2, 0, mixed_data(4)) for c in (CONFIG, changed))
    assert torch.equal(scaled.sample(None).reward, plain.sample(None).reward * 2.0 - 1.0)
    assert torch.equal(scaled.buffer.table.columns["reward"], plain.buffer.table.columns["reward"])


@pytest.mark.parametrize(("ratio", "warm", "expected"), [(1.0, 0, [1, 1, 1, 1, 1]), (3.0, 2, [0, 0, 3, 3, 3]),
                                                         (0.5, 0, [0, 1, 0, 1, 0]), (0.0, 0, [0] * 5)])
def test_update_ratio_and_warm_start(ratio, warm, expected):
    learner = OfflineOnlineLearner(dataclasses.replace(CONFIG, updates_per_step=ratio, warm_steps=warm), 2, 2)
    done = []
    for _ in range(5):
        learner.add(step())
        done.append(len(learner.practise()))
    assert done == expected and learner.agent.updates == sum(expected)


def test_7_12_one_update_a_step_and_the_buffer_grows_by_as_much():
    own = OfflineOnlineLearner(CONFIG, 2, 2, 0, mixed_data(4))
    for _ in range(7):
        own.pretrain()
    for count in range(1, 6):
        own.add(step())
        own.practise()
        assert own.agent.updates == 7 + count and own.buffer.practice == count and own.buffer.prior == 40


def test_7_12_noise_of_practice_beside_the_agents_own():
    """Deterministic but for the noise; none of it where the agent is evaluated."""
    quiet = {"agent": "ddpg", "ddpg": DDPGConfig(hidden=(8, 8), random_probability=0.0, exploration_range=0.0)}
    own = OfflineOnlineLearner(dataclasses.replace(CONFIG, **quiet, exploration_std=0.03), 2, 2)
    obs = np.full(2, 0.1, np.float32)
    away = np.stack([own.act(obs, True) for _ in range(4000)]) - own.act(obs, False)
    assert away.std(0) == pytest.approx([0.03, 0.03], rel=0.05) and np.abs(away.mean(0)).max() < 0.002
    loud = OfflineOnlineLearner(dataclasses.replace(CONFIG, **quiet, exploration_std=9.0), 2, 2)
    assert max(np.abs(loud.act(obs, True)).max() for _ in range(20)) == 1.0


def test_without_retention_practice_alone_is_sampled():
    learner = OfflineOnlineLearner(dataclasses.replace(CONFIG, keep_data=False), 2, 2, 0, mixed_data(4))
    seen = []
    learner.agent.update = lambda batch: seen.append(batch.reward) or {}
    learner.pretrain()
    for i in range(5):
        learner.add(step(100.0 + i))
        learner.practise()
    assert (seen[0] <= 0.0).all() and all((rewards >= 100.0).all() for rewards in seen[1:]) and len(seen) == 6
