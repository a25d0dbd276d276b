"""The claims of thesis section 10.6 (10-R1 to 10-R7), judged on the counts of the insertion bench."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.harness import Claim, Verdict, verdict
from bench.insertion_tables import ABLATIONS, TEST, THESIS, THESIS_ABLATION, Table
from priorrl_core.reporting.intervals import wilson

GOOD, POOR = 0.75, 0.30
BASELINES = ("localize", "straight_down", "random_search", "spiral_search")
TABLE = {"I": "thesis Table 5", "II": "thesis Table 6"}


def make_claims(first: Table, second: Table) -> list[Claim]:
    """Claims for which there are figures."""
    out: list[Claim] = []
    for table in (first, second):
        if table.connectors("online"):
            out += [_online_good(table), _better(table, "offline", "online improves on offline (row 10.29)")]
            out += [_better(table, b, f"online beats {b}") for b in BASELINES if table.connectors(b)]
            if table.connectors("base"):
                out.append(_base_poor(table))
    if second.connectors("offline"):
        out.append(_offline_poor(second))
    out += [_ablation(second, m) for m in ABLATIONS if second.connectors(f"{m} online")]
    if all(second.connectors(f"{m} online") for m in ABLATIONS):
        out.append(_only_both(second))
    return out


def _theirs(scenario: str, column: str) -> str:
    return ", ".join(f"{c} {v[column]}/20" for c, v in THESIS[scenario].items())


def _online_good(table: Table) -> Claim:
    names = table.connectors("online")
    good = [c for c in names if (table.rate(c, "online") or 0.0) >= GOOD]
    return Claim(
        f"scenario {table.scenario}: after 200 trials at least 75% on every connector (10-R1, 10-R2)",
        TABLE[table.scenario],
        _theirs(table.scenario, "online"),
        table.text("online"),
        table.seeds("online"),
        verdict(len(good), len(TEST)),
    )


def _better(table: Table, column: str, text: str) -> Claim:
    """Holds for a connector where the Wilson intervals do not overlap, online above."""
    names = [c for c in table.connectors("online") if table.count(c, column)[1]]
    good = [c for c in names if wilson(*table.count(c, "online"))[0] > wilson(*table.count(c, column))[1]]
    return Claim(
        f"scenario {table.scenario}: {text}",
        TABLE[table.scenario],
        f"{column}: {_theirs(table.scenario, column)}",
        f"{column}: {table.text(column)}; online: {table.text('online')}",
        table.seeds(column, "online"),
        verdict(len(good), len(TEST)),
    )


def _base_poor(table: Table) -> Claim:
    names = table.connectors("base")
    poor = [c for c in names if (table.rate(c, "base") or 0.0) <= 0.2]
    return Claim(
        f"scenario {table.scenario}: the base controller alone inserts at most 20%",
        "issue 2 (not in the thesis)",
        "-",
        table.text("base"),
        table.seeds("base"),
        verdict(len(poor), len(TEST)),
    )


def _offline_poor(table: Table) -> Claim:
    names = table.connectors("offline")
    poor = [c for c in names if (table.rate(c, "offline") or 0.0) <= POOR]
    return Claim(
        "scenario II: the offline policy is poor (at most 30%) on every connector (10-R2)",
        TABLE["II"],
        _theirs("II", "offline"),
        table.text("offline"),
        table.seeds("offline"),
        verdict(len(poor), len(TEST)),
    )


def _ablation(table: Table, method: str) -> Claim:
    """Expected direction of row 10.28: with DAIB in both at least as good."""
    names = [c for c in table.connectors(f"{method} online") if table.count(c, "online")[1]]
    worse = [
        c for c in names if (table.rate(c, f"{method} online") or 0.0) <= (table.rate(c, "online") or 0.0)
    ]
    what = "without DAIB in the policy" if method == "daib_none" else "without DAIB in reward and policy"
    theirs = ", ".join(f"{c} {v[method][1]}/20" for c, v in THESIS_ABLATION.items())
    return Claim(
        f"scenario II: {what}, fine-tuning is no better than with both on every connector (row 10.28)",
        "thesis Table 7",
        theirs,
        f"{table.text(f'{method} online')}; both: {table.text('online')}",
        table.seeds(f"{method} online", "online"),
        verdict(len(worse), len(TEST)),
    )


def _only_both(table: Table) -> Claim:
    def consistent(column: str) -> bool:
        return all((table.rate(c, column) or 0.0) >= GOOD for c in table.connectors(column))

    both, others = consistent("online"), [consistent(f"{m} online") for m in ABLATIONS]
    outcome: Verdict = "holds" if both and not any(others) else "partly" if both else "fails"
    return Claim(
        "scenario II: only DAIB in both reaches 75% on all four connectors (10-R3)",
        "thesis Table 7",
        "both: yes; without in policy: no; without in either: no",
        "; ".join(
            f"{n}: {'yes' if v else 'no'}"
            for n, v in zip(("both", "without in policy", "without in either"), (both, *others), strict=True)
        ),
        table.seeds("online", *(f"{m} online" for m in ABLATIONS)),
        outcome,
    )  # type: ignore[arg-type]


ATTEMPTS = {
    "1": "61 connectors, one bench each (the weights of this table)",
    "2": "each connector on four benches",
    "3": "as 2, and the policy's images with mixed colour channels",
}


def attempts(path: Path) -> list[Claim]:
    """What was tried for 75 % everywhere: of each attempt the worst test connector, after practice where that
    was run, before it otherwise (``attempts.csv``). Holds where one attempt reached it on all, in both scenarios."""
    if not path.is_file():
        return []
    with path.open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["connector"] in TEST]
    parts, seeds, reached = [], [], []
    for number, what in ATTEMPTS.items():
        last = _last_stage([r for r in rows if r["attempt"] == number])
        worst = min(last, key=_fraction)
        stage = "after" if worst["stage"] == "online" else "before"
        parts.append(
            f"{number} ({what}): worst {worst['connector']} {worst['scenario']} {worst['successes']}/"
            f"{worst['trials']} {stage} practice"
        )
        seeds.append(int(worst["seeds"]))
        places = {(r["connector"], r["scenario"]) for r in last}
        reached.append(len(places) == 2 * len(TEST) and _fraction(worst) >= GOOD)
    text = "one of the attempts reaches 75% on every connector"
    outcome: Verdict = "holds" if any(reached) else "fails"
    return [Claim(text, "issue 2", ">= 75%", "; ".join(parts), min(seeds), outcome)]


def _last_stage(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    practised = {(r["connector"], r["scenario"]) for r in rows if r["stage"] == "online"}
    return [r for r in rows if r["stage"] == "online" or (r["connector"], r["scenario"]) not in practised]


def _fraction(row: dict[str, str]) -> float:
    return int(row["successes"]) / int(row["trials"])
