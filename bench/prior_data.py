"""Prior data for benches: finds each connector's file, collects the ones that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.harness import Context
from priorrl_core.tasks.collect import CollectConfig, collect

FOLDERS = ("data/prior", "data/held_out")
"""Where ``priorrl collect`` leaves its files; ``--data`` comes before them."""


def connector_files(
    context: Context, names: Iterable[str], episodes: int, home: str = "data/bench"
) -> dict[str, Path]:
    """The HDF5 file of each connector; those that are nowhere are collected into ``home``."""
    folders = [Path(f) for f in (context.data, *FOLDERS) if f]
    found: dict[str, Path] = {}
    missing: list[str] = []
    for name in names:
        path = next((f / f"{name}.h5" for f in folders if (f / f"{name}.h5").is_file()), None)
        if path is None:
            missing.append(name)
        else:
            found[name] = path.resolve()
    if missing:
        out = Path(f"{home}_{episodes}")
        config = CollectConfig(episodes_per_connector=episodes)
        collect(out, missing, context.seed, config, context.processes, context.progress)
        found.update({name: (out / f"{name}.h5").resolve() for name in missing})
    return found
