"""The least critic as a function of the action: torch's own value and gradient, and nobody else gets one."""

import pytest
import torch

from priorrl_core.agents.action_gradient import STEP
from priorrl_core.agents.critics import Critics


def critics(members=2):
    """Of one mean, so that each is the lowest somewhere."""
    q, (features, action, _) = Critics(3, 2, (32, 32), torch.Generator().manual_seed(0), members), inputs(150)
    with torch.no_grad():
        q.online.biases[-1].sub_(q(features, action).mean(1)[:, None, None])
    return q


def inputs(rows):
    g = torch.Generator().manual_seed(1)
    return torch.randn(rows, 3, generator=g), torch.randn(rows, 2, generator=g), torch.randn(rows, generator=g)


@pytest.mark.parametrize(("members", "rows"), [(1, 5), (2, 3), (2, 200), (3, STEP), (3, 150)])
def test_value_and_gradient_are_autograds_of_the_minimum(members, rows):
    q, (features, action, slope) = critics(members), inputs(rows)
    got, wanted = action.clone().requires_grad_(), action.clone().requires_grad_()
    features.requires_grad_()
    plain, least = q(features.detach(), wanted).amin(0), q.least_of_action(features, got)
    least.backward(slope)
    (wanted_grad,) = torch.autograd.grad(plain, wanted, slope)
    assert torch.allclose(least, plain, atol=1e-6) and torch.allclose(got.grad, wanted_grad, atol=1e-6)
    assert features.grad is None and all(p.grad is None for p in q.parameters())


def test_each_critic_is_lowest_somewhere():
    features, action, _ = inputs(150)
    assert set(critics(3)(features, action).argmin(0).tolist()) == {0, 1, 2}


def test_gradient_by_finite_difference():
    q, (features, action, _) = critics().double(), (x.double() for x in inputs(20))
    action.requires_grad_()
    step = 1e-6 * torch.tensor([1.0, -2.0], dtype=torch.float64)
    (got,) = torch.autograd.grad(q.least_of_action(features, action).sum(), action)
    with torch.no_grad():
        rise = q.least_of_action(features, action + step) - q.least_of_action(features, action)
    assert torch.allclose(got @ step, rise, atol=1e-9)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_bits_are_those_of_the_pass_through_all(bf16, steady_torch):
    q, (features, action, slope) = critics(), inputs(150)
    q.online.bf16 = bf16
    got, wanted = action.clone().requires_grad_(), action.clone().requires_grad_()
    least, plain = q.least_of_action(features, got), q.of_action(features, wanted, 2).amin(0)
    least.backward(slope), plain.backward(slope)
    assert torch.equal(least, plain) and torch.equal(got.grad, wanted.grad)


def test_without_a_gradient_to_the_action_there_is_the_value_alone():
    q, (features, action, _) = critics(), inputs(10)
    least = q.least_of_action(features, action)
    assert not least.requires_grad and torch.allclose(least, q(features, action).amin(0), atol=1e-6)
