"""``priorrl finetune``: practice on the job without ROS; schedule, seeds and arithmetic of the graph."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from priorrl_core.cli.demo import EVAL_SEED
from priorrl_core.cli.output import Progress, duration, emit
from priorrl_core.cli.parser import Parser, add_scenario, whole_number
from priorrl_core.cli.paths import checkpoint_path, existing_run, new_run, point_latest
from priorrl_core.errors import UserError

EXAMPLES = """
priorrl finetune --connector europlug --trials 200
priorrl finetune --connector my_plug.yaml --scenario II --seed 1
priorrl finetune --resume                  go on with the newest run
"""

STATE = "online_state.safetensors"


@dataclass
class Practice:
    """What a run was started with, kept in its ``config.json``, and the wall time of its stages."""

    connector: str
    checkpoint: str
    seed: int
    scenario: str
    trials: int
    eval_trials: int
    verb: str = "finetune"
    method: str = ""
    stage_seconds: dict[str, float] = field(default_factory=dict)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--connector", metavar="NAME|FILE", help="packaged name or YAML file")
    parser.add_argument(
        "--checkpoint", default="demo", metavar="DIR", help="what practice starts from (default demo)"
    )
    add_scenario(parser)
    parser.add_argument(
        "--trials", type=whole_number(1, 200), default=200, metavar="N", help="of practice (default 200)"
    )
    parser.add_argument(
        "--eval-trials",
        type=whole_number(0, 1000),
        default=50,
        metavar="N",
        help="of each evaluation (default 50)",
    )
    parser.add_argument(
        "--method", default="", metavar="NAME|FILE", help="practise with other settings than trained with"
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="where run folders go (default runs)")
    parser.add_argument(
        "--resume", nargs="?", const="latest", metavar="RUN", help="go on with a run (default: newest)"
    )


def run(args: argparse.Namespace) -> int:
    practice, folder = _resumed(args) if args.resume else _new(args)
    from priorrl_core.reporting.memory import PeakMemory
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    with PeakMemory() as memory:
        session = Session(practice, folder)
        try:
            session.run()
        finally:
            session.close()
    return _finish(args, practice, folder, memory, session.learner.alarm)


def _new(args: argparse.Namespace) -> tuple[Practice, Path]:
    from priorrl_core.tasks.connectors import load_connector

    if args.connector is None:
        raise UserError("priorrl finetune: give --connector NAME|FILE, or --resume")
    spec = load_connector(args.connector)
    is_file = Path(args.connector).suffix in (".yaml", ".yml")
    if args.method:
        from priorrl_core.training.method import load_method

        load_method(args.method)
    checkpoint = checkpoint_path(args.checkpoint)
    practice = Practice(
        str(Path(args.connector).resolve()) if is_file else spec.name,
        str(checkpoint),
        args.seed,
        args.scenario,
        args.trials,
        args.eval_trials,
        method=args.method,
    )
    folder = new_run(Path(args.runs), "finetune")
    save_config(practice, folder)
    return practice, folder


def _resumed(args: argparse.Namespace) -> tuple[Practice, Path]:
    from priorrl_core.config import build

    folder = existing_run(args.resume, Path(args.runs))
    path = folder / "config.json"
    values = json.loads(path.read_text()) if path.is_file() else {}
    if values.get("verb") != "finetune":
        raise UserError(f"'{folder}' was not made by 'priorrl finetune'; name another run after --resume")
    point_latest(folder)
    return build(Practice, values, str(path)), folder


def save_config(practice: Practice, folder: Path) -> None:
    from priorrl_core.reporting.summary import write_json

    write_json(folder / "config.json", asdict(practice))


class Session:
    """Base and offline evaluation, practice, online evaluation; each trial is stored as it ends."""

    def __init__(self, practice: Practice, folder: Path) -> None:
        from priorrl_core.cli.models import reward_model
        from priorrl_core.tasks.connectors import load_connector
        from priorrl_core.tasks.env import InsertionEnv
        from priorrl_core.training.checkpoints import load_learner
        from priorrl_core.training.method import load_method
        from priorrl_core.training.tape import EpisodeTape

        checkpoint = Path(practice.checkpoint)
        self.practice, self.folder, self.progress = practice, folder, Progress()
        self.reward = reward_model(checkpoint)
        method = load_method(practice.method) if practice.method else None
        self.learner = load_learner(checkpoint, practice.seed, method)
        if (folder / STATE).is_file():
            self.learner.restore(folder / STATE)
        spec = load_connector(practice.connector)
        env = InsertionEnv(spec, scenario=practice.scenario, seed=practice.seed)
        self.env = EpisodeTape(env, folder, self.reward, spec.name)

    def run(self) -> None:
        from priorrl_core.training.rollout import BasePolicy, HeadPolicy

        agent = self.learner.agent
        self._evaluate("base", BasePolicy())
        self._evaluate("offline", HeadPolicy(agent, self.learner.policy_head(0)))
        self._practise()
        self._evaluate("online", HeadPolicy(agent, self.learner.policy_head()))

    def _evaluate(self, stage: str, policy: Any) -> None:
        from priorrl_core.reporting.run_folder import STAGES
        from priorrl_core.training.evaluate import evaluate

        p, (kind, name) = self.practice, STAGES[stage]
        if p.eval_trials == 0 or self._stored(kind, name) >= p.eval_trials:
            return
        begin = time.monotonic()

        def stored(done: int, total: int) -> None:
            self.env.store(kind, name, p.scenario, p.seed + EVAL_SEED, done - 1, self.learner.version)
            self.progress(f"evaluation, {stage}", done, total)

        evaluate(self.env, policy, p.eval_trials, p.seed + EVAL_SEED, p.scenario, None, stored)
        self._took(stage, begin)

    def _practise(self) -> None:
        from priorrl_core.training.practice import practice

        p, begin = self.practice, time.monotonic()

        def stored(done: int, total: int, log: Any) -> None:
            with uninterrupted():
                self.env.store("practice", "online", p.scenario, p.seed, done - 1, log.versions[-1])
                append_metrics(self.folder / "metrics.csv", done, log.metrics[-1])
                self.learner.save(self.folder / STATE)
            recent = log.judged[-20:]
            self.progress(
                "practice", done, total, f"reward says yes in {sum(recent)} of the last {len(recent)}"
            )

        try:
            practice(self.env, self.learner, self.reward, p.trials, p.seed, p.scenario, None, stored)
        finally:
            self._took("practice", begin)

    def _stored(self, kind: str, policy: str) -> int:
        from priorrl_core.data.run_index import closed_episodes

        return sum(e["policy"] == policy for e in closed_episodes(self.folder, kind))

    def _took(self, stage: str, begin: float) -> None:
        seconds = self.practice.stage_seconds
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - begin
        save_config(self.practice, self.folder)

    def close(self) -> None:
        self.progress.close()
        self.env.close()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is through, so that a trial is stored whole or not at all."""
    waiting: list[int] = []
    before = {
        n: signal.signal(n, lambda number, _: waiting.append(number)) for n in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


def append_metrics(path: Path, episode: int, metrics: dict[str, float]) -> None:
    """One row of ``metrics.csv``; the first call writes the header."""
    names = sorted(metrics)
    fresh = not path.is_file()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if fresh:
            writer.writerow(["episode", *(f"trainer/{n}" for n in names)])
        writer.writerow([episode, *(metrics[n] for n in names)])


def _finish(args: argparse.Namespace, practice: Practice, folder: Path, memory: Any, alarm: str) -> int:
    from priorrl_core.reporting.build import build_report
    from priorrl_core.reporting.run_summary import summarise
    from priorrl_core.reporting.summary import write_json

    seconds = sum(practice.stage_seconds.values())
    summary = summarise(
        folder,
        practice.connector,
        practice.seed,
        seconds,
        practice.stage_seconds,
        memory.rss_mb,
        {"scenario": practice.scenario, "checkpoint": practice.checkpoint},
    )
    write_json(folder / "summary.json", summary)
    page = build_report(folder)
    names = (
        ("base controller alone", "base_success"),
        ("before practice", "offline_success"),
        ("after practice", "online_success"),
    )
    emit(
        args,
        {**summary, "run": str(folder), "report": str(page), "reward_alarm": alarm},
        [
            *(f"{name}: {summary[key]:.0%}" for name, key in names if summary[key] is not None),
            *([f"reward: {alarm}"] if alarm else []),
            f"report: {page} ({duration(seconds)})",
        ],
    )
    return 0
