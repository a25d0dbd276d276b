"""The mixed replay of cached features (rows 10.20, 10.21, 10.34)."""

import dataclasses

import numpy as np
import pytest
import torch

from priorrl_core.data.replay import FeatureCache, FeatureReplay, OnlineEpisode
from priorrl_core.errors import DataError

F, T = 4, 5


def make_cache(copies: int = 3, n: int = 6) -> FeatureCache:
    g = torch.Generator().manual_seed(0)
    return FeatureCache(torch.randn(copies, n, T + 1, 3 * F, generator=g).half(),
                        torch.randn(n, T + 1, 6, generator=g), torch.rand(n, T, 3, generator=g),
                        torch.zeros(n, T), torch.zeros(n, dtype=torch.bool))


def make_episode(seed: int = 0, steps: int = T, terminated: bool = False) -> OnlineEpisode:
    rng = np.random.default_rng(seed)
    return OnlineEpisode(torch.randn(steps + 1, 3 * F, generator=torch.Generator().manual_seed(seed)),
                         rng.normal(size=(steps + 1, 6)).astype(np.float32),
                         rng.uniform(-1, 1, (steps, 3)).astype(np.float32), np.ones(steps, np.float32),
                         terminated, np.zeros((steps, 3)), np.zeros((steps, 3)), np.zeros(steps),
                         np.zeros(steps), "hash")


def test_10_21_batch_of_256_is_64_online_and_192_offline():
    replay = FeatureReplay(F, 100, 10, make_cache())
    replay.add(make_episode())
    g = torch.Generator().manual_seed(0)
    batch = replay.sample(256, 0.25, g)
    assert batch.action.shape == (256, 3)
    assert int(batch.reward.sum()) == 64  # only online rows are rewarded here
    assert (replay.sampled_online, replay.sampled_offline) == (64, 192)


def test_10_21_online_rows_are_the_unaugmented_features_and_offline_rows_some_copy():
    cache, episode = make_cache(), make_episode()
    replay = FeatureReplay(F, 100, 10, cache)
    replay.add(episode)
    batch = replay.sample(256, 0.25, torch.Generator().manual_seed(0))
    mine = episode.features[:, :F]
    copies = cache.features.float()[..., :F].reshape(-1, F)
    for row in batch.policy[:64]:
        assert (mine == row).all(1).any()
    for row in batch.policy[64:]:
        assert (copies == row).all(1).any()
    used = {int((copies == row).all(1).nonzero()[0]) // (6 * (T + 1)) for row in batch.policy[64:]}
    assert used == {0, 1, 2}


def test_transitions_are_consecutive_and_never_cross_episodes():
    replay = FeatureReplay(F, 100, 10, None)
    episodes = [make_episode(i, steps=3 + i) for i in range(3)]
    for episode in episodes:
        replay.add(episode)
    batch = replay.sample(400, 0.25, torch.Generator().manual_seed(1))
    pairs = {(tuple(e.features[t, :F].tolist()), tuple(e.features[t + 1, 2 * F:].tolist()))
             for e in episodes for t in range(len(e.actions))}
    got = {(tuple(a.tolist()), tuple(b.tolist()))
           for a, b in zip(batch.policy, batch.next_value, strict=True)}
    assert got == pairs


def test_termination_marks_only_the_last_step_and_truncation_none():
    replay = FeatureReplay(F, 100, 10, None)
    replay.add(make_episode(0, steps=4, terminated=True))
    replay.add(make_episode(1, steps=4, terminated=False))
    assert replay.online.terminated[:8].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_without_online_data_the_batch_is_offline():
    replay = FeatureReplay(F, 100, 10, make_cache())
    assert replay.sample(32, 0.25, torch.Generator().manual_seed(0)).action.shape == (32, 3)
    assert replay.sampled_online == 0


@pytest.mark.parametrize(("field", "value", "word"), [
    ("rewards", np.full(T, np.nan), "not finite"), ("actions", np.full((T, 3), 2.0), "outside"),
    ("proprio", np.zeros((T, 6)), "shape")])
def test_bad_episodes_are_refused_whole(field, value, word):
    replay = FeatureReplay(F, 100, 10, None)
    with pytest.raises(DataError, match=word):
        replay.add(dataclasses.replace(make_episode(), **{field: value}))
    assert replay.online_size == 0 and not replay.episodes


def test_a_full_replay_says_so():
    replay = FeatureReplay(F, T, 1, None)
    replay.add(make_episode())
    with pytest.raises(DataError, match="full"):
        replay.add(make_episode(1))


def test_10_20_an_online_episode_has_no_place_for_the_truth():
    names = {f.name for f in dataclasses.fields(OnlineEpisode)}
    assert not names & {"inserted", "offset_m", "goal_error_m", "truth", "depth_m", "labels"}
