"""Camera image to residual command through the graph, as a ratio to a bare rclpy echo of the same image.

The bench is the arm's driver: it publishes an image and the arm's state of one tick, and waits for the
``residual_command`` that answers this tick. Between two ticks it sends the same image to an echo node and
waits for it to come back, so that both are measured under the same conditions. All nodes that hang on the
image in practice run too (gate, controller, perception, reward, goal proposer, recorder), each a process,
with networks of the packaged sizes and random weights: time does not depend on the weights.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.harness import Claim, Context, write_rows
from priorrl_core.config import ROOT
from priorrl_core.errors import UserError
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.task import load_task
from priorrl_nodes.domain import Domain

GOAL = 3.0
PERIOD_NS = 100_000_000
QUIET_S = 0.01
WARM_UP = 50
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
            self._start(f"echo_{kind}", ["bench.latency_echo", kind], env)

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


class Driver:
    """Stands for the arm: publishes ticks, waits for answers."""

    def __init__(self, domain: int, head: bytes, agent: Any, seed: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        from priorrl.msg import PolicyVersion, ResidualCommand, RobotState
        from priorrl_nodes.qos import CONTROL, LATCHED

        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("bench_driver", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.rng = np.random.default_rng(seed)
        self.home = np.array(load_robot().home_rad)
        self.place = np.array(load_task().socket_xyz_m) + [0.0, 0.0, 0.05]
        self.session, self.tick, self.answered = time.time_ns(), 0, -1
        self.image = self.node.create_publisher(Image, "camera/image_raw", CONTROL)
        self.state = self.node.create_publisher(RobotState, "robot_state", CONTROL)
        self.policy = self.node.create_publisher(PolicyVersion, "policy", LATCHED)
        self.node.create_subscription(ResidualCommand, "residual_command", self._on_command, CONTROL)
        self.echo = {}
        for kind in ("plain", "events"):
            self.echo[kind] = self.node.create_publisher(Image, f"bench/{kind}/image", CONTROL)
            self.node.create_subscription(Image, f"bench/{kind}/echo", self._on_echo, CONTROL)
        self.echoed = False
        self.policy.publish(PolicyVersion(version=0, architecture=agent.architecture, safetensors=head,
                                          encoder_hash=agent.encoder_hash()))

    def _on_command(self, message: Any) -> None:
        self.answered = message.tick

    def _on_echo(self, _: Any) -> None:
        self.echoed = True

    def _wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise UserError(f"bench latency: {what} did not answer within {seconds:g} s; run it on a "
                                "machine with less load")
            self.executor.spin_once(timeout_sec=0.05)

    def measure(self, count: int, progress: Callable[..., None]) -> np.ndarray:
        """(count, 3) seconds, after a warm-up."""
        self._begin()
        out = np.zeros((count, len(PATHS)))
        gc.collect()
        gc.disable()
        try:
            for i in range(-WARM_UP, count):
                row = (self._through_graph(), self._through_echo("plain"), self._through_echo("events"))
                if i >= 0:
                    out[i] = row
                if i % 100 == 0:
                    progress("latency", max(i, 0), count)
        finally:
            gc.enable()
        return out

    def _begin(self) -> None:
        """Waits for every node, then has the controller roll out the policy without end."""
        from priorrl.srv import SetMode

        self._wait(lambda: self.image.get_subscription_count() >= 2, 60, "perception and reward")
        self._wait(lambda: all(p.get_subscription_count() for p in self.echo.values()), 30, "an echo")
        client = self.node.create_client(SetMode, "controller/set_mode")
        self._wait(client.service_is_ready, 60, "the controller")
        self._wait(lambda: self.state.get_subscription_count() >= 3, 30, "the safety gate")
        self._publish()
        for _ in range(20):  # until the state has arrived
            request = SetMode.Request(mode="policy", episode_id="bench", policy_version=-1, horizon=65535,
                                      goal_m=list(self.place), blend=1.0, deterministic=True)
            future = client.call_async(request)
            self._wait(future.done, 30, "controller/set_mode")
            if future.result().accepted:
                self._first_answer()
                return
            self._wait_s(0.1)
            self._publish()
        raise UserError(f"bench latency: the controller refused: {future.result().message}")

    def _first_answer(self) -> None:
        """The first latents can be lost while perception and controller still discover each other."""
        for _ in range(60):
            self.tick += 1
            self._publish()
            self._wait_s(0.5)
            if self.answered >= 0:
                return
        raise UserError("bench latency: the controller does not answer; run it on a machine with less load")

    def _wait_s(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.002)

    def _picture(self) -> Any:
        from priorrl_nodes.messages import image_message, stamp_of

        pixels = self.rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        return image_message(pixels, stamp_of(self.tick * PERIOD_NS))

    def _publish(self) -> float:
        """One tick of the arm; the time just before its image left."""
        from priorrl_nodes.messages import state_message

        still = np.zeros(3)
        snapshot = SimpleNamespace(
            tick=self.tick, time_ns=self.tick * PERIOD_NS, q=self.home, dq=np.zeros(len(self.home)),
            tip_m=self.place, tip_quat=np.array([1.0, 0.0, 0.0, 0.0]), force_n=still, torque_nm=still,
            peak_force_n=0.0)
        state, image = state_message(snapshot, self.session, self.tick, False, True), self._picture()
        start = time.perf_counter()
        self.image.publish(image)
        self.state.publish(state)
        return start

    def _through_graph(self) -> float:
        self.tick += 1
        start = self._publish()
        self._wait(lambda: self.answered >= self.tick, 10, "the controller")
        took = time.perf_counter() - start
        self._wait_s(QUIET_S)
        return took

    def _through_echo(self, kind: str) -> float:
        image, self.echoed = self._picture(), False
        start = time.perf_counter()
        self.echo[kind].publish(image)
        self._wait(lambda: self.echoed, 10, f"the {kind} echo")
        took = time.perf_counter() - start
        self._wait_s(QUIET_S)
        return took

    def close(self) -> None:
        import rclpy

        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
