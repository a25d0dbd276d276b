"""The least of some critics as a function of the action, with the backward pass of the least one alone.

Where a policy ascends ``min_i Q_i(s, a)`` only one critic a row gets a gradient: the rows of each go back through it
alone, with the bits of the pass through all.
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
        ctx.save_for_backward(lowest, *weights, *(x for own in inputs for x in own))
        ctx.depth = len(weights)
        ctx.action_size = action.shape[-1]
        return least

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slope,), (lowest, *saved), n = gradients, ctx.saved_tensors, ctx.depth
        weights, inputs = saved[:n], saved[n:]
        of_action = slope.new_empty(len(slope), ctx.action_size)
        for i in range(len(weights[0])):
            rows = (lowest == i).nonzero().squeeze(1)
            padded = torch.cat([rows, rows.new_zeros(-len(rows) % STEP)])
            own = _way_back([w[i:i + 1] for w in weights], inputs[i * n:(i + 1) * n], slope, padded)
            of_action[rows] = torch.bmm(own, weights[0][i:i + 1, -ctx.action_size:].transpose(1, 2))[0, :len(rows)]
        return None, of_action, None, None, None


def _way_back(weights: Sequence[Tensor], inputs: Sequence[Tensor], slope: Tensor, rows: Tensor) -> Tensor:
    """Gradient (1, len(rows), H) of the first layer's output of one critic, ``slope`` (B,) being that of its value."""
    back = slope.index_select(0, rows)[None, :, None]
    for weight, x in zip(weights[:0:-1], inputs[:0:-1], strict=True):
        back = through(back.to(x.dtype), weight, x.index_select(1, rows))
    return back.to(weights[0].dtype)
