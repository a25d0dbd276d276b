"""An agent and its batches on another device; the code of the updates is the same everywhere."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import torch
from torch import Tensor

from priorrl_core.agents.agent import Agent
from priorrl_core.data.snippets import SnippetBatch
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.errors import ConfigError

CPU = torch.device("cpu")
Batch = TypeVar("Batch", bound=TransitionBatch | SnippetBatch)


def named_device(name: str) -> torch.device:
    """``cpu``, ``cuda`` or ``cuda:1``; ConfigError where this machine has none of that name."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise ConfigError(f"there is no device '{name}'; choose cpu, cuda or cuda:1")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device '{name}': this PyTorch ({torch.__version__}) sees {torch.cuda.device_count()} CUDA "
                          "devices; install its CUDA build and check 'nvidia-smi', or choose cpu")
    return torch.device(name)


def use_device(agent: Agent, device: torch.device) -> Agent:
    """The agent with its networks and its noise on ``device``, before its first update.

    The weights are those that the seed gives on a CPU; noise is the device's own.
    """
    if device == CPU:
        return agent
    seed = agent.generator.initial_seed()
    agent.generator = torch.Generator(device).manual_seed(seed)
    return move(agent, device)


def move(agent: Agent, device: torch.device) -> Agent:
    """Networks, and the optimiser that has made no step yet, to ``device``."""
    old = {name: parameter for name, parameter in agent.named_parameters()}
    agent.to(device)
    agent.device = device
    new = {id(parameter): agent.get_parameter(name) for name, parameter in old.items()}
    for group in agent.optimizer.param_groups:
        group["params"] = [new[id(parameter)] for parameter in group["params"]]
        group["capturable"] = device.type == "cuda"
    return agent


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``; itself if it is there."""
    if batch.obs.device == device:
        return batch
    parts = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    moved: dict[str, Any] = {name: value.to(device, non_blocking=True) for name, value in parts.items()
                             if isinstance(value, Tensor)}
    return dataclasses.replace(batch, **moved)
