"""The NumPy encoder of the control path against the torch encoder that was trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from priorrl_core.errors import DataError
from priorrl_core.perception.encoder import MODES, DAIBEncoder, EncoderConfig
from priorrl_core.perception.frozen_encoder import FrozenEncoder
from priorrl_core.perception.preprocess import to_tensor


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (n, 48, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bound", ["layer_norm", "tanh", "none"])
def test_s_05_features_equal_those_of_the_trained_encoder(mode, bound) -> None:
    """S.05: one image on the control path gives what the offline pipeline gives, to float rounding."""
    torch.manual_seed(0)
    encoder = DAIBEncoder(EncoderConfig(mode=mode, invariant_bound=bound))
    frozen, batch = FrozenEncoder(encoder), images(5)
    expected = encoder.features(to_tensor(batch)).numpy()
    got = np.stack([frozen(image) for image in batch])
    assert got.dtype == np.float32 and got.shape == expected.shape
    assert np.abs(got - expected).max() < 2e-6 * max(1.0, np.abs(expected).max())


def test_the_same_image_gives_the_same_bits_whatever_was_seen_before() -> None:
    frozen, (a, b) = FrozenEncoder(DAIBEncoder()), images(2)
    first = frozen(a).copy()
    frozen(b)
    assert np.array_equal(frozen(a), first)


def test_a_layer_that_it_does_not_know_is_named() -> None:
    encoder = DAIBEncoder()
    encoder.trunk.insert(1, nn.Sigmoid())
    with pytest.raises(DataError, match="Sigmoid"):
        FrozenEncoder(encoder)
