"""Natural rewards of chapter 9 against the numbers of the specification."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.errors import DataError
from priorrl_core.rewards.natural import DenseReward, image_distance, sparse


@pytest.mark.parametrize(("d_mm", "printed", "plus"), [
    (50.0, -5.04, -4.96), (20.0, -2.10, -1.90), (10.0, -1.20, -0.80), (5.0, -0.90, -0.10), (2.0, -1.20, 0.80),
    (1.0, -2.10, 1.90), (0.5, -4.05, 3.95)])
def test_dense_reward_of_equation_48_along_a_line(d_mm: float, printed: float, plus: float) -> None:
    offset = np.array([0.0, 0.0, d_mm * 1e-3])
    assert DenseReward(eps_m=0.0)(offset, 0.0).reward == pytest.approx(plus, abs=0.006)
    assert DenseReward(eps_m=0.0, inverse_sign=-1.0)(offset, 0.0).reward == pytest.approx(printed, abs=0.006)


def test_pressing_costs_before_insertion_and_pays_after_it() -> None:
    dense = DenseReward()
    far, near = np.array([0.0, 0.0, 0.01]), np.array([0.0, 0.0, 0.001])
    assert dense(far, 5.0).reward - dense(far, 0.0).reward == pytest.approx(-0.5)
    assert dense(near, 5.0).reward - dense(near, 0.0).reward == pytest.approx(0.5)
    assert (dense(far, 0.0).probability, dense(near, 0.0).probability) == (0.0, 1.0)


def test_sparse_and_image_reward() -> None:
    assert sparse(True) == (1.0, 1.0) and sparse(False) == (0.0, 0.0)
    black, white = np.zeros((48, 48, 3), np.uint8), np.full((48, 48, 3), 255, np.uint8)
    assert image_distance(black, black) == (1.0, 0.0) and image_distance(black, white) == (0.0, -1.0)
    with pytest.raises(DataError, match="one camera"):
        image_distance(black, white[:10])
