"""Networks forwards and backwards by hand: the bits of torch's own, each gradient where it is wanted alone."""

import pytest
import torch
from small_agents import batch, bcq, bear, iql, sac, td3
from torch.nn.functional import linear

from priorrl_core.agents import perceptrons as module
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.agents.perceptrons import leaf_outputs

SHAPES = pytest.mark.parametrize(
    ("members", "sizes", "rows"), [(1, (17, 64, 64, 6), 64), (2, (23, 64, 64, 1), 100), (2, (5, 32, 48, 48, 40), 7)])


def network(members, sizes, seed=0):
    return EnsembleMLP(members, sizes, torch.Generator().manual_seed(seed))


def normal(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_torch(net, x):
    """Layer by layer, each a node of autograd."""
    x, last = x.expand(net.members, *x.shape[-2:]), len(net.sizes) - 2
    for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        x = torch.baddbmm(bias, x, weight)
        x = torch.relu(x) if i < last else x
    return x


def gradients(net, out, slope):
    net.zero_grad(set_to_none=True)
    out.backward(slope)
    return [p.grad.clone() for p in net.parameters()]


@SHAPES
def test_outputs_and_gradients_have_the_bits_of_autograd(members, sizes, rows, steady_torch):
    net, x, slope = network(members, sizes), normal(rows, sizes[0]), normal(members, rows, sizes[-1], seed=2)
    wanted_out = by_torch(net, x)
    wanted = gradients(net, wanted_out, slope)
    with leaf_outputs():
        leaf = net(x)
    assert leaf.is_leaf and not net(x).is_leaf
    for out in (leaf, net(x)):
        assert torch.equal(out, wanted_out)
        assert all(torch.equal(a, b) for a, b in zip(gradients(net, out, slope), wanted, strict=True))


def test_gradients_by_hand():
    """One row, one of two units at work: dQ/dw2 = h, dQ/db = 1, and nothing through a unit that is off."""
    net = network(1, (1, 2, 1))
    with torch.no_grad():
        values = ([[[2.0, -1.0]]], [[[3.0], [5.0]]], [[[0.5, 0.0]]], [[[0.25]]])
        for p, value in zip(net.parameters(), values, strict=True):
            p.copy_(torch.tensor(value))
    with leaf_outputs():
        out = net(torch.tensor([[4.0]]))
    assert float(out.detach()) == 3.0 * (4.0 * 2.0 + 0.5) + 0.25
    w1, w2, b1, b2 = (g.flatten().tolist() for g in gradients(net, out, torch.ones(1, 1, 1)))
    assert (w1, w2, b1, b2) == ([12.0, 0.0], [8.5, 0.0], [3.0, 0.0], [1.0])


@SHAPES
def test_an_input_of_all_members_or_of_each_gets_its_gradient(members, sizes, rows, steady_torch):
    net, slope = network(members, sizes), normal(members, rows, sizes[-1], seed=2)
    for x in (normal(rows, sizes[0]), normal(members, rows, sizes[0])):
        got, wanted = x.clone().requires_grad_(), x.clone().requires_grad_()
        net.zero_grad(set_to_none=True)
        with leaf_outputs():
            net(got).backward(slope)
        mine = [p.grad.clone() for p in net.parameters()]
        assert all(torch.equal(a, b) for a, b in zip(mine, gradients(net, by_torch(net, wanted), slope), strict=True))
        assert torch.equal(got.grad, wanted.grad)


def test_weights_that_do_not_learn_get_none():
    net, x = network(2, (3, 16, 16, 1)).requires_grad_(False), normal(8, 3).requires_grad_()
    net(x).sum().backward()
    assert x.grad is not None and all(p.grad is None for p in net.parameters())
    assert not net(x.detach()).requires_grad


def test_a_network_used_twice_adds_its_gradients_up(steady_torch):
    net, x, y = network(1, (3, 16, 16, 2)), normal(8, 3), normal(8, 3, seed=3)
    (by_torch(net, x).sum() + by_torch(net, y).sum()).backward()
    wanted = [p.grad.clone() for p in net.parameters()]
    net.zero_grad(set_to_none=True)
    with leaf_outputs():
        (net(x).sum() + net(y).sum()).backward()
    assert all(torch.allclose(p.grad, g, atol=1e-5) for p, g in zip(net.parameters(), wanted, strict=True))
    once = [p.grad.clone() for p in net.parameters()]
    with leaf_outputs():
        out = net(x).sum() + net(y).sum()
    out.backward(retain_graph=True), out.backward()
    assert all(torch.allclose(p.grad, 3 * g, atol=1e-4) for p, g in zip(net.parameters(), once, strict=True))
    assert not net(x).is_leaf  # outside of the context autograd is as ever


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("bf16", [False, True])
def test_many_rows_have_the_bits_of_few(members, bf16, steady_torch):
    """Bias and ReLU within the product, one network after the other: as layer by layer."""
    net, x = network(members, (23, 64, 64, 6)).requires_grad_(False), normal(module.MANY_ROWS, 23)
    net.bf16 = bf16
    many = net(x)
    few = torch.cat([net(part) for part in x.split(module.MANY_ROWS // 4)], 1)
    assert many.shape == (members, module.MANY_ROWS, 6) and torch.equal(many, few)


def test_without_the_fused_product_the_result_is_the_same(monkeypatch, steady_torch):
    net, x = network(2, (5, 32, 32, 1)).requires_grad_(False), normal(module.MANY_ROWS, 5)
    fused = net(x)
    monkeypatch.setattr(module, "FUSED", False)
    assert torch.allclose(net(x), fused, atol=1e-6)


def test_a_layers_way_back_by_finite_difference():
    """``through`` is the derivative of ``relu(h) W`` by ``h``, against a finite difference in float64."""
    h, weight, slope = normal(1, 4, 3).double(), normal(1, 3, 2, seed=4).double(), normal(1, 4, 2, seed=5).double()
    got, step = module.through(slope, weight, torch.relu(h)), 1e-6
    for row in range(4):
        for unit in range(3):
            moved = h.clone()
            moved[0, row, unit] += step
            up = (slope * linear(torch.relu(moved), weight[0].t())).sum() - (slope * (torch.relu(h) @ weight)).sum()
            assert float(got[0, row, unit]) == pytest.approx(float(up) / step, abs=1e-6)


@pytest.mark.parametrize("make", [iql, sac, td3, bcq, bear])
def test_an_agent_learns_the_same_bits_as_by_autograd(make, steady_torch):
    """``__wrapped__`` is the update outside of ``leaf_outputs``."""
    agent, plain = make(), make()
    for seed in range(4):
        agent.update(batch(32, seed))
        type(plain).update.__wrapped__(plain, batch(32, seed))
    assert all(torch.equal(a, b) for a, b in zip(agent.parameters(), plain.parameters(), strict=True))
