"""``priorrl bench``: runs one benchmark; leaves CSV, plots and claims in ``bench/results/NAME/``."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, whole_number
from priorrl_core.config import ROOT
from priorrl_core.errors import UserError, nearest

EXAMPLES = """
priorrl bench                          list the benches
priorrl bench insertion --quick        a small version, minutes
priorrl bench insertion --resume       go on where it was stopped
priorrl bench reward --json
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", help="which bench; without it all are listed")
    parser.add_argument("--quick", action="store_true", help="a small version, to see that it works")
    parser.add_argument("--resume", action="store_true", help="keep the cells that are finished")
    parser.add_argument(
        "--processes", type=whole_number(1, 256), default=2, metavar="N", help="at a time (default 2)"
    )
    parser.add_argument(
        "--checkpoint", default="demo", metavar="DIR", help="what practice starts from (default demo)"
    )
    parser.add_argument(
        "--data", default="", metavar="DIR", help="prior data, where the bench trains models itself"
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="comma-separated parts of the bench, see its page"
    )


def run(args: argparse.Namespace) -> int:
    if not (ROOT / "bench" / "__init__.py").is_file():
        raise UserError("benches are run from the source tree; clone it and run 'make setup'")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    benches: dict[str, tuple[str, str]] = importlib.import_module("bench").BENCHES
    if args.name is None:
        emit(
            args,
            {"benches": {n: text for n, (_, text) in benches.items()}},
            [f"{n:<10} {text}" for n, (_, text) in benches.items()],
        )
        return 0
    if args.name not in benches:
        raise UserError(f"unknown bench '{args.name}'{nearest(args.name, benches)}")
    return _run(args, importlib.import_module(benches[args.name][0]))


def _run(args: argparse.Namespace, module: Any) -> int:
    harness = importlib.import_module("bench.harness")
    summary = importlib.import_module("priorrl_core.reporting.summary")
    progress, begin = Progress(), time.monotonic()
    out = harness.results_dir(args.name, args.quick)
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path("runs") / "bench" / args.name / "cells_quick"
    cells = scratch if args.quick else out / "cells"  # committed: another machine goes on with --resume
    context = harness.Context(
        name=args.name,
        out=out,
        cells=cells.resolve(),
        quick=args.quick,
        resume=args.resume,
        seed=args.seed,
        processes=args.processes,
        checkpoint=args.checkpoint,
        data=args.data,
        options=tuple(w for w in args.only.split(",") if w),
        progress=progress,
    )
    try:
        claims = module.run(context)
    finally:
        progress.close()
    harness.write_claims(out / "claims.csv", claims)
    seconds = time.monotonic() - begin
    result = {
        "bench": args.name,
        "quick": args.quick,
        "seed": args.seed,
        "seconds": round(seconds, 1),
        "results": str(out),
        "claims": [c.__dict__ for c in claims],
        "verdicts": dict(Counter(c.verdict for c in claims)),
    }
    summary.write_json(out / "run.json", {k: v for k, v in result.items() if k != "claims"})
    lines = [f"{c.verdict:<7} {c.claim}: theirs {c.theirs}, ours {c.ours}" for c in claims]
    emit(args, result, [*lines, f"results: {out} ({duration(seconds)})"])
    return 0
