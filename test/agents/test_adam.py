"""The lean Adam against torch's own, bit for bit."""

import pytest
import torch
from small_agents import awac, batch, bcq, bear, iql, sac, td3

from priorrl_core.agents.adam import LeanAdam
from priorrl_core.training.state import load_optimizer, optimizer_tensors


def pair():
    """Two equal parameter lists in two groups, one under each optimiser."""
    lists = [[torch.nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(i))) for i in range(3)]
             for _ in range(2)]
    groups = [[{"params": ps[:2], "lr": 0.1}, {"params": ps[2:], "lr": 0.01, "weight_decay": 0.1}] for ps in lists]
    return lists, LeanAdam(groups[0]), torch.optim.Adam(groups[1], fused=True)


def give(params, step, skip=()):
    for i, p in enumerate(params):
        g = torch.Generator().manual_seed(10 * step + i)
        p.grad = None if i in skip else torch.randn(p.shape, generator=g)


def test_its_steps_are_torchs_bit_for_bit_also_where_a_gradient_is_missing():
    (ours, theirs), lean, torchs = pair()
    for step, skip in enumerate([(2,), (2,), (), (0,), (), (1, 2), ()]):
        for params, optimizer in ((ours, lean), (theirs, torchs)):
            give(params, step, skip)
            optimizer.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), step
    left, right = optimizer_tensors(lean), optimizer_tensors(torchs)
    assert left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_zero_grad_forgets_the_gradients_and_a_loaded_state_goes_on():
    (ours, theirs), lean, torchs = pair()
    give(ours, 0), give(theirs, 0)
    torchs.step()
    load_optimizer(lean, optimizer_tensors(torchs))
    with torch.no_grad():
        for a, b in zip(ours, theirs, strict=True):
            a.copy_(b)
    lean.zero_grad()
    assert all(p.grad is None for p in ours)
    give(ours, 1), give(theirs, 1)
    lean.step(), torchs.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("make", [iql, sac, td3, awac, bcq, bear])
def test_an_agent_learns_the_same_bits_as_with_torchs_adam(make):
    ours, theirs = make(), make()
    groups = [{k: g[k] for k in ("params", "lr", "weight_decay")} for g in theirs.optimizer.param_groups]
    theirs.optimizer = torch.optim.Adam(groups, fused=True)
    for seed in range(6):
        ours.update(batch(16, seed)), theirs.update(batch(16, seed))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
