"""``priorrl collect``: prior data of many connectors with the scripted policy."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, whole_number
from priorrl_core.errors import UserError

EXAMPLES = """
priorrl collect --out data/prior                           all connectors of the training families
priorrl collect --out data/prior --connectors usb,dvi --episodes 20
priorrl collect --out data/prior --processes 2             the same command goes on where it stopped
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--out", default="data/prior", metavar="DIR", help="one HDF5 file a connector goes here"
    )
    parser.add_argument(
        "--connectors",
        default="train",
        metavar="LIST",
        help="train, held-out, all, or names and YAML files by comma",
    )
    parser.add_argument(
        "--episodes",
        type=whole_number(1, 10000),
        default=60,
        metavar="N",
        help="of each connector (default 60)",
    )
    parser.add_argument(
        "--variants",
        type=whole_number(0, 1000),
        default=0,
        metavar="N",
        help="beside each connector N of its shape with another look and turn (default 0)",
    )
    parser.add_argument("--processes", type=whole_number(1, 256), default=2, metavar="N", help="default 2")


def run(args: argparse.Namespace) -> int:
    names = [
        n if k == 0 else f"{n}~{k}" for n in chosen(args.connectors) for k in range(args.variants + 1)
    ]
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out '{out}' is a file; name a folder")
    from priorrl_core.tasks.collect import CollectConfig, collect

    progress, begin = Progress(), time.monotonic()
    try:
        files = collect(
            out,
            names,
            args.seed,
            CollectConfig(episodes_per_connector=args.episodes),
            args.processes,
            progress,
        )
    finally:
        progress.close()
    seconds = time.monotonic() - begin
    result: dict[str, Any] = {
        "out": str(out),
        "connectors": len(files),
        "episodes": len(files) * args.episodes,
        "seed": args.seed,
        "seconds": round(seconds, 1),
        "bytes": sum(f.stat().st_size for f in files),
    }
    emit(
        args,
        result,
        [
            f"{result['episodes']} episodes of {len(files)} connectors in '{out}' "
            f"({result['bytes'] / 2**20:.0f} MB, {duration(seconds)})"
        ],
    )
    return 0


def chosen(text: str) -> list[str]:
    """Connector names of ``train``, ``held-out``, ``all`` or a comma-separated list; each is checked."""
    from priorrl_core.tasks.connectors import load_connector, split
    from priorrl_core.tasks.task import load_task

    if text in ("train", "held-out", "all"):
        train, held = split(load_task().held_out_families)
        return {"train": train, "held-out": held, "all": sorted(train + held)}[text]
    names = [word.strip() for word in text.split(",") if word.strip()]
    if not names:
        raise UserError("--connectors is empty; give train, held-out, all, or names")
    for name in names:
        load_connector(name)
    return names
