"""What every agent must do whatever it learns by: files, resuming bit for bit, detached metrics, one seed."""

from functools import partial

import pytest
import torch
from small_agents import (
    awac,
    batch,
    bc,
    bcq,
    bear,
    ddpg,
    iql,
    iql_ablation,
    kl_bear,
    mpo,
    sacfd,
    snippets,
    svg,
)

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.bc import BCConfig
from priorrl_core.agents.bcq import BCQConfig
from priorrl_core.agents.bear import BEARConfig
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.iql_state import IQLConfig, domain_config
from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.agents.svg import SVGConfig
from priorrl_core.config import build
from priorrl_core.data.tensor_files import read_tensors, write_tensors
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.state import load_training, training_tensors

AGENTS = {
    "bc": (bc, batch), "awac": (awac, batch), "iql": (iql, batch), "ddpg": (ddpg, partial(batch, demos=3)),
    "mpo": (partial(mpo, target_period=5), snippets), "svg": (partial(svg, target_period=5), snippets),
    "mpo of 3 tasks": (partial(mpo, tasks=3), partial(snippets, tasks=3)),
    "bcq": (bcq, batch), "bear": (partial(bear, warm_updates=6), batch),
    "mpo of epsilon 0": (partial(mpo, epsilon=0.0, target_period=5), snippets),
    "kl_bear": (partial(kl_bear, target_period=5), snippets),
    "sacfd": (partial(sacfd, clone_updates=3, bc_weight=1.0, q_filter=True), partial(batch, demos=3)),
    "iql with sampled V": (partial(iql_ablation, value="sampled", critics=1), batch),
    "svg without prior": (partial(svg, prior="none"), snippets),
}  # fmt: skip
EVERY = pytest.mark.parametrize(("make", "feed"), AGENTS.values(), ids=AGENTS)


@EVERY
def test_resumed_equals_uninterrupted_bit_for_bit(make, feed, tmp_path, steady_torch):
    agent, other = make(seed=1), make(seed=2)
    for i in range(7):
        agent.update(feed(seed=i))
    write_tensors(tmp_path / "s", "test", training_tensors(agent, agent.optimizer, agent.generator), {})
    load_training(other, other.optimizer, other.generator, read_tensors(tmp_path / "s", "test")[0], "s")
    assert other.updates == 7
    for i in range(7, 13):
        one, two = agent.update(feed(seed=i)), other.update(feed(seed=i))
        assert all(torch.equal(one[name], two[name]) for name in one)
    first, second = agent.state_dict(), other.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@EVERY
def test_saved_agent_acts_the_same_after_restore(make, feed, tmp_path):
    agent, other, obs = make(seed=1), make(seed=2), torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    agent.update(feed(seed=3))
    agent.save(tmp_path / "agent")
    assert not torch.equal(agent.act(obs, True), other.act(obs, True))
    other.restore(tmp_path / "agent")
    assert torch.equal(agent.act(obs, True), other.act(obs, True))
    one, two = (a.act(obs, False, torch.Generator().manual_seed(2)) for a in (agent, other))
    assert torch.equal(one, two) and one.shape == (5, 2) and float(one.abs().max()) <= 1.0


@EVERY
def test_a_file_of_another_size_is_refused(make, feed, tmp_path):
    make(hidden=(8, 8)).save(tmp_path / "agent")
    with pytest.raises(DataError, match="another architecture"):
        make(hidden=(16, 16)).restore(tmp_path / "agent")


@EVERY
def test_metrics_are_detached_always_of_the_same_names_and_read_nothing(make, feed, monkeypatch):
    agent, feeds = make(), [feed(seed=i) for i in range(4)]

    def refuse(self):
        raise AssertionError(".item() in the hot loop")

    monkeypatch.setattr(torch.Tensor, "item", refuse)
    seen = [agent.update(f) for f in feeds]
    monkeypatch.undo()
    assert all(set(m) == set(seen[0]) for m in seen)
    assert all(v.dim() == 0 and not v.requires_grad and v.isfinite() for m in seen for v in m.values())


@EVERY
def test_seed_makes_the_agent_and_leaves_the_global_generator_alone(make, feed):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two = make(seed=0), make(seed=0)
    one.update(feed(seed=0))
    assert torch.equal(before, torch.get_rng_state())
    two.update(feed(seed=0))
    same = two.state_dict()
    assert all(torch.equal(v, same[n]) for n, v in one.state_dict().items())


@pytest.mark.parametrize(("config", "wrong"), [
    (BCConfig, {"hidden": []}), (BCConfig, {"learning_rate": 0.0}), (AWACConfig, {"lam": 0.0}),
    (AWACConfig, {"weight_clip": 0.5}), (AWACConfig, {"value_samples": -1}), (AWACConfig, {"normalise": "batc"}),
    (AWACConfig, {"gaussian": {"dropout": 1.0}}), (AWACConfig, {"gaussian": {"log_std_init": 3.0}}),
    (DDPGConfig, {"l2": -1.0}), (DDPGConfig, {"random_probability": 2.0}), (DDPGConfig, {"return_range": [1.0, 0.0]}),
    (MPOConfig, {"epsilon_mean": 0.0}), (MPOConfig, {"prior": "abn"}), (MPOConfig, {"tasks": 0}),
    (SVGConfig, {"epsilon": -0.1}), (SVGConfig, {"policy_trunk": []}), (SVGConfig, {"discount": 1.0}),
    (BCQConfig, {"phi": -0.1}), (BCQConfig, {"lam": 1.5}), (BCQConfig, {"vae_hidden": []}),
    (BEARConfig, {"sigma": 0.0}), (BEARConfig, {"kernel": "laplacien"}), (BEARConfig, {"log_alpha_init": 11.0}),
    (IQLConfig, {"expectile": 1.0}), (IQLConfig, {"inverse_temperature": -1.0}),
])  # fmt: skip
def test_wrong_settings_are_refused_by_name(config, wrong):
    (name, value), = wrong.items()
    with pytest.raises(ConfigError, match=next(iter(value)) if isinstance(value, dict) else name):
        build(config, wrong, "test.yaml")
    assert build(config, {}, "test.yaml") == config()


def test_an_unknown_domain_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'antmaze'"):
        domain_config("antmase")
