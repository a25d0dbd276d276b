"""Equations 55 to 57 against closed forms, and their stop gradients."""

import math

import pytest
import torch

from priorrl_core.agents import iql


def test_10_14_expectile_closed_form():
    u = torch.tensor([1.0, -1.0, 2.0, 0.0])
    assert iql.expectile(u, 0.8).tolist() == pytest.approx([0.8, 0.2, 3.2, 0.0])


def test_10_14_expectile_minimiser_is_the_expectile_of_the_sample():
    x, v = torch.tensor([0.0, 1.0, 5.0]), torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        iql.expectile(x - v, 0.8).mean().backward()
        optimizer.step()
    below, above = (v - x).clamp(min=0).sum(), (x - v).clamp(min=0).sum()
    assert float(0.2 * below.detach()) == pytest.approx(float(0.8 * above.detach()), abs=1e-4)


def test_10_14_advantage_weight_is_clipped_and_divides_by_the_temperature():
    q, v = torch.tensor([[2.0, 1e4], [1.0, 1e4]]), torch.zeros(2)
    weight = iql.advantage_weight(q, v, temperature=0.5)
    assert weight.tolist() == pytest.approx([math.exp(2.0), 100.0])


def test_10_14_value_target_is_the_minimum_of_two_critics():
    q, v = torch.tensor([[3.0], [1.0]]), torch.tensor([0.0])
    assert float(iql.value_loss(q, v, 0.8)) == pytest.approx(0.8)


def test_10_14_td_target_bootstraps_truncated_but_not_terminated_steps():
    r, v = torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0])
    target = iql.td_target(r, v, torch.tensor([0.0, 1.0]), 0.9)
    assert target.tolist() == pytest.approx([10.0, 1.0])


def test_10_14_stop_gradients():
    q, v = torch.ones(2, 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    target = torch.full((3,), 2.0, requires_grad=True)
    log_prob = torch.zeros(3, requires_grad=True)
    iql.value_loss(q, v, 0.8).backward()
    assert q.grad is None and v.grad is not None
    iql.critic_loss(q, target).backward()
    assert target.grad is None and q.grad is not None
    v.grad, q.grad = None, None
    iql.policy_loss(log_prob, iql.advantage_weight(q, v, 1.0)).backward()
    assert v.grad is None and q.grad is None and log_prob.grad is not None


def test_10_14_td_target_sends_no_gradient_to_the_next_value():
    v = torch.ones(2, requires_grad=True)
    assert not iql.td_target(torch.ones(2), v, torch.zeros(2), 0.9).requires_grad


def test_gaussian_log_prob_matches_torch():
    g = torch.Generator().manual_seed(0)
    a, m, s = (torch.randn(5, 3, generator=g) for _ in range(3))
    wanted = torch.distributions.Normal(m, s.exp()).log_prob(a).sum(-1)
    assert torch.allclose(iql.gaussian_log_prob(a, m, s), wanted, atol=1e-5)


def test_value_ascent_is_scaled_by_the_values_and_reaches_only_q_of_the_action():
    q, scale = torch.tensor([[2.0, 6.0], [4.0, 5.0]], requires_grad=True), torch.full((2, 2), -4.0)
    loss = iql.value_ascent(q, scale)
    assert float(loss.detach()) == pytest.approx(-(2.0 + 5.0) / 2 / 4.0)
    loss.backward()
    assert q.grad is not None and q.grad.tolist() == [[-0.125, 0.0], [0.0, -0.125]]
