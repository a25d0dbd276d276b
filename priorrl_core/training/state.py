"""Training state as safetensors: networks, optimiser, random generator; resumed bit for bit (row S.08)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from priorrl_core.agents.iql_agent import load_strict

Tensors = dict[str, Tensor]


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose name starts with ``prefix/``, without it."""
    start = f"{prefix}/"
    return {name[len(start):]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Adam's moments and step counts, named ``<parameter number>.<what>``."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value).clone() for i, entry in state.items()
            for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Puts back what ``optimizer_tensors`` took out; the parameter groups stay as they are."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, what = name.split(".", 1)
        state.setdefault(int(number), {})[what] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def training_tensors(module: nn.Module, optimizer: torch.optim.Optimizer,
                     generator: torch.Generator) -> Tensors:
    """Everything that the next update depends on, besides the data."""
    return {**prefixed("module", {k: v.detach().contiguous() for k, v in module.state_dict().items()}),
            **prefixed("optimizer", optimizer_tensors(optimizer)),
            "generator": generator.get_state()}


def load_training(module: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator,
                  tensors: Tensors, where: str | Path) -> None:
    """Inverse of ``training_tensors``; DataError if the state is of another architecture."""
    load_strict(module, under("module", tensors), where)
    load_optimizer(optimizer, under("optimizer", tensors))
    generator.set_state(tensors["generator"])
