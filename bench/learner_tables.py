"""Tables and figures of the learners' bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Cell, pyplot
from bench.learner_jobs import GOALS, KINDS, LIBRARIES, OFFLINE, ONLINE, OURS

Manifests = dict[str, dict[str, Any]]
"""Environment -> manifest of its data."""


@dataclass(frozen=True)
class Pairing:
    """Ours and a peer's cells of one environment, data and algorithm; the same seeds on both sides."""

    env: str
    data: str
    algorithm: str
    peer: str
    ours: tuple[Cell, ...]
    theirs: tuple[Cell, ...]

    def values(self, side: str, what: str) -> np.ndarray:
        return np.array([float(c[what]) for c in (self.ours if side == OURS else self.theirs)])

    def mean(self, side: str, what: str = "last") -> float:
        return float(self.values(side, what).mean())

    def reaches(self, what: str = "last") -> bool:
        """Our mean over the seeds is not below the peer's worst seed."""
        return self.mean(OURS, what) >= float(self.values(self.peer, what).min())

    def reached_back(self) -> bool:
        """The same the other way round: the peer's mean is not below our worst seed."""
        return self.mean(self.peer) >= float(self.values(OURS, "last").min())


def pairings(cells: Sequence[Cell]) -> list[Pairing]:
    """Those whose seeds are whole: the same on both sides."""
    out = []
    for env in dict.fromkeys(c["env"] for c in cells):
        for data, names in ((("online",), tuple(ONLINE)), (("her",), tuple(GOALS)), (KINDS, OFFLINE)):
            for kind in data:
                for name in names:
                    out += _pairings_of([c for c in cells if _meets(c, env, kind, name)])
    return out


def _meets(cell: Cell, env: str, data: str, algorithm: str) -> bool:
    """Demonstrations are ours alone: the peers' side there is their plain DDPG with hindsight."""
    plain = algorithm == "ddpg_demos" and cell["library"] != OURS
    return (cell["env"], cell["data"], cell["algorithm"]) == (env, data, "ddpg" if plain else algorithm)


def _pairings_of(cells: Sequence[Cell]) -> list[Pairing]:
    by = {library: tuple(sorted((c for c in cells if c["library"] == library), key=lambda c: int(c["seed"])))
          for library in LIBRARIES}
    seeds = {library: [c["seed"] for c in mine] for library, mine in by.items()}
    return [Pairing(mine[0]["env"], mine[0]["data"], by[OURS][0]["algorithm"], library, by[OURS], mine)
            for library, mine in by.items() if library != OURS and mine and seeds[library] == seeds[OURS]]


def rows(cells: Sequence[Cell], manifests: Manifests) -> list[dict[str, Any]]:
    """One a library, environment, data and algorithm: last and best return, and the last on D4RL's scale.

    100 is the expert's, 0 a random policy's return.
    """
    out = []
    for key in dict.fromkeys((c["env"], c["data"], c["algorithm"], c["library"]) for c in cells):
        mine = [c for c in cells if (c["env"], c["data"], c["algorithm"], c["library"]) == key]
        last, best = (np.array([float(c[what]) for c in mine]) for what in ("last", "best"))
        out.append({**dict(zip(("env", "data", "algorithm", "library"), key, strict=True)), "seeds": len(mine),
                    "steps": mine[0]["steps"], "last": round(float(last.mean()), 1),
                    "last_lowest": round(float(last.min()), 1), "last_highest": round(float(last.max()), 1),
                    "best": round(float(best.mean()), 1),
                    "last_normalised": normalised(float(last.mean()), manifests.get(key[0])),
                    "seconds": round(float(np.mean([c["seconds"] for c in mine])), 1)})  # fmt: skip
    return out


def normalised(value: float, manifest: dict[str, Any] | None) -> float | str:
    """Return -> 0 for a random policy's, 100 for the expert's; empty without data."""
    if manifest is None:
        return ""
    low, high = manifest["random_return"], manifest["expert_return"]
    return round(100.0 * (value - low) / (high - low), 1)


def data_rows(manifests: Manifests) -> list[dict[str, Any]]:
    """What the sets are."""
    return [{"env": env, "data": kind, "settings": m["settings"],
             **{k: one[k] for k in ("rows", "episodes", "terminated", "truncated", "mean_return", "best_return")},
             "random_return": m["random_return"], "expert_return": m["expert_return"], "sha256": one["sha256"]}
            for env, m in manifests.items() for kind, one in m["sets"].items()]  # fmt: skip


def plots(out: Path, cells: Sequence[Cell]) -> None:
    """A figure an environment: a panel for each data and algorithm, a curve for each library."""
    for env in dict.fromkeys(c["env"] for c in cells):
        mine = [c for c in cells if c["env"] == env]
        for part, wanted in (("online", False), ("offline", True)):
            shown = [c for c in mine if (c["data"] in KINDS) == wanted]
            if shown:
                _panels(out / f"{env}_{part}.png", shown)


def _panels(path: Path, cells: Sequence[Cell]) -> None:
    keys = list(dict.fromkeys((c["data"], c["algorithm"]) for c in cells))
    across = min(4, len(keys))
    down = -(-len(keys) // across)
    plt = pyplot()
    figure, grid = plt.subplots(down, across, figsize=(3.1 * across, 2.4 * down), layout="constrained",
                                squeeze=False, sharey=True)
    for axes, (data, name) in zip(grid.flat, keys, strict=False):
        for colour, library in enumerate(LIBRARIES):
            _band(axes, [c for c in cells if (c["data"], c["algorithm"], c["library"]) == (data, name, library)],
                  library, f"C{colour}")
        axes.set_title(f"{name}, {data}", fontsize=8)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=6)
    grid.flat[0].legend(fontsize=6)
    figure.supxlabel("updates" if cells[0]["data"] in KINDS else "steps", fontsize=8)
    figure.supylabel("return", fontsize=8)
    figure.suptitle(f"{cells[0]['env']}: mean and range of the seeds", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _band(axes: Any, cells: Sequence[Cell], label: str, colour: str) -> None:
    if cells:
        curves = np.array([c["curve"] for c in cells])
        axes.plot(cells[0]["curve_steps"], curves.mean(0), label=label, color=colour, lw=1.2)
        axes.fill_between(cells[0]["curve_steps"], curves.min(0), curves.max(0), color=colour, alpha=0.15, lw=0)
