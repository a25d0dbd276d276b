"""Camera image to residual command through the graph, as a ratio to a bare rclpy echo of the same image.

The driver (``priorrl_nodes.latency_driver``) stands for the arm: it publishes an image and the arm's state of
one tick, and waits for the ``residual_command`` that answers this tick. Between two ticks it sends the same
image to an echo node (``priorrl_nodes.latency_echo``) and waits for it to come back, so that both are measured
under the same conditions. All nodes that hang on the image in practice run too (gate, controller, perception,
reward, goal proposer, recorder), each a process, with networks of the packaged sizes and random weights: time
does not depend on the weights.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Claim, Context, write_rows
from priorrl_core.config import ROOT

GOAL = 3.0
PATHS = ("graph", "echo", "echo_events")


def run(context: Context) -> list[Claim]:
    """Writes latency.csv (microseconds, one row a tick), summary.csv and latency.png; two claims."""
    samples = measure(300 if context.quick else 2000, context.seed, context.progress)
    names = list(PATHS)
    rows = [{n: round(float(v), 1) for n, v in zip(names, row, strict=True)} for row in samples * 1e6]
    write_rows(context.out / "latency.csv", rows)
    facts = summary(samples)
    write_rows(context.out / "summary.csv", facts)
    draw(context.out / "latency.png", samples)
    return [claim(fact) for fact in facts]


def summary(samples: np.ndarray) -> list[dict[str, Any]]:
    """Median and 99th percentile [us] of ``samples`` (N, 3) [s], and the ratios to the echoes."""
    out = []
    for name, level in (("median", 50), ("p99", 99)):
        graph, echo, events = (float(np.percentile(samples[:, i], level)) * 1e6 for i in range(3))
        out.append({"what": name, "graph_us": round(graph, 1), "echo_us": round(echo, 1),
                    "echo_events_us": round(events, 1), "ratio": round(graph / echo, 2),
                    "ratio_events": round(graph / events, 2), "samples": len(samples)})
    return out


def claim(fact: dict[str, Any]) -> Claim:
    """Our own goal, held against the plain echo; the echo under our own executor stands beside it."""
    ours = (f"{fact['ratio']}x ({fact['graph_us'] / 1000:.2f} ms to {fact['echo_us'] / 1000:.2f} ms; "
            f"{fact['ratio_events']}x an echo with our executor)")
    return Claim(f"image to residual command, {fact['what']}, as a ratio to a bare rclpy echo",
                 "goal of issue 2", f"<= {GOAL:g}x", ours, 1, "holds" if fact["ratio"] <= GOAL else "fails")


def draw(path: Path, samples: np.ndarray) -> None:
    """Share of ticks that were answered within a time."""
    from bench.harness import curves

    share = np.linspace(0.0, 1.0, len(samples))
    lines = {name: (np.sort(samples[:, i]) * 1e3, share) for i, name in enumerate(PATHS)}
    most = float(np.percentile(samples, 99.5)) * 1e3
    clipped = {n: (np.minimum(x, most), y) for n, (x, y) in lines.items()}
    curves(path, "Image to residual command, and a bare echo of it", clipped, "ms", "share answered within")


def measure(count: int, seed: int = 0, progress: Callable[..., None] = lambda *_: None) -> np.ndarray:
    """(count, 3) seconds: graph, plain echo, echo with our executor. UserError if a node is silent."""
    from priorrl_nodes.latency_driver import Driver

    with tempfile.TemporaryDirectory(prefix="priorrl_latency_") as text:
        folder = Path(text)
        head, agent = write_networks(folder, seed)
        with Graph(folder) as graph:
            driver = Driver(graph.domain, head, agent, seed)
            try:
                return driver.measure(count, progress)
            finally:
                driver.close()


def write_networks(folder: Path, seed: int) -> tuple[bytes, Any]:
    """Networks of the packaged sizes with random weights; (policy head, agent)."""
    import torch

    from priorrl_core.agents.iql_agent import IQLAgent
    from priorrl_core.perception.vqvae import VQVAE, load_vqvae_config
    from priorrl_core.rewards.classifier import RewardModel
    from priorrl_core.rewards.config import load_reward_config
    from priorrl_core.rewards.network import build_networks
    from priorrl_core.training.checkpoints import AGENT, REWARD
    from priorrl_core.training.checkpoints import VQVAE as VQVAE_FILE
    from priorrl_core.training.method import load_method

    agent = IQLAgent(load_method().agent, domains=2, seed=seed)
    agent.save(folder / AGENT)
    config = load_reward_config()
    members = [build_networks(config, 2, i)[0] for i in range(config.members)]
    RewardModel(members, config).save(folder / REWARD)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        VQVAE(load_vqvae_config()).save(folder / VQVAE_FILE)
    return agent.policy_head_bytes(0), agent


class Graph:
    """The processes, on a domain of their own; stopped on exit."""

    def __init__(self, folder: Path) -> None:
        from priorrl_nodes.domain import Domain

        self.lock = Domain()
        self.domain = self.lock.number
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        env = {**os.environ, "ROS_DOMAIN_ID": str(self.domain), "OMP_NUM_THREADS": "1",
               "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        checkpoint = ("checkpoint", str(folder))
        nodes: dict[str, list[tuple[str, str]]] = {
            "safety_gate": [], "controller": [], "perception": [checkpoint], "reward": [checkpoint],
            "goal_proposer": [checkpoint, ("connector", "usb")],
            "recorder": [("run_dir", str(folder / "run"))]}
        for name, parameters in nodes.items():
            words = [w for key, value in parameters for w in ("-p", f"{key}:='{value}'")]
            self._start(name, [f"priorrl_nodes.{name}", *(["--ros-args", *words] if words else [])], env)
        for kind in ("plain", "events"):
            self._start(f"echo_{kind}", ["priorrl_nodes.latency_echo", kind], env)

    def _start(self, name: str, words: list[str], env: dict[str, str]) -> None:
        with open(self.folder / f"{name}.log", "w") as log:
            self.processes.append(subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=env,
                                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.lock.release()
