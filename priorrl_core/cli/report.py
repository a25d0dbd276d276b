"""``priorrl report``: writes the self-contained HTML report of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from priorrl_core.cli.output import emit
from priorrl_core.cli.parser import Parser
from priorrl_core.cli.paths import existing_run

EXAMPLES = """
priorrl report                        the newest run
priorrl report runs/20260101-120000_demo
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("run", nargs="?", default="latest", help="run folder (default: the newest)")
    parser.add_argument("--runs", default="runs", metavar="DIR", help="where runs lie (default runs)")


def run(args: argparse.Namespace) -> int:
    folder = existing_run(args.run, Path(args.runs))
    from priorrl_core.reporting.build import build_report
    from priorrl_core.reporting.run_folder import read_run

    page = build_report(folder)
    record = read_run(folder)
    tallies = {name: record.tally(name) for name in ("base", "offline", "practice", "online")}
    lines = [f"{name}: {t.successes} of {t.trials} inserted" for name, t in tallies.items() if t.trials]
    result = {
        "run": str(folder),
        "report": str(page),
        "trials": len(record.trials),
        "success": {name: t.fraction for name, t in tallies.items()},
    }
    emit(args, result, [*lines, f"report: {page}"])
    return 0
