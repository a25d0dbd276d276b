"""Prior data of ``priorrl collect``, read only: one HDF5 file a connector, checked by its own schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from priorrl_core.data.episodes import EpisodeBatch, read_connector_file
from priorrl_core.data.formats.episode_set import Episode, EpisodeSet, Labels
from priorrl_core.data.formats.reading import ReadOptions, ending

LABELS = Labels(obs="{}", action="actions", reward="rewards", end="truncated")
OBS = {"image": "images", "proprio": "proprio", "wrench": "wrench"}


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """All episodes; the ground truth of the file is left out (law 6)."""
    batch, attrs = read_connector_file(path)
    config = str(attrs["config_hash"])
    return EpisodeSet(str(path), len(batch), lambda i: _episode(batch, i, options, str(path)),
                      {"configs": [config], "task": str(attrs["connector"]), "robot": str(attrs["robot"])}, LABELS)


def _episode(batch: EpisodeBatch, i: int, options: ReadOptions, path: str) -> Episode:
    steps = batch.steps
    last = np.arange(steps) == steps - 1
    _, ended, cut = ending(last & batch.terminated[i], last & batch.truncated[i], options, path, "terminated")
    extra = {"base": batch.base_m[i], "executed": batch.executed_m[i], "noisy": batch.noisy[i],
             "config": np.zeros(steps, np.int32)}
    return Episode({name: getattr(batch, key)[i] for name, key in OBS.items()}, batch.actions[i], batch.rewards[i],
                   ended, cut, f"episode {i}", extra=extra)
