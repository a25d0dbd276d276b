"""Updates as CUDA graphs: hundreds of small kernels are launched by one call, without Python between them.

Small networks leave a GPU idle between launches; LeanRL (facts/peers_algorithms.md 5.5) gains threefold and more so.
Written against torch's documented interface (CUDAGraph, ``register_generator_state``, ``torch.cuda.graph``); no GPU
was at hand: the tests run it with a stand-in for ``capture`` and ``aside``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from priorrl_core.agents.agent import Agent
from priorrl_core.errors import ConfigError

Metrics = dict[str, Tensor]
Work = Callable[[], Metrics]
Capture = Callable[[Work, torch.Generator], Work]
"""Of some work and the generator it draws from the same work, that can be repeated; capturing does not do it."""

WARM = 3
"""Updates of each kind before its graph is made, as torch asks: kernels are chosen, the optimiser's state is made."""


def capture_cuda(work: Work, generator: torch.Generator) -> Work:
    """The kernels of ``work`` as one graph. Its metrics are overwritten by the next call."""
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        out = work()

    def replay() -> Metrics:
        graph.replay()
        return out

    return replay


def aside_cuda(work: Work) -> Metrics:
    """``work`` on a stream of its own, as torch asks of what comes before a capture."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        out = work()
    torch.cuda.current_stream().wait_stream(stream)
    return out


class GraphedUpdates:
    """``update`` of an agent that says its ``turn``; ConfigError for another.

    A graph is made for each turn and shape of batch. Replace neither the agent's parameters nor its optimiser's state
    afterwards: a resumed run loads them before its first update.
    """

    def __init__(self, agent: Agent, capture: Capture = capture_cuda, aside: Callable[[Work], Metrics] = aside_cuda
                 ) -> None:
        if agent.turn() is None:
            raise ConfigError(f"'{agent.kind}' with these settings cannot be a CUDA graph: what an update does depends "
                              "on a schedule or on its batch; leave --cuda-graphs out")
        self.agent, self._capture, self._aside = agent, capture, aside
        self._warm: dict[Hashable, int] = {}
        self._graphs: dict[Hashable, tuple[Any, Work]] = {}

    def update(self, batch: Any) -> Metrics:
        """One gradient step; the metrics hold until the next one."""
        kind = (self.agent.turn(), *_shapes(batch))
        if self._warm.get(kind, 0) < WARM:
            self._warm[kind] = self._warm.get(kind, 0) + 1
            return self._aside(lambda: self.agent.update(batch))  # type: ignore[operator]
        before = self.agent.updates
        if kind not in self._graphs:
            self._graphs[kind] = self._graph(batch)
        inputs, replay = self._graphs[kind]
        for name, value in _tensors(batch).items():
            getattr(inputs, name).copy_(value, non_blocking=True)
        metrics = replay()
        self.agent.updates = before + 1
        return metrics

    def _graph(self, batch: Any) -> tuple[Any, Work]:
        inputs = dataclasses.replace(batch, **{name: value.clone() for name, value in _tensors(batch).items()})
        return inputs, self._capture(lambda: self.agent.update(inputs), self.agent.generator)  # type: ignore[operator]


def _tensors(batch: Any) -> dict[str, Tensor]:
    return {f.name: value for f in dataclasses.fields(batch) if isinstance(value := getattr(batch, f.name), Tensor)}


def _shapes(batch: Any) -> tuple[Hashable, ...]:
    return tuple(tuple(v.shape) if isinstance(v := getattr(batch, f.name), Tensor) else v
                 for f in dataclasses.fields(batch))
