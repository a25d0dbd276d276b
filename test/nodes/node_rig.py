"""Real node processes over real DDS on a domain of their own, and one node in the test that talks to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from priorrl_nodes.domain import Domain

ROOT = Path(__file__).resolve().parents[2]


class Rig:
    """Starts nodes, collects what they publish; ``close`` stops everything that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.domain = folder, Domain()
        self.env = {**os.environ, "ROS_DOMAIN_ID": str(self.domain.number), "OMP_NUM_THREADS": "1",
                    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain.number)
        self.node = rclpy.create_node("test_rig", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.processes: list[subprocess.Popen] = []
        self.clients: dict[str, Any] = {}

    def start(self, name: str, *, wrap: list[str] | None = None, **parameters: Any) -> subprocess.Popen:
        """``python -m priorrl_nodes.<name>`` with parameters; its output goes to <folder>/<name>.log."""
        command = [*(wrap or []), sys.executable, "-m", f"priorrl_nodes.{name}"]
        if parameters:
            command.append("--ros-args")
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            text = f"'{value}'" if isinstance(value, (str, Path)) and not str(value).startswith("[") else text
            command += ["-p", f"{key}:={text}"]
        log = open(self.folder / f"{name}.log", "a")
        process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=subprocess.STDOUT)
        log.close()
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def listen(self, kind: type, topic: str, qos: Any) -> list[Any]:
        """A list that fills with the messages of ``topic`` while the rig spins."""
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, qos)
        return heard

    def spin_until(self, done: Callable[[], Any], seconds: float = 60.0) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done():
                return True
            self.executor.spin_once(timeout_sec=0.02)
        return bool(done())

    def spin(self, seconds: float) -> None:
        self.spin_until(lambda: False, seconds)

    def connected(self, publisher: Any, readers: int = 1, seconds: float = 60.0) -> bool:
        """Whether ``readers`` subscriptions were matched with the publisher. The way back is ``meet``."""
        return self.spin_until(lambda: publisher.get_subscription_count() >= readers, seconds)

    def meet(self, *nodes: str) -> None:
        """Waits until each node knows all publishers and subscriptions that the rig has made.

        DDS tells a node of them in their order, and an answer comes only from a node that knows its client: one that
        answers a client made now knows all that was made before.
        """
        for node in nodes:
            client = self.node.create_client(GetParameters, f"{node}/get_parameters")
            self._answer(client, GetParameters.Request(names=["autostart"]), node)
            self.node.destroy_client(client)

    def call(self, kind: type, service: str, request: Any) -> Any:
        """The answer of a service to which twice is as once (``_answer``)."""
        if service not in self.clients:
            self.clients[service] = self.node.create_client(kind, service)
        return self._answer(self.clients[service], request, service.partition("/")[0])

    def set_parameter(self, node: str, name: str, value: Any) -> Any:
        """The SetParametersResult of one parameter."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, f"{node}/set_parameters", request).results[0]

    def _answer(self, client: Any, request: Any, node: str) -> Any:
        """Asked again every 5 s: rmw_fastrtps drops an answer whose client it has not discovered within 100 ms."""
        assert self.spin_until(client.service_is_ready), f"{client.srv_name} did not appear"
        asked: list[Any] = []
        for _ in range(12):
            asked.append(client.call_async(request))
            if self.spin_until(lambda: any(f.done() for f in asked), 5.0):
                return next(f for f in asked if f.done()).result()
        raise AssertionError(f"{client.srv_name} did not answer; the log of {node} ends:\n{self._log_end(node)}")

    def _log_end(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text()[-2000:] if path.is_file() else "(it wrote none here)"

    def kill(self, process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        self.domain.release()
