"""Connector files: round trip and a clear sentence for every kind of damage (rows 10.01, 10.18)."""

import dataclasses

import h5py
import numpy as np
import pytest

from priorrl_core.data.episodes import (
    EpisodeBatch,
    check_episodes,
    load_prior,
    read_connector_file,
    write_connector_file,
)
from priorrl_core.errors import DataError


def make_batch(n: int = 3, t: int = 4, seed: int = 0) -> EpisodeBatch:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, t + 1)).astype(np.uint8)
    f = np.float32
    return EpisodeBatch(
        images=rng.integers(0, 256, (n, t + 1, 48, 48, 3)).astype(np.uint8),
        proprio=rng.normal(size=(n, t + 1, 6)).astype(f), wrench=rng.normal(size=(n, t + 1, 6)).astype(f),
        labels=labels, actions=rng.uniform(-1, 1, (n, t, 3)).astype(f), base_m=rng.normal(size=(n, t, 3)),
        executed_m=rng.normal(size=(n, t, 3)), noisy=rng.random((n, t)) < 0.2,
        rewards=labels[:, 1:].astype(f), terminated=np.zeros(n, bool), truncated=np.ones(n, bool),
        episode_seed=np.arange(n, dtype=np.int64), offset_m=rng.normal(size=(n, t + 1, 3)).astype(f),
        goal_error_m=rng.normal(size=(n, 3)).astype(f))


def attrs(name: str = "usb", family: str = "bladed") -> dict:
    return {"connector": name, "family": family, "robot": "sawyer_a", "background": "x", "schema": 1,
            "config_hash": "abc"}


def test_10_01_round_trip_is_exact(tmp_path):
    batch = make_batch()
    write_connector_file(tmp_path / "usb.h5", batch, attrs())
    again, meta = read_connector_file(tmp_path / "usb.h5")
    for field in dataclasses.fields(batch):
        old, new = getattr(batch, field.name), getattr(again, field.name)
        assert old.dtype == new.dtype and np.array_equal(old, new), field.name
    assert meta == attrs()


def test_10_01_same_episodes_make_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_connector_file(tmp_path / name, make_batch(), attrs())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(("key", "index", "value", "word"), [
    ("proprio", (1, 2, 3), np.nan, "proprio"), ("actions", (0, 1, 2), 1.5, "actions"),
    ("labels", (2, 0), 7, "labels"), ("rewards", (1, 1), 9.0, "rewards"),
    ("base_m", (0, 0, 0), np.inf, "base_m")])
def test_bad_values_are_named_with_file_key_and_row(key, index, value, word):
    batch = make_batch()
    getattr(batch, key)[index] = value
    with pytest.raises(DataError, match=rf"somefile.*{word}.*index") as caught:
        check_episodes(batch, "somefile")
    assert str(index) in str(caught.value)


def test_wrong_shape_and_type_are_refused():
    with pytest.raises(DataError, match="noisy.*shape"):
        check_episodes(dataclasses.replace(make_batch(), noisy=np.zeros((3, 9), bool)), "f")
    with pytest.raises(DataError, match="proprio.*float64"):
        check_episodes(dataclasses.replace(make_batch(), proprio=np.zeros((3, 5, 6))), "f")


def test_truncated_missing_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "usb.h5"
    with pytest.raises(DataError, match="does not exist"):
        read_connector_file(path)
    write_connector_file(path, make_batch(), attrs())
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(DataError, match="usb.h5"):
        read_connector_file(path)
    path.write_bytes(data)
    with h5py.File(path, "a") as file:
        del file["ground_truth/offset_m"]
    with pytest.raises(DataError, match="offset_m.*missing"):
        read_connector_file(path)


def test_no_half_written_file_is_left_behind(tmp_path):
    with pytest.raises(DataError, match="cannot write"):
        write_connector_file(tmp_path / "no_such_folder" / "usb.h5", make_batch(), attrs())
    assert not list(tmp_path.rglob("*.part"))


def test_10_18_excluded_families_and_connectors_are_not_loaded(tmp_path):
    for name, family in (("usb", "bladed"), ("aux", "coaxial"), ("bnc", "coaxial"), ("dt2", "multi_pin")):
        write_connector_file(tmp_path / f"{name}.h5", make_batch(), attrs(name, family))
    prior = load_prior(tmp_path, exclude_families=["multi_pin"], exclude_connectors=["aux"])
    assert prior.names == ("bnc", "usb") and prior.families == ("coaxial", "bladed")
    assert len(prior) == 6 and sorted(set(prior.connector)) == [0, 1]
    assert not {"aux", "dt2"} & set(prior.names)
    part = prior.subset(["usb"])
    assert part.names == ("usb",) and (part.connector == 0).all() and len(part) == 3
    with pytest.raises(DataError, match="did you mean 'usb'"):
        prior.subset(["usbb"])
    with pytest.raises(DataError, match="no prior data"):
        load_prior(tmp_path / "empty")
