"""Bad data sets are refused with file, key and row."""

import dataclasses
import json
import re

import h5py
import numpy as np
import pytest
from episode_sets import assert_same, episode, three

from priorrl_core.data.formats import registry
from priorrl_core.data.formats.check import checked, problems
from priorrl_core.data.formats.episode_set import EpisodeSet
from priorrl_core.data.formats.reading import ReadOptions, library
from priorrl_core.errors import DataError, UserError


def refusal(path, options=None):
    """The first problem of a file, whether it stops the reading or not."""
    with pytest.raises(DataError) as found:
        list(checked(registry.read(path, options=options)))
    assert str(path) in str(found.value)
    return str(found.value)


# ---- any format --------------------------------------------------------------------------------------


def broken(**changes):
    return EpisodeSet.of([episode(3, True, False, name="a"),
                          dataclasses.replace(episode(4, True, False, name="b", row=3), **changes)], "the_file")


def at(array, row, value):
    array = array.copy()
    array[row] = value
    return array


GOOD = episode(4, True, False)
CASES = [
    ({"action": at(GOOD.action, (2, 1), -1.5)},
     r"'the_file': 'b/actions' lies outside \[-1, 1\] \(up to 1.5\) at row 5"),
    ({"action": at(GOOD.action, 1, np.nan)}, "'b/actions' is not finite .* at row 4"),
    ({"action": GOOD.action[:, :1]}, r"'b/actions' has shape \(1,\) a step, expected \(2,\)"),
    ({"action": GOOD.action[:, 0]}, r"'b/actions' has shape \(\) a step, expected \(2,\)"),
    ({"action": GOOD.action.astype(int)}, "'b/actions' has type int64"),
    ({"action": GOOD.action.astype(float)}, "'b/actions' has type float64, in the first episode float32"),
    ({"action": GOOD.action[:0]}, "'b/actions' has no step"),
    ({"reward": at(GOOD.reward, 3, np.inf)}, "'b/rewards' is not finite .* at row 6"),
    ({"reward": GOOD.reward[:2]}, "'b/rewards' has 2 rows, expected 4 at row 5"),
    ({"reward": GOOD.reward[:, None]}, r"'b/rewards' has shape \(1,\) a step, expected \(\)"),
    ({"obs": {"state": at(GOOD.obs["state"], (4, 0), np.nan)}}, "'b/obs/state' is not finite .* at row 7"),
    ({"obs": {"state": GOOD.obs["state"][:4]}}, "'b/obs/state' has 4 rows, expected 5 at row 7"),
    ({"obs": {"state": GOOD.obs["state"][:, :2]}}, r"'b/obs/state' has shape \(2,\) a step"),
    ({"obs": {"state": GOOD.obs["state"].astype(np.int64)}}, "'b/obs/state' has type int64; .*uint8 images"),
    ({"obs": {"state": GOOD.obs["state"].astype("S4")}}, "'b/obs/state' has type "),
    ({"obs": {"other": GOOD.obs["state"]}}, "'b/obs/other' is not in every episode"),
    ({"terminated": False}, "'b/dones' says neither terminated nor truncated at row 6; '--ends cut'"),
    ({"extra": {"base": at(np.zeros((4, 2)), 1, np.nan)}}, "'b/extra/base' is not finite .* at row 4"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), CASES)
def test_a_bad_episode_is_refused_with_file_key_and_row(changes, message):
    with pytest.raises(DataError, match=message):
        list(checked(broken(**changes)))
    assert re.search(message, str(next(problems(broken(**changes)))))


def test_all_problems_are_listed():
    bad = dataclasses.replace(episode(2, False, False, name="c"), reward=np.full(2, np.nan, np.float32))
    found = [str(p) for p in problems(EpisodeSet.of([bad, GOOD, bad], "f"))]
    assert len(found) == 4 and sum("c/rewards" in p for p in found) == 2
    assert ["no episode" in str(p) for p in problems(EpisodeSet.of([], "f"))] == [True]
    with pytest.raises(DataError, match="no episode"):
        list(checked(EpisodeSet.of([])))


@pytest.mark.parametrize("name", ["robomimic", "minari", "lerobot", "replay"])
def test_nothing_bad_is_written(name, tmp_path):
    if name == "minari":
        pytest.importorskip("minari")
    with pytest.raises(DataError, match="lies outside"):
        registry.write(broken(action=at(GOOD.action, 0, 3.0)), tmp_path / "out", name)
    assert not list(tmp_path.iterdir())


def test_a_missing_library_and_an_unknown_format_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "minari", None)
    with pytest.raises(UserError, match=r"needs minari, .*pip install 'minari>=0.5.4,<0.6'"):
        library("minari")
    (tmp_path / "file.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="cannot tell the format"):
        registry.read(tmp_path / "file.csv")
    with pytest.raises(DataError, match="does not exist"):
        registry.read(tmp_path / "none")
    with pytest.raises(UserError, match="did you mean 'lerobot'"):
        registry.write(three(), tmp_path / "x", "lerobo")


@pytest.mark.parametrize("name", ["robomimic", "lerobot", "minari", "replay"])
def test_a_truncated_file_is_refused(name, tmp_path):
    if name == "minari":
        pytest.importorskip("minari")
    path = tmp_path / "out"
    registry.write(three(), path, name)
    file = {"lerobot": path / "data/chunk-000/file-000.parquet", "minari": path / "data/main_data.hdf5"}.get(name, path)
    data = file.read_bytes()
    file.write_bytes(data[:len(data) // 2])
    assert "not" in refusal(path) and "whole" in refusal(path)


@pytest.mark.parametrize("name", ["robomimic", "lerobot", "minari", "replay"])
def test_changed_bytes_are_read_or_refused_but_never_a_traceback(name, tmp_path):
    if name == "minari":
        pytest.importorskip("minari")
    registry.write(three(), path := tmp_path / "out", name)
    rng = np.random.default_rng(0)
    files = sorted(f for f in (path.rglob("*") if path.is_dir() else [path]) if f.is_file())
    for _ in range(20):
        file = files[rng.integers(len(files))]
        good = file.read_bytes()
        bad = bytearray(good)
        bad[rng.integers(min(len(good), 2000))] ^= int(rng.integers(1, 256))
        file.write_bytes(bad)
        try:
            found = [str(p) for p in problems(registry.read(path, name))]
        except UserError as error:
            found = [str(error)]
        assert all(str(path) in text for text in found)
        file.write_bytes(good)
    assert_same(three(), registry.read(path)) if name != "replay" else None


# ---- robomimic ---------------------------------------------------------------------------------------


@pytest.fixture
def robomimic(tmp_path):
    registry.write(three(), tmp_path / "set.hdf5", "robomimic")
    return tmp_path / "set.hdf5"


def put(path, key, value=None):
    """Replaces a data set of an HDF5 file, or removes it."""
    with h5py.File(path, "a") as file:
        del file[key]
        if value is not None:
            file[key] = value


def test_next_obs_that_is_not_the_next_obs(robomimic):
    with h5py.File(robomimic, "a") as file:
        file["data/demo_2/next_obs/state"][3] += 1.0
    assert "'data/demo_2/next_obs/state' is not the observation of the next row at row 3" in refusal(robomimic)


@pytest.mark.parametrize(("key", "value", "message"), [
    ("data", None, "'data' is missing"),
    ("data/demo_0/actions", None, "'data/demo_0/actions' is missing"),
    ("data/demo_0/obs", None, "'data/demo_0/obs' is missing or empty"),
    ("data/demo_0/rewards", None, "'data/demo_0/rewards' is missing; '--reward zero'"),
    ("data/demo_0/rewards", np.zeros(3), "'data/demo_0/rewards' has 3 rows, 'actions' has 4 at row 3"),
    ("data/demo_0/rewards", 1.0, "'data/demo_0/rewards' is a single number"),
    ("data/demo_0/obs/state", np.zeros((5, 3), np.float32), "'data/demo_0/obs/state' has 5 rows, 'actions' has 4"),
    ("data/demo_0/next_obs/state", np.zeros((4, 2), np.float32), r"'data/demo_0/next_obs/state' has shape \(4, 2\)"),
    ("data/demo_0/next_obs/state", np.zeros((3, 3), np.float32), "'data/demo_0/next_obs/state' has 3 rows"),
    ("data/demo_0/actions", np.zeros((3, 2), np.float32), "'data/demo_0/actions' has 3 rows, the attribute"),
    ("data/demo_0/terminated", np.array([0, 1, 0, 1]), "'data/demo_0/terminated' is 1 before the last .* at row 1"),
    ("data/demo_0/terminated", np.array([0, 2, 0, 1]), "'data/demo_0/terminated' is neither 0 nor 1 at row 1"),
    ("data/demo_0/terminated", np.array([b"no"] * 4), "'data/demo_0/terminated' has type"),
    ("data/demo_0/terminated", np.zeros((4, 1)), r"'data/demo_0/terminated' has shape \(4, 1\)"),
    ("data/demo_0/truncated", np.zeros(5), "'data/demo_0/truncated' has 5 rows"),
])  # fmt: skip
def test_robomimic_refuses(robomimic, key, value, message):
    put(robomimic, key, value)
    assert re.search(message, refusal(robomimic))


def test_robomimic_without_ends_or_rewards(robomimic):
    for key in ("dones", "terminated", "truncated", "rewards"):
        put(robomimic, f"data/demo_0/{key}")
    assert "'data/demo_0/rewards' is missing" in refusal(robomimic)
    assert "'data/demo_0/dones' is missing" in refusal(robomimic, ReadOptions(reward="zero"))
    one = registry.read(robomimic, options=ReadOptions(ends="cut", reward="last")).load(0)
    assert (one.terminated, one.truncated, one.reward.tolist()) == (False, True, [0.0, 0.0, 0.0, 1.0])


def test_a_bad_observation_can_be_left_out(robomimic):
    with h5py.File(robomimic, "a") as file:
        for i in range(3):
            file[f"data/demo_{i}/obs/step"] = np.arange(len(file[f"data/demo_{i}/actions"]))
    assert "'data/demo_0/next_obs/step' is missing" in refusal(robomimic)
    assert_same(three(), registry.read(robomimic, options=ReadOptions(obs=("state",))))


def test_robomimic_duplicates(robomimic):
    with h5py.File(robomimic, "a") as file:
        file["mask/train"] = np.array([b"demo_1", b"demo_0", b"demo_1"])
    assert "'mask/train' names 'demo_1' twice at row 2" in refusal(robomimic)
    put(robomimic, "mask/train", np.array([b"demo_1", b"demo_7"]))
    assert "'mask/train' names 'demo_7', which is not in 'data' at row 1" in refusal(robomimic)
    put(robomimic, "mask")
    with h5py.File(robomimic, "a") as file:
        file.copy("data/demo_1", file["data"], "demo_01")
    assert "has the number of 'demo_" in refusal(robomimic)
    put(robomimic, "data/demo_01")
    with h5py.File(robomimic, "a") as file:
        file["data"].attrs["env_args"] = '{"env_name": "a", "env_name": "b"}'
    assert "'env_name' is there twice" in refusal(robomimic)


# ---- Minari ------------------------------------------------------------------------------------------


def test_minari_refuses(tmp_path):
    pytest.importorskip("minari")
    registry.write(three(), path := tmp_path / "set-v0", "minari")
    file = path / "data/main_data.hdf5"
    put(file, "episode_0/rewards", np.zeros(3))
    assert "'episode_0/rewards' has 3 rows, 'actions' has 4 at row 3" in refusal(path)
    put(file, "episode_0/rewards", np.zeros(4, np.float32))
    put(file, "episode_0/terminations", np.zeros(4, bool))
    assert "'episode_0/terminations' says neither terminated nor truncated at row 3" in refusal(path)
    put(file, "episode_0/truncations", np.array([1, 0, 0, 1], bool))
    assert "'episode_0/terminations' is 1 before the last of 4 rows at row 0" in refusal(path)
    put(file, "episode_0/truncations", np.array([0, 0, 0, 1], bool))
    put(file, "episode_0/observations", np.zeros((4, 3), np.float32))
    assert "'episode_0/observations/state' has 4 rows" in refusal(path)
    put(file, "episode_0/actions")
    assert "not a whole Minari data set" in refusal(path)
    (path / "data/metadata.json").write_text("{")
    assert "not a whole Minari data set" in refusal(path)


# ---- LeRobot -----------------------------------------------------------------------------------------


@pytest.fixture
def lerobot(tmp_path):
    pytest.importorskip("pyarrow")
    registry.write(three(), tmp_path / "set", "lerobot")
    return tmp_path / "set"


def rewrite(path, change):
    """Applies ``change`` to the table of all frames."""
    import pyarrow.parquet as pq

    file = path / "data/chunk-000/file-000.parquet"
    pq.write_table(change(pq.read_table(file)), file)


def column(key, row, value):
    """A change that sets one cell."""
    def change(table):
        import pyarrow as pa

        cells = table[key].to_pylist()
        cells[row] = value
        kind = pa.list_(pa.float32()) if isinstance(value, list) else table[key].type
        return table.set_column(table.column_names.index(key), key, pa.array(cells, kind))

    return change


@pytest.mark.parametrize(("change", "message"), [
    (column("frame_index", 2, 1), "'episode 0/frame_index' 1 is there twice at row 2"),
    (column("frame_index", 2, 9), "'episode 0/frame_index' 9 is out of order at row 2"),
    (column("next.reward", 6, float("nan")), "'episode 2/next.reward' is not finite .* at row 1"),
    (column("next.reward", 6, None), "'episode 2/next.reward' is missing at row 1"),
    (column("next.terminated", 1, True), "'episode 0/next.terminated' is 1 before the last of 4 rows at row 1"),
    (column("action", 1, [0.0, 0.0, 0.0]), r"'episode 0/action' does not have \(2,\) numbers in each row at row 1"),
    (column("action", 1, [0.0, 2.0]), r"'episode 0/action' lies outside .* at row 1"),
    (lambda t: t.slice(0, 8), "'episode 2/action' has 3 rows, meta/episodes says 6 at row 3"),
    (lambda t: t.drop_columns(["action"]), "'episode 0/action' is named in meta/info.json but missing"),
    (lambda t: t.append_column("action", t["action"]), "'action' is there twice"),
    (lambda t: t.drop_columns(["episode_index"]), "'episode_index' is missing"),
])  # fmt: skip
def test_lerobot_refuses(lerobot, change, message):
    rewrite(lerobot, change)
    assert re.search(message, refusal(lerobot))


@pytest.mark.parametrize(("change", "message"), [
    (lambda text: text.replace('"v3.0"', '"v2.1"'), "is of LeRobot's v2.1, this reads v3"),
    (lambda text: text.replace('"fps": 10', '"fps": 10, "fps": 30'), "'fps' is there twice"),
    (lambda text: text.replace('"total_episodes": 3', '"total_episodes": 4'), "'total_episodes' is 4, .* lists 3"),
    (lambda text: text.replace('"dtype": "float32"', '"dtype": "video"', 1), "'observation.state' is a video"),
    (lambda text: text[:100], "is not whole JSON"),
])  # fmt: skip
def test_lerobots_info_is_checked(lerobot, change, message):
    info = lerobot / "meta/info.json"
    info.write_text(change(info.read_text()))
    with pytest.raises(DataError, match=message):
        registry.read(lerobot)


def test_a_video_can_be_left_out(lerobot):
    info = json.loads((lerobot / "meta/info.json").read_text())
    info["features"]["observation.top"] = {"dtype": "video", "shape": [4, 4, 3], "names": None}
    (lerobot / "meta/info.json").write_text(json.dumps(info))
    assert "'observation.top' is a video" in refusal(lerobot)
    assert_same(three(), registry.read(lerobot, options=ReadOptions(obs=("state",))))
    with pytest.raises(UserError, match="no observation 'stat'; did you mean 'state'"):
        registry.read(lerobot, options=ReadOptions(obs=("stat",)))


def test_lerobot_with_one_flag_for_both_ends(lerobot):
    info = json.loads((lerobot / "meta/info.json").read_text())
    del info["features"]["next.terminated"]
    (lerobot / "meta/info.json").write_text(json.dumps(info))
    ends = [(e.terminated, e.truncated) for e in registry.read(lerobot)]
    assert ends == [(True, False), (False, True), (False, True)]
    del info["features"]["next.truncated"]
    (lerobot / "meta/info.json").write_text(json.dumps(info))
    found = list(registry.read(lerobot))
    assert [(e.terminated, e.truncated, e.one_flag) for e in found] == [(True, False, True)] * 3
    del info["features"]["next.done"], info["features"]["next.reward"]
    (lerobot / "meta/info.json").write_text(json.dumps(info))
    assert "'episode 0/next.done' is missing" in refusal(lerobot)
    assert "'episode 0/next.reward' is missing" in refusal(lerobot, ReadOptions(ends="truncated"))
    one = registry.read(lerobot, options=ReadOptions(ends="truncated", reward="zero")).load(0)
    assert (one.terminated, one.truncated, one.reward.tolist()) == (False, True, [0.0] * 4)
