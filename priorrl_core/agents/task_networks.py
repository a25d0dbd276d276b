"""A shared trunk with one head a task: the networks of MPO, SVG and their priors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, layer_norm, softplus

from priorrl_core.agents.networks import EnsembleMLP


class TaskMLP(nn.Module):
    """Features (N, F) and tasks (N,) -> (N, out) of each row's own head.

    Siegel et al. 2020, tables 1 and 5: ELU, layer norm on the first layer, heads selected by the one-hot task.
    ``trunk`` are the shared hidden sizes, ``head`` those of each task. The tanh after the layer norm is acme's
    (ng). Layers are kept as the weights of an ensemble; its own forward pass is not used.
    """

    def __init__(self, tasks: int, size: int, trunk: tuple[int, ...], head: tuple[int, ...], out: int,
                 weights: torch.Generator, last_scale: float = 1.0) -> None:
        super().__init__()
        self.tasks = tasks
        self.trunk = EnsembleMLP(1, (size, *trunk), weights)
        self.heads = EnsembleMLP(tasks, (trunk[-1], *head, out), weights, last_scale)

    def forward(self, features: Tensor, task: Tensor) -> Tensor:
        x = features
        for i, (weight, bias) in enumerate(zip(self.trunk.weights, self.trunk.biases, strict=True)):
            x = torch.addmm(bias.view(-1), x, weight.squeeze(0))
            x = torch.tanh(layer_norm(x, x.shape[-1:])) if i == 0 else elu(x)
        x, last = x.expand(self.tasks, *x.shape), len(self.heads.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.heads.weights, self.heads.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = elu(x) if i < last else x
        return x[0] if self.tasks == 1 else x[task, torch.arange(len(task), device=task.device)]


class TaskGaussian(TaskMLP):
    """``N(mu(s, k), diag sigma(s, k)^2)`` of each row's task; the mean is not squashed (table 1)."""

    def __init__(self, tasks: int, size: int, trunk: tuple[int, ...], head: tuple[int, ...], actions: int,
                 min_std: float, weights: torch.Generator) -> None:
        super().__init__(tasks, size, trunk, head, 2 * actions, weights, last_scale=0.1)
        self.min_std = min_std

    def law(self, features: Tensor, task: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and std (N, A); ``sigma = softplus(h) + min_std`` (appendix B.2; the floor's form: ng)."""
        mean, h = self(features, task).chunk(2, -1)
        return mean, softplus(h) + self.min_std
