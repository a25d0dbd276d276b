"""Rebalancing of single images: every connector as often, and half of its images positive (thesis 10.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from priorrl_core.errors import DataError

Array = NDArray[np.int64]


class BalancedSampler:
    """Draws batches of indices: connectors uniform, labels 50/50 in each connector, with replacement.

    ``hardness`` is a running score per image (its last predicted probability of success). A share
    ``hard_share`` of the negatives is the hardest of four random candidates, so that the near misses, which
    are what a policy meets on the job, are seen more often than empty air.
    """

    def __init__(
        self, labels: NDArray[np.uint8], domains: Array, rng: np.random.Generator, hard_share: float = 0.0
    ) -> None:
        self.rng = rng
        self.hard_share = hard_share
        self.hardness = np.zeros(labels.shape[0], np.float32)
        self.pools: list[tuple[Array, Array]] = []
        for domain in np.unique(domains):
            inside = np.flatnonzero(domains == domain)
            negative, positive = inside[labels[inside] == 0], inside[labels[inside] == 1]
            if negative.size and positive.size:
                self.pools.append((negative, positive))
        if not self.pools:
            raise DataError("no connector has both successful and failed images; collect more episodes")
        self._edges = [np.array([p[k].size for p in self.pools]) for k in (0, 1)]
        self._flat = [np.concatenate([p[k] for p in self.pools]) for k in (0, 1)]
        self._start = [np.cumsum(e) - e for e in self._edges]

    def batch(self, size: int) -> Array:
        """Indices (size,): the first half negative, the second half positive."""
        half = size // 2
        negative = self._draw(0, half, 4)
        hardest = self.hardness[negative].argmax(0)
        use = self.rng.random(half) < self.hard_share
        chosen = np.where(use, negative[hardest, np.arange(half)], negative[0])
        return np.concatenate([chosen, self._draw(1, size - half, 1)[0]])

    def _draw(self, label: int, n: int, candidates: int) -> Array:
        """Indices (candidates, n): one connector per column, ``candidates`` of its images."""
        pool = self.rng.integers(0, len(self.pools), n)
        place = (self.rng.random((candidates, n)) * self._edges[label][pool]).astype(np.int64)
        return self._flat[label][self._start[label][pool] + place]


def balanced_subset(
    labels: NDArray[np.uint8], domains: Array, per_class: int, rng: np.random.Generator
) -> Array:
    """Indices: the same number (at most ``per_class``) of both labels from every connector with both."""
    chosen: list[Array] = []
    for domain in np.unique(domains):
        pools = [np.flatnonzero((domains == domain) & (labels == k)) for k in (0, 1)]
        n = min(per_class, pools[0].size, pools[1].size)
        chosen += [rng.choice(pool, n, replace=False) for pool in pools if n]
    if not chosen:
        raise DataError("no connector has both successful and failed images; collect more episodes")
    return np.sort(np.concatenate(chosen))


def family_folds(families: list[str], n_folds: int, rng: np.random.Generator) -> list[set[str]]:
    """Disjoint groups of families of nearly equal numbers of connectors; every family is in one group."""
    names = sorted(set(families))
    if len(names) < 2:
        raise DataError("validation leaves out whole families: give data of at least two connector families")
    n_folds = min(n_folds, len(names)) if n_folds > 1 else 1
    groups: list[set[str]] = [set() for _ in range(max(n_folds, 2))]
    load = np.zeros(len(groups))
    order = sorted(rng.permutation(names), key=lambda n: -families.count(n))
    share = np.ones(len(groups)) if n_folds > 1 else np.array([1.0, 3.0])  # one fold: a quarter left out
    for name in order:
        k = int(np.argmin((load + families.count(name)) / share))
        groups[k].add(str(name))
        load[k] += families.count(name)
    return [g for g in groups[:n_folds] if g]
