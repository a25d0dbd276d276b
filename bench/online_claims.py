"""Improvement online without a dip (chapters 6 and 7), and what each modern option adds, judged on the cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.harness import Cell, Claim, Verdict, verdict
from bench.maze_claims import figure, floor
from bench.online_jobs import ARMS

PAPERS = ("iql", "awac")
FIRST = 3
"""Evaluations of practice that count as the start."""
RLPD = "part of RLPD's recipe (arXiv 2302.02948); no figure for such a task"
CHUNKS = "Q-chunking's (arXiv 2507.07969); no figure for such a task"
WSRL = "WSRL's (arXiv 2412.07762), there with Cal-QL; no figure for such a task"
OURS = "none"
STEPS = (("sac_data", "sac", "data in half of each batch", RLPD), ("sac_norm", "sac_data", "layer norm", RLPD),
         ("sac_many", "sac_norm", "ten critics", RLPD), ("rlpd", "sac_many", "four updates a step", RLPD),
         ("rlpd_chunk", "rlpd", "decisions of 4 steps", CHUNKS),
         ("wsrl", "rlpd", "pretraining, and no data afterwards", WSRL),
         ("iql_symmetric", "iql", "symmetric sampling", OURS), ("iql_updates", "iql", "four updates a step", OURS),
         ("iql_chunk", "iql", "decisions of 4 steps", OURS))
"""Method, the one that it adds to, what it adds, and what its source says of that."""


class Cells:
    """The cells of one run of the bench."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = list(cells)

    @property
    def seeds(self) -> int:
        return len({c["seed"] for c in self.all})

    def of(self, method: str) -> list[Cell]:
        return sorted((c for c in self.all if c["method"] == method), key=lambda c: int(c["seed"]))

    def before(self, method: str) -> np.ndarray:
        """Success by seed when practice begins."""
        return np.array([[p for p in c["curve"] if p["phase"] != "online"][-1]["success"] for c in self.of(method)])

    def online(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps (P,), and success (seeds, P), from the beginning of practice on."""
        mine = [[p for p in c["curve"] if p["phase"] == "online"] for c in self.of(method)]
        if not mine:
            return np.zeros(0), np.zeros((0, 0))
        points = min(map(len, mine))
        success = np.array([[p["success"] for p in m[:points]] for m in mine])
        steps = np.mean([[p["online"] for p in m[:points]] for m in mine], axis=0)
        return np.append(0.0, steps), np.concatenate([self.before(method)[:, None], success], 1)

    def area(self, method: str) -> np.ndarray:
        """Mean success over practice, by seed: how early and how high."""
        return self.online(method)[1][:, 1:].mean(1)

    def end(self, method: str) -> np.ndarray:
        """Mean of the last two evaluations, by seed."""
        return self.online(method)[1][:, -2:].mean(1)


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures."""
    made = [claim(cells, m) for m in PAPERS for claim in (_improves, _no_dip) if cells.of(m)]
    return made + [_adds(cells, *step) for step in STEPS if cells.of(step[0]) and cells.of(step[1])]


def _improves(cells: Cells, method: str) -> Claim:
    before, after = cells.before(method), cells.end(method)
    good = int((after > before).sum())
    return Claim(f"{method.upper()} improves online, seed by seed", "thesis Table 2, section 6.6",
                 "totals: IQL 375 to 438, AWAC 108 to 108", f"{figure(list(before))} to {figure(list(after))}; "
                 f"{good} of {len(before)} seeds", len(before), verdict(good, len(before)))


def _no_dip(cells: Cells, method: str) -> Claim:
    """As in ``maze_claims``: seed by seed, on those with success before; the others have nothing to lose."""
    before, online = cells.before(method), cells.online(method)[1][:, 1:1 + FIRST]
    bounds = np.array([floor(float(s), cells.of(method)[0]["episodes"]) for s in before])
    kept = (online >= bounds[:, None])[before > 0.0]
    return Claim(f"{method.upper()} goes online without a dip: the first {FIRST} evaluations at or above the seed's "
                 "success before, less its spread", "thesis sections 6.6 and 7.6, row 6.14", "no initial dip",
                 f"{int(kept.sum())} of {kept.size} evaluations, of {len(kept)} seeds with success before; means "
                 f"{', '.join(f'{100 * v:.0f}' for v in online.mean(0))} % after {100 * before.mean():.0f} %",
                 len(kept), verdict(int(kept.sum()), kept.size) if kept.size else "fails")


def _adds(cells: Cells, better: str, other: str, what: str, theirs: str) -> Claim:
    gains, judged = _gains(cells.area(better), cells.area(other))
    return Claim(f"{what}: {better} above {other} by more than the standard error of the difference",
                 ARMS[better].source, theirs,
                 f"mean success over practice {100 * cells.area(better).mean():.0f} to "
                 f"{100 * cells.area(other).mean():.0f} %, gain {100 * gains.mean():+.0f} (sd {100 * _sd(gains):.0f}); "
                 f"at the end {100 * cells.end(better).mean():.0f} to {100 * cells.end(other).mean():.0f} %",
                 len(gains), judged)


def _gains(better: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, Verdict]:
    """Differences of the same seeds; ``partly`` within their standard error."""
    seeds = min(len(better), len(other))
    gains = better[:seeds] - other[:seeds]
    error = _sd(gains) / np.sqrt(seeds)
    if gains.mean() > error:
        return gains, "holds"
    return gains, "fails" if gains.mean() < -error else "partly"


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def table_rows(cells: Cells) -> list[dict[str, Any]]:
    """One row a method."""
    out = []
    for method, arm in ARMS.items():
        if cells.of(method):
            out.append({"method": method, "what": arm.source, "seeds": len(cells.of(method)),
                        **{name: round(float(values.mean()), 3) for name, values in (
                            ("before", cells.before(method)), ("over practice", cells.area(method)),
                            ("end", cells.end(method)))},
                        "end by seed": " ".join(f"{v:.2f}" for v in cells.end(method)),
                        "cpu seconds": round(float(np.mean([c["cpu_seconds"] for c in cells.of(method)])), 1)})
    return out
