"""Thesis Tables 5, 6 and 7 as data, and ours beside them.

Ours are judged on connectors of families that were drawn after every setting was fixed. The thesis's own four
exist here too, but camera, reward and practice were chosen while looking at them: a development set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TEST = ("uk_g", "aus_i", "iec_c7", "swiss_j")
DEVELOPMENT = ("dt12", "mega_1x1", "nema_15", "europlug")
CONNECTORS = (*TEST, *DEVELOPMENT)
COLUMNS = ("localize", "straight_down", "random_search", "spiral_search", "base", "offline", "online")
ABLATIONS = ("daib_none", "none_none")
"""<reward>_<policy>; ``daib_daib`` is the method itself."""

#: Successes of 20 on real connectors; the base controller alone is not in the thesis.
THESIS: dict[str, dict[str, dict[str, int]]] = {
    "I": {
        "dt12": dict(localize=3, straight_down=1, random_search=7, spiral_search=4, offline=7, online=19),
        "mega_1x1": dict(
            localize=3, straight_down=1, random_search=1, spiral_search=15, offline=5, online=16
        ),
        "nema_15": dict(localize=0, straight_down=1, random_search=0, spiral_search=3, offline=11, online=15),
        "europlug": dict(
            localize=6, straight_down=4, random_search=6, spiral_search=4, offline=10, online=15
        ),
    },
    "II": {
        "dt12": dict(localize=0, straight_down=0, random_search=0, spiral_search=0, offline=0, online=18),
        "mega_1x1": dict(
            localize=0, straight_down=1, random_search=0, spiral_search=17, offline=0, online=20
        ),
        "nema_15": dict(localize=0, straight_down=0, random_search=0, spiral_search=0, offline=6, online=17),
        "europlug": dict(localize=0, straight_down=0, random_search=0, spiral_search=0, offline=2, online=15),
    },
}
#: (offline, online) of 20, scenario II, by connector and <reward>_<policy>.
THESIS_ABLATION: dict[str, dict[str, tuple[int, int]]] = {
    "dt12": {"daib_daib": (0, 18), "daib_none": (0, 4), "none_none": (0, 0)},
    "mega_1x1": {"daib_daib": (0, 20), "daib_none": (3, 20), "none_none": (3, 0)},
    "nema_15": {"daib_daib": (6, 17), "daib_none": (0, 2), "none_none": (0, 0)},
    "europlug": {"daib_daib": (2, 15), "daib_none": (1, 12), "none_none": (0, 15)},
}


@dataclass(frozen=True)
class Table:
    """Counts (successes, trials) of one scenario, by (connector, column) and summed over seeds."""

    scenario: str
    counts: dict[tuple[str, str], tuple[int, int]]
    runs: dict[tuple[str, str], frozenset[int]]
    """Seeds behind each count."""

    @classmethod
    def of(cls, cells: list[dict[str, Any]], scenario: str) -> Table:
        counts: dict[tuple[str, str], tuple[int, int]] = {}
        runs: dict[tuple[str, str], frozenset[int]] = {}

        def add(connector: str, column: str, seed: int, successes: int, trials: int) -> None:
            k, n = counts.get((connector, column), (0, 0))
            counts[connector, column] = (k + successes, n + trials)
            runs[connector, column] = runs.get((connector, column), frozenset()) | {seed}

        for c in (c for c in cells if c["scenario"] == scenario):
            for stage in ("offline", "online") if c["practice_trials"] else ("",):
                column = stage if c["method"] == "daib_daib" else f"{c['method']} {stage}".strip()
                successes = c[f"{stage}_successes" if stage else "successes"]
                add(c["connector"], column, int(c["seed"]), int(successes), int(c["eval_trials"]))
        return cls(scenario, counts, runs)

    def count(self, connector: str, column: str) -> tuple[int, int]:
        return self.counts.get((connector, column), (0, 0))

    def rate(self, connector: str, column: str) -> float | None:
        k, n = self.count(connector, column)
        return k / n if n else None

    def known(self, connector: str) -> bool:
        return any(c == connector for c, _ in self.counts)

    def connectors(self, column: str) -> list[str]:
        """Test connectors with figures in a column."""
        return [c for c in TEST if self.count(c, column)[1]]

    def seeds(self, *columns: str) -> int:
        """Seeds behind every figure of these columns: the least that a test connector has; 0 without figures."""
        return min((len(self.runs[c, column]) for column in columns for c in self.connectors(column)), default=0)

    def text(self, column: str) -> str:
        """``dt12 140/150, ...`` of a column."""
        return ", ".join("{} {}/{}".format(c, *self.count(c, column)) for c in self.connectors(column))


def thesis_rows(table: Table) -> list[dict[str, str]]:
    """Table 5 or 6: the test connectors and their sum, then those of the thesis's names, thesis beside ours."""
    rows = []
    for name, members in _groups():
        row = {"connector": name}
        for column in COLUMNS:
            row[f"{column} thesis"] = _thesis(table.scenario, members, column)
            row[f"{column} ours"] = _ours(table, members, column)
        rows.append(row)
    return rows


def _groups() -> list[tuple[str, tuple[str, ...]]]:
    def group(title: str, names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        return [*((n, (n,)) for n in names), (title, names)]

    return [*group("sum (test)", TEST), *group("sum (development)", DEVELOPMENT)]


def ablation_rows(table: Table) -> list[dict[str, str]]:
    """Table 7: offline and online with and without DAIB in reward and policy."""
    rows = []
    for connector in CONNECTORS:
        for method in ("daib_daib", *ABLATIONS):
            reward, policy = ("DAIB" if part == "daib" else "-" for part in method.split("_"))
            prefix = "" if method == "daib_daib" else f"{method} "
            offline, online = THESIS_ABLATION.get(connector, {}).get(method, (None, None))
            rows.append(
                {
                    "connector": connector,
                    "reward": reward,
                    "policy": policy,
                    "offline thesis": "" if offline is None else f"{offline}/20",
                    "offline ours": _ours(table, (connector,), f"{prefix}offline"),
                    "online thesis": "" if online is None else f"{online}/20",
                    "online ours": _ours(table, (connector,), f"{prefix}online"),
                }
            )
    return rows


def _thesis(scenario: str, connectors: tuple[str, ...], column: str) -> str:
    values = THESIS[scenario]
    if column == "base" or not set(connectors) <= set(values):
        return ""
    return f"{sum(values[c][column] for c in connectors)}/{20 * len(connectors)}"


def _ours(table: Table, connectors: tuple[str, ...], column: str) -> str:
    counts = [table.count(c, column) for c in connectors]
    k, n = sum(c[0] for c in counts), sum(c[1] for c in counts)
    return f"{k}/{n}" if n else ""
