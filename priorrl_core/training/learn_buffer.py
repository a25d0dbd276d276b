"""One buffer for prior data and practice: the data's rows come first and stay, practice has a ring behind them."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json

import torch
from torch import Tensor

from priorrl_core.data.transitions import Transition, TransitionBatch, TransitionReplay
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.observations import ObsSize, check_fit, obs_shape


class LearnBuffer:
    """``prior`` rows of data and up to ``capacity`` of practice in one table, so that a batch is one gather.

    The data are copied into it, once: while their owner keeps them they take their memory twice. Rows of practice take
    memory as they are written; images stay uint8, 2 C H W bytes a transition.
    """

    def __init__(self, capacity: int, obs_size: ObsSize, action_size: int, data: TransitionReplay | None = None
                 ) -> None:
        if data is not None:
            check_fit(data, obs_size, action_size, "the data")
        self.capacity, self.added, self.prior = capacity, 0, 0 if data is None else data.size
        self.prior_added = 0 if data is None else data.added
        self.table = _table(self.prior + capacity, obs_size, action_size)
        if data is not None:
            for name, column in self.table.columns.items():
                if data.columns[name].shape[1:] == column.shape[1:]:
                    column[:self.prior] = data.columns[name][:self.prior]
            self.table.config_hashes = list(data.config_hashes)

    @property
    def practice(self) -> int:
        """Rows of practice."""
        return min(self.added, self.capacity)

    def add(self, transition: Transition) -> None:
        """Stores one step of practice; DataError names a field that is misshapen, not finite or out of range."""
        self.table.put(self.prior + self.added % self.capacity, transition)
        self.added += 1

    def rows(self, batch_size: int, share: float | None, generator: torch.Generator) -> Tensor:
        """Row numbers (B,), with replacement; ``share`` of them from the data, first. None: uniform over both.

        Where one of the two is empty all are from the other.
        """
        if not self.prior + self.practice:
            raise DataError("there is nothing to learn from; give data or practise first")
        if share is None or not self.prior or not self.practice:
            return torch.randint(self.prior + self.practice, (batch_size,), generator=generator)
        count = round(batch_size * share)
        return torch.cat([self.data_rows(count, generator),
                          torch.randint(self.prior, self.prior + self.practice, (batch_size - count,),
                                        generator=generator)])

    def data_rows(self, count: int, generator: torch.Generator) -> Tensor:
        """Row numbers (count,) of the data alone."""
        return torch.randint(self.prior, (count,), generator=generator)

    def batch(self, rows: Tensor, demos: int = 0) -> TransitionBatch:
        """The given rows; the last ``demos`` are demonstrations."""
        return dataclasses.replace(self.table.batch(rows), demos=demos)

    def part(self, data: bool) -> TransitionReplay:
        """The data's rows or the practice's as a replay to read from: the same memory; ``added`` as it stands now."""
        out = copy.copy(self.table)
        start, out.capacity, out.added = ((0, self.prior, self.prior_added) if data
                                          else (self.prior, self.capacity, self.added))
        out.columns = {name: column[start:start + out.capacity] for name, column in self.table.columns.items()}
        return out

    def data_digest(self) -> str:
        """Twelve hex digits of what is learned from the data."""
        digest = hashlib.sha256()
        for name in ("obs", "action", "reward", "next_obs", "terminated"):
            digest.update(self.table.columns[name][:self.prior].numpy().data)
        return digest.hexdigest()[:12]

    def practised(self) -> TransitionReplay:
        """The practice as a replay of its own, oldest first."""
        out = TransitionReplay(max(self.practice, 1), self.table.obs_shape, self.table.action_size,
                               images=self.table.images)
        order = self.prior + (torch.arange(self.practice) + max(0, self.added - self.capacity)) % self.capacity
        for name, column in out.columns.items():
            torch.index_select(self.table.columns[name], 0, order, out=column[:self.practice])
        out.added, out.config_hashes = self.practice, list(self.table.config_hashes)
        return out

    # ---- files ---------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """The rows of practice; the data's are their file's."""
        return {name: column[self.prior:self.prior + self.practice] for name, column in self.table.columns.items()}

    def header(self) -> str:
        return json.dumps({"added": self.added, "configs": self.table.config_hashes})

    def load(self, tensors: dict[str, Tensor], header: str) -> None:
        """Inverse of ``tensors`` and ``header``, onto the same data."""
        facts = json.loads(header)
        self.added, self.table.config_hashes = facts["added"], facts["configs"]
        for name, column in self.table.columns.items():
            column[self.prior:self.prior + self.practice] = tensors[name]


def _table(capacity: int, obs_size: ObsSize, action_size: int) -> TransitionReplay:
    try:
        return TransitionReplay(capacity, obs_shape(obs_size), action_size, images=isinstance(obs_size, tuple))
    except MemoryError as error:
        raise ConfigError(f"{capacity} transitions with observations of {obs_shape(obs_size)} do not fit into memory; "
                          "lower 'replay'") from error
