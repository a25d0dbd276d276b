"""Equal ReLU networks side by side, forwards and backwards by hand: fewer operations than autograd's, the same bits.

A narrow weight's gradient is made transposed, a layer of one output goes back by a multiplication, no product is made
for a gradient that nobody needs, and for many rows bias and ReLU are part of a product where torch has such a kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

FUSED = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether torch has oneDNN's product with bias and ReLU (a kernel of its compiler's code)."""
NARROW = 32
"""Outputs below which the transposed product of a weight's gradient takes half the time."""
MANY_ROWS = 1024
"""Rows from which networks run one after the other, with bias and ReLU within the products."""

_LEAVES: ContextVar[bool] = ContextVar("leaves", default=False)


def perceptrons(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], bf16: bool) -> Tensor:
    """Output (n, B, out) of n ReLU networks; ``x`` is (B, in) or (n, B, in).

    Weights (n, in, out) and biases (n, 1, out) of each layer: all of them learn, or none. With ``bf16`` the products
    between hidden layers are of bfloat16. There is no second derivative.
    """
    if torch.is_grad_enabled() and (x.requires_grad or weights[0].requires_grad) and not torch.compiler.is_compiling():
        if _LEAVES.get() and not x.requires_grad:
            return _leaf(x, weights, biases, bf16)
        return _Perceptrons.apply(bf16, x, *weights, *biases)
    if x.is_cpu and x.shape[-2] >= MANY_ROWS:
        return torch.cat([one_network(i, x, weights, biases, bf16) for i in range(len(weights[0]))])
    return _side_by_side(x, weights, biases, bf16, None)


@contextmanager
def leaf_outputs() -> Iterator[None]:
    """Within it ``loss.backward()`` writes the ``grad`` of weights without a node of autograd; the bits are the same.

    What ``perceptrons`` makes of an input without gradient is a leaf then, and its gradient is taken on by hand: in
    small networks autograd's bookkeeping costs about half a product. ``torch.autograd.grad`` stops at such a leaf.
    """
    token = _LEAVES.set(True)
    try:
        yield
    finally:
        _LEAVES.reset(token)


def _side_by_side(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], bf16: bool,
                  inputs: list[Tensor] | None) -> Tensor:
    """The output; ``inputs`` takes up the input (n, B, in) of each layer, in the type of its product."""
    x = x.expand(len(weights[0]), *x.shape[-2:])
    last = len(weights) - 1
    for i in range(last):
        weight, bias = weights[i], biases[i]
        if bf16 and i:
            x, weight, bias = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
        if inputs is not None:
            inputs.append(x)
        x = torch.relu_(torch.baddbmm(bias, x, weight))
    if bf16:
        x = x.float()
    if inputs is not None:
        inputs.append(x)
    return torch.baddbmm(biases[last], x, weights[last])


def one_network(i: int, x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], bf16: bool,
                inputs: list[Tensor] | None = None) -> Tensor:
    """The output (1, B, out) of the i-th network, with bias and ReLU within the products; ``inputs`` (1, B, in)."""
    x, last = x if x.dim() == 2 else x[i], len(weights) - 1
    for layer in range(last):
        weight, bias = weights[layer][i], biases[layer][i, 0]
        if bf16 and layer:
            x, weight, bias = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
        if inputs is not None:
            inputs.append(x.unsqueeze(0))
        x = _hidden(x, weight, bias)
    x = (x.float() if bf16 else x).unsqueeze(0)
    if inputs is not None:
        inputs.append(x)
    return torch.baddbmm(biases[last][i:i + 1], x, weights[last][i:i + 1])


def _hidden(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``relu(x W + b)`` (B, out) of one network."""
    if FUSED and x.is_cpu and x.dtype != torch.float64:
        return torch.ops.mkldnn._linear_pointwise(x, weight.t(), bias, "relu", [], "")
    return torch.relu_(torch.addmm(bias, x, weight))


class _Perceptrons(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, bf16: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        count, inputs = len(parameters) // 2, list[Tensor]()
        out = _side_by_side(x, parameters[:count], parameters[count:], bf16, inputs)
        ctx.save_for_backward(*inputs, *parameters[:count])
        ctx.shared = x.dim() == 2
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.saved_tensors) // 2
        inputs, weights = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        _, of_input, *of_parameters = ctx.needs_input_grad
        found, slope = _back(inputs, weights, gradients[0], any(of_parameters), of_input)
        if slope is not None and ctx.shared:
            slope = slope.sum(0)
        return (None, slope, *(found if found else (None,) * len(of_parameters)))


def _leaf(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], bf16: bool) -> Tensor:
    """The output as a leaf; once it has a gradient, that of the parameters is added to theirs."""
    inputs: list[Tensor] = []
    with torch.no_grad():
        out = _side_by_side(x, weights, biases, bf16, inputs)

    def take_on(leaf: Tensor) -> None:
        slope, leaf.grad = leaf.grad, None
        assert slope is not None
        found, _ = _back(inputs, weights, slope, True, False)
        for parameter, gradient in zip((*weights, *biases), found, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    out.requires_grad_().register_post_accumulate_grad_hook(take_on)
    return out


def _back(inputs: Sequence[Tensor], weights: Sequence[Tensor], slope: Tensor, of_parameters: bool,
          of_input: bool) -> tuple[list[Tensor], Tensor | None]:
    """Gradients of weights and then of biases (none unless asked for), and of the input (n, B, in) or None.

    ``slope`` (n, B, out) is the gradient of the output.
    """
    of_weights: list[Tensor] = []
    of_biases: list[Tensor] = []
    for i in range(len(weights) - 1, -1, -1):
        x = inputs[i]
        if x.dtype != slope.dtype:
            slope = slope.to(x.dtype)
        if of_parameters:
            of_weights.append(_weight_gradient(x, slope))
            of_biases.append(slope.sum(1, keepdim=True))
        if i or of_input:
            slope = through(slope, weights[i], x if i else None)
    kind = weights[0].dtype
    return [g.to(kind) for g in (*reversed(of_weights), *reversed(of_biases))], slope if of_input else None


def through(slope: Tensor, weight: Tensor, activation: Tensor | None) -> Tensor:
    """Gradient (n, B, in) of a layer's input from its output's (n, B, out), and through the ReLU that made it.

    ``activation`` (n, B, in) is that ReLU's output; None: there is no ReLU before this layer.
    """
    back = weight.transpose(1, 2)
    if slope.dtype != back.dtype:
        back = back.to(slope.dtype)
    slope = slope * back if back.shape[1] == 1 else torch.bmm(slope, back)
    if activation is None:
        return slope
    return torch.ops.aten.threshold_backward.grad_input(slope, activation, 0, grad_input=slope)


def _weight_gradient(x: Tensor, slope: Tensor) -> Tensor:
    """``x^T slope`` (n, in, out) of (n, B, in) and (n, B, out)."""
    if slope.shape[-1] < NARROW:
        return torch.bmm(slope.transpose(1, 2), x).transpose(1, 2).contiguous()
    return torch.bmm(x.transpose(1, 2), slope)
