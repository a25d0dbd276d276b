"""Trajectory snippets from the one buffer of data and practice (``learn_buffer``), for agents that learn from them."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from priorrl_core.data.snippets import SnippetBatch, SnippetSampler
from priorrl_core.training.learn_buffer import LearnBuffer


class LearnSnippets:
    """Snippets of up to ``length`` steps; none goes from the data into practice or past the newest step."""

    def __init__(self, buffer: LearnBuffer, length: int) -> None:
        self.buffer = buffer
        self._data, self._practice = (SnippetSampler(buffer.part(data), length) for data in (True, False))

    def batch(self, rows: Tensor) -> SnippetBatch:
        """The snippets that start at the given rows (B,): those of the data first, in their order; task 0."""
        self._practice.replay.added = self.buffer.added
        own = rows >= self.buffer.prior
        parts = [sampler.batch(first, torch.zeros_like(first))
                 for sampler, first in ((self._data, rows[~own]), (self._practice, rows[own] - self.buffer.prior))
                 if len(first)]
        return parts[0] if len(parts) == 1 else SnippetBatch(
            *(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(SnippetBatch)))
