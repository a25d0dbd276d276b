"""Starts the processes of ``bringup`` where ``ros2 launch`` is not installed, and keeps them alive.

``python -m priorrl_nodes.supervisor --connector NAME --checkpoint DIR --run-dir DIR``: starts all nodes,
says when the graph is active, restarts what dies (and names it), stops all on SIGINT or SIGTERM.
Exit status: 0 told to stop, 1 a node cannot be kept alive, 2 a mistake of the user (one sentence).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import IO

from priorrl_core.errors import UserError
from priorrl_nodes.bringup import NodeSpec, Options, command, describe, environment
from priorrl_nodes.lifecycle import EXIT_USER_ERROR
from priorrl_nodes.watch import GraphWatch

TICK_S = 0.1
STOP_S = 8.0
STEADY_S = 20.0
"""A process that lived so long has made good its earlier deaths."""
MOST_DEATHS = 8


@dataclass
class Process:
    """One node's process and its history."""

    spec: NodeSpec
    log: Path
    child: subprocess.Popen | None = None
    started_s: float = 0.0
    deaths: int = 0
    restart_at_s: float = 0.0
    active: bool = False
    gone: bool = False

    def start(self) -> None:
        stream: IO[bytes] = self.log.open("ab")
        with stream:
            env = {**environment(self.spec), "PRIORRL_SUPERVISOR": str(os.getpid())}
            self.child = subprocess.Popen(command(self.spec), stdout=stream, stderr=stream, env=env)
        self.started_s, self.active = time.monotonic(), False

    def last_words(self) -> str:
        """Last line of the node's log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "no output"


class Supervisor:
    """``with Supervisor(specs, run_dir) as graph: graph.wait_active(); graph.keep(...)``."""

    def __init__(self, specs: Sequence[NodeSpec], run_dir: str | Path) -> None:
        self.folder = Path(run_dir)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.processes = {s.name: Process(s, self.folder / "logs" / f"{s.name}.log") for s in specs}
        self.stopping = False
        self.watch = GraphWatch()

    def __enter__(self) -> Supervisor:
        try:
            check_ports([p.spec for p in self.processes.values()])
            self.watch.check_domain(self.processes)
        except BaseException:
            self.watch.close()
            raise
        for process in self.processes.values():
            process.start()
        self._write_pids()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def step(self) -> None:
        """One look at all processes and their lifecycle; raises UserError where the graph cannot go on."""
        for process in self.processes.values():
            self._look(process)
        waiting = [p for p in self.processes.values() if p.child is not None and not p.active]
        for name in self.watch.step([p.spec.name for p in waiting], TICK_S):
            self.processes[name].active = True
            if self.processes[name].deaths:
                say(f"{name} is active again")

    def active(self) -> bool:
        """Whether all nodes that still run are active."""
        return all(p.active or p.gone for p in self.processes.values())

    def wait_active(self, timeout_s: float = 180.0) -> None:
        end = time.monotonic() + timeout_s
        while not self.active() and not self.stopping:
            if time.monotonic() > end:
                late = ", ".join(n for n, p in self.processes.items() if not (p.active or p.gone))
                raise UserError(f"not active after {timeout_s:.0f} s: {late}; see '{self.folder}/logs'")
            self.step()

    # ---- deaths ----------------------------------------------------------------------------------
    def _look(self, process: Process) -> None:
        now = time.monotonic()
        if process.gone:
            return
        if process.child is None:
            if now >= process.restart_at_s:
                process.start()
                self._write_pids()
            return
        status = process.child.poll()
        if status is None:
            if process.active and now - process.started_s > STEADY_S:
                process.deaths = 0
            return
        process.child, process.active = None, False
        self._died(process, status, now)

    def _died(self, process: Process, status: int, now: float) -> None:
        name = process.spec.name
        process.deaths += 1
        hopeless = status == EXIT_USER_ERROR or process.deaths >= MOST_DEATHS
        if hopeless and process.spec.required:
            if status == EXIT_USER_ERROR:
                raise UserError(process.last_words())
            raise GraphLost(
                f"{name} died {process.deaths} times, {cause(status)}: {process.last_words()}; "
                f"see '{process.log}'"
            )
        if hopeless:
            process.gone = True
            say(f"{name} is given up ({process.last_words()}); the graph goes on without it")
            return
        wait_s = 0.0 if process.deaths == 1 else min(0.25 * 2.0**process.deaths, 8.0)
        process.restart_at_s = now + wait_s
        say(f"{name} died ({cause(status)}); restart {process.deaths} in {wait_s:.1f} s")

    # ---- the end ---------------------------------------------------------------------------------
    def stop(self) -> None:
        """SIGINT to all, SIGKILL to who is still there after ``STOP_S``."""
        children = [p.child for p in self.processes.values() if p.child is not None]
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        end = time.monotonic() + STOP_S
        for child in children:
            try:
                child.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.watch.close()

    def _write_pids(self) -> None:
        """``nodes.json``: process ids, for whoever wants to look at or kill one."""
        pids = {n: p.child.pid for n, p in self.processes.items() if p.child is not None}
        (self.folder / "nodes.json").write_text(json.dumps(pids))


class GraphLost(Exception):
    """A node cannot be kept alive."""


def check_ports(specs: Sequence[NodeSpec]) -> None:
    """UserError for a TCP port that another program listens on."""
    for spec in specs:
        for port in spec.ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise UserError(
                        f"port {port} of {spec.name} is in use; stop the program there "
                        "or start without views (--no-view)"
                    ) from error


def cause(status: int) -> str:
    """In words how a process ended."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def say(text: str) -> None:
    sys.stdout.write(f"supervisor: {text}\n")
    sys.stdout.flush()


def parse(words: Sequence[str] | None) -> Options:
    """Options of the command line; each field of ``bringup.Options`` is one."""
    parser = argparse.ArgumentParser(prog="priorrl_nodes.supervisor", allow_abbrev=False)
    for item in fields(Options):
        flag = "--" + item.name.replace("_", "-")
        if isinstance(item.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=item.default)
        else:
            parser.add_argument(flag, type=type(item.default), default=item.default)
    parser.add_argument("--scenario", default="", help="not used here: each goal of the action names it")
    values = vars(parser.parse_args(words))
    values.pop("scenario")
    return Options(**values)


def main(words: Sequence[str] | None = None) -> int:
    try:
        options = parse(words)
        if not options.run_dir:
            raise UserError("no run folder is given; add --run-dir DIR")
        with Supervisor(describe(options), options.run_dir) as graph:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: _stop(graph))
            graph.wait_active()
            say("the graph is active")
            while not graph.stopping:
                graph.step()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USER_ERROR
    except GraphLost as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _stop(graph: Supervisor, _: FrameType | None = None) -> None:
    graph.stopping = True


if __name__ == "__main__":
    raise SystemExit(main())
