"""Options that make updates faster and round otherwise; without them nothing changes by a bit."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass

import torch

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.networks import EnsembleMLP

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


def speed_up(agent: Agent, speed: SpeedConfig) -> Agent:
    """The agent, with the options set; call it again after its networks have been replaced, not after a restore.

    Without a C++ compiler ``compile`` warns in one line and the agent stays eager.
    """
    for module in agent.modules():
        if isinstance(module, EnsembleMLP):
            module.bf16 = speed.bf16
    for name in COMPILED:
        agent.__dict__.pop(name, None)
        if speed.compile and hasattr(agent, name) and _can_compile():
            setattr(agent, name, torch.compile(getattr(agent, name), dynamic=False))
    return agent


def _can_compile() -> bool:
    if shutil.which("g++") or shutil.which("clang++"):
        return True
    warnings.warn("compile: no C++ compiler (g++ or clang++) on PATH, updates stay eager", stacklevel=3)
    return False
