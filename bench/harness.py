"""What every bench shares: where results go, cells that are stored as they are made, claims, plots."""

from __future__ import annotations

import csv
import json
import multiprocessing as mp
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from priorrl_core.config import ROOT
from priorrl_core.errors import DataError
from priorrl_core.reporting.summary import write_json

Verdict = Literal["holds", "partly", "fails"]
Cell = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One published statement beside what was measured here."""

    claim: str
    source: str
    theirs: str
    ours: str
    seeds: int
    verdict: Verdict


@dataclass(frozen=True)
class Context:
    """What a bench is told. ``cells`` holds one JSON file for every finished piece of work."""

    name: str
    out: Path
    cells: Path
    quick: bool = False
    resume: bool = False
    seed: int = 0
    processes: int = 2
    checkpoint: str = "demo"
    data: str = ""
    options: tuple[str, ...] = ()
    progress: Callable[..., None] = lambda *_: None


def results_dir(name: str, quick: bool, root: Path = ROOT) -> Path:
    """``bench/results/NAME``; for a quick run ``.../quick`` where a full result stands already."""
    base = root / "bench" / "results" / name
    marker = base / "run.json"
    full = marker.is_file() and json.loads(marker.read_text()).get("quick") is False
    return base / "quick" if quick and full else base


def chosen(context: Context, jobs: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """All jobs (key, argument); with the word ``stored`` those whose cell is there."""
    if "stored" not in context.options:
        return list(jobs)
    return [(key, job) for key, job in jobs if (context.cells / f"{key}.json").is_file()]


def run_cells(context: Context, jobs: Sequence[tuple[str, Any]], work: Callable[[Any], Cell]) -> list[Cell]:
    """One cell a job (key, argument), in the order of ``jobs``, over ``context.processes`` processes.

    A finished cell is stored at once as ``cells/<key>.json``; with ``resume`` stored cells are kept.
    ``work`` must be a module's function. One thread a process, so that a cell does not depend on the others.
    """
    context.cells.mkdir(parents=True, exist_ok=True)
    if not context.resume:
        for key, _ in jobs:
            (context.cells / f"{key}.json").unlink(missing_ok=True)
    cells = {key: _stored(context.cells / f"{key}.json") for key, _ in jobs}
    todo = [(key, argument, work, context.cells) for key, argument in jobs if cells[key] is None]
    context.progress(context.name, len(jobs) - len(todo), len(jobs))
    for done, (key, cell) in enumerate(_results(todo, context.processes), len(jobs) - len(todo) + 1):
        cells[key] = cell
        context.progress(context.name, done, len(jobs), key)
    return [cell for cell in (cells[key] for key, _ in jobs) if cell is not None]


def _results(
    todo: list[tuple[str, Any, Callable[[Any], Cell], Path]], processes: int
) -> Iterable[tuple[str, Cell]]:
    if processes <= 1 or len(todo) <= 1:
        yield from map(_make, todo)
        return
    with mp.get_context("spawn").Pool(
        min(processes, len(todo)), initializer=one_thread, maxtasksperchild=8
    ) as pool:
        yield from pool.imap_unordered(_make, todo)


def _make(job: tuple[str, Any, Callable[[Any], Cell], Path]) -> tuple[str, Cell]:
    key, argument, work, folder = job
    cell = work(argument)
    write_json(folder / f"{key}.json", cell)
    return key, cell


def one_thread() -> None:
    """One thread for every numeric library of this process, and Ctrl-C left to the parent."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    import torch

    torch.set_num_threads(1)


def _stored(path: Path) -> Cell | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise DataError(f"cell '{path}' is not JSON; remove it") from error
    return dict(value)


def write_claims(path: Path, claims: Sequence[Claim]) -> None:
    """``claims.csv``: claim, source, theirs, ours, seeds, verdict."""
    write_rows(path, [c.__dict__ for c in claims], ("claim", "source", "theirs", "ours", "seeds", "verdict"))


def write_rows(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> None:
    """A CSV with the given columns, or with those of the first row."""
    names = list(columns) or (list(rows[0]) if rows else [])
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def curve_points(cells: Iterable[Cell], names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a cell and point of its ``curve``, behind the cell's ``names``."""
    return [{**{name: cell[name] for name in names}, **point} for cell in cells for point in cell["curve"]]


def verdict(good: int, total: int) -> Verdict:
    """``holds`` where all cases hold, ``fails`` where none does, else ``partly``."""
    if good == total:
        return "holds"
    return "partly" if good else "fails"


def grouped_bars(
    path: Path,
    title: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    y_label: str,
    errors: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> None:
    """PNG of bars: one group a connector, one colour a method; ``errors`` are (low, high) values."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(max(6.0, 1.9 * len(groups)), 3.6), layout="constrained")
    width = 0.82 / max(1, len(series))
    for index, (name, values) in enumerate(series.items()):
        x = [g + (index - (len(series) - 1) / 2) * width for g in range(len(groups))]
        spread = None
        if errors and name in errors:
            spread = [
                [max(0.0, v - lo) for v, (lo, _) in zip(values, errors[name], strict=True)],
                [max(0.0, hi - v) for v, (_, hi) in zip(values, errors[name], strict=True)],
            ]
        axes.bar(x, values, width * 0.92, label=name, yerr=spread, error_kw={"lw": 0.7})
    axes.set(title=title, ylabel=y_label, ylim=(0.0, 1.05), xticks=range(len(groups)))
    axes.set_xticklabels(groups)
    axes.legend(fontsize=7, ncols=4)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def curves(
    path: Path,
    title: str,
    lines: Mapping[str, tuple[Any, Any]],
    x_label: str,
    y_label: str,
) -> None:
    """PNG of curves name -> (x, y); those beyond ten, which repeat the colours, are dashed."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(8.4, 3.6), layout="constrained")
    for index, (name, (x, y)) in enumerate(lines.items()):
        axes.plot(x, y, label=name, lw=1.3, ls="-" if index < 10 else "--")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def pyplot() -> Any:
    """Matplotlib's pyplot without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
