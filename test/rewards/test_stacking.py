"""Row 5.10, equations 21 and 22: stacking."""

import pytest
import torch

from priorrl_core.data.her import GoalEpisode, GoalReplay, HERConfig, sparse_reward
from priorrl_core.rewards.stacking import (
    BLOCK_M,
    sparse_stack_reward,
    stack_goals,
    stack_horizon,
    stacked,
    step_stack_reward,
)

START = torch.tensor([[0.1, 0.2, 0.0, 0.4, 0.2, 0.0, -0.3, 0.0, 0.0]])


def test_5_10_goals_are_a_tower_on_the_first_block():
    goals = stack_goals(START).view(3, 3)
    assert torch.allclose(goals, torch.tensor([[0.1, 0.2, 0.0], [0.1, 0.2, 0.05], [0.1, 0.2, 0.1]]))
    assert stack_goals(torch.zeros(18)).view(6, 3)[5].tolist() == pytest.approx([0.0, 0.0, 0.25])


def test_5_10_at_the_start_one_block_is_in_place():
    goals = stack_goals(START)
    assert step_stack_reward(START, goals).tolist() == [0.0]
    assert sparse_stack_reward(START, goals).tolist() == [0.0]


def test_5_10_equations_21_and_22_block_by_block():
    goals = stack_goals(START)
    two = goals.clone()
    two[0, 6:] = START[0, 6:]
    assert step_stack_reward(torch.cat([two, goals]), goals.expand(2, -1)).tolist() == [1.0, 2.0]
    assert sparse_stack_reward(torch.cat([two, goals]), goals.expand(2, -1)).tolist() == [0.0, 1.0]
    assert stacked(torch.cat([two, goals]), goals.expand(2, -1)).tolist() == [False, True]
    fallen = goals.clone()
    fallen[0, 0] += 1.0  # the first block was pushed away
    assert step_stack_reward(fallen, goals).tolist() == [1.0] and not stacked(fallen, goals).any()


def test_5_10_five_centimetres_exactly_is_too_far():
    """A block that still stands beside the lower one's place, one block too low, is not stacked."""
    goals = torch.zeros(1, 6, dtype=torch.float64)
    for distance, wanted in ((0.05, 0.0), (0.0499, 1.0)):
        moved = goals.clone()
        moved[0, 5] = -distance
        assert float(sparse_stack_reward(moved, goals)) == wanted
        assert float(step_stack_reward(moved, goals)) == wanted


def test_5_10_equation_20_is_strict_too_and_distance_is_in_space_and_of_each_block():
    edge = torch.tensor([[BLOCK_M, 0.0, 0.0], [0.0499, 0.0, 0.0]], dtype=torch.float64)
    assert sparse_reward(edge, torch.zeros(2, 3).double()).tolist() == [-1.0, 0.0]
    apart = torch.tensor([[0.04, 0.04, 0.0, 0.0, 0.0, 0.0]])  # 5.7 cm in space, 4 cm an axis
    assert float(step_stack_reward(apart, torch.zeros(1, 6))) == 0.0
    both = torch.tensor([[0.04, 0.0, 0.0, 0.0, 0.04, 0.0]])  # each block within 5 cm, 5.7 cm together
    assert float(sparse_stack_reward(both, torch.zeros(1, 6))) == 1.0


def test_5_10_horizons():
    assert [stack_horizon(n) for n in (2, 3, 6)] == [50, 100, 250]  # 250 actions at 50 Hz are 5 s
    with pytest.raises(ValueError, match="two blocks"):
        stack_horizon(1)


def test_5_10_hindsight_judges_with_them():
    """A failed episode whose final state is the goal pays 1 at its end, by equation 21."""
    import numpy as np

    replay = GoalReplay(4, 1, 1, 6, sparse_stack_reward, HERConfig("final", 1.0))
    end = np.array([[0.0, 0, 0, 0.3, 0, 0], [0.0, 0, 0, 0.4, 0, 0]], np.float32)
    replay.add_episode(GoalEpisode(np.zeros((3, 1)), np.zeros((2, 1)), end, np.array([0, 0, 0, 0, 0, 0.05])))
    rows = torch.tensor([0, 1])
    assert replay.batch(rows, torch.zeros(2, dtype=torch.bool), rows).reward.tolist() == [0.0, 0.0]
    last = torch.tensor([1, 1])
    assert replay.batch(rows, torch.ones(2, dtype=torch.bool), last).reward.tolist() == [0.0, 1.0]
