"""``priorrl connectors``: what can be practised; checks and draws a user's own YAML file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import emit
from priorrl_core.cli.parser import Parser, one_of

EXAMPLES = """
priorrl connectors                          list all, by family
priorrl connectors --split held-out
priorrl connectors my_plug.yaml             check a file of your own
priorrl connectors europlug --png view.png  what the wrist camera sees
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("connector", nargs="?", help="name or YAML file; without it all are listed")
    parser.add_argument(
        "--split", type=one_of("train", "held-out"), metavar="train|held-out", help="list only these"
    )
    parser.add_argument("--png", metavar="FILE", help="draw the named connector as the wrist camera sees it")


def run(args: argparse.Namespace) -> int:
    if args.connector is None:
        return _list(args)
    from priorrl_core.tasks.connectors import load_connector

    spec = load_connector(args.connector)
    result: dict[str, Any] = dataclasses.asdict(spec)
    fit = spec.fit
    lines = [
        f"{spec.name}: family {spec.family}, clearance {fit.clearance_mm:g} mm, "
        f"chamfer {fit.chamfer_mm:g} mm, done at {fit.success_depth_mm:g} of {fit.depth_mm:g} mm"
    ]
    if args.png:
        result["png"] = str(_draw(spec, Path(args.png), args.seed))
        lines.append(f"drawn: {args.png}")
    emit(args, result, lines)
    return 0


def _list(args: argparse.Namespace) -> int:
    from priorrl_core.tasks.connectors import families
    from priorrl_core.tasks.task import load_task

    held_out, rows, lines = load_task().held_out_families, [], []
    for family, names in sorted(families().items()):
        part = "held-out" if family in held_out else "train"
        if args.split in (None, part):
            rows += [{"name": n, "family": family, "split": part} for n in names]
            lines += [f"{family} ({part})", "  " + ", ".join(names)]
    emit(args, {"connectors": rows, "count": len(rows)}, [*lines, f"{len(rows)} connectors"])
    return 0


def _draw(spec: Any, path: Path, seed: int) -> Path:
    import numpy as np

    from priorrl_core.reporting.pictures import contact_sheet, save_png
    from priorrl_core.tasks.env import InsertionEnv

    env = InsertionEnv(spec, seed=seed)
    try:
        views = []
        for error in ([0.0, 0.0, 0.0], [0.006, -0.006, 0.0]):
            obs, _ = env.reset(seed=seed, options={"goal_error_m": np.array(error)})
            views.append(obs["image"])
    finally:
        env.close()
    save_png(contact_sheet(np.stack(views), columns=2, scale=4), path)
    return path
