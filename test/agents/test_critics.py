"""Twin critics in one call, weights as constants, and Polyak's average."""

import pytest
import torch
from small_agents import copies, moved

from priorrl_core.agents.critics import Critics, polyak


def critics(seed=0):
    return Critics(3, 2, (16, 16), torch.Generator().manual_seed(seed))


def inputs(rows=5, seed=1):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 3, generator=g), torch.randn(rows, 2, generator=g)


def test_8_10_targets_start_equal_and_without_gradient_and_the_twins_differ():
    q, (features, action) = critics(), inputs()
    assert torch.equal(q(features, action), q.slow(features, action))
    assert not q.slow(features, action).requires_grad
    assert not torch.allclose(q(features, action)[0], q(features, action)[1])


@pytest.mark.parametrize("members", [1, 2])
def test_of_action_is_the_critic_with_a_gradient_to_the_action_alone(members):
    q, (features, action) = critics(), inputs()
    action.requires_grad_()
    features.requires_grad_()
    expected = q(features, action)[:members]
    (wanted,) = torch.autograd.grad(expected.sum(), action)
    value = q.of_action(features, action, members)
    value.sum().backward()
    assert torch.allclose(value, expected, atol=1e-6)
    assert torch.allclose(action.grad, wanted, atol=1e-6)
    assert features.grad is None and all(p.grad is None for p in q.parameters())


def test_8_10_polyak_formula():
    target, online = [torch.tensor([1.0, 2.0]), torch.tensor(0.0)], [torch.tensor([3.0, 0.0]), torch.tensor(1.0)]
    kept = copies(online)
    polyak(target, online, 0.25)
    assert target[0].tolist() == pytest.approx([1.5, 1.5]) and float(target[1]) == pytest.approx(0.25)
    assert not moved(kept, online)
