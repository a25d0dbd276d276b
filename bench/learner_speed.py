"""Seconds of one update of IQL, SAC, TD3, BCQ and BEAR, beside d3rlpy, stable-baselines3 and SBX in the same run.

Equal networks (2 x 256, BCQ's and BEAR's VAE too), batch 256, sizes of HalfCheetah, random data, one thread on one
core. Ours and the peers' are measured in turn, round after round, each in a process of its own; a figure is the
median over the rounds, and a ratio the median of the ratios of one round, so that a machine's other work meets all
alike. Drawing the batch from the library's own replay counts. CPU time stands beside wall time.

The peers need a venv of their own: PRIORRL_PEERS names it, else ``.venv-peers`` in the source tree. The option
``--only`` takes names of algorithms, and ``curves``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import learner_curve
from bench.harness import Cell, Claim, Context, pyplot, verdict, write_rows
from priorrl_core.config import ROOT
from priorrl_core.errors import UserError, nearest
from priorrl_core.reporting.summary import write_json

#: Algorithm -> ours, then peers, each with the ratio that ours should reach (0: for information).
ROWS: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "iql": (("priorrl/iql", "priorrl/iql/bf16"),
            {"d3rlpy/iql": 3.5, "d3rlpy/iql/medium": 0.0}),
    "sac": (("priorrl/sac", "priorrl/sac/bf16"),
            {"d3rlpy/sac": 2.0, "sb3/sac": 2.0, "sb3/sac/medium": 0.0, "sbx/sac": 1 / 1.25}),
    "td3": (("priorrl/td3", "priorrl/td3/bf16"),
            {"d3rlpy/td3": 2.0, "sb3/td3": 2.0, "sb3/td3/medium": 0.0, "sbx/td3": 1 / 1.25}),
    "bcq10": (("priorrl/bcq/10", "priorrl/bcq/10/bf16"), {"d3rlpy/bcq/10": 5.0, "d3rlpy/bcq/10/medium": 0.0}),
    "bcq100": (("priorrl/bcq/100", "priorrl/bcq/100/bf16"), {"d3rlpy/bcq": 5.0}),
    "bear": (("priorrl/bear/10", "priorrl/bear/10/bf16"), {"d3rlpy/bear/10": 5.0, "d3rlpy/bear/10/medium": 0.0}),
}  # fmt: skip
HEAVY = ("bcq", "bear")
CURVES = "curves"
TIMES = ("update_ms", "update_cpu_ms", "sample_cpu_ms")


def run(context: Context) -> list[Claim]:
    """Writes updates.csv (every round), summary.csv and learner_speed.png; a claim for every peer and target.

    Then the curves of bfloat16, see ``learner_curve``.
    """
    chosen = _chosen(context.options)
    return [*(_speed(chosen, context) if chosen else []), *(learner_curve.run(context) if _curves(context) else [])]


def _curves(context: Context) -> bool:
    return not context.options or CURVES in context.options


def _speed(chosen: Sequence[str], context: Context) -> list[Claim]:
    cells = measure(chosen, 2 if context.quick else 5, context)
    rows = [row for cell in cells for row in cell["rounds"]]
    write_rows(context.out / "updates.csv", rows)
    facts = summary(rows)
    write_rows(context.out / "summary.csv", facts)
    draw(context.out / "learner_speed.png", facts)
    return claims(facts)


def _chosen(words: Sequence[str]) -> list[str]:
    for word in words:
        if word not in (*ROWS, CURVES):
            raise UserError(f"learner_speed has no part '{word}'{nearest(word, (*ROWS, CURVES))}")
    return [name for name in ROWS if not words or name in words]


def measure(chosen: Sequence[str], rounds: int, context: Context) -> list[Cell]:
    """One cell an algorithm; with ``resume`` those that are stored are kept."""
    context.cells.mkdir(parents=True, exist_ok=True)
    workers, cells = Workers(), []
    try:
        for done, name in enumerate(chosen):
            context.progress("learner_speed", done, len(chosen), name)
            path = context.cells / f"{name}.json"
            if context.resume and path.is_file():
                cells.append(dict(json.loads(path.read_text())))
                continue
            cells.append({"algorithm": name, "rounds": _rounds(workers, name, rounds)})
            write_json(path, cells[-1])
    finally:
        workers.close()
    context.progress("learner_speed", len(chosen), len(chosen))
    return cells


def _rounds(workers: Workers, name: str, rounds: int) -> list[dict[str, Any]]:
    ours, peers = ROWS[name]
    count = 2 if "100" in name else 4 if name.startswith(HEAVY) else 20
    rows = []
    for number in range(rounds):
        for learner in (*ours, *peers):
            update, sample = (workers.ask(learner, part, count) for part in ("update", "sample"))
            ms = {"update_ms": update["wall_s"], "update_cpu_ms": update["cpu_s"], "sample_cpu_ms": sample["cpu_s"]}
            rows.append({"algorithm": name, "learner": learner, "round": number, "updates": count,
                         **{what: round(1e3 * seconds, 4) for what, seconds in ms.items()}})
    return rows


class Workers:
    """A process for us and one for each library, started at their first question."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def ask(self, learner: str, part: str, count: int) -> dict[str, float]:
        """Seconds of one call; UserError with the library's own words if it cannot."""
        library = learner.split("/")[0]
        process = self.processes.get(library) or self._start(library)
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"learner": learner, "part": part, "count": count}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended; see the lines above"}
        if "error" in answer:
            raise UserError(f"bench learner_speed: {learner}: {answer['error']}")
        return dict(answer)

    def _start(self, library: str) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        if library == "priorrl":
            words, env = [sys.executable, "-m", "bench.learner_worker"], dict(os.environ)
        else:
            env.pop("LD_LIBRARY_PATH", None)
            words = [str(peers_python()), "-P", str(ROOT / "bench" / "peers" / "learner_speed.py")]
            env.pop("PYTHONPATH")
        self.processes[library] = subprocess.Popen(words, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE)
        return self.processes[library]

    def close(self) -> None:
        for process in self.processes.values():
            if process.stdin:
                process.stdin.close()
            process.terminate()
            process.wait()


def peers_python() -> Path:
    """The peers' interpreter; UserError says how to make their venv."""
    venv = Path(os.environ.get("PRIORRL_PEERS", ROOT / ".venv-peers"))
    if not (venv / "bin" / "python").is_file():
        raise UserError(f"the libraries to compare with are not at '{venv}'; make it with 'python3.11 -m venv {venv} "
                        f"&& {venv}/bin/pip install -r requirements/peers.txt', or name another by PRIORRL_PEERS")
    return venv / "bin" / "python"


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians [ms] of every learner, and of ours the ratio to each peer: a round's own, then the median of them."""
    out = []
    for name in dict.fromkeys(str(r["algorithm"]) for r in rows):
        ours, peers = ROWS[name]
        for learner in (*ours, *peers):
            mine = [r for r in rows if (r["algorithm"], r["learner"]) == (name, learner)]
            fact = {"algorithm": name, "learner": learner, "rounds": len(mine),
                    **{k: round(median(r[k] for r in mine), 3) for k in TIMES}}
            ratios = {p: ratio(rows, (name, p), (name, learner)) for p in peers} if learner in ours else {}
            out.append({**fact, "ratios": "; ".join(f"{p} {r:.2f}" for p, r in ratios.items())})
    return out


def ratio(rows: Sequence[dict[str, Any]], peer: tuple[str, str], ours: tuple[str, str]) -> float:
    """How many times the CPU seconds of ``ours`` an update of ``peer`` takes; both are (algorithm, learner)."""
    theirs, own = ([float(r["update_cpu_ms"]) for r in rows if (r["algorithm"], r["learner"]) == key]
                   for key in (peer, ours))
    return median(t / o for t, o in zip(theirs, own, strict=True))


def claims(facts: Sequence[dict[str, Any]]) -> list[Claim]:
    """One for every peer with a target: our eager float32 path and the fastest of ours."""
    by = {(f["algorithm"], f["learner"]): f for f in facts}
    made = []
    for name in dict.fromkeys(f["algorithm"] for f in facts):
        ours, peers = ROWS[name]
        for peer, goal in peers.items():
            if goal:
                made.append(_claim(name, peer, goal, [by[name, o] for o in ours], by[name, peer]))
    return made


def _claim(name: str, peer: str, goal: float, ours: Sequence[dict[str, Any]], theirs: dict[str, Any]) -> Claim:
    ratios = {f["learner"]: _stored_ratio(f, peer) for f in ours}
    best = max(ratios, key=lambda n: ratios[n])
    eager = ours[0]["learner"]
    text = (f"{ratios[eager]:.2f}x by default, {ratios[best]:.2f}x as {best.removeprefix('priorrl/')} "
            f"({theirs['update_cpu_ms']:.2f} ms to {ours[0]['update_cpu_ms']:.2f} ms of CPU time by default)")
    reached = [ratios[eager] >= goal, ratios[best] >= goal]
    return Claim(f"an update of {name} is at least {goal:g} times as fast as {peer}", "goal of issue 4",
                 f">= {goal:g}x", text, theirs["rounds"], verdict(sum(reached), 2))


def _stored_ratio(fact: dict[str, Any], peer: str) -> float:
    pairs = dict(part.rsplit(" ", 1) for part in fact["ratios"].split("; "))
    return float(pairs[peer])


def draw(path: Path, facts: Sequence[dict[str, Any]]) -> None:
    """One bar a learner, grouped by algorithm."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(7.0, 0.22 * len(facts) + 1.0), layout="constrained")
    colours = {"priorrl": "tab:blue", "d3rlpy": "tab:orange", "sb3": "tab:green", "sbx": "tab:red"}
    names = [f"{f['algorithm']}: {f['learner']}" for f in facts][::-1]
    axes.barh(names, [f["update_cpu_ms"] for f in facts][::-1],
              color=[colours[f["learner"].split("/")[0]] for f in facts][::-1])
    axes.set(title="One update, one thread", xlabel="ms of CPU time", xscale="log")
    axes.tick_params(labelsize=6)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
