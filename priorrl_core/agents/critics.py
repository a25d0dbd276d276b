"""Critics side by side with their slow copies, and Q as a function of the action alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from priorrl_core.agents.networks import EnsembleMLP, as_half, layer_norm


class Critics(nn.Module):
    """``n`` Q functions Q_i(s, a) and their target copies Qbar_i; every call serves all n at once."""

    def __init__(self, feature_size: int, action_size: int, hidden: tuple[int, ...],
                 generator: torch.Generator, members: int = 2, layer_norm: bool = False) -> None:
        super().__init__()
        self.online = EnsembleMLP(members, (feature_size + action_size, *hidden, 1), generator,
                                  layer_norm=layer_norm)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """Q (n, B) of features (B, F) and actions (B, A)."""
        return self.online(torch.cat([features, action], -1)).squeeze(-1)

    def slow(self, features: Tensor, action: Tensor) -> Tensor:
        """Qbar (n, B)."""
        return self.target(torch.cat([features, action], -1)).squeeze(-1)

    def slow_of(self, features: Tensor, action: Tensor, chosen: Tensor) -> Tensor:
        """Qbar (k, B) of the target critics numbered ``chosen`` (k,), without gradient; the others are not run."""
        return frozen(self.target, torch.cat([features, action], -1).detach(), chosen).squeeze(-1)

    def of_action(self, features: Tensor, action: Tensor, members: int) -> Tensor:
        """Q of the first ``members`` critics (members, B): a gradient reaches the action, no weight."""
        return frozen(self.online, torch.cat([features.detach(), action], -1), members).squeeze(-1)


def frozen(network: EnsembleMLP, x: Tensor, members: int | Tensor) -> Tensor:
    """Output (members, B, out) of the first members of ``network``, or of those numbered ``members`` (k,).

    Their weights count as constants: the backward pass skips the products that would give the weights' gradients.
    """
    last = len(network.sizes) - 2
    which = slice(members) if isinstance(members, int) else members
    x = x.expand(members if isinstance(members, int) else len(members), *x.shape)
    for i, (weight, bias) in enumerate(network.layers()):
        weight, bias = weight[which].detach(), bias[which].detach()
        if network.bf16 and 0 < i:
            x, weight, bias = as_half(x, weight, bias, i < last)
        single = i == last and weight.shape[-1] == 1
        x = _OneOutput.apply(bias, x, weight) if single else torch.baddbmm(bias, x, weight)
        if i < last:
            if len(network.norm_scales):
                x = layer_norm(x, network.norm_scales[i][which].detach(), network.norm_shifts[i][which].detach())
            x = torch.relu_(x)
    return x


class _OneOutput(torch.autograd.Function):
    """``baddbmm`` of a constant weight (n, in, 1), whose backward product has one term: a multiplication.

    The bits are those of the product, which oneDNN does many times slower.
    """

    @staticmethod
    def forward(ctx: Any, bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.baddbmm(bias, x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        (weight,) = ctx.saved_tensors
        return None, gradients[0] * weight.transpose(1, 2), None


@torch.no_grad()
def polyak(target: Iterable[Tensor], online: Iterable[Tensor], rate: float) -> None:
    """``target <- (1 - rate) * target + rate * online``, in place, for all tensors in one call."""
    torch._foreach_lerp_(list(target), list(online), rate)
