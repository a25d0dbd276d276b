"""The frozen encoder for one image at a time, in NumPy: what stands on the control path.

A single 48x48 image costs torch 1.0 ms when the caches are cold (as they are once a control period) and
0.34 ms when they are hot; the same layers as one matrix product each cost 0.32 and 0.11 ms [measured on one
core]. The features agree with ``DAIBEncoder.features`` to float32 rounding (1e-6), not to the bit: whoever
acts must use this class, in the graph and in plain Python alike (rows S.05, S.11).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from torch import nn

from priorrl_core.errors import DataError
from priorrl_core.perception.encoder import DAIBEncoder
from priorrl_core.perception.preprocess import IMAGE_SHAPE

_EPS = 1e-5  # of torch's layer_norm


@dataclass
class _Convolution:
    """A convolution and the ReLU behind it, on one image in rows, columns, channels."""

    weight: np.ndarray
    """(k k C_in, C_out)."""
    bias: np.ndarray
    kernel: int
    stride: int
    padded: np.ndarray
    """(H + 2p, W + 2p, C_in); its border stays zero."""
    inner: np.ndarray
    """The view of ``padded`` that takes the input."""
    patches: np.ndarray
    """(N, N, k, k, C_in) view of ``padded``."""

    @classmethod
    def of(cls, layer: nn.Conv2d, side: int) -> _Convolution:
        k, s, p = int(layer.kernel_size[0]), int(layer.stride[0]), int(layer.padding[0])
        weight = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
        c_in, c_out = weight.shape[2:]
        padded = np.zeros((side + 2 * p, side + 2 * p, c_in), np.float32)
        n = (side + 2 * p - k) // s + 1
        row, column, channel = padded.strides
        patches = as_strided(padded, (n, n, k, k, c_in), (row * s, column * s, row, column, channel))
        bias = np.zeros(c_out, np.float32) if layer.bias is None else layer.bias.detach().numpy().copy()
        return cls(np.ascontiguousarray(weight.reshape(-1, c_out)), bias, k, s, padded,
                   padded[p:side + p, p:side + p], patches)

    @property
    def side(self) -> int:
        return self.patches.shape[0]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(H, W, C_in) -> (N, N, C_out)."""
        self.inner[...] = x
        out = self.patches.reshape(self.side * self.side, -1) @ self.weight
        out += self.bias
        np.maximum(out, 0.0, out=out)
        return out.reshape(self.side, self.side, -1)


class FrozenEncoder:
    """``encoder(image)``: uint8 (48, 48, 3) -> features (F,) float32. A copy: later training does not reach
    it.

    DataError if the trunk holds another layer than convolution with ReLU. Not for several threads at once.
    """

    def __init__(self, encoder: DAIBEncoder) -> None:
        self.config = encoder.config
        self.invariant = encoder.config.invariant
        self.layers: list[_Convolution] = []
        side = IMAGE_SHAPE[0]
        for layer in encoder.trunk:
            if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.dilation == (1, 1):
                self.layers.append(_Convolution.of(layer, side))
                side = self.layers[-1].side
            elif not isinstance(layer, (nn.ReLU, nn.Flatten)):
                raise DataError(f"the encoder holds a layer {type(layer).__name__} that frozen_encoder.py "
                                "does not know; add it there")
        used = encoder.config.invariant + encoder.config.specific  # the spread of z_S is not a feature
        weight = encoder.project.weight.detach().numpy()[:used]
        channels = weight.shape[1] // (side * side)
        by_place = weight.reshape(used, channels, side, side).transpose(2, 3, 1, 0)
        self.weight = np.ascontiguousarray(by_place.reshape(-1, used))
        self.bias = encoder.project.bias.detach().numpy()[:used].copy()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        x = image.astype(np.float32)
        x *= np.float32(1.0 / 255.0)
        x -= np.float32(0.5)
        for layer in self.layers:
            x = layer(x)
        z = x.reshape(-1) @ self.weight
        z += self.bias
        self._bound(z[:self.invariant])
        return z

    def _bound(self, z_i: np.ndarray) -> None:
        """As ``encoder.bound``, in place."""
        if self.config.invariant_bound == "tanh":
            np.tanh(z_i, out=z_i)
        elif self.config.invariant_bound == "layer_norm" and z_i.size:
            z_i -= z_i.mean()
            z_i /= np.sqrt((z_i * z_i).mean() + np.float32(_EPS))
