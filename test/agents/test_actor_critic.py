"""What TD3 and SAC share: settings, files, and a resumed run that is the uninterrupted one."""

import json

import pytest
import torch
from reach import demonstrations
from small_agents import batch, copies, moved, sac, td3

from priorrl_core.agents.actor_critic import ActorCriticAgent
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.config import build
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.state import load_training, training_tensors

MAKERS = pytest.mark.parametrize("make", [td3, sac])


def test_an_agent_that_does_not_say_how_it_learns_cannot_be_made():
    class Idle(ActorCriticAgent):
        def act(self, obs, deterministic, generator=None):
            return obs

    with pytest.raises(TypeError, match="update"):
        Idle(TD3Config(), StateEncoder(2), 2, 2, 0)


@MAKERS
def test_resumed_equals_uninterrupted_bit_for_bit(make, tmp_path, steady_torch):
    replay, g = demonstrations(64), torch.Generator().manual_seed(5)
    agent = make(seed=1)
    for _ in range(7):  # odd: the delayed actor is in the middle of its turn
        agent.update(replay.sample(16, g))
    write_tensors(tmp_path / "state", "test", {**training_tensors(agent, agent.optimizer, agent.generator),
                                               "sampling": g.get_state()}, {})
    tensors, _ = read_tensors(tmp_path / "state", "test")
    other, h = make(seed=2), torch.Generator()
    h.set_state(tensors.pop("sampling"))
    load_training(other, other.optimizer, other.generator, tensors, "state")
    assert other.updates == 7
    for _ in range(6):
        one, two = agent.update(replay.sample(16, g)), other.update(replay.sample(16, h))
        assert all(torch.equal(one[name], two[name]) for name in one)
    first, second = agent.state_dict(), other.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@MAKERS
def test_saved_agent_acts_the_same_after_restore(make, tmp_path):
    agent, other, obs = make(seed=1, images=True), make(seed=2, images=True), batch(images=True).obs
    agent.update(batch(images=True))
    agent.save(tmp_path / "agent")
    other.restore(tmp_path / "agent")
    assert torch.equal(agent.act(obs, True), other.act(obs, True))
    assert json.loads(read_tensors(tmp_path / "agent", agent.kind)[1]["config"])["hidden"] == [32, 32]


def test_foreign_files_are_refused(tmp_path):
    td3().save(tmp_path / "agent")
    with pytest.raises(DataError, match="holds 'td3', not 'sac'"):
        sac().restore(tmp_path / "agent")
    with pytest.raises(DataError, match="another architecture"):
        td3(hidden=(16, 16)).restore(tmp_path / "agent")


@MAKERS
def test_metrics_are_detached_and_always_of_the_same_names(make):
    agent = make()
    seen = [agent.update(batch(demos=2)) for _ in range(4)]
    assert all(set(m) == set(seen[0]) for m in seen)
    assert all(v.dim() == 0 and not v.requires_grad and v.isfinite() for m in seen for v in m.values())
    kept = {name: value.clone() for name, value in seen[-1].items()}
    for seed in (8, 9):
        agent.update(batch(seed=seed, demos=2))
    assert all(torch.equal(kept[name], seen[-1][name]) for name in kept)  # not overwritten later


@MAKERS
def test_9_10_an_image_agent_sees_one_grey_32x32_image_and_nothing_else(make):
    agent = make(images=True)
    assert agent.act(torch.zeros(3, 1, 32, 32, dtype=torch.uint8), True).shape == (3, 2)
    with pytest.raises(ValueError, match="1, 32, 32"):
        agent.act(torch.zeros(3, 3, 32, 32), True)


@MAKERS
def test_9_19_an_update_trains_the_image_encoder(make):
    agent = make(images=True)
    before = copies(agent.encoder.parameters())
    agent.update(batch(images=True))
    assert all(moved([b], [p]) for b, p in zip(before, agent.encoder.parameters(), strict=True))


@MAKERS
def test_seed_makes_the_agent_and_leaves_the_global_generator_alone(make):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, c = make(seed=0, images=True), make(seed=0, images=True), make(seed=1, images=True)
    a.update(batch(images=True))
    assert torch.equal(before, torch.get_rng_state())
    b.update(batch(images=True))
    same, foreign = b.state_dict(), c.state_dict()
    assert all(torch.equal(v, same[n]) for n, v in a.state_dict().items())
    assert not torch.equal(a.state_dict()["actor.weights.0"], foreign["actor.weights.0"])


@pytest.mark.parametrize(("config", "wrong"), [
    (TD3Config, {"discount": 1.0}), (TD3Config, {"hidden": []}), (TD3Config, {"actor_rate": 0.0}),
    (TD3Config, {"target_rate": 0.0}), (TD3Config, {"initial_scale": -1.0}), (TD3Config, {"policy_delay": 0}),
    (TD3Config, {"target_noise": -0.1}), (TD3Config, {"bc_weight": -1.0}), (SACConfig, {"alpha_init": 0.0}),
    (SACConfig, {"alpha_rate": -1.0}), (SACConfig, {"log_std_init": 3.0}), (SACConfig, {"alpha_intt": 0.1}),
])  # fmt: skip
def test_wrong_settings_are_refused_by_name(config, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build(config, wrong, "test.yaml")
    assert build(config, {}, "test.yaml") == config()
