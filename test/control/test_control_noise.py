"""Noise on the executed command, thesis equation 46."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.control.control_noise import ControlNoise

N = 4000


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.01), (0.0, 0.05), (0.0, 0.1), (0.05, 0.05), (0.2, 0.05)])
def test_8_18_mean_and_deviation_are_those_asked_for(mean, std):
    rng = np.random.default_rng(3)
    noise = ControlNoise(mean, std, unit_m=0.02)
    drawn = np.array([noise.sample(rng) for _ in range(N)]) / 0.02
    error = std / np.sqrt(N)
    assert np.abs(drawn.mean(0) - mean).max() < 3.5 * error  # three axes
    assert np.abs(drawn.std(0) - std).max() < 3.5 * std / np.sqrt(2 * N)
    steps = np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]
    assert abs(steps) < 4.0 / np.sqrt(N), "each step draws anew"


def test_noise_that_is_off_is_zero_and_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state["state"]["state"]
    assert not ControlNoise().active and ControlNoise().sample(rng).tolist() == [0.0, 0.0, 0.0]
    assert rng.bit_generator.state["state"]["state"] == before


@pytest.mark.parametrize("values", [{"std": -0.1}, {"unit_m": 0.0}])
def test_wrong_noise_is_refused(values):
    with pytest.raises(ValueError, match="must"):
        ControlNoise(**values)
