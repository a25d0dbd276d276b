"""The least of some critics as a function of the action, with the backward pass of the least one alone.

Where a policy ascends ``min_i Q_i(s, a)`` only one critic a row gets a gradient. Its slope ``dQ / da`` is made with the
value: backward is one multiplication, and no activation is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from priorrl_core.agents.perceptrons import one_network, through

STEP = 64
"""Rows of a product are rounded up to a multiple of this: oneDNN makes a kernel for each new number of rows."""


def least_of_action(features: Tensor, action: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor],
                    bf16: bool) -> Tensor:
    """``min_i Q_i`` (B,) of critics with weights (n, in, out) and biases (n, 1, out), at features (B, F) and actions.

    A gradient reaches the actions (B, A), and nothing else; of equal critics the first gets it.
    """
    return _Least.apply(features, action, weights, biases, bf16)


class _Least(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, action: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor],
                bf16: bool) -> Tensor:
        x, inputs = torch.cat([features, action], -1), [list[Tensor]() for _ in weights[0]]
        q = torch.cat([one_network(i, x, weights, biases, bf16, own) for i, own in enumerate(inputs)]).squeeze(-1)
        least, lowest = q.min(0)
        if ctx.needs_input_grad[1]:
            slope = torch.empty_like(action)
            for i, own in enumerate(inputs):
                rows = (lowest == i).nonzero().squeeze(1)
                slope[rows] = _slopes([w[i:i + 1] for w in weights], own, rows, action.shape[-1])
            ctx.save_for_backward(slope)
        return least

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return None, gradients[0].unsqueeze(-1) * slope, None, None, None


def _slopes(weights: Sequence[Tensor], inputs: Sequence[Tensor], rows: Tensor, action_size: int) -> Tensor:
    """``dQ / da`` (len(rows), A) of one critic at some rows; ``inputs`` (1, B, in) of its layers."""
    padded = torch.cat([rows, rows.new_zeros(-len(rows) % STEP)])
    last = inputs[-1].index_select(1, padded)
    slope = torch.ops.aten.threshold_backward(weights[-1].transpose(1, 2).expand_as(last), last, 0)
    for weight, x in zip(weights[-2:0:-1], inputs[-2:0:-1], strict=True):
        slope = through(slope.to(x.dtype), weight, x.index_select(1, padded))
    return through(slope.to(weights[0].dtype), weights[0][:, -action_size:], None)[0, :len(rows)]
