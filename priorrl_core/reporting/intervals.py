"""Intervals for counts of successes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval (low, high) of a success probability (Wilson 1927); z = 1.96 gives 95 %.

    (0, 1) for no trials. Raises ValueError unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials is impossible")
    if trials == 0:
        return 0.0, 1.0
    p, z2 = successes / trials, z * z
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


#: 97.5 % quantile of Student's t for 1, 2, ... 29 degrees of freedom; 1.96 beyond.
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
)


def mean_interval(values: list[float]) -> tuple[float, float, float]:
    """(mean, low, high): 95 % Student interval of the mean over seeds; low = high = mean for one value."""
    data = np.asarray(values, np.float64)
    mean = float(data.mean())
    if data.size < 2:
        return mean, mean, mean
    quantile = STUDENT[data.size - 2] if data.size <= len(STUDENT) + 1 else 1.96
    half = quantile * float(data.std(ddof=1)) / math.sqrt(data.size)
    return mean, mean - half, mean + half


def moving_rate(outcomes: Sequence[float], window: int) -> list[float]:
    """Mean of the last ``window`` outcomes (fewer at the start), one value an outcome; of successes: their rate."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(outcomes, np.float64))])
    ends = np.arange(1, len(outcomes) + 1)
    starts = np.maximum(0, ends - window)
    return [float(v) for v in (sums[ends] - sums[starts]) / (ends - starts)]
