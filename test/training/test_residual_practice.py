"""The residual learner fed with closed episodes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.data.mcap_episodes import EpisodeRecord
from priorrl_core.errors import DataError
from priorrl_core.training.residual_learner import ResidualLearner, load_residual_method
from priorrl_core.training.residual_practice import ResidualPractice

STEPS = 10


def record(index: int, terminated: bool = False) -> EpisodeRecord:
    """An episode of random numbers, as the recorder leaves it."""
    rng = np.random.default_rng(index)
    return EpisodeRecord(
        f"practice-{index}", index, "practice", "online", "usb", "hash", STEPS, np.zeros((0, 48, 48, 3), np.uint8),
        rng.standard_normal((STEPS + 1, 4)).astype(np.float32), np.zeros((STEPS + 1, 6), np.float32),
        rng.uniform(-1, 1, (STEPS, 3)).astype(np.float32), rng.standard_normal((STEPS, 3)),
        rng.standard_normal((STEPS, 3)), np.zeros(STEPS, np.float32), rng.standard_normal(STEPS).astype(np.float32),
        np.full(STEPS, index, np.uint32), np.zeros(STEPS, np.float32), terminated, not terminated, "horizon", False,
        "dense", 0.0)


def practice(agent: str = "td3") -> ResidualPractice:
    method = dataclasses.replace(load_residual_method(agent), batch_size=8, warmup_steps=15, replay=100)
    return ResidualPractice(ResidualLearner(method, (4,), seed=3))


def fed(learner: ResidualPractice, first: int, count: int) -> list[int]:
    """Updates after each episode."""
    out = []
    for index in range(first, first + count):
        learner.add_record(record(index))
        out.append(learner.learn())
    return out


def test_one_update_a_step_after_the_warm_up_and_one_version_an_episode():
    learner = practice()
    assert fed(learner, 0, 3) == [0, STEPS, STEPS]
    assert learner.version == 3 and learner.learner.version == 2 * STEPS
    assert learner.learner.replay.added == 3 * STEPS
    numbers = learner.read_metrics()
    assert numbers["updates"] == 2 * STEPS and numbers["critic_loss"] > 0.0


def test_the_replay_holds_the_policy_action_and_the_last_step_alone_ends():
    learner = practice()
    learner.add_record(record(0, terminated=True))
    learner.add_record(record(1))
    rows, seen = learner.learner.replay.columns, record(0)
    assert np.array_equal(rows["action"][:STEPS].numpy(), seen.actions)
    assert np.array_equal(rows["next_obs"][:STEPS].numpy(), seen.features[1:])
    assert np.array_equal(rows["base"][:STEPS].numpy(), seen.base_m)
    assert np.flatnonzero(rows["terminated"].numpy()).tolist() == [STEPS - 1]
    assert np.flatnonzero(rows["truncated"].numpy()).tolist() == [2 * STEPS - 1]
    assert rows["policy_version"][STEPS].item() == 1


@pytest.mark.parametrize("agent", ["td3", "sac"])
def test_s_08_a_restored_learner_goes_on_bit_for_bit(agent: str, tmp_path: Path):
    whole, broken, again = practice(agent), practice(agent), practice(agent)
    fed(whole, 0, 5)
    fed(broken, 0, 3)
    broken.save(tmp_path / "state_00003.safetensors")
    again.restore(tmp_path / "state_00003.safetensors")
    assert again.version == 3 and again.learner.replay.added == 3 * STEPS
    assert again.policy_head(2) == broken.policy_head(2)
    fed(again, 3, 2)
    assert again.policy_head() == whole.policy_head()


def test_the_head_is_the_actor_and_carries_its_exploration():
    learner = practice()
    fed(learner, 0, 3)
    head, obs = FrozenMLP.from_bytes(learner.policy_head()), record(9).features[0]
    assert head(obs) == pytest.approx(learner.learner.act(obs, explore=False), abs=1e-6)
    assert float(head.metadata["exploration_std"]) == learner.learner.method.td3.exploration_std
    assert FrozenMLP.from_bytes(practice("sac").policy_head()).metadata["exploration_std"] == repr(np.exp(-1.0).item())


def test_an_episode_with_a_bad_step_is_refused_whole():
    learner, bad = practice(), record(0)
    bad.rewards[-1] = np.nan
    with pytest.raises(DataError, match="reward"):
        learner.add_record(bad)
    assert learner.learner.replay.added == 0
    learner.skip()
    assert learner.version == 1 and learner.learn() == 0
