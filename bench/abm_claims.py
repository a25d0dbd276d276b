"""The ABM paper's orderings (Siegel et al. 2020, tables 6 and 7 in kind), judged on the cells of the bench."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.abm_jobs import LABELS
from bench.harness import Cell, Claim, verdict

SOURCE = "Siegel et al. 2020, Tables 6 and 7, Figures 1 to 3"
Place = tuple[str, str]
"""Domain and amount of data."""
Side = tuple[str, str]
"""Algorithm, and which of its two ("policy" or "prior")."""


class Cells:
    """The learning cells of one run of the bench."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = list(cells)

    def places(self) -> list[Place]:
        return list(dict.fromkeys((c["domain"], c["amount"]) for c in self.all))

    def scores(self, place: Place, side: Side) -> dict[int, float]:
        """Seed -> return per 1000 steps."""
        return {c["seed"]: c[side[1]] for c in self.all
                if (c["domain"], c["amount"], c["algorithm"]) == (*place, side[0]) and side[1] in c}


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures."""
    made = []
    for kind in ("mpo", "svg"):
        abm, bm, none = ((f"{p}{kind}", "policy") for p in ("abm_", "bm_", ""))
        name = kind.upper()
        made += [_above(cells, f"ABM+{name} above BM+{name}", abm, bm,
                        "MPO: 4 of 4 tasks of Table 6, 7 of 7 of Table 7; SVG: 3 of 4 of Table 6"),
                 _above(cells, f"BM+{name} above {name}", bm, none,
                        "MPO: 2 of 4 tasks of Table 6, 6 of 7 of Table 7 (one equal); SVG: 4 of 4 of Table 6")]
    made += [_above(cells, "the ABM prior alone above the BM prior alone", ("abm_mpo", "prior"), ("bm_mpo", "prior"),
                    "4 of 4 tasks of Table 6, 7 of 7 of Table 7"),
             _above(cells, "ABM+MPO above its own prior", ("abm_mpo", "policy"), ("abm_mpo", "prior"),
                    "4 of 4 tasks of Table 6, 7 of 7 of Table 7"),
             _above(cells, "ABM+MPO above BCQ", ("abm_mpo", "policy"), ("bcq", "policy"),
                    "2 of 4 tasks of Table 6, 7 of 7 of Table 7"),
             _above(cells, "ABM+MPO above BEAR", ("abm_mpo", "policy"), ("bear", "policy"),
                    "4 of 4 tasks of Table 6, 7 of 7 of Table 7")]
    return [claim for claim in made if claim is not None]


def apart(better: dict[int, float], other: dict[int, float]) -> bool:
    """The difference of means over the seeds of both is above its standard error (0 for one seed)."""
    seeds = sorted(set(better) & set(other))
    gains = np.array([better[s] - other[s] for s in seeds])
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return bool(gains.mean() > error)


def _above(cells: Cells, text: str, better: Side, other: Side, theirs: str) -> Claim | None:
    good, lines, seeds = [], [], []
    for place in cells.places():
        a, b = cells.scores(place, better), cells.scores(place, other)
        if set(a) & set(b):
            good.append(apart(a, b))
            seeds.append(len(set(a) & set(b)))
            lines.append(f"{' '.join(place)} {_figure(a)} to {_figure(b)}")
    if not good:
        return None
    return Claim(f"{text}, difference above its standard error", SOURCE, theirs,
                 f"{sum(good)} of {len(good)}: {'; '.join(lines)}", min(seeds), verdict(sum(good), len(good)))


def _figure(scores: dict[int, float]) -> str:
    values = list(scores.values())
    return f"{np.mean(values):.0f}" + (f" (sd {np.std(values, ddof=1):.0f})" if len(values) > 1 else "")


def table_rows(cells: Cells) -> list[dict[str, str]]:
    """Table 6's columns: every algorithm, and the learned priors alone; mean and standard deviation over seeds."""
    sides = [(a, w) for a in LABELS for w in ("policy", "prior")]
    used = [s for s in sides if any(s[1] in c and c["algorithm"] == s[0] for c in cells.all)]
    return [{"domain": place[0], "data": place[1], **{_title(s): _cell(cells.scores(place, s)) for s in used},
             "seeds": str(len({c["seed"] for c in cells.all if (c["domain"], c["amount"]) == place}))}
            for place in cells.places()]  # fmt: skip


def _title(side: Side) -> str:
    return LABELS[side[0]] + (" prior" if side[1] == "prior" else "")


def _cell(scores: dict[int, float]) -> str:
    return _figure(scores) if scores else ""
