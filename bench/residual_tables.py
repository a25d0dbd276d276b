"""Thesis Tables 3 and 4 as data, and the cells of the residual bench beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.harness import Cell
from bench.residual_jobs import PLUGS, ROW, rows_of
from priorrl_core.reporting.intervals import mean_interval, wilson

#: (perfect, noisy) of 25 on the real robot; Table 3a D-Sub, 3b Model-E, 4 USB.
THESIS: dict[str, dict[str, tuple[int, int]]] = {
    "dsub": {
        "pure_dense": (4, 0), "pure_images_sac": (0, 0), "pure_images_td3": (3, 3), "lfd_images": (13, 13),
        "residual_dense": (25, 15), "residual_images_sac": (25, 16), "residual_images_td3": (13, 13),
        "controller": (25, 11),
    },
    "model_e": {
        "pure_dense": (0, 0), "pure_images_sac": (0, 0), "pure_images_td3": (0, 0), "lfd_images": (5, 5),
        "residual_dense": (25, 19), "residual_images_sac": (25, 19), "residual_images_td3": (0, 0),
        "controller": (13, 6),
    },
    "usb": {
        "pure_dense": (7, 5), "pure_sparse_sac": (4, 2), "pure_sparse_td3": (11, 7), "pure_images_sac": (9, 8),
        "pure_images_td3": (7, 7), "lfd_sparse": (25, 8), "lfd_images": (22, 15), "residual_dense": (25, 21),
        "residual_sparse_sac": (22, 21), "residual_sparse_td3": (25, 9), "residual_images_sac": (25, 20),
        "residual_images_td3": (0, 0), "controller": (25, 15),
    },
}  # fmt: skip
TABLE = {"dsub": "Table 3a", "model_e": "Table 3b", "usb": "Table 4"}


class Cells:
    """The cells of one run of the bench."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.all = list(cells)

    def pick(self, **wanted: Any) -> list[Cell]:
        return [c for c in self.all if all(c[k] == v for k, v in wanted.items())]

    def count(self, plug: str, row: str, goal: str) -> tuple[int, int]:
        """(successes, runs) over all seeds."""
        mine = self.pick(part="tables", task=plug, row=row)
        return sum(c[f"{goal}_successes"] for c in mine), sum(c["evals"] for c in mine)

    def rate(self, plug: str, row: str, goal: str) -> float:
        k, n = self.count(plug, row, goal)
        return k / n if n else float("nan")

    def known(self, *rows: str) -> list[str]:
        """Plugs with figures for all of the rows."""
        return [p for p in PLUGS if all(self.count(p, r, "noisy")[1] for r in rows)]

    def seeds(self, **wanted: Any) -> int:
        """The smallest number of seeds of any setting among the cells."""
        mine = self.pick(**wanted)
        settings = {(c["task"], c["row"], c["yaw_rad"], c["mean"], c["std"]) for c in mine}
        keys = ("task", "row", "yaw_rad", "mean", "std")
        return min((len({c["seed"] for c in mine if tuple(c[k] for k in keys) == s}) for s in settings), default=0)

    def mean(self, what: str, **wanted: Any) -> tuple[float, float, float]:
        """Mean over seeds and its 95 % Student interval (low, high); one seed: no width."""
        values = [float(c[what]) for c in self.pick(**wanted)]
        return mean_interval(values) if values else (float("nan"),) * 3


def table_rows(cells: Cells, plug: str) -> list[dict[str, str]]:
    """Rows of Table 3a, 3b or 4, thesis beside ours; a cell that was not run is empty (row 9.26)."""
    out = []
    for row in rows_of(plug):
        line = {"table": TABLE[plug], "connector": plug, "row": row.label}
        for i, goal in enumerate(("exact", "noisy")):
            line[f"{goal} thesis"] = f"{THESIS[plug][row.name][i]}/25"
            k, n = cells.count(plug, row.name, goal)
            low, high = wilson(k, n) if n else (0.0, 0.0)
            line[f"{goal} ours"] = f"{k}/{n}" if n else ""
            line[f"{goal} percent (95 %)"] = f"{100 * k / n:.0f} ({100 * low:.0f}-{100 * high:.0f})" if n else ""
        mine = cells.pick(part="tables", task=plug, row=row.name)
        line["seeds"] = str(len(mine))
        line["steps"] = str(mine[0]["steps"]) if mine else ""
        line["noisy distance mm"] = f"{np.mean([c['noisy_distance_mm'] for c in mine]):.2f}" if mine else ""
        line["steps to 9 of 10"] = ", ".join(_reached(c) for c in mine) if row.agent else ""
        line["saturated"] = f"{np.mean([c['saturated'] for c in mine]):.2f}" if mine and row.agent else ""
        out.append(line)
    return out


def _reached(cell: Cell) -> str:
    return str(cell["reached_step"]) if cell["reached_step"] >= 0 else "not"


def sweep_rows(cells: Cells, part: str, key: str) -> list[dict[str, Any]]:
    """Final return and success over one setting, residual and controller (Figures 39(a) to (c))."""
    out = []
    for value in sorted({c[key] for c in cells.pick(part=part)}):
        line: dict[str, Any] = {key: value}
        for row in ("residual", "controller"):
            mine = cells.pick(part=part, row=row, **{key: value})
            mean, low, high = cells.mean("test_return", part=part, row=row, **{key: value})
            line |= {
                f"{row} return": round(mean, 3), f"{row} low": round(low, 3), f"{row} high": round(high, 3),
                f"{row} success": f"{sum(c['test_successes'] for c in mine)}/{sum(c['evals'] for c in mine)}",
                f"{row} seeds": len(mine),
            }  # fmt: skip
        out.append(line)
    return out


def simulation_rows(cells: Cells) -> list[dict[str, Any]]:
    """Figure 40: steps to the first 90 % success in the second simulator, by seed."""
    out = []
    for row in sorted({c["row"] for c in cells.pick(part="simulation")}):
        mine = cells.pick(part="simulation", row=row)
        out.append({
            "setting": row, "seeds": len(mine),
            "steps to 90 %": ", ".join(str(c["solved_step"]) if c["solved_step"] >= 0 else "not" for c in mine),
            "success at the end": f"{sum(c['test_successes'] for c in mine)}/{sum(c['evals'] for c in mine)}",
            "return at the end": round(float(np.mean([c["test_return"] for c in mine])), 3),
        })  # fmt: skip
    return out


def budget_rows(cells: Cells) -> list[dict[str, Any]]:
    """Samples and wall time of learning (row 8.26), every cell that learned."""
    return [
        {"part": c["part"], "task": c["task"], "row": c["row"], "seed": c["seed"], "samples": c["curve_steps"][-1],
         "episodes": len(c["curve_steps"]), "updates": c["updates"], "seconds": c["learning_seconds"],
         "s_per_sample": round(c["learning_seconds"] / c["curve_steps"][-1], 4)}
        for c in cells.all if c.get("curve_steps")
    ]  # fmt: skip


assert set(THESIS["usb"]) == set(ROW)
