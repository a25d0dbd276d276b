"""``priorrl demo``: the whole graph practises one connector that was never seen, then writes the report."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from priorrl_core.cli.graph import Child, last_words, require_ros
from priorrl_core.cli.output import duration, emit
from priorrl_core.cli.parser import Parser, add_scenario, whole_number
from priorrl_core.cli.paths import checkpoint_path, existing_run, new_run, point_latest
from priorrl_core.cli.stage_view import StageView
from priorrl_core.errors import UserError

EXAMPLES = """
priorrl demo
priorrl demo --connector nema_15 --seed 1
priorrl demo --trials 20 --eval-trials 10    a short one
priorrl demo --resume                        go on with the newest run
"""

ACTIVE = "the graph is active"
"""What the supervisor says then."""
VIEW_URL = "http://127.0.0.1:9090?url=rerun%2Bhttp%3A%2F%2F127.0.0.1%3A9876%2Fproxy"
EVAL_SEED = 10_000
"""Added to the seed for evaluation trials: the same starts for every policy, none of them practised."""


@dataclass
class Demo:
    """What a run was started with; kept in ``config.json`` so that ``--resume`` goes on with the same."""

    connector: str
    checkpoint: str
    seed: int
    scenario: str
    trials: int
    eval_trials: int
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    verb: str = "demo"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--connector", default="uk_g", metavar="NAME|FILE", help="default uk_g")
    parser.add_argument(
        "--checkpoint", default="demo", metavar="DIR", help="what practice starts from (default demo)"
    )
    add_scenario(parser)
    parser.add_argument(
        "--trials", type=whole_number(1, 200), default=200, metavar="N", help="of practice (default 200)"
    )
    parser.add_argument(
        "--eval-trials",
        type=whole_number(1, 1000),
        default=50,
        metavar="N",
        help="of each evaluation (default 50)",
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="where run folders go (default runs)")
    parser.add_argument(
        "--resume", nargs="?", const="latest", metavar="RUN", help="go on with a run (default: newest)"
    )
    parser.add_argument("--plain", action="store_true", help="plain lines instead of the live view")
    parser.add_argument("--no-view", action="store_true", help="no picture in the browser")


def run(args: argparse.Namespace) -> int:
    require_ros()
    demo, folder = _resumed(args) if args.resume else _new(args)
    from priorrl_core.reporting.memory import PeakMemory

    begin, before = time.monotonic(), demo.seconds
    with PeakMemory() as memory:
        try:
            _practise(demo, folder, args)
        finally:
            demo.seconds = before + time.monotonic() - begin
            demo.peak_memory_mb = max(demo.peak_memory_mb, memory.rss_mb)
            _save(demo, folder)
    return _finish(args, demo, folder, memory)


def _new(args: argparse.Namespace) -> tuple[Demo, Path]:
    from priorrl_core.tasks.connectors import load_connector

    spec = load_connector(args.connector)
    name = (
        str(Path(args.connector).resolve()) if Path(args.connector).suffix in (".yaml", ".yml") else spec.name
    )
    checkpoint = checkpoint_path(args.checkpoint)
    demo = Demo(name, str(checkpoint), args.seed, args.scenario, args.trials, args.eval_trials)
    folder = new_run(Path(args.runs), "demo")
    _save(demo, folder)
    return demo, folder


def _resumed(args: argparse.Namespace) -> tuple[Demo, Path]:
    from priorrl_core.config import build

    folder = existing_run(args.resume, Path(args.runs))
    path = folder / "config.json"
    values = json.loads(path.read_text()) if path.is_file() else {}
    if values.get("verb") != "demo":
        raise UserError(f"'{folder}' was not made by 'priorrl demo'; name another run after --resume")
    point_latest(folder)
    return build(Demo, values, str(path)), folder


def _save(demo: Demo, folder: Path) -> None:
    from priorrl_core.reporting.summary import write_json

    write_json(folder / "config.json", asdict(demo))


def plan(demo: Demo) -> list[dict[str, Any]]:
    """The stages that the episode manager is asked for, in order."""

    def stage(name: str, kind: str, policy: str, count: int, seed: int) -> dict[str, Any]:
        return {
            "name": name,
            "kind": kind,
            "policy": policy,
            "count": count,
            "scenario": demo.scenario,
            "seed": seed,
            "deterministic": kind == "eval",
            "blend": 1.0,
        }

    judge = demo.seed + EVAL_SEED
    return [
        stage("base", "eval", "base", demo.eval_trials, judge),
        stage("offline", "eval", "offline", demo.eval_trials, judge),
        stage("practice", "practice", "online", demo.trials, demo.seed),
        stage("online", "eval", "online", demo.eval_trials, judge),
    ]


def _practise(demo: Demo, folder: Path, args: argparse.Namespace) -> None:
    (folder / "plan.json").write_text(json.dumps(plan(demo)))
    log = folder / "graph.log"
    sys.stderr.write(f"run folder: {folder}\nstarting the graph for '{demo.connector}' ...\n")
    if not args.no_view:
        sys.stderr.write(f"picture in the browser: {VIEW_URL}\n")
    live = sys.stdout.isatty() and not args.json and not args.plain
    view = StageView(demo.stage_seconds, {s["name"]: int(s["count"]) for s in plan(demo)}, quiet=live)
    try:
        with Child("priorrl_nodes.supervisor", graph_arguments(demo, folder, args.no_view), log) as graph:
            _wait_active(graph, log)
            with _monitor(demo) if live else contextlib.nullcontext():
                _follow(graph, folder, view)
    finally:
        view.finish()


def _wait_active(graph: Child, log: Path) -> None:
    """Until the supervisor says that every node is active; UserError where it gives up."""
    shown = time.monotonic()
    while ACTIVE not in graph.own_log():
        if not graph.running:
            raise UserError(f"the graph ended early: {last_words(log)}; see '{log}'")
        if time.monotonic() - shown > 10.0:
            shown = time.monotonic()
            sys.stderr.write("  nodes are still loading ...\n")
        time.sleep(0.1)


def _monitor(demo: Demo) -> Child:
    """The live view in this terminal."""
    trials = sum(int(s["count"]) for s in plan(demo))
    return Child("priorrl_nodes.monitor", ["--ros-args", "-p", f"trials:={trials}"], inherit=True)


def _follow(graph: Child, folder: Path, view: StageView) -> None:
    """Runs the action client to its end; UserError where it or the graph gives up."""
    log, client_log = folder / "graph.log", folder / "client.log"
    with Child("priorrl_nodes.demo_client", [str(folder / "plan.json")], client_log, pipe=True) as client:
        for line in client.lines(while_running=graph):
            event = parse_event(line)
            if event is None:  # a middleware that prints
                client.write_log(line)
            else:
                view.on_event(event)
        if not graph.running:
            raise UserError(f"the graph ended early: {last_words(log)}; see '{log}'")
        status = client.process.wait()
    if status:
        reason = (view.message or last_words(client_log)).rstrip(".")
        raise UserError(f"the demo stopped: {reason}; see '{log}', go on with 'priorrl demo --resume'")


def parse_event(line: str) -> dict[str, Any] | None:
    """The event of a line of the client's output; None where it is none."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def graph_arguments(demo: Demo, folder: Path, no_view: bool) -> list[str]:
    """Command line of the supervisor."""
    arguments = [
        "--connector",
        demo.connector,
        "--checkpoint",
        demo.checkpoint,
        "--run-dir",
        str(folder),
        "--seed",
        str(demo.seed),
        "--scenario",
        demo.scenario,
    ]
    return [*arguments, "--no-view"] if no_view else arguments


def _finish(args: argparse.Namespace, demo: Demo, folder: Path, memory: Any) -> int:
    from priorrl_core.reporting.build import build_report
    from priorrl_core.reporting.run_summary import summarise
    from priorrl_core.reporting.summary import write_json

    summary = summarise(
        folder,
        demo.connector,
        demo.seed,
        demo.seconds,
        demo.stage_seconds,
        demo.peak_memory_mb,
        {
            "scenario": demo.scenario,
            "checkpoint": demo.checkpoint,
            "peak_memory_pss_mb": round(memory.pss_mb, 1),
        },
    )
    write_json(folder / "summary.json", summary)
    page = build_report(folder)
    result = {**summary, "run": str(folder), "report": str(page)}
    emit(
        args,
        result,
        [
            f"{name}: {summary[key]:.0%}"
            for name, key in (
                ("base controller alone", "base_success"),
                ("before practice", "offline_success"),
                ("after practice", "online_success"),
            )
            if summary[key] is not None
        ]
        + [f"report: {page}", f"summary: {folder / 'summary.json'} ({duration(demo.seconds)})"],
    )
    return 0
