"""``priorrl data``: one sentence for a mistake, problems with exit status 1, files in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from priorrl_core.cli.main import main
from priorrl_core.data.formats import registry
from priorrl_core.data.formats.episode_set import Episode, EpisodeSet
from priorrl_core.data.transitions import TransitionReplay


def small_set(actions_up_to: float = 1.0) -> EpisodeSet:
    rng = np.random.default_rng(0)
    return EpisodeSet.of([
        Episode({"pos": rng.normal(size=(6, 2)), "vel": rng.normal(size=(6, 3))},
                rng.uniform(-1, 1, (5, 2)) * actions_up_to, np.arange(5.0), i == 0, i == 1) for i in range(3)])


@pytest.fixture
def set_file(in_tmp: Path) -> Path:
    registry.write(EpisodeSet.of([small_set().load(0), small_set().load(1)]), "set.hdf5", "robomimic")
    return in_tmp / "set.hdf5"


def result(capsys: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def test_show_counts_both_ends(set_file: Path, capsys: Any) -> None:
    assert main(["data", "show", "set.hdf5", "--json"]) == 0
    found = result(capsys)
    assert (found["format"], found["episodes"], found["steps"]) == ("robomimic", 2, 10)
    assert (found["terminated"], found["truncated"], found["open"], found["one_flag"]) == (1, 1, 0, 0)
    assert found["obs"] == {"pos": "float64 (2,)", "vel": "float64 (3,)"} and found["return"] == [10.0, 10.0]


def test_import_and_export_of_a_replay(set_file: Path, capsys: Any) -> None:
    assert main(["data", "import", "set.hdf5", "--out", "a.safetensors", "--obs", "vel", "--json"]) == 0
    assert result(capsys)["obs_shape"] == [3]
    with h5py.File("set.hdf5") as file:
        wanted = file["data/demo_1/next_obs/vel"][4].astype(np.float32)
    data = TransitionReplay.load("a.safetensors")
    assert np.array_equal(data.columns["next_obs"][9], wanted)
    assert main(["data", "export", "a.safetensors", "--format", "robomimic", "--out", "b.hdf5", "--json"]) == 0
    assert main(["data", "check", "b.hdf5", "--json"]) == 0
    assert result(capsys)["problems"] == []


def test_check_lists_every_problem_and_ends_with_1(set_file: Path, capsys: Any) -> None:
    with h5py.File("set.hdf5", "a") as file:
        file["data/demo_0/actions"][2, 1] = 4.0
        file["data/demo_1/obs/vel"][3, 0] = np.nan
        file["data/demo_1/next_obs/vel"][2, 0] = np.nan
    assert main(["data", "check", "set.hdf5", "--json"]) == 1
    found = result(capsys)["problems"]
    assert len(found) == 2 and "'data/demo_0/actions' lies outside [-1, 1] (up to 4) at row 2" in found[0]
    assert "'data/demo_1/obs/vel' is not finite (NaN or infinity) at row 3" in found[1]
    assert main(["data", "import", "set.hdf5", "--out", "a.safetensors"]) == 2
    assert "store the policy's action, or scale it with --scale" in capsys.readouterr().err
    assert not Path("a.safetensors").exists()


def test_a_file_with_one_flag_is_said_to_have_one(set_file: Path, capsys: Any) -> None:
    with h5py.File("set.hdf5", "a") as file:
        for demo in file["data"].values():
            del demo["terminated"], demo["next_obs"]
            demo["dones"][-1] = 1
    assert main(["data", "import", "set.hdf5", "--out", "a.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "2 episodes have one flag for both ends, read as terminated" in said and "--ends truncated" in said
    assert "2 episodes have no observation after the last step" in said
    assert main(["data", "import", "set.hdf5", "--out", "a.safetensors", "--ends", "truncated"]) == 0
    columns = TransitionReplay.load("a.safetensors").columns
    assert columns["terminated"].sum() == 0 and columns["truncated"].nonzero().ravel().tolist() == [4, 9]


def test_scale_says_from_where(set_file: Path, capsys: Any) -> None:
    with h5py.File("set.hdf5", "a") as file:
        for demo in file["data"].values():
            demo["actions"][...] *= 3.0
    words = ["data", "import", "set.hdf5", "--out", "a.safetensors"]
    assert main([*words, "--scale=-3:3"]) == 0
    assert "actions scaled from [[-3.0, 3.0]] to [-1, 1]" in capsys.readouterr().out
    columns = TransitionReplay.load("a.safetensors").columns
    assert np.allclose(columns["executed"], 3.0 * columns["action"], atol=1e-6)
    assert main([*words, "--scale=-2:2"]) == 2
    assert main([*words, "--scale", "file"]) == 2
    assert "does not give finite bounds" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "message"), [
    (["data"], "required"),
    (["data", "chek", "x"], "did you mean 'check'"),
    (["data", "check", "none.hdf5"], "'none.hdf5' does not exist"),
    (["data", "import", "set.hdf5"], "needs --out"),
    (["data", "export", "set.hdf5", "--out", "x"], "needs --format"),
    (["data", "export", "set.hdf5", "--out", "x", "--format", "run"], "cannot write the format 'run'"),
    (["data", "export", "set.hdf5", "--out", "no_folder/x", "--format", "robomimic"], "cannot write 'no_folder/x'"),
    (["data", "import", "set.hdf5", "--out", "x", "--obs", "velo"], "did you mean 'vel'"),
    (["data", "import", "set.hdf5", "--out", "x", "--scale", "3"], "is not LOW:HIGH"),
    (["data", "check", "set.hdf5", "--format", "lerobto"], "did you mean 'lerobot'"),
    (["data", "check", "set.hdf5", "--format", "replay"], "not a whole safetensors file"),
    (["data", "check", "set.hdf5", "--ends", "trunc"], "'trunc' is unknown"),
    (["data", "check", "text.txt"], "cannot tell the format"),
])  # fmt: skip
def test_mistakes_are_one_sentence(words: list[str], message: str, set_file: Path, capsys: Any) -> None:
    Path("text.txt").write_text("nothing")
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not Path("x").exists()
