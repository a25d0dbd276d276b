"""Critics side by side with their slow copies, and Q as a function of the action alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from priorrl_core.agents.action_gradient import least_of_action
from priorrl_core.agents.networks import EnsembleMLP, as_half, layer_norm
from priorrl_core.agents.perceptrons import perceptrons


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

    def least_of_action(self, features: Tensor, action: Tensor) -> Tensor:
        """``min_i Q_i`` (B,) of all critics, at less cost than of ``of_action``: the gradient goes as there."""
        if not action.is_cpu:  # which critic is least is not known there without waiting for it
            return self.of_action(features, action, self.online.members).amin(0)
        return least_of_action(features, action, *self.online.parameters_by_kind(), self.online.bf16)


def frozen(network: EnsembleMLP, x: Tensor, members: int | Tensor) -> Tensor:
    """Output (members, B, out) of the first members of ``network``, or of those numbered ``members`` (k,).

    Their weights count as constants: the backward pass skips the products that would give the weights' gradients.
    """
    which = slice(members) if isinstance(members, int) else members
    weights, biases = ([p[which].detach() for p in kind] for kind in network.parameters_by_kind())
    if network.plain:
        return perceptrons(x, weights, biases, network.bf16)
    x, last = x.expand(len(weights[0]), *x.shape[-2:]), len(weights) - 1
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if network.bf16 and 0 < i:
            x, weight, bias = as_half(x, weight, bias, i < last)
        x = torch.baddbmm(bias, x, weight)
        if i < last:
            x = layer_norm(x, network.norm_scales[i][which].detach(), network.norm_shifts[i][which].detach()).relu_()
    return x


@torch.no_grad()
def polyak(target: Iterable[Tensor], online: Iterable[Tensor], rate: float) -> None:
    """``target <- (1 - rate) * target + rate * online``, in place, for all tensors in one call."""
    torch._foreach_lerp_(list(target), list(online), rate)
