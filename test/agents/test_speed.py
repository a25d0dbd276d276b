"""The options that round otherwise: near the eager path, resumed bit for bit, and off unless asked for."""

import shutil

import pytest
import torch
from small_agents import awac, batch, bcq, bear, iql, sac, td3

from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.speed import SpeedConfig, speed_up
from priorrl_core.training.state import load_training, training_tensors

MAKERS = [iql, sac, td3, awac, bcq, bear]
BF16 = SpeedConfig(bf16=True)


def train(agent, first, last):
    return [agent.update(batch(32, seed)) for seed in range(first, last)]


def distance(a, b):
    """Of all weights, by how far they are apart relative to their size."""
    pairs = list(zip(a.parameters(), b.parameters(), strict=True))
    return (sum((x - y).square().sum() for x, y in pairs) / sum(y.square().sum() for _, y in pairs)).sqrt().item()


def test_bf16_rounds_the_factors_of_hidden_products_alone():
    """By hand in float32 from rounded factors; the stored product is off by one rounding, 2**-8 of its size."""
    network = EnsembleMLP(2, (3, 64, 64, 1), torch.Generator().manual_seed(0))
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1)).expand(2, 16, 3)
    (w0, w1, w2), (b0, b1, b2) = (list(p) for p in (network.weights, network.biases))
    first = torch.relu(x @ w0 + b0)
    rounded = [t.bfloat16().float() for t in (first, w1, b1)]
    second = torch.relu(rounded[0] @ rounded[1] + rounded[2])
    network.bf16 = True
    room = second.abs() * 2.0**-8 @ w2.abs() + 1e-5
    assert ((network(x) - (second @ w2 + b2)).abs() <= room).all()


@pytest.mark.parametrize("make", MAKERS)
def test_bf16_resumes_bit_for_bit(make):
    whole, first, second = (speed_up(make(seed=s), BF16) for s in (0, 0, 1))
    train(whole, 0, 6), train(first, 0, 3)
    load_training(second, second.optimizer, second.generator,
                  {k: v.clone() for k, v in training_tensors(first, first.optimizer, first.generator).items()}, "here")
    train(second, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_weights_gradients_and_outputs_stay_float32_and_the_option_goes_off_again():
    agent = speed_up(sac(), BF16)
    train(agent, 0, 2)
    assert {p.dtype for p in agent.parameters()} == {torch.float32}
    assert all(v["exp_avg"].dtype == torch.float32 for v in agent.optimizer.state.values())
    assert agent.critics(torch.zeros(3, 2), torch.zeros(3, 2)).dtype == torch.float32
    network = EnsembleMLP(2, (3, 16, 16, 1), torch.Generator().manual_seed(0))
    x, plain = torch.ones(4, 3), network(torch.ones(4, 3))
    network.bf16 = True
    assert not torch.equal(network(x), plain) and torch.allclose(network(x), plain, atol=0.02)
    off = speed_up(agent, SpeedConfig())
    assert not any(m.bf16 for m in off.modules() if isinstance(m, EnsembleMLP))


def test_first_and_last_layer_are_not_rounded():
    """A millimetre beside a metre is below bfloat16's step; it must reach the network."""
    network = EnsembleMLP(1, (1, 8, 1), torch.Generator().manual_seed(0))
    near, far = torch.tensor([[1.0]]), torch.tensor([[1.001]])
    plain = [network(x) for x in (near, far)]
    network.bf16 = True
    assert all(torch.equal(network(x), y) for x, y in zip((near, far), plain, strict=True))


def test_without_a_compiler_one_warning_and_the_same_bits(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler") as caught:
        agent = speed_up(iql(), SpeedConfig(compile=True))
    assert len(caught) == 1
    eager = iql()
    train(agent, 0, 3), train(eager, 0, 3)
    assert distance(agent, eager) == 0.0


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
def test_compiled_iql_stays_near_eager_for_100_updates_and_resumes_bit_for_bit():
    speed = SpeedConfig(compile=True)
    eager, whole, resumed = iql(), speed_up(iql(), speed), speed_up(iql(seed=1), speed)
    train(eager, 0, 100), train(whole, 0, 50)
    assert "losses" in vars(whole)
    state = {k: v.clone() for k, v in training_tensors(whole, whole.optimizer, whole.generator).items()}
    load_training(resumed, resumed.optimizer, resumed.generator, state, "here")
    train(whole, 50, 100), train(resumed, 50, 100)
    assert distance(whole, eager) < 0.01 * distance(eager, iql())
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
