"""Updates as CUDA graphs: hundreds of small kernels are launched by one call, without Python between them.

Small networks leave a GPU idle between launches; LeanRL (facts/peers_algorithms.md 5.5) gains threefold and more so.
They also leave most of it idle while they run, so the updates of several seeds go into one graph, side by side.
Written against torch's documented interface (CUDAGraph, ``register_generator_state``, ``torch.cuda.graph``); no GPU
was at hand: the tests run it with a stand-in for ``Cuda``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from priorrl_core.agents.agent import Agent
from priorrl_core.errors import ConfigError

Metrics = dict[str, Tensor]
Work = Callable[[], Metrics]
Works = Callable[[], list[Metrics]]


class Cuda:
    """What torch's CUDA graphs are used for; a stand-in has the same methods."""

    def capture(self, work: Works, generators: Sequence[torch.Generator]) -> Works:
        """What repeats the kernels of ``work``, which is not done now. Its metrics are overwritten by the next call."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            out = work()

        def replay() -> list[Metrics]:
            graph.replay()
            return out

        return replay

    def side_by_side(self, works: Sequence[Work]) -> list[Metrics]:
        """Each work on a stream of its own: within a capture, and before one as torch asks."""
        now, out = torch.cuda.current_stream(), []
        streams = [torch.cuda.Stream() for _ in works]
        for stream, work in zip(streams, works, strict=True):
            stream.wait_stream(now)
            with torch.cuda.stream(stream):
                out.append(work())
        for stream in streams:
            now.wait_stream(stream)
        return out


CUDA = Cuda()
WARM = 3
"""Updates of each kind before its graph is made, as torch asks: kernels are chosen, the optimiser's state is made."""


class GraphedUpdates:
    """``update`` of agents (one, or one a seed) that say their ``turn``; ConfigError for others.

    A graph is made for each turn and shape of batch. Replace neither an agent's parameters nor its optimiser's state
    afterwards: a resumed run loads them before its first update.
    """

    def __init__(self, agents: Sequence[Agent], cuda: Cuda = CUDA) -> None:
        for agent in agents:
            if agent.turn() is None:
                raise ConfigError(f"'{agent.kind}' with these settings cannot be a CUDA graph: what an update does "
                                  "depends on a schedule or on its batch; leave --cuda-graphs out")
        self.agents, self._cuda = list(agents), cuda
        self._warm: dict[Hashable, int] = {}
        self._graphs: dict[Hashable, tuple[list[Any], Works]] = {}

    def update(self, batches: Sequence[Any]) -> list[Metrics]:
        """One gradient step of each agent on its batch; the metrics hold until the next one."""
        kind = tuple((agent.turn(), *_shapes(batch)) for agent, batch in zip(self.agents, batches, strict=True))
        if self._warm.get(kind, 0) < WARM:
            self._warm[kind] = self._warm.get(kind, 0) + 1
            return self._all(batches)
        done = [agent.updates for agent in self.agents]
        if kind not in self._graphs:
            self._graphs[kind] = self._graph(batches)
        inputs, replay = self._graphs[kind]
        for mine, given in zip(inputs, batches, strict=True):
            for name, value in _tensors(given).items():
                getattr(mine, name).copy_(value, non_blocking=True)
        metrics = replay()
        for agent, before in zip(self.agents, done, strict=True):
            agent.updates = before + 1
        return metrics

    def _graph(self, batches: Sequence[Any]) -> tuple[list[Any], Works]:
        inputs = [dataclasses.replace(batch, **{name: value.clone() for name, value in _tensors(batch).items()})
                  for batch in batches]
        return inputs, self._cuda.capture(lambda: self._all(inputs), [agent.generator for agent in self.agents])

    def _all(self, batches: Sequence[Any]) -> list[Metrics]:
        return self._cuda.side_by_side([partial(cast(Any, agent).update, batch)
                                        for agent, batch in zip(self.agents, batches, strict=True)])


def _tensors(batch: Any) -> dict[str, Tensor]:
    return {f.name: value for f in dataclasses.fields(batch) if isinstance(value := getattr(batch, f.name), Tensor)}


def _shapes(batch: Any) -> tuple[Hashable, ...]:
    return tuple(tuple(v.shape) if isinstance(v := getattr(batch, f.name), Tensor) else v
                 for f in dataclasses.fields(batch))
