"""``priorrl up``: starts the graph of ROS 2 nodes, as ``ros2 launch`` would; keeps it alive until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from priorrl_core.cli.graph import Child, require_ros
from priorrl_core.cli.output import emit
from priorrl_core.cli.parser import Parser, one_of
from priorrl_core.cli.paths import checkpoint_path, existing_run, new_run, point_latest
from priorrl_core.errors import UserError

EXAMPLES = """
priorrl up --connector europlug
priorrl up --connector my_plug.yaml --no-view --pace wall
priorrl up --connector europlug --run latest     go on in a run folder
priorrl up --task usb --reward sparse            plug insertion learned by TD3, without a checkpoint
priorrl up --task blocks --method sac            block assembly
"""


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--connector", default="", metavar="NAME|FILE", help="of task insertion (default europlug)"
    )
    parser.add_argument(
        "--checkpoint", default="demo", metavar="DIR", help="folder or packaged name (default demo)"
    )
    parser.add_argument("--robot", default="sawyer", metavar="NAME", help="default sawyer")
    parser.add_argument(
        "--task",
        default="insertion",
        metavar="NAME|FILE",
        help="insertion (default), usb, dsub, model_e, blocks",
    )
    parser.add_argument(
        "--method",
        default="",
        metavar="NAME|FILE",
        help="other settings than the checkpoint's; td3 (default) or sac for plugs and blocks",
    )
    parser.add_argument(
        "--reward", default="", metavar="MODE", help="daib, dense, sparse, image, assembly (default: the task's)"
    )
    parser.add_argument(
        "--driver",
        type=one_of("simulator", "sawyer_driver", "none"),
        default="simulator",
        metavar="NAME",
        help="who has the arm: simulator (default), sawyer_driver, none",
    )
    parser.add_argument(
        "--pace",
        type=one_of("lockstep", "wall"),
        default="lockstep",
        metavar="lockstep|wall",
        help="of the simulator: as fast as it goes (default), or wall time",
    )
    parser.add_argument(
        "--no-ground-truth", action="store_true", help="the simulator keeps its truth to itself"
    )
    parser.add_argument("--no-view", action="store_true", help="no picture in the browser")
    parser.add_argument("--run", metavar="RUN", help="run folder to go on in (default: a new one)")
    parser.add_argument("--runs", default="runs", metavar="DIR", help="where run folders go (default runs)")


def run(args: argparse.Namespace) -> int:
    require_ros()
    words = check(args)
    if args.run:
        folder = existing_run(args.run, Path(args.runs))
        point_latest(folder)
    else:
        folder = new_run(Path(args.runs), "up")
    with Child("priorrl_nodes.supervisor", [*words, "--run-dir", str(folder)], inherit=True) as graph:
        try:
            status = graph.process.wait()
        except KeyboardInterrupt:
            status = graph.stop()
    if status == 2:
        raise UserError(f"the graph did not come up; the line above says why, logs are in '{folder}/logs'")
    emit(args, {"run": str(folder), "status": status}, [f"run folder: {folder}"])
    return 0 if status in (0, -signal.SIGINT) else 1


def check(args: argparse.Namespace) -> list[str]:
    """Command line of the supervisor; UserError for names that do not exist."""
    from priorrl_core.tasks.kinds import load_kind

    task = str(Path(args.task).resolve()) if _is_file(args.task) else args.task
    if load_kind(task, args.connector or "usb").residual:
        connector, checkpoint = args.connector or "usb", ""
    else:
        connector, checkpoint = _connector(args.connector), str(checkpoint_path(args.checkpoint))
    words = [
        "--connector",
        connector,
        "--checkpoint",
        checkpoint,
        "--seed",
        str(args.seed),
        "--robot",
        args.robot,
        "--task",
        task,
        "--reward",
        args.reward,
        "--driver",
        args.driver,
        "--pace",
        args.pace,
    ]
    words += ["--method", args.method] if args.method else []
    words += ["--no-ground-truth"] if args.no_ground_truth else []
    return [*words, "--no-view"] if args.no_view else words


def _is_file(text: str) -> bool:
    return Path(text).suffix in (".yaml", ".yml")


def _connector(text: str) -> str:
    """Chapter 10's connector by name or as an absolute path; UserError for one that does not exist."""
    from priorrl_core.tasks.connectors import load_connector

    spec = load_connector(text or "europlug")
    return str(Path(text).resolve()) if _is_file(text) else spec.name
