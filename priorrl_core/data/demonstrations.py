"""Demonstrations while they are made: recorded at the agent's rate, accepted or rejected, marked with their maker.

Thesis section 5.5: a person sees what the agent observes and acts at its rate; only demonstrations judged mostly
correct are kept. What is kept is an ``EpisodeSet`` that every format of ``data.formats`` writes and reads; who made it,
the rate and how many were rejected travel in its ``meta``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from priorrl_core.data.formats.episode_set import Episode, EpisodeSet
from priorrl_core.data.formats.reading import ReadOptions
from priorrl_core.data.formats.registry import read, write
from priorrl_core.errors import DataError

Provenance = Literal["human", "scripted"]
META = "demonstrations"
RATE_TOLERANCE = 0.1
"""Share by which the median interval of the steps may differ from the period; ng."""


class DemoRecorder:
    """``start``, ``step`` ... then ``accept`` or ``reject``, for each demonstration."""

    def __init__(self, rate_hz: float, provenance: Provenance) -> None:
        if rate_hz <= 0.0:
            raise ValueError("rate_hz must be above 0")
        if provenance not in ("human", "scripted"):
            raise ValueError(f"provenance is '{provenance}'; say human or scripted")
        self.rate_hz, self.provenance, self.rejected = rate_hz, provenance, 0
        self._kept: list[Episode] = []
        self._seen: list[dict[str, np.ndarray]] = []
        self._steps: list[tuple[np.ndarray, float, float]] = []
        self._ended, self._cut = False, False

    def start(self, obs: dict[str, np.ndarray]) -> None:
        """The first observation; DataError if the demonstration before was neither accepted nor rejected."""
        if self._seen:
            raise DataError("the demonstration before is neither accepted nor rejected; decide about it first")
        self._seen, self._steps, self._ended, self._cut = [_copied(obs)], [], False, False

    def step(self, action: np.ndarray, obs: dict[str, np.ndarray], reward: float, terminated: bool, truncated: bool,
             stamp_s: float) -> None:
        """An action in [-1, 1], taken at ``stamp_s``, and what was seen after it."""
        if not self._seen:
            raise DataError("no demonstration is under way; call start() first")
        if self._ended or self._cut:
            raise DataError("the demonstration has ended; accept or reject it")
        self._steps.append((np.array(action, np.float32), float(reward), stamp_s))
        self._seen.append(_copied(obs))
        self._ended, self._cut = bool(terminated), bool(truncated)

    def accept(self) -> None:
        """Keeps it; one that was stopped by hand was cut off. DataError if it is empty or of another rate."""
        if not self._steps:
            raise DataError("there is no step to accept; record some or reject the demonstration")
        stamps = np.array([s[2] for s in self._steps])
        self._check_rate(stamps)
        obs = {key: np.stack([seen[key] for seen in self._seen]) for key in self._seen[0]}
        self._kept.append(Episode(
            obs, np.stack([s[0] for s in self._steps]), np.array([s[1] for s in self._steps], np.float32), self._ended,
            self._cut or not self._ended, f"demo_{len(self._kept)}", extra={"stamp_s": stamps}))
        self._seen = []

    def reject(self) -> None:
        """Throws it away; only its number is kept."""
        if not self._seen:
            raise DataError("no demonstration is under way; call start() first")
        self.rejected, self._seen = self.rejected + 1, []

    def _check_rate(self, stamps: np.ndarray) -> None:
        if len(stamps) < 2:
            return
        rate = 1.0 / max(float(np.median(np.diff(stamps))), 1e-9)
        if abs(self.rate_hz / rate - 1.0) > RATE_TOLERANCE:
            raise DataError(f"the demonstration was recorded at {rate:.1f} Hz, the agent acts at {self.rate_hz:g} Hz; "
                            "reject it and record at the agent's rate")

    def episodes(self) -> EpisodeSet:
        """What was accepted, in order."""
        facts = {"provenance": self.provenance, "rate_hz": self.rate_hz, "accepted": len(self._kept),
                 "rejected": self.rejected}
        return EpisodeSet.of(self._kept, meta={META: facts})

    def save(self, path: str | Path, name: str = "robomimic") -> None:
        """Writes ``episodes`` in a format of ``data.formats``; DataError if nothing was accepted."""
        write(self.episodes(), path, name)


def load_demonstrations(path: str | Path, rate_hz: float, provenance: Provenance | None = None,
                        options: ReadOptions | None = None) -> EpisodeSet:
    """Demonstrations for an agent that acts at ``rate_hz``, of ``provenance`` if it is given.

    DataError if the file does not say who made them, or says another rate or maker.
    """
    episodes = read(path, options=options)
    facts = episodes.meta.get(META)
    if not isinstance(facts, dict) or not {"provenance", "rate_hz"} <= facts.keys():
        raise DataError(f"'{path}' does not say who made its demonstrations and at which rate; record them with "
                        "DemoRecorder")
    if not np.isclose(facts["rate_hz"], rate_hz):
        raise DataError(f"'{path}' was recorded at {facts['rate_hz']:g} Hz, the agent acts at {rate_hz:g} Hz; record "
                        "at the agent's rate")
    if provenance is not None and facts["provenance"] != provenance:
        raise DataError(f"'{path}' holds {facts['provenance']} demonstrations, {provenance} ones are wanted")
    return episodes


def _copied(obs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.array(value) for key, value in obs.items()}
