"""Episodes that are on their way to the recorder, and those that it closed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from priorrl.msg import Episode
from priorrl_core.data.run_index import closed_episodes, read_lines
from priorrl_nodes.patience import NodeLost, Patience
from priorrl_nodes.schedule import Series


class Refused(Exception):
    """Something that trying again does not mend; ends the action with this sentence."""


@dataclass(frozen=True)
class Outcome:
    """What became of one closed episode."""

    index: int
    success: bool
    probability: float
    peak_force_n: float
    policy_version: int
    inserted: bool | None


def closed_outcomes(run_dir: Path, series: Series) -> dict[int, Outcome]:
    """Outcomes of the series' closed episodes by index, from the run folder. The truth is only reported."""
    truth = {e["episode_id"]: bool(e["inserted"]) for e in read_lines(run_dir / "ground_truth.jsonl")}
    found = {}
    for entry in closed_episodes(run_dir, series.kind):
        index, name = int(entry["index"]), entry["episode_id"]
        if name == series.episode_id(index):
            numbers = float(entry["probability"]), float(entry["peak_force_n"]), int(entry["policy_version"])
            found[index] = Outcome(index, bool(entry["success"]), *numbers, truth.get(name))
    return found


class Closing:
    """``publish`` hands an episode to the recorder; ``wait`` until it confirmed. What a restarted recorder
    has not got is sent again; a full disk ends the action with the recorder's sentence."""

    def __init__(self, patience: Patience, send: Callable[[Episode], None], recorded: bool) -> None:
        self._patience, self._send, self._recorded = patience, send, recorded
        self._confirmed: dict[str, tuple[bool, str]] = {}
        self._open: list[Episode] = []

    def forget(self) -> None:
        self._open.clear()

    def on_closed(self, data: str) -> None:
        """The recorder's word: JSON {episode_id, ok, message}."""
        word = json.loads(data)
        with self._patience.news:
            self._confirmed[word["episode_id"]] = (bool(word["ok"]), str(word["message"]))
            self._patience.news.notify_all()

    def publish(self, episode: Episode) -> None:
        self._confirmed.pop(episode.episode_id, None)
        if self._recorded:
            self._open.append(episode)
        self._send(episode)

    def wait(self, keep: int, patience_s: float, again_s: float) -> None:
        """Until all but the newest ``keep`` episodes are closed on the disk."""
        end = time.monotonic() + patience_s
        while len(self._open) > keep:
            episode = self._open[0]
            if self._is_closed(episode.episode_id):
                self._open.pop(0)
            elif time.monotonic() > end:
                raise Refused("the recorder closes no episodes; see its log")
            else:
                self._wait_for(episode, again_s)

    def _wait_for(self, episode: Episode, again_s: float) -> None:
        name = episode.episode_id
        try:
            self._patience.wait_for(lambda: name in self._confirmed, again_s, lambda: "recorder/closed")
        except NodeLost:
            self._send(episode)

    def _is_closed(self, episode_id: str) -> bool:
        ok, message = self._confirmed.get(episode_id, (False, ""))
        if message and not ok:
            raise Refused(message)
        return ok
