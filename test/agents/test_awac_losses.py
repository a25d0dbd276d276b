"""AWAC's weights against hand-computed cases, the closed form (74) and their stop gradients."""

import math

import pytest
import torch

from priorrl_core.agents import awac_losses as losses
from priorrl_core.agents.iql import policy_loss

ADV = torch.tensor([0.3, -0.6, 0.0])


def test_6_03_plain_weight_by_hand():
    assert losses.plain_weight(ADV, 0.3, 100.0).tolist() == pytest.approx([math.e, math.exp(-2.0), 1.0])
    assert losses.plain_weight(torch.tensor([1e6]), 0.3, 20.0).tolist() == pytest.approx([20.0])


def test_6_03_batch_weights_are_the_plain_ones_scaled_to_mean_one():
    weight, plain = losses.batch_weight(ADV, 0.3, 100.0), losses.plain_weight(ADV, 0.3, 100.0)
    assert float(weight.mean()) == pytest.approx(1.0)
    assert torch.allclose(weight, plain / plain.mean(), atol=1e-6)


def test_6_05_sampled_normaliser_is_near_the_exact_one():
    g = torch.Generator().manual_seed(0)
    prob, adv = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.4, -0.2, 0.1])
    exact = float((prob * (adv / 0.3).exp()).sum())
    drawn = adv[torch.multinomial(prob, 4000, True, generator=g)][:, None]
    weight = losses.state_weight(torch.tensor([0.4]), drawn, 0.3, 100.0)
    assert float(weight) == pytest.approx(math.exp(0.4 / 0.3) / exact, rel=0.03)


def test_6_05_two_samples_by_hand():
    sampled = torch.tensor([[0.0, 0.3], [0.3, 0.3]])
    weight = losses.state_weight(torch.tensor([0.3, 0.3]), sampled, 0.3, 100.0)
    assert weight.tolist() == pytest.approx([math.e / ((1.0 + math.e) / 2.0), 1.0])


def test_6_03_the_advantage_is_of_the_lower_critic_and_without_gradient():
    q, v = torch.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True), torch.tensor([1.0, 1.0], requires_grad=True)
    adv = losses.advantage(q, v)
    assert adv.tolist() == [1.0, 0.0] and not adv.requires_grad
    free = q.amin(0) - v
    weights = (losses.plain_weight(free, 0.3, 9.0), losses.batch_weight(free, 0.3, 9.0),
               losses.state_weight(free, free.expand(3, 2), 0.3, 9.0))
    assert not any(w.requires_grad for w in weights)


def test_6_02_value_averages_the_lower_critic_of_each_sample():
    q = torch.tensor([[[4.0], [1.0]], [[2.0], [3.0]]])  # (critics, samples, states)
    assert losses.sampled_value(q).tolist() == [1.5]


def test_6_03_equal_advantages_are_behaviour_cloning():
    log_prob = torch.tensor([-1.0, -3.0, 0.5])
    weight = losses.plain_weight(torch.zeros(3), 0.3, 100.0)
    assert float(policy_loss(log_prob, weight)) == pytest.approx(-float(log_prob.mean()))


@pytest.mark.parametrize("lam", [0.3, 1.0, 1e6, 1e-2])
def test_6_04_the_optimum_on_a_bandit_is_the_closed_form(lam):
    """Equation 74: pi*(a) = beta(a) exp(A(a) / lambda) / Z; lambda to infinity is beta, to 0 the argmax."""
    behaviour, adv = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([-0.1, 0.05, 0.02])
    weight = losses.plain_weight(adv, lam, 1e9)
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        (3.0 * policy_loss(logits.log_softmax(0), behaviour * weight)).backward()
        optimizer.step()
    closed = torch.softmax(behaviour.log() + adv / lam, 0)
    assert torch.allclose(logits.softmax(0), closed, atol=1e-2)
    if lam == 1e6:
        assert torch.allclose(closed, behaviour, atol=1e-3)
    if lam == 1e-2:
        assert int(closed.argmax()) == 1 and float(closed[1]) > 0.9
