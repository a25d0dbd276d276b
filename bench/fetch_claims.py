"""Chapter 5's results in kind, judged on the cells of the Fetch bench."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.fetch_jobs import METHODS, ON
from bench.harness import Cell, Claim, Verdict, verdict

LEARNED = 0.8
"""Success that counts as learned."""
MARGIN = 0.051
"""What is nearer counts as equal: one of 20 episodes."""
SEEDS = 3
"""With fewer a claim holds in part at most."""


class Cells:
    """The cells of one run of the bench."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = list(cells)

    def curves(self, task: str, method: str, seeds: Sequence[int] | None = None) -> list[list[float]]:
        """Success at every look, a list for each seed in the order of the seeds; of ``seeds`` alone if given."""
        mine = sorted((c for c in self.all if (c["task"], c["method"]) == (task, method)), key=lambda c: c["seed"])
        return [[p["success"] for p in c["curve"]] for c in mine if seeds is None or c["seed"] in seeds]

    def seeds(self, task: str, *methods: str) -> list[int]:
        """Those that all of the methods have."""
        held = [{c["seed"] for c in self.all if (c["task"], c["method"]) == (task, m)} for m in methods]
        return sorted(set.intersection(*held))


def reported(curves: Sequence[Sequence[float]]) -> float:
    """Median over seeds of each run's best success (row 5.16, thesis Figure 23)."""
    return float(np.median([max(curve) for curve in curves]))


def pace(curves: Sequence[Sequence[float]]) -> float:
    """Median over seeds of a run's mean over its looks: the higher, the sooner it is learned."""
    return float(np.median([np.mean(curve) for curve in curves]))


def make_claims(cells: Cells) -> list[Claim]:
    """Claims for which there are figures, on the seeds that both sides have."""
    made = [_learned(cells, "pick", "Ours solves it, HER always fails"),
            _learned(cells, "push", "both learn it, Ours in a quarter of the steps"),
            *[_ablation(cells, method, *told) for method, told in ABLATIONS.items()],
            _ruined(cells), _resets(cells), _stacked(cells)]
    return [capped(claim) for claim in made if claim is not None]


def capped(claim: Claim) -> Claim:
    return replace(claim, verdict="partly") if claim.verdict == "holds" and claim.seeds < SEEDS else claim


def _learned(cells: Cells, task: str, theirs: str) -> Claim | None:
    """``partly``: better than HER on every seed, and short of ``LEARNED``, or HER has learned it too."""
    seeds = cells.seeds(task, "ours", "her")
    if not seeds:
        return None
    ours, her = (cells.curves(task, m, seeds) for m in ("ours", "her"))
    judged: Verdict = "fails"
    if all(max(a) > max(b) for a, b in zip(ours, her, strict=True)):
        judged = "holds" if reported(ours) >= LEARNED > reported(her) else "partly"
    return Claim(f"{task}: with demonstrations it is learned where HER alone does not learn it in the same steps",
                 "thesis Figure 22", theirs, told(cells, task, seeds, "ours", "her"), len(seeds), judged)


#: Method -> claim and the thesis's figure.
ABLATIONS = {
    "bc": ("Ours ends above BC and so above its demonstrations alone", "stack 2: 99 % against 65 %"),
    "no_bc": ("without the cloning loss it is worse", "worse on every task, half as fast on stack 3"),
    "no_filter": ("without the Q-filter it is slower", "slower on stack 3, mixed on longer tasks"),
    "early": ("filtered from the first update on, as the thesis's text has it, it is worse in this few updates",
              "no such run"),
    "no_her": ("without hindsight it is worse", "stack 3: 0 % throughout")}


def _ablation(cells: Cells, method: str, claim: str, theirs: str) -> Claim | None:
    """Judged by the best success and by the pace; ``partly`` where one of the two is above by more than the margin."""
    seeds = cells.seeds("pick", "ours", method)
    if not seeds:
        return None
    ours, other = (cells.curves("pick", m, seeds) for m in ("ours", method))
    good = sum(score(ours) - score(other) > MARGIN for score in (reported, pace))
    return Claim(f"pick: {claim}", "thesis Figures 23 to 25", theirs, told(cells, "pick", seeds, "ours", method),
                 len(seeds), verdict(good, 2))


def _ruined(cells: Cells) -> Claim | None:
    seeds = cells.seeds("pick", "bc", "bc_her")
    if not seeds:
        return None
    bc, both = (reported(cells.curves("pick", m, seeds)) for m in ("bc", "bc_her"))
    return Claim("pick: BC+HER ends no better than BC", "thesis Figure 23", "stack 2: 65 % and 65 %",
                 told(cells, "pick", seeds, "bc", "bc_her"), len(seeds), "holds" if both - bc <= MARGIN else "fails")


def _resets(cells: Cells) -> Claim | None:
    seeds = cells.seeds("pick", "ours", "resets")
    if not seeds:
        return None
    ours, resets = (reported(cells.curves("pick", m, seeds)) for m in ("ours", "resets"))
    return Claim("pick: on a short task resets to demonstration states end no better", "thesis Figure 23",
                 "stack 2: 99 % without, 97 % with", told(cells, "pick", seeds, "ours", "resets"), len(seeds),
                 "holds" if resets - ours <= MARGIN else "fails")


def _stacked(cells: Cells) -> Claim | None:
    """By the better of Ours and Ours, Resets; ``partly``: some success, and more than HER."""
    with_demos = [m for m in ("resets", "ours") if cells.curves("stack", m)]
    if not with_demos:
        return None
    best = max(with_demos, key=lambda m: reported(cells.curves("stack", m)))
    score, her = reported(cells.curves("stack", best)), cells.curves("stack", "her")
    beside = [m for m in ON["stack"] if cells.curves("stack", m)]
    above = not her or score > reported(her)
    judged: Verdict = "holds" if score >= LEARNED and above else "partly" if score > 0.0 and above else "fails"
    return Claim("stack: two blocks are stacked with demonstrations", "thesis Figure 23",
                 "stack 2, sparse: Ours 99 %, with resets 97 %, BC 65 %, HER 0 %",
                 told(cells, "stack", None, *beside), len(cells.curves("stack", best)), judged)


def told(cells: Cells, task: str, seeds: Sequence[int] | None, *methods: str) -> str:
    """Of each method the reported figure, each seed's best and the mean of the last looks."""
    parts = []
    for method in methods:
        mine = cells.curves(task, method, seeds)
        each = ", ".join(f"{100 * max(c):.0f}" for c in mine)
        parts.append(f"{METHODS[method]} {100 * reported(mine):.0f} % (best of each seed {each}; "
                     f"last {100 * np.mean([c[-1] for c in mine]):.0f} %, mean of looks {100 * pace(mine):.0f} %)")
    return "; ".join(parts)


def table_rows(cells: Cells) -> list[dict[str, Any]]:
    """One row a task and method, as Figure 23 reports it."""
    out = []
    for task in ON:
        for method in ON[task]:
            mine = [c for c in cells.all if (c["task"], c["method"]) == (task, method)]
            curves = cells.curves(task, method)
            if not mine:
                continue
            mine.sort(key=lambda c: c["seed"])
            out.append({"task": task, "method": METHODS[method], "seeds": len(mine),
                        "median of best": round(reported(curves), 3),
                        "best by seed": _listed(max(c) for c in curves), "last by seed": _listed(c[-1] for c in curves),
                        "mean of looks": round(pace(curves), 3),
                        "final reward": round(float(np.mean([c["curve"][-1]["final_reward"] for c in mine])), 3),
                        "steps": mine[0]["steps"], "updates": mine[0]["updates"],
                        "cpu seconds": round(float(np.mean([c["cpu_seconds"] for c in mine])), 1)})
    return out


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{v:.2f}" for v in values)
