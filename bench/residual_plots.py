"""Figures of the residual bench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Cell, pyplot
from bench.residual_jobs import PLUGS, ROW, rows_of
from bench.residual_tables import Cells
from priorrl_core.reporting.intervals import STUDENT, wilson

FAR_MM = 10.0
"""A final distance beyond this is no success (Figure 46)."""
GRID = 60
SMOOTH = 10


def plots(out: Path, cells: Cells) -> None:
    """One PNG a figure, for those with cells."""
    for name, reward in (("figure44_images", "image"), ("figure45_sparse", "sparse"), ("figure46_dense", "dense")):
        _distances(out / f"{name}.png", cells, reward)
    _samples(out / "figure37_samples.png", cells)
    for part, column, name, label in (
        ("rotation", "yaw_rad", "figure39a_rotation", "yaw of each block, U[-r, r]: r [rad]"),
        ("noise", "std", "figure39b_noise", "sigma of the control noise"),
        ("bias", "mean", "figure39c_bias", "bias of the control noise (sigma 0.05)"),
    ):
        _sweep(out / f"{name}.png", cells, part, column, label)
    _orientation(out / "figure38a_orientation.png", cells)
    _simulation(out / "figure40_simulation.png", cells)


def band(cells: Sequence[Cell], column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """(steps, mean, low, high) of a training curve over seeds, smoothed over ten episodes; 95 % Student."""
    if not cells:
        return None
    grid = np.linspace(0, min(c["curve_steps"][-1] for c in cells), GRID)
    lines = np.stack([np.interp(grid, c["curve_steps"], _smooth(c[column])) for c in cells])
    mean, n = lines.mean(0), len(lines)
    half = STUDENT[n - 2] * lines.std(0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros_like(mean)
    return grid, mean, mean - half, mean + half


def _smooth(values: Sequence[float]) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - SMOOTH)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _draw(axes: Any, cells: Sequence[Cell], column: str, label: str) -> None:
    found = band(cells, column)
    if found is not None:
        steps, mean, low, high = found
        (line,) = axes.plot(steps, mean, label=label, lw=1.3)
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.15, lw=0)


def _finish(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    pyplot().close(figure)


def _distances(path: Path, cells: Cells, reward: str) -> None:
    """Figures 44 to 46: final distance to the goal of each training trial."""
    plugs = [p for p in PLUGS if any(c for c in cells.pick(part="tables", task=p) if _of(c, reward))]
    if not plugs:
        return
    figure, grid = pyplot().subplots(1, len(plugs), figsize=(4.4 * len(plugs), 3.4), layout="constrained",
                                      squeeze=False)  # fmt: skip
    for axes, plug in zip(grid[0], plugs, strict=True):
        for row in rows_of(plug):
            if row.agent and row.reward == reward:
                _draw(axes, cells.pick(part="tables", task=plug, row=row.name), "curve_distance_mm", row.label)
        axes.axhline(FAR_MM, color="black", lw=0.8, ls=":")
        axes.set(title=plug, xlabel="training step", ylabel="final distance [mm]", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=6)
    _finish(figure, path)


def _of(cell: Cell, reward: str) -> bool:
    row = ROW[cell["row"]]
    return bool(row.agent) and row.reward == reward


def _samples(path: Path, cells: Cells) -> None:
    """Figure 37."""
    if not cells.pick(part="samples"):
        return
    figure, axes = pyplot().subplots(figsize=(5.6, 3.4), layout="constrained")
    for row, label in (("rl", "only RL"), ("residual", "residual RL")):
        _draw(axes, cells.pick(part="samples", row=row), "curve_returns", label)
    alone = cells.pick(part="samples", row="controller")
    if alone:
        axes.axhline(float(np.mean([c["test_return"] for c in alone])), color="black", lw=1.0, ls="--",
                     label="controller alone")  # fmt: skip
    axes.set(title="Block assembly, yaw up to 0.3 rad", xlabel="training step", ylabel="return of a trial")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    _finish(figure, path)


def _sweep(path: Path, cells: Cells, part: str, column: str, label: str) -> None:
    values = sorted({c[column] for c in cells.pick(part=part)})
    if not values:
        return
    figure, axes = pyplot().subplots(figsize=(5.0, 3.2), layout="constrained")
    for row, name in (("residual", "residual RL"), ("controller", "controller alone")):
        known = [v for v in values if cells.pick(part=part, row=row, **{column: v})]
        triples = [cells.mean("test_return", part=part, row=row, **{column: v}) for v in known]
        if triples:
            mean, low, high = np.array(triples).T
            axes.errorbar(known, mean, [mean - low, high - mean], label=name, marker="o", ms=3, capsize=2)
    axes.set(xlabel=label, ylabel="return after learning")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    _finish(figure, path)


def _orientation(path: Path, cells: Cells) -> None:
    """Figure 38(a): success by the turns of the two blocks."""
    if not any("by_orientation" in c for c in cells.all):
        return
    figure, axes = pyplot().subplots(figsize=(6.0, 3.2), layout="constrained")
    for i, (row, label) in enumerate((("residual", "residual RL"), ("controller", "controller alone"))):
        mine = [c["by_orientation"] for c in cells.pick(part="orientation", row=row)]
        if mine:
            names = list(mine[0])
            counts = [(sum(c[n] for c in mine), 5 * len(mine)) for n in names]
            rates = [k / n for k, n in counts]
            bounds = [wilson(k, n) for k, n in counts]
            spread = [[r - lo for r, (lo, _) in zip(rates, bounds, strict=True)],
                      [hi - r for r, (_, hi) in zip(rates, bounds, strict=True)]]  # fmt: skip
            at = np.arange(len(names)) + 0.4 * (i - 0.5)
            axes.bar(at, rates, 0.38, label=label, yerr=np.maximum(0.0, spread), error_kw={"lw": 0.7})
            axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="turn of left and right block (x 20 degrees)", ylabel="success", ylim=(0, 1.05))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=7)
    _finish(figure, path)


def _simulation(path: Path, cells: Cells) -> None:
    """Figure 40: evaluation success over steps in the second simulator."""
    rows = sorted({c["row"] for c in cells.pick(part="simulation")})
    if not rows:
        return
    figure, axes = pyplot().subplots(figsize=(5.6, 3.4), layout="constrained")
    for row in rows:
        curves = [np.array(c["eval_curve"]) for c in cells.pick(part="simulation", row=row)]
        grid = np.linspace(0, min(c[-1, 0] for c in curves), GRID)
        mean = np.mean([np.interp(grid, c[:, 0], c[:, 1]) for c in curves], axis=0)
        axes.plot(grid, mean, label=row, lw=1.3)
    axes.set(title="Fixed blocks, biased controller, second simulator", xlabel="training step there",
             ylabel="success of 10 trials", ylim=(-0.02, 1.05))  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    _finish(figure, path)
