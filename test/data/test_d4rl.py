"""Row 7.15: D4RL files, whose episodes lie in one table; no target reaches into the next one; normalised scores."""

import h5py
import numpy as np
import pytest
import torch

from priorrl_core.agents.iql import td_target
from priorrl_core.cli.main import main
from priorrl_core.data.formats import registry, replay
from priorrl_core.data.formats.check import problems
from priorrl_core.data.formats.d4rl_scores import normalised_score
from priorrl_core.data.formats.reading import ReadOptions
from priorrl_core.errors import DataError, UserError

TERMINALS, TIMEOUTS = [0, 0, 1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0]
"""Three steps that end the task; three and one that time cuts off; one that ends it; two that do not say."""


def columns(**changes):
    rng = np.random.default_rng(0)
    seen = np.arange(10, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    table = {"observations": seen, "actions": rng.uniform(-1, 1, (10, 2)).astype(np.float32),
             "rewards": np.arange(10, dtype=np.float32), "terminals": np.array(TERMINALS, bool),
             "timeouts": np.array(TIMEOUTS, bool), **changes}
    return {key: value for key, value in table.items() if value is not None}


def write(path, table):
    with h5py.File(path, "w") as file:
        for key, value in table.items():
            file[key] = value
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "set.hdf5", columns())


CUT = ReadOptions(ends="cut")


def test_7_15_episodes_end_where_a_flag_says_and_both_ends_stay_apart(file):
    found = list(registry.read(file, options=CUT))
    assert registry.detect(file) == "d4rl"
    assert [e.reward.tolist() for e in found] == [[0, 1, 2], [3, 4], [7], [8]]
    assert [(e.terminated, e.truncated) for e in found] == [(True, False), (False, True), (True, False), (False, True)]


def test_7_15_what_was_seen_after_a_step_is_never_of_the_next_episode(file):
    """A truncated episode gives its last row away as what was seen last; a terminated one needs none."""
    found = list(registry.read(file, options=CUT))
    assert [e.obs["state"][:, 0].tolist() for e in found] == [[0, 1, 2, 2], [3, 4, 5], [7, 7], [8, 9]]
    assert [e.final_obs for e in found] == [False, True, False, True]
    made = replay.to_replay(registry.read(file, options=CUT))
    columns = {name: column[:made.size] for name, column in made.columns.items()}
    value = 100.0 * columns["next_obs"][:, 0]  # of a critic that would give the next episode away
    target = td_target(columns["reward"], value, columns["terminated"].float(), 1.0)
    assert target.tolist() == [100.0, 201.0, 2.0, 403.0, 504.0, 7.0, 908.0]
    assert torch.equal(columns["next_obs"][:, 0] - columns["obs"][:, 0], torch.tensor([1.0, 1, 0, 1, 1, 0, 1]))


def test_7_15_next_observations_are_used_where_the_file_has_them(tmp_path):
    path = write(tmp_path / "set.hdf5", columns(next_observations=columns()["observations"] + 0.5))
    found = list(registry.read(path, options=CUT))
    assert [e.reward.tolist() for e in found] == [[0, 1, 2], [3, 4, 5], [6], [7], [8, 9]]
    assert [float(e.obs["state"][-1, 0]) for e in found] == [2.5, 5.5, 6.5, 7.5, 9.5]
    assert all(e.final_obs for e in found)


def test_7_15_the_goal_of_a_maze_is_an_observation_of_its_own(tmp_path):
    path = write(tmp_path / "set.hdf5", columns())
    with h5py.File(path, "a") as file:
        file["infos/goal"] = np.arange(20.0).reshape(10, 2)
    second = list(registry.read(path, options=CUT))[1]
    assert second.obs["goal"].tolist() == [[6, 7], [8, 9], [8, 9]]


def test_7_15_a_rest_that_says_no_end_is_refused_until_it_is_said(file):
    found = [str(p) for p in problems(registry.read(file))]
    assert len(found) == 1 and "row 9" in found[0] and "--ends cut" in found[0]


@pytest.mark.parametrize(("changes", "words"), [
    ({"timeouts": None}, "'timeouts' is missing.*--ends cut"), ({"rewards": np.zeros(9, np.float32)}, "9 rows"),
    ({"terminals": np.full(10, 2)}, "neither 0 nor 1 at row 0"), ({"rewards": None}, "'rewards' is missing")])
def test_7_15_broken_files_are_refused_by_key(changes, words, tmp_path):
    path = write(tmp_path / "set.hdf5", columns(**changes))
    with pytest.raises(DataError, match=words):
        registry.read(path, "d4rl")
    if changes == {"timeouts": None}:
        assert len(registry.read(path, "d4rl", CUT)) == 3


def test_7_15_imported_by_the_command_into_what_learners_read(file, tmp_path, capsys):
    out = str(tmp_path / "own.safetensors")
    assert main(["data", "import", str(file), "--ends", "cut", "--out", out]) == 0
    assert "4 episodes, 7 steps" in capsys.readouterr().out


def test_7_15_normalised_scores_by_hand():
    assert normalised_score(3234.3, "hopper-medium-v2") == pytest.approx(100.0)
    assert normalised_score(-280.178953, "halfcheetah-medium-expert-v2") == pytest.approx(0.0)
    assert normalised_score(0.875, "antmaze-umaze-v0") == pytest.approx(87.5)
    assert normalised_score((3879.7 - 325.6) / 2.0, "ant-medium-v2") == pytest.approx(50.0)  # not antmaze's
    assert normalised_score(-40.0, "pen-binary-v0") == pytest.approx(60.0)  # 40 steps of 100 without success
    with pytest.raises(UserError, match="did you mean 'hopper'"):
        normalised_score(1.0, "hoper-medium")
