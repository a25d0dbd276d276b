"""``priorrl VERB ...``: finds the verb, reads its options, turns a user's mistake into one sentence.

Exit status: 0 done; 1 a bug, or a check that did not hold; 2 a user's mistake; 130 Ctrl-C; 143 terminated.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from priorrl_core.cli.parser import Parser, parse
from priorrl_core.errors import UserError, nearest

#: Verb and what it does; ``priorrl_core.cli.<verb>`` defines ``add_arguments(parser)`` and ``run(args)``.
VERBS = {
    "up": "start the graph of ROS 2 nodes and keep it running",
    "demo": "practise a connector that was never seen, live, and write a report",
    "collect": "record the prior data with the scripted policy",
    "train": "train representation, reward and policy offline from prior data",
    "learn": "train an agent from a data set to practice in a Gymnasium environment",
    "finetune": "practise on one connector without ROS",
    "eval": "judge a policy by the simulator's ground truth",
    "bench": "run a benchmark and compare it with the published claims",
    "report": "write the HTML report of a run",
    "speedcheck": "measure this machine and name the fastest settings of the learners",
    "connectors": "list, check and draw connectors",
    "data": "show, check, import and export data sets of other tools",
}

EXAMPLES = """examples:
  priorrl demo
  priorrl connectors
  priorrl eval --connector europlug --checkpoint demo --trials 20 --json
  priorrl bench insertion --quick
'priorrl VERB --help' shows the options of one verb."""

USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143
#: One thread for every numeric library, before the first of them is imported: the matrices are small, a second
#: thread waits by spinning, and sums would come in another order (law 11).
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like Ctrl-C, so that what was started is stopped."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    for name in THREADS:
        os.environ.setdefault(name, "1")
    try:
        return _run(words)
    except UserError as error:
        return _complain(str(error), "--json" in words, USER_ERROR)
    except KeyboardInterrupt:
        return _complain("interrupted; what was finished is saved", "--json" in words, INTERRUPTED)
    except Terminated:
        return _complain("terminated; what was finished is saved", "--json" in words, TERMINATED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno is None:
            raise
        what = f" '{error.filename}'" if error.filename else ""
        return _complain(
            f"cannot use{what}: {error.strerror}; check the path, its rights and the free space",
            "--json" in words,
            USER_ERROR,
        )


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(overview())
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"priorrl {_version()}\n")
        return 0
    verb = words[0]
    if verb not in VERBS:
        raise UserError(f"unknown verb '{verb}'{nearest(verb, VERBS)}")
    module = importlib.import_module(f"priorrl_core.cli.{verb}")
    parser = Parser(f"priorrl {verb}", VERBS[verb], module.EXAMPLES)
    module.add_arguments(parser)
    try:
        args = parse(parser, words[1:])
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    _unwind_on_sigterm()
    return int(module.run(args))


def overview() -> str:
    """Text of ``priorrl --help``."""
    lines = [
        "usage: priorrl VERB [options]",
        "",
        "A robot arm learns contact-rich manipulation on the job.",
        "",
        "verbs:",
    ]
    lines += [f"  {verb:<11} {text}" for verb, text in VERBS.items()]
    return "\n".join([*lines, "", EXAMPLES, ""])


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("priorrl")
    except PackageNotFoundError:
        return "0 (source tree)"


def _complain(sentence: str, as_json: bool, status: int) -> int:
    sentence = " ".join(sentence.split())
    sys.stderr.write(f"priorrl: {sentence}\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": sentence, "status": status}) + "\n")
    return status


def _unwind_on_sigterm() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    try:
        signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: its owner handles signals
        return


if __name__ == "__main__":
    raise SystemExit(main())
