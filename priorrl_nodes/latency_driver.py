"""Stands for the arm in ``priorrl bench latency``: publishes an image and the arm's state of one tick, and waits
for the ``residual_command`` that answers this tick; then sends the same image through the echoes."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from priorrl.msg import PolicyVersion, ResidualCommand, RobotState
from priorrl.srv import SetMode
from priorrl_core.errors import UserError
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.task import load_task
from priorrl_nodes.messages import image_message, stamp_of, state_message
from priorrl_nodes.qos import CONTROL, POLICY

PERIOD_NS = 100_000_000
QUIET_S = 0.01
WARM_UP = 50
KINDS = ("plain", "events")
"""Of ``latency_echo``."""


class Driver:
    """Publishes ticks and waits for answers, in a context of its own."""

    def __init__(self, domain: int, head: bytes, agent: Any, seed: int) -> None:
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
        self.policy = self.node.create_publisher(PolicyVersion, "policy", POLICY)
        self.node.create_subscription(ResidualCommand, "residual_command", self._on_command, CONTROL)
        self.echo = {}
        for kind in KINDS:
            self.echo[kind] = self.node.create_publisher(Image, f"bench/{kind}/image", CONTROL)
            self.node.create_subscription(Image, f"bench/{kind}/echo", self._on_echo, CONTROL)
        self.echoed = False
        self.policy.publish(PolicyVersion(version=0, architecture=agent.architecture, safetensors=head,
                                          encoder_hash=agent.encoder_hash()))

    def _on_command(self, message: ResidualCommand) -> None:
        self.answered = message.tick

    def _on_echo(self, _: Image) -> None:
        self.echoed = True

    def _wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise UserError(f"bench latency: {what} did not answer within {seconds:g} s; run it on a "
                                "machine with less load")
            self.executor.spin_once(timeout_sec=0.05)

    def measure(self, count: int, progress: Callable[..., None]) -> np.ndarray:
        """(count, 3) seconds after a warm-up: graph, plain echo, echo with our executor.

        UserError if a node is silent.
        """
        self._begin()
        out = np.zeros((count, 1 + len(KINDS)))
        gc.collect()
        gc.disable()
        try:
            for i in range(-WARM_UP, count):
                row = (self._through_graph(), *(self._through_echo(kind) for kind in KINDS))
                if i >= 0:
                    out[i] = row
                if i % 100 == 0:
                    progress("latency", max(i, 0), count)
        finally:
            gc.enable()
        return out

    def _begin(self) -> None:
        """Waits for every node, then has the controller roll out the policy without end."""
        self._wait(lambda: self.image.get_subscription_count() >= 2, 60, "perception and reward")
        self._wait(lambda: all(p.get_subscription_count() for p in self.echo.values()), 30, "an echo")
        client: Any = self.node.create_client(SetMode, "controller/set_mode")
        self._wait(client.service_is_ready, 60, "the controller")
        self._wait(lambda: self.state.get_subscription_count() >= 3, 30, "the safety gate")
        self._publish()
        for _ in range(20):  # until the state has arrived and the controller knows this client
            request = SetMode.Request(mode="policy", episode_id="bench", policy_version=-1, horizon=65535,
                                      goal_m=list(self.place), blend=1.0, deterministic=True)
            future = client.call_async(request)
            self._wait_s(3.0, future.done)
            if future.done() and future.result().accepted:
                self._first_answers()
                return
            self._wait_s(0.1)
            self._publish()
        said = future.result().message if future.done() else "no answer"
        raise UserError(f"bench latency: the controller refused: {said}")

    def _first_answers(self) -> None:
        """The first messages can be lost while two nodes still discover each other."""
        def tick() -> None:
            self.tick += 1
            self._publish()

        self._first(tick, lambda: self.answered >= 0, "the controller")
        for kind in KINDS:
            self.echoed = False
            send = partial(self.echo[kind].publish, self._picture())
            self._first(send, lambda: self.echoed, f"the {kind} echo")

    def _first(self, send: Callable[[], Any], done: Callable[[], bool], what: str) -> None:
        """Sends again until it is answered."""
        for _ in range(60):
            send()
            self._wait_s(0.5)
            if done():
                return
        raise UserError(f"bench latency: {what} does not answer; run it on a machine with less load")

    def _wait_s(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.002)

    def _picture(self) -> Image:
        pixels = self.rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        return image_message(pixels, stamp_of(self.tick * PERIOD_NS))

    def _publish(self) -> float:
        """One tick of the arm; the time just before its image left."""
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
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
