"""The reward model end to end on drawn images: learns, does not collapse, is saved and refused correctly."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic import draw

from priorrl_core.config import config_dir, load_yaml
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.augment import AugmentConfig
from priorrl_core.perception.encoder import MODES, module_hash
from priorrl_core.rewards.classifier import RewardModel, single_images, train_reward, validation_alarms
from priorrl_core.rewards.config import load_reward_config, with_mode
from priorrl_core.rewards.network import RewardTrainer, build_networks, train_network
from priorrl_core.rewards.report import evaluate

N = 12
FAMILIES = [f"family {i % 4}" for i in range(N)]


@pytest.fixture(scope="module")
def train():
    return draw(N, 100, 0)


@pytest.fixture(scope="module")
def test_set():
    return draw(5, 100, 50)


def quick(mode="daib", **kwargs):
    defaults = {"iterations": 120, "batch_size": 64, "members": 2, "report_every": 40,
                "augment": AugmentConfig()}  # fmt: skip  # table 24: the stronger one needs thousands of steps
    return dataclasses.replace(load_reward_config(mode), **{**defaults, **kwargs})


@pytest.fixture(scope="module")
def model(train):
    return train_reward(train.images, train.labels, train.domains, FAMILIES, quick(), 0)


@pytest.mark.parametrize("mode", MODES)
def test_10_09_no_mode_collapses_with_the_stability_aids(mode, train):
    net, history = train_network(train.images, train.labels, train.domains, quick(mode), 0)
    assert history[-1].reward_accuracy > 0.8
    expected = quick().daib.adversarial if mode in ("daib", "dann", "daib_lambda0") else 0.0
    assert history[-1].adversarial_weight == expected
    assert (history[-1].kl_nats > 0.01) == (mode in ("daib", "vib"))
    assert not [a for a in history[-1].alarms if "collapsed" in a or "finite" in a]
    assert float(np.abs(net.logits(train.images[:8])).max()) < 100


def test_10_09_gradients_are_clipped(train):
    config = quick(gradient_clip=1e-6, learning_rate=1.0)
    trainer = RewardTrainer(train.images, train.labels, train.domains, config, 0)
    trainer.step()
    norm = torch.stack([p.grad.norm() for p in trainer.parameters if p.grad is not None]).norm()
    assert float(norm) <= 1.01e-6


def test_10_11_all_modes_differ_in_the_mode_alone():
    files = [load_yaml(config_dir() / "methods" / f"reward_{m}.yaml") for m in MODES]
    for mode, data in zip(MODES, files, strict=True):
        assert data["encoder"].pop("mode") == mode
    assert all(data == files[0] for data in files)
    assert with_mode(load_reward_config("daib"), "erm") == load_reward_config("erm")


def test_10_11_adversary_exists_only_where_it_should():
    heads = {m: build_networks(load_reward_config(m), 7, 0)[1] is not None for m in MODES}
    assert heads == {"daib": True, "dann": True, "daib_lambda0": True, "vib": False, "erm": False}


def test_unknown_mode_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'daib'"):
        load_reward_config("diab")


def test_10_12_it_learns_and_generalises_to_looks_never_seen(model, test_set):
    p = model.probability(test_set.images)
    assert p.shape == (500,) and p.dtype == np.float32 and 0 <= p.min() and p.max() <= 1
    assert evaluate(p, test_set.labels, test_set.domains, 0.5).connector_accuracy > 0.65


def test_threshold_comes_from_left_out_training_families_and_is_precise(model):
    validation = model.facts["validation"]
    assert validation["threshold"] == model.threshold >= 0.5
    left = [set(f) for f in model.facts["left_out"]]
    assert left[0].isdisjoint(left[1]) and left[0] | left[1] == set(FAMILIES)
    assert validation["precision"] >= 0.9


def test_10_13_a_reward_that_is_wrong_or_blind_raises_an_alarm():
    good = evaluate(np.array([0.9, 0.1]), np.array([1, 0], np.uint8), np.zeros(2, np.int64), 0.5)
    wrong = dataclasses.replace(good, precision=0.7)
    blind = dataclasses.replace(good, recall=0.1)
    assert validation_alarms(good, 0.98) == []
    assert "70 % of the claimed successes" in validation_alarms(wrong, 0.98)[0]
    assert "10 % of the successes" in validation_alarms(blind, 0.98)[0]


def test_10_13_health_is_reported_for_each_member(model):
    assert len(model.facts["health"]) == 2
    for health in model.facts["health"]:
        assert health["domain_chance"] == pytest.approx(1 / 6)
        assert {"kl_nats", "domain_accuracy", "probe_domain_accuracy"} <= set(health)


def test_10_13_health_is_printed_per_report(train):
    seen = []
    train_reward(train.images, train.labels, train.domains, FAMILIES, quick(iterations=80, members=1), 0,
                 lambda member, h: seen.append((member, h.iteration)))  # fmt: skip
    assert seen == [(0, 40), (0, 80)]


def test_reward_is_hard_at_the_threshold_or_soft(model, test_set):
    reward, p = model.reward(test_set.images[:50])
    assert np.array_equal(reward, (p >= model.threshold).astype(np.float32))
    soft = RewardModel(model.nets, dataclasses.replace(model.config, reward="soft"), 1.0, 0.5)
    reward, p = soft.reward(test_set.images[:50])
    assert np.array_equal(reward, p)


def test_10_07_two_passes_are_identical_and_batches_agree(model, test_set):
    assert np.array_equal(model.probability(test_set.images), model.probability(test_set.images))
    one = [float(model.probability(test_set.images[i : i + 1])[0]) for i in range(5)]
    assert one == pytest.approx(model.probability(test_set.images[:5]).tolist(), abs=1e-5)


def test_same_seed_same_model_other_seed_other_model(train):
    config = quick(iterations=5)
    hashes = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(hashes))  # the global state must not matter
        net, _ = train_network(train.images, train.labels, train.domains, config, seed)
        hashes.append(module_hash(net))
    assert hashes[0] == hashes[1] != hashes[2]


def test_save_and_load(model, test_set, tmp_path):
    path = tmp_path / "reward.safetensors"
    model.save(path)
    again = RewardModel.load(path)
    assert again.model_hash == model.model_hash and again.threshold == model.threshold
    assert again.config == model.config and again.source == "daib"
    assert np.array_equal(again.probability(test_set.images[:20]), model.probability(test_set.images[:20]))


def test_truncated_foreign_and_missing_files_are_named(model, tmp_path):
    path = tmp_path / "reward.safetensors"
    model.save(path)
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="cut.safetensors' is truncated"):
        RewardModel.load(tmp_path / "cut.safetensors")
    with pytest.raises(DataError, match="there is no reward model"):
        RewardModel.load(tmp_path / "none.safetensors")
    from safetensors.torch import load_file, save_file

    save_file({"w": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(DataError, match="not a reward model"):
        RewardModel.load(tmp_path / "other.safetensors")
    import safetensors

    with safetensors.safe_open(str(path), "pt") as file:
        header = file.metadata()
    tensors = load_file(str(path))
    tensors["0.head.0.weight"] = torch.zeros(3, 3)
    save_file(tensors, str(tmp_path / "shape.safetensors"), metadata=header)
    with pytest.raises(DataError, match="another architecture"):
        RewardModel.load(tmp_path / "shape.safetensors")


def test_wrong_inputs_are_named(train):
    arrays = (train.images, train.labels, train.domains)
    with pytest.raises(DataError, match="as many labels"):
        train_reward(arrays[0], arrays[1][:5], arrays[2], FAMILIES, quick(), 0)
    with pytest.raises(DataError, match="labels must be 0"):
        train_reward(arrays[0], arrays[1] + 1, arrays[2], FAMILIES, quick(), 0)
    with pytest.raises(DataError, match="domain ids"):
        train_reward(*arrays, FAMILIES[:3], quick(), 0)
    with pytest.raises(DataError, match="48, 48, 3"):
        train_reward(arrays[0][:, :40], *arrays[1:], FAMILIES, quick(), 0)


def test_episodes_become_single_images_in_order():
    episodes = np.arange(2 * 3 * 48 * 48 * 3, dtype=np.int64).reshape(2, 3, 48, 48, 3).astype(np.uint8)
    labels = np.array([[0, 0, 1], [0, 1, 1]], np.uint8)
    images, flat, domains = single_images(episodes, labels, np.array([4, 7], np.int32))
    assert np.array_equal(images[4], episodes[1, 1]) and flat.tolist() == [0, 0, 1, 0, 1, 1]
    assert domains.tolist() == [4, 4, 4, 7, 7, 7]
