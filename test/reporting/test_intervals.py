"""Wilson intervals and rates against published or hand-made values."""

from __future__ import annotations

import pytest

from priorrl_core.reporting.intervals import mean_interval, moving_rate, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (16, 20, 0.584, 0.919),  # the specification's own example: [0.58, 0.92]
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-3)


def test_wilson_is_symmetric_and_refuses_nonsense() -> None:
    low, high = wilson(7, 50)
    other = wilson(43, 50)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high))
    with pytest.raises(ValueError):
        wilson(21, 20)


def test_moving_rate_uses_fewer_at_the_start() -> None:
    assert moving_rate([True, False, False, True], 2) == [1.0, 0.5, 0.0, 0.5]


def test_mean_interval_of_one_value_is_that_value() -> None:
    assert mean_interval([0.4]) == (0.4, 0.4, 0.4)


def test_mean_interval_of_few_values_is_students() -> None:
    """By hand: 1, 2, 3, 4, 5 have mean 3 and standard error sqrt(2.5 / 5); Student's table gives 2.776 for 4 degrees
    of freedom, so 1.0368 to 4.9632; 1.96 would be too sure."""
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0 and low == pytest.approx(1.0368, abs=1e-3) and high == pytest.approx(4.9632, abs=1e-3)
    mean, low, high = mean_interval([0.0, 1.0] * 50)
    assert high - mean == pytest.approx(1.96 * 0.05025, abs=1e-4)
