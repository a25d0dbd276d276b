"""CUDA graphs without a GPU: Python runs once, at the capture, and decides there what every replay computes."""

from __future__ import annotations

from priorrl_core.agents.cuda_graphs import Cuda


class StandIn(Cuda):
    """Counts captures and replays of the given agents' updates."""

    def __init__(self, agents) -> None:
        self.agents, self.captured, self.replayed = agents, 0, 0

    def capture(self, work, generators):
        assert [id(g) for g in generators] == [id(agent.generator) for agent in self.agents]
        self.captured += 1
        frozen = [agent.updates for agent in self.agents]
        for agent in self.agents:
            agent.updates += 1

        def replay():
            self.replayed += 1
            now = self._set(frozen)
            out = work()
            self._set(now)
            return out

        return replay

    def _set(self, updates):
        now = [agent.updates for agent in self.agents]
        for agent, count in zip(self.agents, updates, strict=True):
            agent.updates = count
        return now

    def side_by_side(self, works):
        return [work() for work in works]
