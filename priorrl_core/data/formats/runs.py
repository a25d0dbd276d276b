"""Recorded runs, read only: the closed episodes of a run folder, or one MCAP file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from priorrl_core.data.formats.episode_set import Episode, EpisodeSet, Labels
from priorrl_core.data.formats.reading import ReadOptions, ending
from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.errors import DataError

LABELS = Labels(obs="{}", action="actions", reward="rewards", end="truncated")


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """Of a folder the episodes that its index names, in the order of closing, each checked against its sha256."""
    path = Path(path)
    if path.is_file():
        files, configs = [(path, "")], [read_episode(path).config_hash]
    else:
        entries = [e for e in closed_episodes(path) if e.get("file")]
        files = [(path / e["file"], str(e.get("sha256", ""))) for e in entries]
        configs = list(dict.fromkeys(str(e.get("config_hash", "")) for e in entries))
    if not files:
        raise DataError(f"'{path}' holds no recorded episode; give a run folder or an .mcap file")
    return EpisodeSet(str(path), len(files), lambda i: of_record(read_episode(*files[i]), options, configs),
                      {"configs": configs}, LABELS)


def of_record(record: EpisodeRecord, options: ReadOptions, configs: Sequence[str]) -> Episode:
    """The learner's view of a recorded episode; what is empty in the record is left out."""
    if record.config_hash not in configs:
        raise DataError(f"episode '{record.episode_id}' has the configuration '{record.config_hash}', which the index "
                        "does not name; restore index.jsonl")
    last = np.arange(record.length) == record.length - 1
    _, ended, cut = ending(last & record.terminated, last & record.truncated, options, record.episode_id, "terminated")
    seen = {"image": record.images, "features": record.features, "proprio": record.proprio}
    extra = {"base": record.base_m, "executed": record.executed_m, "probability": record.probabilities,
             "policy_version": record.policy_versions.astype(np.int64),
             "observation_age_s": record.observation_age_s,
             "config": np.full(record.length, configs.index(record.config_hash), np.int32)}
    return Episode({k: v for k, v in seen.items() if v.size}, record.actions, record.rewards, ended, cut,
                   record.episode_id, extra={k: v for k, v in extra.items() if len(v) == record.length})
