"""TD3's and the demonstrations' losses against hand-computed cases; their stop gradients."""

import pytest
import torch

from priorrl_core.agents import td3_losses as losses


def test_8_10_target_noise_is_clipped_and_the_action_stays_in_range():
    action = torch.tensor([[0.0, 0.9], [-0.9, 0.2]])
    noise = torch.tensor([[10.0, 1.0], [-1.0, -0.5]])
    smoothed = losses.smoothed_action(action, noise, std=0.2, clip=0.5)
    assert smoothed.flatten().tolist() == pytest.approx([0.5, 1.0, -1.0, 0.1])


def test_8_10_the_lower_critic_counts():
    q = torch.tensor([[3.0, -1.0], [1.0, 5.0]])
    assert losses.clipped_double_q(q).tolist() == [1.0, -1.0]


def test_8_10_policy_loss_climbs_the_critic():
    action = torch.tensor([0.5], requires_grad=True)
    losses.policy_loss(3.0 * action - action.square()).backward()
    assert float(action.grad) == pytest.approx(-2.0)


def test_9_21_q_filter_is_strict_and_brings_no_gradient():
    demo, policy = torch.tensor([1.0, 2.0, 3.0], requires_grad=True), torch.tensor([2.0, 2.0, 2.0])
    keep = losses.q_filter(demo, policy)
    assert keep.tolist() == [0.0, 0.0, 1.0] and not keep.requires_grad


def test_9_21_behaviour_cloning_by_hand():
    action = torch.tensor([[0.5, 0.0], [1.0, 1.0]], requires_grad=True)
    shown = torch.tensor([[0.0, 0.0], [0.0, -1.0]], requires_grad=True)
    assert float(losses.behaviour_cloning_loss(action, shown).detach()) == pytest.approx((0.25 + 5.0) / 2)
    loss = losses.behaviour_cloning_loss(action, shown, torch.tensor([1.0, 0.0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.125)  # the mean is over both rows
    assert action.grad.flatten().tolist() == pytest.approx([0.5, 0.0, 0.0, 0.0])
    assert shown.grad is None
