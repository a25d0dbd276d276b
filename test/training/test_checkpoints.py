"""Checkpoint folders: round trip, damage named, methods from YAML (rows 10.11, S.08; law 10)."""

import json
from dataclasses import replace

import pytest
import torch
from small import small_method, small_prior

from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.config import config_dir
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.checkpoints import (
    load_agent,
    load_config,
    load_learner,
    verify_checkpoint,
    write_checkpoint,
)
from priorrl_core.training.method import list_methods, load_method
from priorrl_core.training.offline import make_cache


@pytest.fixture
def checkpoint(tmp_path):
    method, prior = small_method(), small_prior()
    agent = IQLAgent(method.agent, prior.n_connectors, 0)
    write_checkpoint(tmp_path / "ck", agent, make_cache(agent, prior, method, 0), method, 0, "test",
                     prior.names)
    return tmp_path / "ck", agent, method


def test_s_08_round_trip(checkpoint):
    folder, agent, method = checkpoint
    again = load_agent(folder)
    assert again.encoder_hash() == agent.encoder_hash() and again.architecture == agent.architecture
    for (name, a), b in zip(agent.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert load_config(folder) == method
    heads = [load_learner(folder, seed=0, horizon=8).policy_head() for _ in range(2)]
    assert heads[0] == heads[1]
    manifest = verify_checkpoint(folder)
    assert manifest["seed"] == 0 and manifest["connectors"] == ["c0", "c1", "c2"]


def test_a_method_with_another_agent_is_refused_and_one_that_practises_otherwise_is_not(checkpoint):
    folder, _, method = checkpoint
    online = replace(method, name="mine", online=replace(method.online, updates_per_step=5))
    assert load_learner(folder, 0, online).config.updates_per_step == 5
    other = replace(method, name="mine", agent=replace(method.agent, policy_mode="erm"))
    with pytest.raises(ConfigError, match=r"'mine' has another agent \(policy_mode\).*train --method mine"):
        load_learner(folder, 0, other)


def test_same_content_same_bytes(checkpoint, tmp_path):
    folder, agent, _ = checkpoint
    agent.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (folder / "agent.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["agent.safetensors", "offline_cache.safetensors", "config.json"])
def test_truncated_file_is_named(checkpoint, name):
    folder, _, _ = checkpoint
    path = folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{name}.*truncated"):
        verify_checkpoint(folder)


def test_missing_file_and_missing_folder_are_named(checkpoint, tmp_path):
    folder, _, _ = checkpoint
    (folder / "offline_cache.safetensors").unlink()
    with pytest.raises(DataError, match="lacks 'offline_cache.safetensors'"):
        verify_checkpoint(folder)
    with pytest.raises(DataError, match="not a checkpoint"):
        verify_checkpoint(tmp_path / "nothing")


def test_agent_of_another_architecture_is_refused(checkpoint):
    folder, agent, _ = checkpoint
    path = folder / "agent.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    config = json.loads(header["__metadata__"]["config"])
    config["heads"]["hidden"] = [16, 16]
    header["__metadata__"]["config"] = json.dumps(config)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
    with pytest.raises(DataError, match="architecture"):
        load_agent(folder, verify=False)


def test_a_foreign_safetensors_file_is_refused(checkpoint):
    folder, _, _ = checkpoint
    with pytest.raises(DataError, match="holds 'offline_cache', not 'iql_agent'"):
        IQLAgent.load(folder / "offline_cache.safetensors")


def test_cache_of_another_encoder_is_refused(checkpoint):
    folder, _, method = checkpoint
    IQLAgent(method.agent, 3, seed=5).save(folder / "agent.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    from priorrl_core.training.checkpoints import _sha256

    manifest["files"]["agent.safetensors"] = _sha256(folder / "agent.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="features of encoder"):
        load_learner(folder, 0)


@pytest.mark.parametrize("name", ["daib_iql", "daib_iql_plain_policy", "plain_iql", "daib_iql_shared"])
def test_10_28_packaged_methods_load_and_differ_only_in_their_flags(name):
    method, full = load_method(name), load_method("daib_iql")
    assert method.name == name and name in list_methods()
    assert method.agent.heads == full.agent.heads and method.online == full.online
    modes = (method.agent.policy_mode, method.agent.critic_mode, method.agent.value_mode)
    assert modes == (("daib",) * 3 if name in ("daib_iql", "daib_iql_shared") else ("erm",) * 3)
    assert method.reward == ("erm" if name == "plain_iql" else "daib")


def test_unknown_method_and_key_name_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'daib_iql'"):
        load_method("daib_iqll")
    text = (config_dir() / "methods" / "daib_iql.yaml").read_text().replace("expectile:", "expectil:")
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ConfigError, match="unknown key 'expectil'; did you mean 'expectile'"):
        load_method(tmp_path / "m.yaml")
