"""Turning a classifier's logits into a trustworthy reward: temperature, threshold, calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def sigmoid(logit: Floats) -> NDArray[np.float64]:
    """1 / (1 + exp(-logit)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, np.float64)))


def fit_temperature(logits: Floats, labels: NDArray[np.uint8]) -> float:
    """The T > 0 that minimises the cross entropy of sigmoid(logits / T) (temperature scaling).

    Guo et al. 2017, "On Calibration of Modern Neural Networks"; golden-section search over log T.
    """
    logits = np.asarray(logits, np.float64)
    sign = np.where(labels > 0, 1.0, -1.0)

    def loss(log_t: float) -> float:
        return float(np.logaddexp(0.0, -sign * logits * np.exp(-log_t)).mean())

    low, high, golden = np.log(0.2), np.log(20.0), (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(40):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp(0.5 * (low + high)))


def calibration_error(probability: Floats, labels: NDArray[np.uint8], bins: int = 10) -> float:
    """Expected calibration error: mean gap of confidence and frequency over equal bins, by counts."""
    index = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    confidence = np.bincount(index, probability, bins)
    frequency = np.bincount(index, labels.astype(float), bins)
    return float(np.abs(confidence - frequency).sum() / max(count.sum(), 1))


MIN_RECALL = 0.5


def choose_threshold(probability: Floats, labels: NDArray[np.uint8], min_precision: float = 0.98) -> float:
    """The smallest threshold >= 0.5 whose precision on balanced data reaches ``min_precision`` while at least
    ``MIN_RECALL`` of the successes are noticed: a reward that is never given teaches nothing.

    Where no threshold does, the one of the largest F-0.5 (precision counts twice recall). Positives
    and negatives are weighted to equal shares first, so that the answer does not depend on the class counts.
    """
    probability = np.asarray(probability, np.float64)
    order = np.argsort(-probability, kind="stable")
    p, y = probability[order], labels[order] > 0
    true = np.cumsum(y) / max(int(y.sum()), 1)
    false = np.cumsum(~y) / max(int((~y).sum()), 1)
    precision = true / np.maximum(true + false, 1e-12)
    last = np.append(p[1:] < p[:-1], True) & (p >= 0.5)  # a threshold between equal values does not exist
    if not last.any():
        return 0.5
    good = last & (precision >= min_precision) & (true >= MIN_RECALL)
    if good.any():
        return float(max(p[good].min(), 0.5))
    f_half = 1.25 * precision * true / np.maximum(0.25 * precision + true, 1e-12)
    return float(p[np.flatnonzero(last)[np.argmax(f_half[last])]])
