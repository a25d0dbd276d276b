"""Fully connected networks that run as batched matrix products."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm as normalised

from priorrl_core.agents.noise import uniform
from priorrl_core.agents.perceptrons import perceptrons


class EnsembleMLP(nn.Module):
    """``n`` equal ReLU networks side by side: input (B, in) or (n, B, in), output (n, B, out).

    Weights are stored as (n, in, out), biases as (n, 1, out): one ``baddbmm`` a layer serves all members.
    Initial values are uniform in +-1/sqrt(in); the last layer's are scaled by ``last_scale``. With ``layer_norm``
    each hidden layer is normalised before its ReLU, with a scale and a shift of each member (RLPD's public code).
    With ``bf16`` the products between hidden layers are of bfloat16; first and last layer, and what is stored, stay
    float32.
    """

    bf16 = False

    def __init__(self, members: int, sizes: tuple[int, ...], generator: torch.Generator,
                 last_scale: float = 1.0, layer_norm: bool = False) -> None:
        super().__init__()
        self.members, self.sizes, self.plain = members, tuple(sizes), not layer_norm
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.norm_scales, self.norm_shifts = nn.ParameterList(), nn.ParameterList()
        for i, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            bound = n_in**-0.5 * (last_scale if i == len(sizes) - 2 else 1.0)
            self.weights.append(nn.Parameter(_uniform((members, n_in, n_out), bound, generator)))
            self.biases.append(nn.Parameter(_uniform((members, 1, n_out), bound, generator)))
            if layer_norm and i < len(sizes) - 2:
                self.norm_scales.append(nn.Parameter(torch.ones(members, 1, n_out)))
                self.norm_shifts.append(nn.Parameter(torch.zeros(members, 1, n_out)))

    def forward(self, x: Tensor, dropout: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """``dropout`` is the share of hidden units that ``generator`` switches off; acting leaves it at 0."""
        if dropout == 0.0 and self.plain:
            return perceptrons(x, *self.parameters_by_kind(), self.bf16)
        return self._layer_by_layer(x, dropout, generator)

    def _layer_by_layer(self, x: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
        x, last = x.expand(self.members, *x.shape[-2:]), len(self.sizes) - 2
        for i, (weight, bias) in enumerate(self.layers()):
            if self.bf16 and 0 < i:
                x, weight, bias = as_half(x, weight, bias, i < last)
            x = torch.baddbmm(bias, x, weight)
            if i < last:
                if len(self.norm_scales):
                    x = layer_norm(x, self.norm_scales[i], self.norm_shifts[i])
                x = torch.relu_(x)
                if dropout > 0.0:
                    x = x * (uniform(x.shape, generator, x.device) >= dropout) / (1.0 - dropout)
        return x

    def parameters_by_kind(self) -> tuple[list[Tensor], list[Tensor]]:
        """All weights and all biases; a ParameterList's own iteration costs as much as a small product."""
        lists = self._modules
        return [*lists["weights"]._parameters.values()], [*lists["biases"]._parameters.values()]  # type: ignore

    def layers(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer."""
        return zip(*self.parameters_by_kind(), strict=True)


def as_half(x: Tensor, weight: Tensor, bias: Tensor, hidden: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Input, weight and bias of a layer after the first: in bfloat16 where it is hidden, else in float32."""
    if not hidden:
        return x.float(), weight, bias
    return x.bfloat16(), weight.bfloat16(), bias.bfloat16()


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``scale * (x - mean) / sqrt(var + 1e-6) + shift`` over the last axis of (n, B, H); scale, shift (n, 1, H).

    Ba et al. 2016 (arXiv 1607.06450); 1e-6 is RLPD's (flax), torch's own is 1e-5.
    """
    return normalised(x, x.shape[-1:], eps=1e-6) * scale + shift


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2.0 - 1.0) * bound
