"""Figures of the ABM bench: learning curves as in Figures 1 and 2 of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.abm_claims import Cells, Place
from bench.abm_jobs import LABELS
from bench.harness import curves


def plots(out: Path, cells: Cells) -> None:
    """One PNG a domain and amount of data: mean over seeds, priors beside policies."""
    for place in cells.places():
        curves(out / f"{'_'.join(place)}.png", f"{place[0]}, {place[1]} data", _lines(cells, place),
               "update", "return per 1000 steps")


def _lines(cells: Cells, place: Place) -> dict[str, tuple[list[float], np.ndarray]]:
    out = {}
    for algorithm, label in LABELS.items():
        mine = [c["curve"] for c in cells.all if (c["domain"], c["amount"], c["algorithm"]) == (*place, algorithm)]
        for which, name in (("policy", label), ("prior", f"{label} [prior]")):
            if mine and which in mine[0][0]:
                mean = np.mean([[p[which] for p in curve] for curve in mine], axis=0)
                out[name] = ([p["updates"] for p in mine[0]], mean)
    return out
