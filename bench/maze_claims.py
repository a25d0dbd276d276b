"""Chapter 7's expectile ablation and chapter 6 and 7's start online, judged on the cells of the maze bench."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.harness import Cell, Claim, Verdict, verdict
from bench.maze_jobs import EXPECTILES, METHODS, ONLINE
from priorrl_core.reporting.intervals import wilson

LADDER = ("iql_0.5", "iql_0.7", "iql_0.9")
FIRST = 3
"""Evaluations online that count as the start."""


class Cells:
    """The cells of one run of the bench."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = list(cells)

    def of(self, method: str) -> list[Cell]:
        return [c for c in self.all if c["method"] == method]

    def offline(self, method: str) -> list[float]:
        """Success at the end of the data, by seed."""
        return [_last(c, "offline")["success"] for c in self.of(method)]

    def online(self, method: str) -> np.ndarray:
        """Success (seeds, points) at the evaluations online."""
        mine = [[p["success"] for p in c["curve"] if p["phase"] == "online"] for c in self.of(method)]
        return np.array([m[:min(map(len, mine))] for m in mine]) if mine else np.zeros((0, 0))


def _last(cell: Cell, phase: str) -> dict[str, Any]:
    return [p for p in cell["curve"] if p["phase"] == phase][-1]


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures."""
    made = [_ladder(cells), _stitching(cells, "bc"), _stitching(cells, "awac"),
            *[_no_dip(cells, m) for m in ONLINE], *[_improves(cells, m) for m in ONLINE]]
    return [claim for claim in made if claim is not None]


def _text(cells: Cells, *methods: str) -> str:
    return ", ".join(f"{m} {figure(cells.offline(m))}" for m in methods)


def figure(values: list[float]) -> str:
    return f"{100 * np.mean(values):.0f} % (sd {100 * np.std(values, ddof=min(1, len(values) - 1)):.0f})"


def _ladder(cells: Cells) -> Claim | None:
    """Each rung at least as good as the one below, and the highest above the lowest; without that it fails."""
    known = [cells.offline(m) for m in LADDER]
    if not all(known):
        return None
    means = [float(np.mean(k)) for k in known]
    good = 1 + (means[1] >= means[0]) + (means[2] >= means[1]) if means[2] > means[0] else 0
    shown = [m for m in EXPECTILES if cells.offline(m)]
    return Claim("success after the data rises with the expectile: 0.5, 0.7, 0.9", "thesis Table 19, Figure 35",
                 "AntMaze totals of 600: 98, 152, 378", _text(cells, *shown), min(map(len, known)),
                 verdict(good, 3))


def _stitching(cells: Cells, other: str) -> Claim | None:
    best, rest = cells.offline("iql_0.9"), cells.offline(other)
    if not best or not rest:
        return None
    theirs = {"bc": "AntMaze totals 378 against 100", "awac": "AntMaze totals 378 against 108"}[other]
    return Claim(f"IQL with expectile 0.9 above {other.upper()} on data that must be stitched", "thesis Table 1",
                 theirs, _text(cells, "iql_0.9", other), min(len(best), len(rest)),
                 "holds" if np.mean(best) > np.mean(rest) else "fails")


def floor(success: float, episodes: int) -> float:
    """A seed's success less its spread: the lower end of its evaluation's 95 % interval."""
    return wilson(round(success * episodes), episodes)[0]


def _no_dip(cells: Cells, method: str) -> Claim | None:
    """Judged seed by seed, on those with success after the data: the others have nothing to lose. None: it fails."""
    online, offline = cells.online(method)[:, :FIRST], np.array(cells.offline(method))
    if not online.size:
        return None
    bounds = np.array([floor(s, cells.of(method)[0]["episodes"]) for s in offline])
    kept = (online >= bounds[:, None])[offline > 0.0]
    return Claim(f"{method.upper()} goes online without a dip: each of the first {FIRST} evaluations at or above the "
                 "seed's success after the data less its spread", "thesis sections 6.6 and 7.6, row 6.14",
                 "no initial dip", f"{int(kept.sum())} of {kept.size} evaluations, of {len(kept)} seeds with success "
                 f"after the data ({_percent(offline)}); mean online {_percent(online.mean(0))}", len(kept),
                 verdict(int(kept.sum()), kept.size) if kept.size else "fails")


def _improves(cells: Cells, method: str) -> Claim | None:
    """Partly where there was nothing left to improve."""
    online, offline = cells.online(method), cells.offline(method)
    if not online.size:
        return None
    end = online[:, -2:].mean(1)
    before, after = float(np.mean(offline)), float(np.mean(end))
    outcome: Verdict = "holds" if after > before else "partly" if after == before == 1.0 else "fails"
    return Claim(f"{method.upper()} improves online", "thesis Table 2", "totals: IQL 375 to 438, AWAC 108 to 108",
                 f"offline {figure(offline)}, last two evaluations {figure(list(end))}; by evaluation "
                 f"{_percent(online.mean(0))}", len(offline), outcome)


def _percent(values: np.ndarray) -> str:
    return ", ".join(f"{100 * v:.0f}" for v in values) + " %"


def table_rows(cells: Cells) -> list[dict[str, Any]]:
    """One row a method: success by seed, after the data and at the end online."""
    out = []
    for method in METHODS:
        offline, online = cells.offline(method), cells.online(method)
        if offline:
            ends = online[:, -2:].mean(1) if online.size else []
            out.append({"method": method, "seeds": len(offline), "offline success": round(float(np.mean(offline)), 3),
                        "by seed": _percent(np.array(offline)), "online success": _mean(ends),
                        "online by seed": _percent(np.array(ends)) if len(ends) else "",
                        "transitions": cells.of(method)[0]["transitions"],
                        "cpu seconds": round(float(np.mean([c["cpu_seconds"] for c in cells.of(method)])), 1)})
    return out


def _mean(values: Any) -> Any:
    return round(float(np.mean(values)), 3) if len(values) else ""
