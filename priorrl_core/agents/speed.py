"""Options that make updates faster and round otherwise; without them nothing changes by a bit."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass

import torch

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.device import named_device, use_device
from priorrl_core.agents.networks import EnsembleMLP
from priorrl_core.errors import ConfigError

COMPILED = ("losses",)
"""Methods that are compiled where an agent has them: pure functions of a batch (IQL's). Those of the others draw
noise between their products, and a compiled SAC was slower than an eager one (facts/peers_algorithms.md 5.2)."""


@dataclass(frozen=True)
class SpeedConfig:
    """How an agent computes. Give a resumed run the settings of the first part: then it resumes bit for bit."""

    bf16: bool = False
    """Products between hidden layers in bfloat16: 8 bits of mantissa. First and last layers, losses, gradients'
    sums in the optimiser and weights stay float32. Look at the learning curve."""
    compile: bool = False
    """torch.compile of the loss: needs a C++ compiler and half a minute at the first update, and may be slower after
    it: ``priorrl speedcheck`` measures both."""
    device: str = "cpu"
    """``cuda`` or ``cuda:1``: networks, optimiser and batches there, data and replay in the machine's memory. Other
    kernels, other noise: another run than on a CPU."""
    cuda_graphs: bool = False
    """On such a device; for the agents that say their ``turn``."""

    def __post_init__(self) -> None:
        if self.cuda_graphs and self.device == "cpu":
            raise ConfigError("CUDA graphs need a GPU; add --device cuda or leave --cuda-graphs out")
        if self.compile and self.device != "cpu":
            raise ConfigError("--compile is for the CPU; on a GPU take --cuda-graphs, or leave it out")

    def settings(self) -> dict[str, object]:
        """What a resumed run must have alike, in the words of a run before there were devices."""
        told: dict[str, object] = {"bf16": self.bf16, "compile": self.compile}
        return told if self.device == "cpu" else {**told, "device": self.device.partition(":")[0],
                                                  "cuda_graphs": self.cuda_graphs}


def speed_up(agent: Agent, speed: SpeedConfig) -> Agent:
    """The agent, with the options set, on its device; call it again after its networks have been replaced, not after
    a restore.

    Without a C++ compiler ``compile`` warns in one line and the agent stays eager.
    """
    for module in agent.modules():
        if isinstance(module, EnsembleMLP):
            module.bf16 = speed.bf16
    for name in COMPILED:
        agent.__dict__.pop(name, None)
        if speed.compile and hasattr(agent, name) and _can_compile():
            setattr(agent, name, torch.compile(getattr(agent, name), dynamic=False))
    return use_device(agent, named_device(speed.device))


def _can_compile() -> bool:
    if shutil.which("g++") or shutil.which("clang++"):
        return True
    warnings.warn("compile: no C++ compiler (g++ or clang++) on PATH, updates stay eager", stacklevel=3)
    return False
