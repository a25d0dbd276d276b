"""Data sets in other formats: what goes in comes out bit for bit, and both ends of an episode stay apart (law 5)."""

import dataclasses
import json

import h5py
import numpy as np
import pytest
import torch
from episode_sets import IMAGES, KEYS, VECTOR, assert_same, episode, three

from priorrl_core.agents.bc import BC, BCConfig
from priorrl_core.data.formats import registry, replay
from priorrl_core.data.formats.check import checked, problems
from priorrl_core.data.formats.episode_set import EpisodeSet
from priorrl_core.data.formats.reading import ReadOptions
from priorrl_core.data.formats.scale import parse_bounds, scaled, to_unit
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.errors import DataError, UserError
from priorrl_core.perception.small_encoder import StateEncoder

FORMATS = ("robomimic", "minari", "lerobot")


def needs(name):
    for library in {"minari": ("minari",), "lerobot": ("pyarrow",)}.get(name, ()):
        pytest.importorskip(library)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("keys", [VECTOR, KEYS, IMAGES], ids=["vector", "keys", "images"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_round_trip_keeps_every_bit_and_both_ends(name, keys, dtype, tmp_path):
    needs(name)
    registry.write(three(keys, dtype), tmp_path / "out", name)
    found = registry.read(tmp_path / "out")  # the format is found by looking
    assert_same(three(keys, dtype), found)
    assert found.meta["configs"] == ["", "abc"] and not list(problems(found))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", FORMATS)
def test_an_unknown_last_observation_stays_unknown(name, tmp_path):
    needs(name)
    one = dataclasses.replace(episode(3, False, True), final_obs=False)
    one.obs["state"][-1] = one.obs["state"][-2]
    registry.write(EpisodeSet.of([one]), tmp_path / "out", name)
    assert_same([one], registry.read(tmp_path / "out"))


def test_a_replay_goes_through_every_format_and_comes_back_the_same_file(tmp_path):
    own = TransitionReplay(20, (3,), 2)
    for seed, one in enumerate(three()):
        for t in range(len(one)):
            last = t == len(one) - 1
            own.add(Transition(one.obs["state"][t], one.action[t], one.extra["base"][t], one.extra["executed"][t],
                               float(one.reward[t]), one.obs["state"][t + 1], last and one.terminated,
                               last and one.truncated, t, 0.01 * t, f"config{seed}"))
    own.save(path := tmp_path / "0.safetensors")
    for name in ("robomimic", "minari", "lerobot"):
        needs(name)
        registry.write(registry.read(path), tmp_path / name, name)
        again = replay.write(registry.read(tmp_path / name), path := tmp_path / f"{name}.safetensors")
        assert again.config_hashes == own.config_hashes
        for key, column in own.columns.items():
            assert torch.equal(again.columns[key], column[:own.size]), (name, key)


def test_a_replay_that_wrapped_around_is_read_from_its_oldest_row(tmp_path):
    own = TransitionReplay(5, (1,), 1)
    for i in range(8):  # episodes of 2 steps; row 3 is the oldest, its first step is gone
        own.add(Transition(np.array([i]), np.zeros(1), np.zeros(1), np.zeros(1), i, np.array([i + 1.0]), i % 2 == 1))
    own.save(tmp_path / "replay")
    found = list(registry.read(tmp_path / "replay"))
    assert [e.reward.tolist() for e in found] == [[3.0], [4.0, 5.0], [6.0, 7.0]]
    assert [e.obs["state"].ravel().tolist() for e in found][1] == [4.0, 5.0, 6.0]


def test_a_replay_whose_observation_jumps_without_an_end_says_where(tmp_path):
    own = TransitionReplay(4, (1,), 1)
    for now, then in ((0, 1), (1, 2), (7, 8)):
        own.add(Transition(np.array([now]), np.zeros(1), np.zeros(1), np.zeros(1), 0.0, np.array([then]), now == 7))
    own.save(tmp_path / "replay")
    found = registry.read(tmp_path / "replay")
    with pytest.raises(DataError, match=r"'truncated' says neither terminated nor truncated at row 1; '--ends cut'"):
        list(checked(found))
    assert [e.truncated for e in registry.read(tmp_path / "replay", options=ReadOptions(ends="cut"))] == [True, False]


# ---- scaling -----------------------------------------------------------------------------------------


def test_actions_scale_by_hand_and_their_own_units_stay_beside():
    bounds = parse_bounds("-2:2,0:10")
    assert bounds == ((-2.0, 2.0), (0.0, 10.0))
    low, high = np.array(bounds).T
    assert to_unit(np.array([[-2.0, 0.0], [1.0, 5.0], [2.0, 10.0]]), low, high).tolist() == [
        [-1.0, -1.0], [0.5, 0.0], [1.0, 1.0]]
    raw = dataclasses.replace(episode(1, True, False, extra={}), action=np.array([[1.0, 2.5]], np.float32))
    (one,) = scaled(EpisodeSet.of([raw]), bounds)
    assert one.action.tolist() == [[0.5, -0.5]] and one.extra["executed"].tolist() == [[1.0, 2.5]]
    made = replay.to_replay(EpisodeSet.of([one]))
    assert made.columns["executed"].tolist() == [[1.0, 2.5]] and made.columns["base"].tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("text", ["2", "2:-2", "-1:1:3", "nan:1", "-inf:1", ""])
def test_bad_bounds_are_refused(text):
    with pytest.raises(UserError, match="--scale"):
        parse_bounds(text)


def test_bounds_that_do_not_fit_or_are_not_there_are_refused():
    sets = EpisodeSet.of([episode(2, True, False)])
    with pytest.raises(UserError, match="3 pairs for 2 actions"):
        list(scaled(sets, parse_bounds("-1:1,-1:1,-1:1")))
    with pytest.raises(UserError, match="does not give finite bounds"):
        scaled(sets)


# ---- files of the libraries themselves ---------------------------------------------------------------


def robomimic_file(path, demos=3, steps=5, next_obs=True):
    """As robomimic's dataset_states_to_obs.py leaves one: float64, dones 1 on the last row."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"], data.attrs["env_args"] = demos * steps, json.dumps({"env_name": "Lift", "env_type": 1})
        for i in range(demos):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = steps
            seen = {"object": rng.normal(size=(steps + 1, 10)), "robot0_eef_pos": rng.normal(size=(steps + 1, 3))}
            for key, value in seen.items():
                demo[f"obs/{key}"] = value[:-1]
                if next_obs:
                    demo[f"next_obs/{key}"] = value[1:]
            demo["actions"], demo["rewards"] = rng.uniform(-1, 1, (steps, 7)), (np.arange(steps) == steps - 1) * 1.0
            demo["dones"], demo["states"] = (np.arange(steps) == steps - 1).astype(np.int64), np.zeros((steps, 32))
        file["mask/train"] = np.array([f"demo_{i}" for i in range(demos - 1)], dtype="S8")
    return path


def learn(sets, keys=()):
    """One gradient step of behaviour cloning on batches of the set."""
    data = replay.to_replay(sets, keys)
    agent = BC(BCConfig(hidden=(8,)), StateEncoder(data.obs_shape[0]), data.action_size)
    rows = data.sample(32, torch.Generator().manual_seed(0))
    metrics = [float(agent.update(rows)["bc_loss"]) for _ in range(20)]
    assert metrics[-1] < metrics[0]
    return data


def test_a_learner_samples_a_robomimic_file(tmp_path):
    found = registry.read(robomimic_file(tmp_path / "lift.hdf5"))
    data = learn(found)
    assert data.size == 15 and data.obs_shape == (13,) and data.action_size == 7
    assert data.columns["terminated"].sum() == 3 and data.columns["truncated"].sum() == 0
    with h5py.File(tmp_path / "lift.hdf5") as file:
        wanted = file["data/demo_1/next_obs/robot0_eef_pos"][4].astype(np.float32)
    assert np.array_equal(data.columns["next_obs"][9, 10:], wanted)
    assert found.meta["env_args"]["env_name"] == "Lift" and found.load(0).one_flag
    assert learn(found, ["robot0_eef_pos"]).obs_shape == (3,)


def test_robomimics_mask_and_ends(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5", next_obs=False)
    assert len(registry.read(path, options=ReadOptions(mask="train"))) == 2
    with pytest.raises(DataError, match="no mask 'trian'; did you mean 'train'"):
        registry.read(path, options=ReadOptions(mask="trian"))
    one = registry.read(path, options=ReadOptions(ends="truncated")).load(0)
    assert (one.terminated, one.truncated, one.final_obs, one.one_flag) == (False, True, False, False)
    assert np.array_equal(one.obs["object"][-1], one.obs["object"][-2])


def test_the_first_done_may_end_an_episode(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5", next_obs=False)
    with h5py.File(path, "a") as file:
        file["data/demo_0/dones"][2:] = 1
        file["data/demo_1/dones"][...] = 0
        kept = file["data/demo_0/obs/object"][3]
    found = list(registry.read(path, options=ReadOptions(ends="first")))
    assert [(len(e), e.terminated, e.truncated) for e in found] == [(3, True, False), (5, False, True),
                                                                   (5, True, False)]
    assert np.array_equal(found[0].obs["object"][-1], kept) and found[0].final_obs


def test_a_learner_samples_what_minaris_own_collector_wrote(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    import gymnasium as gym

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    rng, buffers = np.random.default_rng(0), []
    for i, steps in enumerate((5, 7)):
        last = np.arange(steps) == steps - 1
        buffers.append(minari.data_collector.EpisodeBuffer(
            id=i, observations=rng.normal(size=(steps + 1, 3)).astype(np.float32),
            actions=rng.uniform(-2, 2, (steps, 1)).astype(np.float32), rewards=list(rng.normal(size=steps)),
            terminations=list(last & (i == 0)), truncations=list(last & (i == 1))))
    minari.create_dataset_from_buffers(
        "pendulum/test-v0", buffers, observation_space=gym.spaces.Box(-np.inf, np.inf, (3,)),
        action_space=gym.spaces.Box(-2.0, 2.0, (1,)))
    found = registry.read(tmp_path / "pendulum" / "test-v0")
    assert [(e.terminated, e.truncated, len(e)) for e in found] == [(True, False, 5), (False, True, 7)]
    with pytest.raises(DataError, match=r"'episode_0/actions' lies outside \[-1, 1\].* at row \d; .*--scale"):
        replay.to_replay(found)
    data = learn(scaled(found))
    assert data.columns["terminated"].sum() == 1 and data.columns["truncated"].sum() == 1
    assert np.allclose(data.columns["executed"], 2.0 * data.columns["action"], atol=1e-6)


def test_minari_reads_what_we_wrote(tmp_path):
    minari = pytest.importorskip("minari")
    registry.write(three(KEYS), tmp_path / "mine-v0", "minari")
    data = minari.MinariDataset(tmp_path / "mine-v0" / "data")
    stored = list(data.iterate_episodes())
    assert [bool(e.terminations[-1]) for e in stored] == [True, False, True]
    assert [bool(e.truncations[-1]) for e in stored] == [False, True, True]
    assert data.total_steps == 11 and data.id == "mine-v0"
    assert np.array_equal(stored[2].observations["object"], three(KEYS).load(2).obs["object"])


def test_lerobot_reads_what_we_wrote_and_we_read_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    their = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    registry.write(three(IMAGES), tmp_path / "ours", "lerobot")
    data, row = their.LeRobotDataset("a/ours", root=tmp_path / "ours"), 0
    for one in three(IMAGES):
        for t in range(len(one)):
            frame, row = data[row], row + 1
            assert np.array_equal(frame["observation.proprio"].numpy(), one.obs["proprio"][t])
            assert np.array_equal(frame["observation.grey"].numpy(), one.obs["grey"][t])
            image = (frame["observation.camera"] * 255).round().numpy().astype(np.uint8)
            assert np.array_equal(image.transpose(1, 2, 0), one.obs["camera"][t])
            assert bool(frame["next.truncated"]) == (one.truncated and t == len(one) - 1)
    features = {"observation.state": {"dtype": "float32", "shape": (2,), "names": None},
                "action": {"dtype": "float32", "shape": (2,), "names": None}}
    made = their.LeRobotDataset.create("a/theirs", 10, features, root=tmp_path / "theirs", use_videos=False)
    frames = np.random.default_rng(0).uniform(-1, 1, (4, 2)).astype(np.float32)
    for frame in frames:
        made.add_frame({"observation.state": frame, "action": -frame, "task": "go"})
    made.save_episode()
    made.finalize()
    (one,) = registry.read(tmp_path / "theirs", options=ReadOptions(ends="truncated", reward="last"))
    assert np.array_equal(one.obs["state"][:-1], frames) and np.array_equal(one.action, -frames)
    assert one.reward.tolist() == [0, 0, 0, 1] and not one.final_obs and one.truncated


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_lerobots_episodes_may_lie_in_any_files_and_row_groups(rows, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    registry.write(three(KEYS), tmp_path / "set", "lerobot")
    file = tmp_path / "set/data/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(0, 7), file, row_group_size=rows)
    pq.write_table(table.slice(7), file.with_name("file-001.parquet"), row_group_size=rows, write_statistics=False)
    found = registry.read(tmp_path / "set")
    assert_same(three(KEYS), found)
    assert_same([three(KEYS).load(2)], [found.load(2)])


# ---- our own records ---------------------------------------------------------------------------------


def test_a_recorded_run_is_read_by_its_index(tmp_path):
    from test_mcap_episodes import STEPS, record

    from priorrl_core.data.mcap_episodes import write_episode
    from priorrl_core.data.run_index import append_line

    for i in range(2):
        one = dataclasses.replace(record(), episode_id=f"e{i}", terminated=i == 1, truncated=i == 0)
        digest = write_episode(tmp_path / f"episodes/{i}.mcap", one)
        append_line(tmp_path / "index.jsonl", {"episode_id": f"e{i}", "file": f"episodes/{i}.mcap", "closed": True,
                                               "sha256": digest, "config_hash": "c0ffee", "kind": "practice"})
    found = registry.read(tmp_path)
    assert [(e.terminated, e.truncated) for e in found] == [(False, True), (True, False)]
    first = found.load(0)
    assert np.array_equal(first.obs["image"], record().images) and np.array_equal(first.extra["base"], record().base_m)
    registry.write(scaled(found, ((-5.0, 5.0),)), tmp_path / "set.hdf5", "robomimic")
    assert registry.read(tmp_path / "set.hdf5").load(1).obs["features"].shape == (STEPS + 1, 64)
    assert len(registry.read(tmp_path / "episodes/1.mcap")) == 1
    (tmp_path / "episodes/0.mcap").write_bytes(b"\x89MCAP0\r\n")
    with pytest.raises(DataError, match="sha256"):
        list(checked(registry.read(tmp_path)))


def test_prior_data_of_a_connector_is_read(tmp_path):
    from test_episodes import attrs, make_batch

    from priorrl_core.data.episodes import write_connector_file

    batch = make_batch()
    write_connector_file(tmp_path / "usb.h5", batch, attrs())
    found = registry.read(tmp_path / "usb.h5")
    assert [(e.terminated, e.truncated) for e in found] == list(zip(batch.terminated, batch.truncated, strict=True))
    data = replay.to_replay(registry.read(tmp_path / "usb.h5", options=ReadOptions(ends="truncated")), ["image"])
    assert data.images and data.obs_shape == (48, 48, 3) and data.size == 12
    assert np.array_equal(data.columns["next_obs"][3], batch.images[0, 4])
    assert np.array_equal(data.columns["base"][:4], batch.base_m[0])
    with pytest.raises(UserError, match="choose with --obs from image, proprio, wrench"):
        replay.to_replay(registry.read(tmp_path / "usb.h5", options=ReadOptions(ends="truncated")))
