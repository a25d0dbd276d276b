"""The learners' own file: ``TransitionReplay`` in safetensors, read as episodes and filled from episodes.

An episode ends where a row says so, or where the next row starts from another observation. The file holds one
float32 or uint8 observation and float32 actions and rewards; wider numbers are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from priorrl_core.data.formats.check import checked
from priorrl_core.data.formats.episode_set import STATE, Episode, EpisodeSet, Labels
from priorrl_core.data.formats.reading import ReadOptions, chosen, ending
from priorrl_core.data.returns import episode_ends
from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError, UserError

LABELS = Labels(obs="{}", action="action", reward="reward", end="truncated")
EXTRA = ("base", "executed", "policy_version", "observation_age_s", "config")


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """The stored rows from the oldest on."""
    try:
        replay = TransitionReplay.load(path)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:  # of a header that was changed
        raise DataError(f"'{path}' has no whole header ({error}); copy or record it again") from error
    order = np.arange(replay.added - replay.size, replay.added) % replay.capacity
    columns = {name: column.numpy()[order] for name, column in replay.columns.items()}
    ends = episode_ends(columns)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends

    def load(i: int) -> Episode:
        return _episode({k: v[starts[i]:ends[i] + 1] for k, v in columns.items()}, int(starts[i]), options, path)

    return EpisodeSet(str(path), len(ends), load, {"configs": replay.config_hashes}, LABELS)


def _episode(c: dict[str, np.ndarray], row: int, options: ReadOptions, path: str | Path) -> Episode:
    _, ended, cut = ending(c["terminated"], c["truncated"], options, path, "terminated")
    obs = np.concatenate([c["obs"], c["next_obs"][-1:]])
    return Episode({STATE: obs}, c["action"], c["reward"], ended, cut, row=row, extra={k: c[k] for k in EXTRA})


def write(episodes: EpisodeSet, path: str | Path, keys: Sequence[str] = ()) -> TransitionReplay:
    """Saves what ``to_replay`` makes."""
    replay = to_replay(episodes, keys)
    replay.save(path)
    return replay


def to_replay(episodes: EpisodeSet, keys: Sequence[str] = ()) -> TransitionReplay:
    """All steps of all episodes. ``keys`` names the observations to join, all vectors by default.

    Without ``base`` and ``executed`` among the extras there was no base controller: 0 and the action stand for them.
    """
    capacity = sum(len(episode) for episode in checked(episodes))  # a second reading instead of a second copy
    first = episodes.load(0)
    names = observation_keys(first, keys)
    seen, executed = joined(first, names), first.extra.get("executed", first.action)
    replay = TransitionReplay(capacity, seen.shape[1:], first.action.shape[1], executed.shape[1],
                              images=seen.dtype == np.uint8)
    replay.config_hashes = list(episodes.meta.get("configs", [""]))
    for episode in episodes:
        _append(replay, episode, joined(episode, names))
    return replay


def observation_keys(episode: Episode, keys: Sequence[str] = ()) -> list[str]:
    """``keys``, or all observations of an episode that has no images; UserError that names the choice."""
    images = [key for key, value in episode.obs.items() if value.dtype == np.uint8]
    taken = chosen(sorted(episode.obs), ReadOptions(obs=tuple(keys)))
    if len(taken) > 1 and any(key in images for key in taken):
        raise UserError("the learners take one image or several vectors, not both; choose with --obs from "
                        f"{', '.join(sorted(episode.obs))}")
    return taken


def joined(episode: Episode, keys: Sequence[str]) -> np.ndarray:
    """One observation (T + 1, ...): the only one as it is, several vectors side by side."""
    if len(keys) == 1:
        return episode.obs[keys[0]]
    return np.concatenate([episode.obs[key].reshape(len(episode) + 1, -1) for key in keys], axis=1)


def _append(replay: TransitionReplay, episode: Episode, seen: np.ndarray) -> None:
    steps, row = len(episode), replay.added
    last = np.arange(steps) == steps - 1
    executed = episode.extra.get("executed", episode.action)
    values = {"obs": seen[:-1], "next_obs": seen[1:], "action": episode.action, "reward": episode.reward,
              "base": np.zeros_like(executed), "executed": executed, "terminated": last & episode.terminated,
              "truncated": last & episode.truncated,
              **{k: episode.extra[k] for k in EXTRA if k in episode.extra}}
    for name, value in values.items():
        column = replay.columns[name]
        if value.shape[1:] != column.shape[1:]:
            raise DataError(f"episode '{episode.name}': '{name}' has shape {value.shape[1:]}, expected "
                            f"{tuple(column.shape[1:])}; store it alike in all episodes")
        column[row:row + steps] = torch.from_numpy(np.array(value)).to(column.dtype)
    if not torch.isfinite(replay.columns["obs"][row:row + steps].float()).all():
        raise DataError(f"episode '{episode.name}': an observation does not fit float32; scale it")
    replay.added += steps
