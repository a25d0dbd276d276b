"""The behaviour priors' losses (Siegel et al. 2020, equations 1, 3 and 4) by hand."""

import pytest
import torch

from priorrl_core.agents import abm_losses as losses

NONE = torch.zeros(1, 3)


def returns(reward, terminated=NONE, valid=None, last=10.0, discount=0.5):
    valid = torch.ones(1, 3) if valid is None else valid
    return losses.snippet_returns(torch.tensor([reward]), terminated, valid, torch.tensor([last]), discount)


def test_abm_eq_1_value_is_the_mean_over_actions():
    assert losses.sampled_value(torch.tensor([[1.0, 4.0], [3.0, 0.0]])).tolist() == [2.0, 2.0]


def test_abm_eq_4_return_by_hand():
    third = 3.0 + 0.5 * 10.0
    second = 2.0 + 0.5 * third
    assert returns([1.0, 2.0, 3.0]).flatten().tolist() == [1.0 + 0.5 * second, second, third]


def test_law_5_a_terminated_snippet_has_no_value_after_it_and_a_cut_off_one_has():
    ended = torch.tensor([[0.0, 1.0, 0.0]])
    short = torch.tensor([[1.0, 1.0, 0.0]])
    assert returns([1.0, 2.0, 2.0], ended, short).flatten().tolist()[:2] == [2.0, 2.0]
    assert returns([1.0, 2.0, 2.0], NONE, short).flatten().tolist()[:2] == [1.0 + 0.5 * 7.0, 7.0]


def test_abm_eq_4_return_carries_no_gradient():
    last = torch.tensor([10.0], requires_grad=True)
    assert not losses.snippet_returns(NONE, NONE, torch.ones(1, 3), last, 0.5).requires_grad


def test_abm_f_is_the_unit_step_a_tie_counts_and_it_brings_no_gradient():
    gain = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    weight = losses.step_weight(gain, torch.full((1, 3), 2.0))
    assert weight.tolist() == [[0.0, 1.0, 1.0]] and not weight.requires_grad


def test_abm_eq_3_and_4_likelihood_by_hand_over_valid_steps_alone():
    log_prob = torch.tensor([[-1.0, -2.0], [-4.0, -8.0]], requires_grad=True)
    valid, weight = torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert float(losses.prior_loss(log_prob, torch.ones(2, 2), valid).detach()) == pytest.approx(7.0 / 3.0)
    loss = losses.prior_loss(log_prob, weight.requires_grad_(), valid)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(5.0 / 3.0) and weight.grad is None
    assert log_prob.grad.flatten().tolist() == pytest.approx([-1 / 3, 0.0, -1 / 3, 0.0])
