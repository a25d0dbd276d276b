"""Small random episodes, and equality of every bit of them."""

from __future__ import annotations

import numpy as np

from priorrl_core.data.formats.episode_set import STATE, Episode, EpisodeSet

VECTOR = {STATE: (3,)}
KEYS = {"object": (4,), "tip": (1,)}
IMAGES = {"camera": (32, 34, 3), "grey": (1, 4, 4), "proprio": (2,)}


def episode(steps, terminated, truncated, keys=VECTOR, dtype=np.float32, seed=0, **changes):
    rng = np.random.default_rng(seed)
    obs = {key: (rng.integers(0, 256, (steps + 1, *shape)).astype(np.uint8) if len(shape) == 3
                 else rng.normal(size=(steps + 1, *shape)).astype(dtype)) for key, shape in keys.items()}
    values = {"obs": obs, "action": rng.uniform(-1, 1, (steps, 2)).astype(dtype),
              "reward": rng.normal(size=steps).astype(dtype), "terminated": terminated, "truncated": truncated,
              "extra": {"base": rng.normal(size=(steps, 2)), "executed": rng.normal(size=(steps, 2)),
                        "policy_version": np.arange(steps), "config": np.ones(steps, np.int32)}}
    return Episode(**(values | changes))


def three(keys=VECTOR, dtype=np.float32):
    """One that terminated, one of one step that a time limit cut off, one of both."""
    ends = ((4, True, False), (1, False, True), (6, True, True))
    episodes = [episode(*end, keys, dtype, seed) for seed, end in enumerate(ends)]
    return EpisodeSet.of(episodes, meta={"configs": ["", "abc"]})


def assert_same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        for left, right in ((a.obs, b.obs), (a.extra, b.extra), (_rest(a), _rest(b))):
            assert left.keys() == right.keys()
            for key, value in left.items():
                assert value.dtype == right[key].dtype and np.array_equal(value, right[key]), key
        assert (a.terminated, a.truncated, a.final_obs) == (b.terminated, b.truncated, b.final_obs)


def _rest(e):
    return {"action": e.action, "reward": e.reward}
