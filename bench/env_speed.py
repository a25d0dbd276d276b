"""Environment steps per second of the insertion task beside robosuite's Sawyer, state and image.

Both arms get random actions at 10 Hz, in episodes of 30 steps, each in a process of its own with one thread; image
means one 32 x 32 picture a control period. They take turns, so that a busy machine is busy for both. ``ours_contact``
is our arm with its P controller below a random residual, which presses on the socket most of the time; robosuite's
random arm meets nothing, so it is no part of the comparison. Resets: ours drives back through the safety filter,
robosuite sets its state (``hard_reset=False``, its fastest).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Claim, Context, write_rows
from priorrl_core.config import ROOT
from priorrl_core.errors import UserError

GOAL = 3.0
LENGTH = 30
VIEWS = ("state", "image")
PEER = "PRIORRL_ROBOSUITE_PYTHON"


def run(context: Context) -> list[Claim]:
    """Writes rounds.csv (one row a turn) and summary.csv."""
    rounds, many = (2, {"state": 2, "image": 1}) if context.quick else (8, {"state": 10, "image": 4})
    rows: list[dict[str, Any]] = []
    for view in VIEWS:
        sides = {"ours": Side(_ours(view, "random")), "robosuite": Side(_peer(view)),
                 "ours_contact": Side(_ours(view, "residual"))}  # fmt: skip
        try:
            for turn in range(rounds):
                rows += [{"view": view, "turn": turn, "side": name, **side.measure(many[view])}
                         for name, side in sides.items()]  # fmt: skip
                context.progress("env_speed", VIEWS.index(view) * rounds + turn + 1, 2 * rounds, view)
        finally:
            for side in sides.values():
                side.close()
    write_rows(context.out / "rounds.csv", rows)
    facts = [summary(rows, view) for view in VIEWS]
    write_rows(context.out / "summary.csv", facts)
    return [claim(fact) for fact in facts]


def summary(rows: list[dict[str, Any]], view: str) -> dict[str, Any]:
    """Medians over the turns; ratios are taken turn by turn."""
    def rates(side: str, resets: bool, clock: str) -> np.ndarray:
        mine = [r for r in rows if r["view"] == view and r["side"] == side]
        spent = [r[f"step_{clock}_s"] + (r[f"reset_{clock}_s"] if resets else 0.0) for r in mine]
        return np.array([r["steps"] for r in mine]) / np.array(spent)

    ours, peer = rates("ours", True, "wall"), rates("robosuite", True, "wall")
    out = {"view": view, "turns": len(ours), "ours_steps_s": ours, "robosuite_steps_s": peer, "ratio": ours / peer,
           "ratio_without_resets": rates("ours", False, "wall") / rates("robosuite", False, "wall"),
           "ratio_cpu_time": rates("ours", True, "cpu") / rates("robosuite", True, "cpu"),
           "ours_contact_steps_s": rates("ours_contact", True, "wall")}  # fmt: skip
    out["ratio_lowest"], out["ratio_highest"] = float((ours / peer).min()), float((ours / peer).max())
    return {k: round(float(np.median(v)), 2) if isinstance(v, np.ndarray | float) else v for k, v in out.items()}


def claim(fact: dict[str, Any]) -> Claim:
    ours = (f"{fact['ratio']}x ({fact['ratio_lowest']} to {fact['ratio_highest']}; {fact['ours_steps_s']} against "
            f"{fact['robosuite_steps_s']} steps/s; {fact['ratio_without_resets']}x without resets, "
            f"{fact['ratio_cpu_time']}x in CPU time; pressing on the socket ours makes "
            f"{fact['ours_contact_steps_s']} steps/s)")
    return Claim(f"insertion steps per second ({fact['view']}) beside robosuite's Sawyer at 10 Hz", "goal of issue 3",
                 f">= {GOAL:g}x", ours, 1, "holds" if fact["ratio"] >= GOAL else "fails")


class Side:
    """A process that answers ``EPISODES LENGTH`` with one JSON line."""

    def __init__(self, command: list[str]) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        env = {**os.environ, **threads, "MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl"}
        self.name = " ".join(command)
        self.said = tempfile.TemporaryFile("w+")  # a pipe that nobody reads fills, and the child waits for ever
        self.child = subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=self.said)
        self._answer()

    def measure(self, episodes: int) -> dict[str, float]:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{episodes} {LENGTH}\n")
        self.child.stdin.flush()
        return {k: round(v, 4) for k, v in self._answer().items()}

    def _answer(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        self.said.seek(0)
        last = self.said.read().strip().splitlines()[-1:]
        raise UserError(f"'{self.name}' ended: {last[0] if last else 'it said nothing'}")

    def close(self) -> None:
        if self.child.stdin is not None:
            self.child.stdin.close()
        self.child.kill()
        self.child.wait()
        self.said.close()


def _ours(view: str, base: str) -> list[str]:
    return [sys.executable, "-m", "bench.env_speed_worker", view, base]


def _peer(view: str) -> list[str]:
    python = Path(os.environ.get(PEER, ROOT / ".venv-robosuite" / "bin" / "python"))
    if not python.is_file():
        raise UserError(f"robosuite's Python '{python}' is missing; run 'make peers', or name one with {PEER}")
    return [str(python), "-m", "bench.peers.robosuite_speed", view]
