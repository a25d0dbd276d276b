"""SAC's losses against hand-computed cases; their stop gradients."""

import math

import pytest
import torch

from priorrl_core.agents import sac_losses as losses

Q = torch.tensor([[3.0, -1.0], [1.0, 5.0]])
LOG_PROB = torch.tensor([2.0, -4.0])


def test_9_19_soft_value_is_the_lower_critic_less_the_log_probability():
    assert losses.soft_value(Q, LOG_PROB, torch.tensor(0.5)).tolist() == pytest.approx([0.0, 1.0])


def test_9_19_policy_loss_by_hand_and_its_gradients():
    q, log_prob = Q.clone().requires_grad_(), LOG_PROB.clone().requires_grad_()
    alpha = torch.tensor(0.5, requires_grad=True)
    loss = losses.policy_loss(q, log_prob, alpha)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-0.5)
    assert q.grad.tolist() == [[0.0, -0.5], [-0.5, 0.0]]  # only the lower critic, upwards
    assert log_prob.grad.tolist() == pytest.approx([0.25, 0.25])  # towards more entropy
    assert alpha.grad is None


def test_9_19_temperature_by_hand():
    log_alpha = torch.tensor(math.log(0.5), requires_grad=True)
    log_prob = LOG_PROB.clone().requires_grad_()
    loss = losses.temperature_loss(log_alpha, log_prob, target_entropy=-2.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-0.5 * (-1.0 - 2.0))
    assert float(log_alpha.grad) == pytest.approx(1.5) and log_prob.grad is None


@pytest.mark.parametrize(("entropy", "grows"), [(-3.0, True), (-1.0, False)])
def test_9_19_temperature_grows_exactly_while_the_entropy_is_below_its_target(entropy, grows):
    log_alpha = torch.tensor(0.0, requires_grad=True)
    losses.temperature_loss(log_alpha, torch.full((4,), -entropy), target_entropy=-2.0).backward()
    assert (float(log_alpha.grad) < 0.0) is grows
