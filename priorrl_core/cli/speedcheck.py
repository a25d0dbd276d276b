"""``priorrl speedcheck``: what this machine can do, and the settings of the learners that use it best."""

from __future__ import annotations

import argparse
import os
import time
import warnings
from typing import Any

from priorrl_core.cli.output import Progress, emit
from priorrl_core.cli.parser import Parser

EXAMPLES = """
priorrl speedcheck             under a minute
priorrl speedcheck --quick     under 10 s, without compiling
priorrl speedcheck --json
"""

LEARNERS = ("iql", "sac", "td3")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--quick", action="store_true", help="shorter measurements, nothing is compiled")


def run(args: argparse.Namespace) -> int:
    from priorrl_core.training.runtime import configure_torch
    from priorrl_core.training.speedcheck import products
    from priorrl_core.training.threads import cores

    configure_torch()
    begin, seconds = time.monotonic(), 0.2 if args.quick else 1.2
    count = cores()
    rates = products(3 * seconds)
    settings = _settings(count, args.quick)
    updates = _updates(settings, seconds, args.seed)
    configure_torch()
    best = best_setting(updates)
    result = {"cores": count, "load": _load(), "gflops": {n: round(r, 1) for n, r in rates.items()},
              "updates_per_s": updates, "best": best, "seconds": round(time.monotonic() - begin, 1)}
    emit(args, result, _lines(result))
    return 0


def _settings(cores: int, quick: bool) -> list[dict[str, Any]]:
    """Threads, bf16, compile, device, CUDA graphs: what is measured, the default first."""
    from torch.cuda import is_available

    usual = {"threads": 1, "bf16": False, "compile": False, "device": "cpu", "cuda_graphs": False}
    plain = [{**usual, "threads": n, "bf16": half} for n in dict.fromkeys((1, cores)) for half in (False, True)]
    gpu = [{**usual, "device": "cuda", "cuda_graphs": graphs} for graphs in (False, True)] if is_available() else []
    return [*plain, *gpu, *([] if quick else [{**usual, "compile": True}])]


def _updates(settings: list[dict[str, Any]], seconds: float, seed: int) -> list[dict[str, Any]]:
    from priorrl_core.agents.speed import COMPILED, SpeedConfig
    from priorrl_core.training.runtime import configure_torch
    from priorrl_core.training.speedcheck import Updates, per_second

    out, progress = [], Progress()
    jobs = [(name, s) for s in settings for name in LEARNERS]
    for done, (name, setting) in enumerate(jobs):
        progress("speedcheck", done, len(jobs), f"{name}, {words(setting)}")
        configure_torch(setting["threads"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            work = Updates(name, SpeedConfig(**{k: v for k, v in setting.items() if k != "threads"}), seed=seed)
        if setting["compile"] and (caught or not any(hasattr(work.agent, c) for c in COMPILED)):
            continue  # no compiler, or nothing of this agent is compiled
        begin = time.monotonic()
        work.update(1)
        first = round(time.monotonic() - begin, 1)
        out.append({"learner": name, **setting, "rate": round(per_second(work.update, seconds), 1), "first_s": first})
    progress("speedcheck", len(jobs), len(jobs))
    progress.close()
    return out


def best_setting(updates: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each learner the fastest setting of all, and of float32 without compiling.

    A setting must be faster than the default by ``WORTH``; the default is the first row of a learner.
    """
    best = {}
    for name in dict.fromkeys(u["learner"] for u in updates):
        mine = [u for u in updates if u["learner"] == name]
        exact = [u for u in mine if not u["bf16"] and not u["compile"]]
        best[name] = {"default": mine[0]["rate"], "float32": _best(exact), "any": _best(mine)}
    return best


def _best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    from priorrl_core.training.threads import WORTH

    top = max(rows, key=lambda u: float(u["rate"]))
    chosen = top if top["rate"] > WORTH * rows[0]["rate"] else rows[0]
    return {k: chosen[k] for k in ("threads", "bf16", "compile", "device", "cuda_graphs", "rate")}


def words(setting: dict[str, Any]) -> str:
    """``2 threads, bf16``, or ``cuda, cuda graphs``."""
    threads = f"{setting['threads']} thread{'s' if setting['threads'] > 1 else ''}"
    parts = [threads if setting["device"] == "cpu" else setting["device"]]
    return ", ".join(parts + [n.replace("_", " ") for n in ("bf16", "compile", "cuda_graphs") if setting[n]])


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['cores']} cores, load {result['load']}; a matrix product on one thread:"]
    lines += [f"  {name:<16} {rate:6.0f} GF/s" for name, rate in result["gflops"].items()]
    lines.append("updates a second, two layers of 256, batch 256:")
    lines += [f"  {u['learner']:<4} {words(u):<20} {u['rate']:7.1f}" for u in result["updates_per_s"]]
    lines += [f"  compiling: the first update of {u['learner']} took {u['first_s']:g} s" for u in
              result["updates_per_s"] if u["compile"]]
    for name, best in result["best"].items():
        lines.append(f"best for {name}: {words(best['float32'])} in float32; {words(best['any'])} of all "
                     f"({best['any']['rate'] / max(best['default'], 1e-9):.2f} times the default)")
    if result["load"] > 0.5 * result["cores"]:
        lines.append("the machine is busy: more than one thread can cost tenfold on it; run this when it is quiet")
    lines.append("to set it: 'priorrl learn --threads N --bf16 --compile'; --threads 0 measures the run's own agent")
    lines.append("one thread and float32 are the default: the same seed gives the same bits")
    return lines
