"""What is wrong with an episode, in the words of its file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from priorrl_core.data.formats.episode_set import Episode, EpisodeSet, Labels
from priorrl_core.data.formats.reading import refuse, rows_with
from priorrl_core.errors import DataError

OUT_OF_RANGE = "store the policy's action, or scale it with --scale"


def problems(episodes: EpisodeSet) -> Iterator[DataError]:
    """All problems: the first of each part of each episode, with file, key and row."""
    if not len(episodes):
        yield DataError(f"'{episodes.path}' holds no episode; record one")
    first: Episode | None = None
    for index in range(len(episodes)):
        try:
            episode = episodes.load(index)
        except DataError as error:
            yield error
            continue
        yield from of_episode(episode, first or episode, episodes.path, episodes.labels)
        first = first or episode


def checked(episodes: EpisodeSet) -> Iterator[Episode]:
    """The episodes; DataError at the first problem."""
    first: Episode | None = None
    for episode in episodes:
        for problem in of_episode(episode, first or episode, episodes.path, episodes.labels):
            raise problem
        first = first or episode
        yield episode
    if first is None:
        raise DataError(f"'{episodes.path}' holds no episode; record one")


def of_episode(episode: Episode, first: Episode, path: str, labels: Labels) -> Iterator[DataError]:
    """Problems of one episode; ``first`` says which keys, shapes and types the set has."""
    prefix = f"{episode.name}/" if episode.name else ""
    steps = len(episode)
    if not steps:
        yield refuse(path, prefix + labels.action, "has no step", "remove the episode")
        return
    for key in sorted(first.obs.keys() ^ episode.obs.keys()):
        yield refuse(path, prefix + labels.obs.format(key), "is not in every episode", "store it in all or in none")
    for key, value in sorted(episode.obs.items()):
        like = first.obs.get(key, value)
        yield from _column(value, like, steps + 1, path, prefix + labels.obs.format(key), episode.row, images=True)
    yield from _column(episode.action, first.action, steps, path, prefix + labels.action, episode.row)
    yield from _actions(episode, path, prefix + labels.action)
    yield from _column(episode.reward, first.reward, steps, path, prefix + labels.reward, episode.row, ndim=1)
    for key, value in sorted(episode.extra.items()):
        yield from _column(value, first.extra.get(key, value), steps, path, f"{prefix}extra/{key}", episode.row,
                           kinds="fiub")
    if not (episode.terminated or episode.truncated):
        yield refuse(path, prefix + labels.end, "says neither terminated nor truncated",
                     "'--ends cut' takes it as truncated", episode.row + steps - 1)


def _column(value: np.ndarray, like: np.ndarray, rows: int, path: str, key: str, row: int, images: bool = False,
            ndim: int | None = None, kinds: str = "f") -> Iterator[DataError]:
    if value.dtype.kind not in kinds and not (images and value.dtype == np.uint8):
        yield refuse(path, key, f"has type {value.dtype}", f"store floats{' or uint8 images' if images else ''}")
        return
    if value.dtype != like.dtype:
        yield refuse(path, key, f"has type {value.dtype}, in the first episode {like.dtype}", "use one type")
    if len(value) != rows:
        yield refuse(path, key, f"has {len(value)} rows, expected {rows}", "every step needs one row in each",
                     row + min(len(value), rows))
    if value.shape[1:] != like.shape[1:] or (ndim is not None and value.ndim != ndim):
        wanted = like.shape[1:] if ndim is None else ()
        yield refuse(path, key, f"has shape {value.shape[1:]} a step, expected {wanted}",
                     "use one shape in all episodes")
    if value.dtype.kind == "f":
        bad = rows_with(~np.isfinite(value))
        if len(bad):
            yield refuse(path, key, "is not finite (NaN or infinity)", "drop the episode", row + int(bad[0]))


def _actions(episode: Episode, path: str, key: str) -> Iterator[DataError]:
    if episode.action.ndim != 2:
        yield refuse(path, key, f"has shape {episode.action.shape}", "store (steps, action size)")
        return
    if episode.action.dtype.kind == "f":
        beyond = np.abs(episode.action) > 1.0
        bad = rows_with(beyond)
        if len(bad):
            worst = float(np.abs(episode.action[beyond]).max())
            yield refuse(path, key, f"lies outside [-1, 1] (up to {worst:g})", OUT_OF_RANGE,
                         episode.row + int(bad[0]))
