"""The claims of issue 4 on returns, judged on the cells of the learners' bench."""

from __future__ import annotations

from collections.abc import Sequence

from bench.harness import Cell, Claim, Verdict, verdict
from bench.learner_jobs import OURS
from bench.learner_tables import Pairing, pairings

SOURCE = "goal of issue 4"
GOAL = "not below the peer's worst seed"


def make_claims(cells: Sequence[Cell]) -> list[Claim]:
    """One for all pairings, then one for each; those with the same seeds on both sides."""
    found = pairings(cells)
    if not found:
        return []
    good = [p.reaches() for p in found]
    back = sum(p.reached_back() for p in found)
    whole = Claim("the last return, mean of the seeds, is within or above the peer's spread on every pairing", SOURCE,
                  GOAL, f"{sum(good)} of {len(found)} pairings (the peers' mean is within or above ours in {back})",
                  min(len(p.ours) for p in found), verdict(sum(good), len(found)))
    return [whole, *map(_claim, found)]


def _claim(pairing: Pairing) -> Claim:
    """``partly``: the best return along the way is within or above, the last is not."""
    judged: Verdict = "holds" if pairing.reaches() else "partly" if pairing.reaches("best") else "fails"
    where = {"online": "online", "her": "with hindsight"}.get(pairing.data, f"on {pairing.data} data")
    return Claim(f"{pairing.env}, {pairing.algorithm} {where}: return within or above the spread of {pairing.peer}",
                 SOURCE, _text(pairing, pairing.peer), _text(pairing, OURS), len(pairing.ours), judged)


def _text(pairing: Pairing, side: str) -> str:
    values = pairing.values(side, "last")
    return (f"{values.mean():.1f} ({values.min():.1f} to {values.max():.1f}), "
            f"best {pairing.mean(side, 'best'):.1f}")
