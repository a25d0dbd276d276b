"""The promise of ``make demo``: a connector of a family never seen, within its time and memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.harness import Cell, Claim, Context, run_cells, write_rows
from priorrl_core.errors import UserError

MINUTES, GIGABYTES, BASE, ONLINE = 12.0, 6.0, 0.20, 0.85
SOURCE = "issue 2"


def run(context: Context) -> list[Claim]:
    """One demo (three seeds in full); leaves ``demo.csv``."""
    seeds = [context.seed] if context.quick else [context.seed + i for i in range(3)]
    sizes = ["--trials", "20", "--eval-trials", "10"] if context.quick else []
    words = [
        ["demo", "--seed", str(s), "--checkpoint", context.checkpoint, "--no-view", *sizes] for s in seeds
    ]
    jobs = [(f"demo_s{s}{'_quick' if context.quick else ''}", w) for s, w in zip(seeds, words, strict=True)]
    cells = run_cells(Context(**{**context.__dict__, "processes": 1}), jobs, work)
    keys = (
        "connector",
        "seed",
        "base_success",
        "offline_success",
        "online_success",
        "practice_trials",
        "seconds",
        "env_steps_per_s",
        "updates_per_s",
        "peak_memory_mb",
    )
    write_rows(context.out / "demo.csv", cells, keys)
    return claims(cells)


def work(words: list[str]) -> Cell:
    """Runs ``priorrl demo`` in this process and reads its summary."""
    from priorrl_core.cli.main import main

    if main(words) != 0:
        raise UserError("the demo did not end well; see its message above")
    return dict(json.loads(Path("runs/latest/summary.json").read_text()))


def claims(cells: list[Cell]) -> list[Claim]:
    """The promises of the issue, each over all seeds."""

    def claim(text: str, theirs: str, name: str, good: list[bool], show: str) -> Claim:
        ours = ", ".join(show.format(c[name]) for c in cells)
        word: Any = "holds" if all(good) else "partly" if any(good) else "fails"
        return Claim(text, SOURCE, theirs, ours, len(cells), word)

    return [
        claim(
            "base controller alone",
            f"at most {BASE:.0%}",
            "base_success",
            [c["base_success"] <= BASE for c in cells],
            "{:.0%}",
        ),
        claim(
            "after at most 200 practice trials",
            f"at least {ONLINE:.0%}",
            "online_success",
            [c["online_success"] >= ONLINE and c["practice_trials"] <= 200 for c in cells],
            "{:.0%}",
        ),
        claim(
            "wall time",
            f"at most {MINUTES:.0f} min",
            "seconds",
            [c["seconds"] <= 60 * MINUTES for c in cells],
            "{:.0f} s",
        ),
        claim(
            "memory of all processes together",
            f"under {GIGABYTES:.0f} GB",
            "peak_memory_mb",
            [c["peak_memory_mb"] < 1024 * GIGABYTES for c in cells],
            "{:.0f} MB",
        ),
    ]
