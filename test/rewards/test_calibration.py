"""Temperature, threshold and calibration error against answers known beforehand."""

import numpy as np
import pytest

from priorrl_core.rewards.calibration import calibration_error, choose_threshold, fit_temperature, sigmoid


def test_sigmoid_has_no_overflow():
    assert sigmoid(np.array([0.0, 800.0, -800.0])) == pytest.approx([0.5, 1.0, 0.0])


def test_temperature_of_overconfident_logits_is_recovered():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 40000)
    labels = (rng.random(40000) < sigmoid(true)).astype(np.uint8)
    assert fit_temperature(3.0 * true, labels) == pytest.approx(3.0, rel=0.05)


def test_calibration_error_of_honest_and_of_boastful_probabilities():
    rng = np.random.default_rng(0)
    p = rng.random(50000)
    labels = (rng.random(50000) < p).astype(np.uint8)
    assert calibration_error(p, labels) < 0.01
    assert calibration_error(np.full(1000, 0.95), np.repeat([0, 1], 500)) == pytest.approx(0.45)


def test_threshold_is_the_smallest_that_reaches_the_precision():
    p = np.array([0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.3, 0.2])
    y = np.array([1, 1, 1, 0, 1, 0, 0, 0], np.uint8)
    assert choose_threshold(p, y, 0.98) == pytest.approx(0.85)
    assert choose_threshold(p, y, 0.75) == pytest.approx(0.7)


def test_threshold_does_not_depend_on_class_counts():
    rng = np.random.default_rng(0)
    p1, p0 = rng.beta(5, 2, 2000), rng.beta(2, 5, 2000)
    balanced = choose_threshold(np.r_[p1, p0], np.repeat([1, 0], 2000).astype(np.uint8), 0.95)
    skew = choose_threshold(np.r_[p1[:200], p0], np.r_[np.ones(200), np.zeros(2000)].astype(np.uint8), 0.95)
    assert skew == pytest.approx(balanced, abs=0.05)


def test_threshold_out_of_reach_falls_back_to_f_half():
    p = np.array([0.9, 0.8, 0.7, 0.6])
    y = np.array([0, 1, 1, 0], np.uint8)
    assert choose_threshold(p, y, 0.98) == pytest.approx(0.7)


def test_threshold_never_below_a_half_and_safe_without_claims():
    assert choose_threshold(np.array([0.6, 0.2]), np.array([1, 0], np.uint8)) >= 0.5
    assert choose_threshold(np.array([0.1, 0.2]), np.array([1, 0], np.uint8)) == 0.5
