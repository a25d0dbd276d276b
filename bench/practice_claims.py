"""What each option of practice adds, judged on the cells: success over practice, paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from bench.harness import Cell, Claim, Verdict, verdict
from bench.practice_jobs import ARMS, CONNECTORS

BLOCK = 20
"""Trials of one figure on the way."""
OURS = "none; ours"
RLPD = "part of RLPD's recipe (arXiv 2302.02948); no figure for such a task"
WSRL = "WSRL's (arXiv 2412.07762), there with Cal-QL; no figure for such a task"
THESIS = "thesis: a quarter of each batch from practice; no figure for another share"
STEPS = (("preset", "thesis", "the preset instead of the thesis's own setting", OURS),
         ("preset", "no_q", "deterministic policy gradient beside equation 57", OURS),
         ("preset", "no_decay", "exploration that decays", OURS),
         ("preset", "own_only", "prior data in three quarters of each batch", THESIS),
         ("preset", "updates_1", "two updates a step instead of one", OURS),
         ("updates_4", "preset", "four updates a step instead of two", RLPD),
         ("share_50", "preset", "half of each batch from practice: symmetric sampling", RLPD),
         ("share_10", "preset", "a tenth of each batch from practice", OURS),
         ("warm_up", "preset", "ten trials before the first update", WSRL),
         ("wsrl", "own_only", "ten trials before the first update, without prior data", WSRL))
"""Arm, the one that it is compared with, what it adds, and what its source says of that."""


class Cells:
    """The cells of one run of the bench; arrays have a row a seed, seeds in order."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = sorted(cells, key=lambda c: int(c["seed"]))

    @property
    def connectors(self) -> list[str]:
        return [c for c in CONNECTORS if any(cell["connector"] == c for cell in self.all)]

    def of(self, connector: str, arm: str) -> list[Cell]:
        return [c for c in self.all if (c["connector"], c["arm"]) == (connector, arm)]

    def seeds(self, connector: str) -> int:
        return len({c["seed"] for c in self.all if c["connector"] == connector})

    def truth(self, connector: str, arm: str) -> np.ndarray:
        """(seeds, trials) of practice: inserted, by the simulator."""
        return np.array([c["practice_truth"] for c in self.of(connector, arm)], np.float64)

    def end(self, connector: str, arm: str) -> np.ndarray:
        """(seeds,) success of the evaluation, without exploration."""
        return np.array([c["successes"] / c["eval_trials"] for c in self.of(connector, arm)])

    def gains(self, connector: str, arm: str, other: str) -> np.ndarray:
        """Difference of mean success over practice, of the seeds that both have."""
        a, b = ({c["seed"]: float(np.mean(c["practice_truth"])) for c in self.of(connector, x)} for x in (arm, other))
        return np.array([a[seed] - b[seed] for seed in a if seed in b])

    def blocks(self) -> list[dict[str, Any]]:
        """Success of successive ``BLOCK`` trials, one row a cell and block."""
        return [{"connector": c["connector"], "arm": c["arm"], "seed": c["seed"], "trials": i + len(part),
                 "success": round(sum(part) / len(part), 4)} for c in self.all for i, part in _parts(c)]


def _parts(cell: Cell) -> Iterator[tuple[int, list[int]]]:
    truth = cell["practice_truth"]
    return ((i, truth[i:i + BLOCK]) for i in range(0, len(truth), BLOCK))


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures."""
    made = [_improves(cells, arm) for arm in ("preset", "thesis")]
    made += [_adds(cells, *step) for step in STEPS]
    return [claim for claim in made if claim.seeds]


def _improves(cells: Cells, arm: str) -> Claim:
    told, good, total, seeds = [], 0, 0, []
    for name in cells.connectors:
        before, after = cells.end(name, "before"), cells.end(name, arm)
        if len(before) and len(before) == len(after):
            good, total = good + int((after > before).sum()), total + len(after)
            seeds.append(len(after))
            told.append(f"{name} {_mean(before)} to {_mean(after)}")
    return Claim(f"practice with {arm} improves the policy, seed by seed", ARMS[arm].source,
                 "sum of four connectors, scenario I: 33 to 65 of 80", f"{'; '.join(told)}; {good} of {total} seeds",
                 min(seeds, default=0), verdict(good, total))


def _adds(cells: Cells, arm: str, other: str, what: str, theirs: str) -> Claim:
    """Holds where the gain exceeds its standard error on every connector, fails where it is below minus that."""
    told, judged, seeds = [], [], []
    for name in cells.connectors:
        gains = cells.gains(name, arm, other)
        if len(gains):
            seeds.append(len(gains))
            judged.append(judge(gains))
            told.append(f"{name} {_mean(cells.truth(name, arm))} to {_mean(cells.truth(name, other))}, gain "
                        f"{100 * gains.mean():+.0f} ({_spread(gains)}), at the end "
                        f"{_mean(cells.end(name, arm))} to {_mean(cells.end(name, other))}")
    return Claim(f"{what}: {arm} above {other} over practice by more than the standard error of the difference",
                 ARMS[arm if other == "preset" else other].source, theirs, "; ".join(told), min(seeds, default=0),
                 together(judged))


def judge(gains: np.ndarray) -> Verdict:
    """``partly`` within the standard error of the differences of the same seeds; one seed proves nothing."""
    error = standard_error(gains)
    if len(gains) < 2 or abs(gains.mean()) <= error:
        return "partly"
    return "holds" if gains.mean() > 0 else "fails"


def together(verdicts: list[Verdict]) -> Verdict:
    """The verdict that all connectors share, else ``partly``."""
    return verdicts[0] if len(set(verdicts)) == 1 else "partly"


def standard_error(gains: np.ndarray) -> float:
    return float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0


def _spread(gains: np.ndarray) -> str:
    return f"se {100 * standard_error(gains):.0f}" if len(gains) > 1 else "one seed"


def _mean(values: np.ndarray) -> str:
    return f"{100 * values.mean():.0f} %"


def table_rows(cells: Cells) -> list[dict[str, Any]]:
    """One row a connector and arm."""
    return [_row(cells, name, arm) for name in cells.connectors for arm in ARMS if cells.of(name, arm)]


def _row(cells: Cells, name: str, arm: str) -> dict[str, Any]:
    mine, truth, end = cells.of(name, arm), cells.truth(name, arm), cells.end(name, arm)
    blocks = [truth[:, i:i + BLOCK].mean() for i in range(0, truth.shape[1], BLOCK)]
    return {"connector": name, "arm": arm, "what": ARMS[arm].source, "seeds": len(mine),
            "over practice": round(float(truth.mean()), 3) if truth.size else "",
            f"blocks of {BLOCK}": " ".join(f"{b:.2f}" for b in blocks),
            "end": round(float(end.mean()), 3), "end by seed": " ".join(f"{v:.2f}" for v in end),
            "cpu seconds": round(float(np.mean([c["cpu_seconds"] for c in mine])), 1)}
