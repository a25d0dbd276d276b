"""The replay of transitions: laws 4, 5 and 8, images as bytes, files bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from priorrl_core.data.transitions import Transition, TransitionReplay, sample_with_demos
from priorrl_core.errors import DataError


def step(i=0, **changes):
    rng = np.random.default_rng(i)
    values = {"obs": rng.normal(size=3).astype(np.float32), "action": rng.uniform(-1, 1, 2).astype(np.float32),
              "base": rng.normal(size=2), "executed": rng.normal(size=2), "reward": float(i),
              "next_obs": rng.normal(size=3).astype(np.float32), "terminated": False, **changes}
    return Transition(**values)


def filled(n, capacity=10):
    replay = TransitionReplay(capacity, (3,), 2)
    for i in range(n):
        replay.add(step(i))
    return replay


def test_8_03_the_policys_action_is_what_is_sampled_and_base_and_executed_lie_beside_it():
    replay, one = TransitionReplay(4, (3,), 2), step(1)
    replay.add(one)
    row = replay.batch(torch.tensor([0]))
    assert np.array_equal(row.action[0], one.action)
    assert np.array_equal(replay.columns["base"][0], one.base)  # float64: the command's own bits
    assert np.array_equal(replay.columns["executed"][0], one.executed)
    assert np.array_equal(row.obs[0], one.obs) and np.array_equal(row.next_obs[0], one.next_obs)


def test_8_04_truncated_is_not_terminated_and_the_reward_is_stored():
    replay = TransitionReplay(4, (3,), 2)
    replay.add(step(0, truncated=True, reward=2.5))
    replay.add(step(1, terminated=True))
    rows = replay.batch(torch.tensor([0, 1]))
    assert rows.terminated.tolist() == [0.0, 1.0] and rows.reward.tolist() == [2.5, 1.0]
    assert replay.columns["truncated"].tolist()[:2] == [True, False]


def test_law_8_every_transition_names_version_configuration_and_age():
    replay = TransitionReplay(4, (3,), 2)
    replay.add(step(0, policy_version=7, observation_age_s=0.02, config_hash="abc"))
    replay.add(step(1, config_hash="def"))
    replay.add(step(2, config_hash="abc"))
    names = [replay.config_hashes[i] for i in replay.columns["config"].tolist()[:3]]
    assert names == ["abc", "def", "abc"] and replay.columns["policy_version"].tolist()[0] == 7
    assert float(replay.columns["observation_age_s"][0]) == pytest.approx(0.02)


def test_a_full_replay_gives_up_the_oldest():
    replay = filled(13, capacity=5)
    assert replay.size == 5 and sorted(replay.columns["reward"].tolist()) == [8.0, 9.0, 10.0, 11.0, 12.0]


def test_sampling_follows_the_generator_and_reaches_filled_rows_only():
    replay = filled(4, capacity=100)
    one = replay.sample(500, torch.Generator().manual_seed(1))
    two = replay.sample(500, torch.Generator().manual_seed(1))
    assert torch.equal(one.obs, two.obs) and set(one.reward.tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert not torch.equal(one.obs, replay.sample(500, torch.Generator().manual_seed(2)).obs)


def test_rows_stay_together():
    replay = filled(10)
    rows = replay.sample(50, torch.Generator().manual_seed(0))
    for i, reward in enumerate(rows.reward.tolist()):
        assert np.array_equal(rows.obs[i], step(int(reward)).obs)
        assert np.array_equal(rows.next_obs[i], step(int(reward)).next_obs)


def test_images_are_stored_and_sampled_as_bytes():
    replay = TransitionReplay(4, (1, 32, 32), 2, images=True)
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32)).astype(np.uint8)
    replay.add(step(0, obs=image, next_obs=255 - image))
    rows = replay.sample(3, torch.Generator().manual_seed(0))
    assert rows.obs.dtype == torch.uint8 and np.array_equal(rows.next_obs[2], 255 - image)
    assert replay.columns["obs"].element_size() == 1


@pytest.mark.parametrize("n", [3, 13])
def test_saved_and_loaded_bit_for_bit_and_goes_on_the_same(n, tmp_path):
    replay = filled(n)
    replay.save(tmp_path / "replay")
    other = TransitionReplay.load(tmp_path / "replay")
    for r in (replay, other):
        r.add(step(99, config_hash="new"))
    assert all(torch.equal(column, other.columns[name]) for name, column in replay.columns.items())
    assert (replay.added, replay.config_hashes) == (other.added, other.config_hashes)
    one, two = (r.sample(8, torch.Generator().manual_seed(3)) for r in (replay, other))
    assert torch.equal(one.action, two.action)
    other.save(tmp_path / "again")
    replay.save(tmp_path / "replay")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "replay").read_bytes()


def test_a_truncated_file_is_refused(tmp_path):
    filled(5).save(tmp_path / "replay")
    data = (tmp_path / "replay").read_bytes()
    (tmp_path / "replay").write_bytes(data[:-20])
    with pytest.raises(DataError, match="not a whole"):
        TransitionReplay.load(tmp_path / "replay")


@pytest.mark.parametrize(("changes", "message"), [
    ({"obs": np.zeros(4, np.float32)}, "'obs' has shape"),
    ({"next_obs": np.array([0.0, np.nan, 0.0])}, "'next_obs' is not finite"),
    ({"reward": float("inf")}, "'reward' is not finite"),
    ({"action": np.array([0.0, 1.5])}, "'action' lies outside"),
    ({"base": np.zeros(3)}, "'base' has shape"),
    ({"obs": np.zeros(3, np.uint8)}, "'obs' is uint8"),
])  # fmt: skip
def test_bad_steps_are_refused_with_their_number_and_field(changes, message):
    replay = filled(2)
    with pytest.raises(DataError, match=f"transition 2: {message}"):
        replay.add(dataclasses.replace(step(5), **changes))
    assert replay.size == 2


def test_9_21_demonstrations_come_last_and_are_counted():
    own, shown = filled(5), TransitionReplay(3, (3,), 2)
    shown.add(step(50))
    rows = sample_with_demos(own, shown, 6, 2, torch.Generator().manual_seed(0))
    assert rows.demos == 2 and rows.reward.tolist()[-2:] == [50.0, 50.0]
    assert max(rows.reward.tolist()[:6]) < 5.0 and len(rows.obs) == 8
    assert own.sample(2, torch.Generator()).demos == 0


def test_an_empty_replay_says_so():
    with pytest.raises(DataError, match="empty"):
        TransitionReplay(3, (3,), 2).sample(1, torch.Generator())
