"""Row 6.12: demonstrations, a policy cloned from them, its trajectories: one data set in the learners' format."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from point_learn import HORIZON, PointReach, mixed_data

from priorrl_core.agents.bc import BCConfig
from priorrl_core.data.formats.reading import ReadOptions
from priorrl_core.data.formats.replay import read
from priorrl_core.data.returns import episode_returns
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.cloned_data import CLONE_HASH, CloneRecipe, appended, clone_and_collect, load_recipe
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_files import load_data
from priorrl_core.training.runtime import configure_torch

SMALL = CloneRecipe(6, 9, updates=150, batch_size=32)


@pytest.fixture
def demos(tmp_path):
    configure_torch()
    mixed_data(8, good=1.0).save(tmp_path / "demos.safetensors")
    return read(tmp_path / "demos.safetensors", ReadOptions())


def made(demos, recipe=SMALL, seed=0):
    return clone_and_collect(ScaledEnv(PointReach()), demos, recipe, BCConfig(hidden=(32, 32)), seed)


def test_6_12_counts_of_the_thesis():
    counts = {"dexterous": (25, 500), "mujoco": (15, 100), "claw": (10, 200), "drawer": (10, 500), "hand": (19, 50)}
    for name, wanted in counts.items():
        recipe = load_recipe(name)
        assert (recipe.demos, recipe.trajectories) == wanted
    with pytest.raises(ConfigError, match="did you mean 'drawer'"):
        load_recipe("drawers")


def test_6_12_the_demonstrations_come_first_and_the_clone_goes_their_way(demos, tmp_path):
    data = made(demos)
    assert data.size == 15 * HORIZON and len(episode_returns(data)) == 15
    first = mixed_data(8, good=1.0).columns
    assert torch.equal(data.columns["action"][:6 * HORIZON], first["action"][:6 * HORIZON])
    assert torch.equal(data.columns["executed"][:6 * HORIZON], first["executed"][:6 * HORIZON])
    cloned = data.columns["config"] == data.config_hashes.index(CLONE_HASH)
    assert not cloned[:6 * HORIZON].any() and cloned[6 * HORIZON:].all()
    assert episode_returns(data)[6:].mean() > -5.0  # standing still gives -8
    assert data.columns["truncated"][HORIZON - 1::HORIZON].all() and not data.columns["terminated"].any()
    data.save(tmp_path / "own.safetensors")
    assert load_data(tmp_path / "own.safetensors", 2, 2).size == data.size


def test_6_12_same_seed_same_data_and_the_clone_explores(demos):
    one, two, other = made(demos), made(demos), made(demos, seed=1)
    assert all(torch.equal(a, two.columns[name]) for name, a in one.columns.items())
    assert not torch.equal(one.columns["action"], other.columns["action"])
    starts = one.columns["obs"][6 * HORIZON::HORIZON].numpy()
    assert len(np.unique(starts, axis=0)) == 9


def test_6_12_joined_rows_keep_their_configurations():
    one, two = (TransitionReplay(2, (1,), 1) for _ in range(2))
    for replay, names in ((one, "ab"), (two, "cba")):
        for name in names:
            replay.add(Transition(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), 0.0, np.zeros(1), False,
                                  config_hash=name))
    both = appended(one, two)
    assert [both.config_hashes[i] for i in both.columns["config"]] == ["a", "b", "b", "a"]  # c gave way


def test_6_12_too_few_or_foreign_demonstrations_are_refused(demos):
    with pytest.raises(DataError, match="holds 8 episodes, 9 are wanted"):
        made(demos, CloneRecipe(9, 1, 10, 8))
    with pytest.raises(DataError, match="of this environment"):
        appended(mixed_data(2), TransitionReplay(3, (5,), 2))
