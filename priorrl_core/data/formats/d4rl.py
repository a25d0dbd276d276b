"""D4RL HDF5 (arXiv 2004.07219), read only: one flat table of steps with ``terminals`` and ``timeouts``.

``observations`` (N, D), ``actions`` (N, A), ``rewards``, ``terminals`` and ``timeouts`` (N,), in some files
``next_observations`` (N, D) or ``infos/goal`` (N, G). Without next observations nobody knows what was seen after the
last step of an episode that time cut off: that step is left out, as in the authors' ``qlearning_dataset``, so that no
target reaches into the next episode. Steps after the last flag say neither; ``--ends cut`` takes them as cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from priorrl_core.data.formats.episode_set import STATE, Episode, EpisodeSet, Labels
from priorrl_core.data.formats.hdf5 import opened
from priorrl_core.data.formats.reading import ReadOptions, ending, flags, refuse, same_length, with_final

LABELS = Labels(obs="observations", action="actions", reward="rewards", end="timeouts")
COLUMNS = ("observations", "actions", "rewards", "terminals")
GOAL = "infos/goal"


def is_d4rl(file: h5py.File) -> bool:
    """Whether an open HDF5 file has the flat columns."""
    return all(isinstance(file.get(key), h5py.Dataset) for key in COLUMNS)


def read(path: str | Path, options: ReadOptions) -> EpisodeSet:
    """The episodes in the order of the file."""
    path = Path(path)
    with opened(path) as file:
        for key in COLUMNS:
            if not isinstance(file.get(key), h5py.Dataset):
                raise refuse(path, key, "is missing", "this is not a D4RL file")
        rows = {key: file[key] for key in (*COLUMNS, "timeouts", "next_observations", GOAL) if key in file}
        same_length(path, rows, len(rows["observations"]), "observations")
        terminated = flags(rows["terminals"][:], path, "terminals")
        if "timeouts" in rows:
            truncated = flags(rows["timeouts"][:], path, "timeouts")
        elif options.ends == "file":
            raise refuse(path, "timeouts", "is missing", "'--ends cut' ends episodes at terminals alone")
        else:
            truncated = np.zeros_like(terminated)
        known = "next_observations" in rows

    def end(start: int, stop: int) -> tuple[bool, bool]:
        _, ended, cut = ending(terminated[start:stop], truncated[start:stop], options, path, "terminals")
        return ended, cut

    spans = [(start, stop, *end(start, stop)) for start, stop in _spans(terminated | truncated)]
    if not known:  # of a single step that time cut off nothing is left
        spans = [span for span in spans if span[1] - span[0] > 1 or not span[3] or span[2]]
    return EpisodeSet(str(path), len(spans), lambda i: _load(path, *spans[i]), labels=LABELS)


def _spans(last: np.ndarray) -> Iterator[tuple[int, int]]:
    """First row and row after the last of each episode; ``last`` (N,) marks the last steps."""
    ends = np.flatnonzero(last) + 1
    if len(last) and (not len(ends) or ends[-1] < len(last)):
        ends = np.append(ends, len(last))
    for start, stop in zip([0, *ends[:-1]], ends, strict=False):
        yield int(start), int(stop)


def _load(path: Path, start: int, stop: int, ended: bool, cut: bool) -> Episode:
    with opened(path) as file:
        known = "next_observations" in file
        seen, action, reward = (file[key][start:stop] for key in ("observations", "actions", "rewards"))
        last = file["next_observations"][stop - 1] if known else None
        goal = file[GOAL][start:stop] if GOAL in file else None
    if not known and cut and not ended:  # the last row is what was seen after the step before it
        seen, last, action, reward, known = seen[:-1], seen[-1], action[:-1], reward[:-1], True
    obs = {STATE: with_final(seen, last)}
    if goal is not None:
        obs["goal"] = with_final(goal[:len(action)], None)
    return Episode(obs, action, reward, ended, cut, f"rows {start} to {stop - 1}", start, known)
