"""A whole graph under the supervisor on a domain of its own, with light peers where torch would be."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.action import ActionClient

from priorrl.action import RunEpisodes
from priorrl_nodes.bringup import NodeSpec, Options, describe
from priorrl_nodes.supervisor import Supervisor
from test.nodes.node_rig import Rig
from test.nodes.stand_ins import NODES

CONNECTOR = "usb"
PARAMETERS: dict[str, tuple[str, ...]] = {
    "perception": ("delay_s",),
    "reward": (),
    "goal_proposer": ("connector", "task"),
    "trainer": ("run_dir",),
}


def stand_in_specs(options: Options, **changes: dict[str, Any]) -> list[NodeSpec]:
    """The graph of ``bringup`` with stand-ins; ``changes`` are parameters by node name."""
    specs = []
    for spec in describe(options):
        parameters = {**spec.parameters, **changes.get(spec.name, {})}
        if spec.name in NODES:
            parameters = {k: v for k, v in parameters.items() if k in PARAMETERS[spec.name]}
            spec = replace(spec, module="test.nodes.stand_ins", arguments=(spec.name,))
        specs.append(replace(spec, parameters=parameters))
    return specs


class Graph:
    """Starts the graph; the supervisor runs in a thread; ``run`` sends a goal of run_episodes."""

    def __init__(self, folder: Path, wait: bool = True, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        changes = options.pop("changes", {})
        self.rig = Rig(folder)
        self.before = os.environ.get("ROS_DOMAIN_ID")
        os.environ["ROS_DOMAIN_ID"] = str(self.rig.domain.number)
        chosen = Options(connector=CONNECTOR, run_dir=str(folder), view=False, **options)
        self.folder = folder
        self.supervisor = Supervisor(stand_in_specs(chosen, **changes), folder)
        self.thread = threading.Thread(target=self._supervise, daemon=True)
        self.thread.start()
        self.client = ActionClient(self.rig.node, RunEpisodes, "run_episodes")
        if wait:
            self.rig.spin_until(lambda: self.supervisor.active() or not self.thread.is_alive(), 90)
            assert self.supervisor.active() and self.thread.is_alive(), self.logs()

    def _supervise(self) -> None:
        with self.supervisor as graph:
            while not graph.stopping:
                graph.step()

    def logs(self) -> str:
        return "\n".join(
            f"== {p.name}\n{p.read_text()[-1500:]}" for p in (self.folder / "logs").glob("*.log")
        )

    def goal(self, **fields: Any) -> Any:
        """Handle of the accepted goal; of the last refused one where none was accepted."""
        defaults = {
            "count": 1,
            "kind": "eval",
            "policy": "base",
            "scenario": "I",
            "seed": 0,
            "blend": 1.0,
            "deterministic": True,
        }
        assert self.rig.spin_until(self.client.server_is_ready, 30), self.logs()
        sent: list[Any] = []

        def handle() -> Any:
            done = [f.result() for f in sent if f.done()]
            return next((h for h in done if h.accepted), None)

        for _ in range(6):  # a request to a manager that was just killed is lost; demo_client sends again too
            sent.append(self.client.send_goal_async(RunEpisodes.Goal(**{**defaults, **fields})))
            if self.rig.spin_until(lambda: handle() is not None, 5):
                return handle()
        assert sent[-1].done(), self.logs()
        return sent[-1].result()

    def run(self, seconds: float = 120.0, **fields: Any) -> RunEpisodes.Result:
        handle = self.goal(**fields)
        assert handle.accepted, self.logs()
        result = handle.get_result_async()
        assert self.rig.spin_until(result.done, seconds), self.logs()
        return result.result().result

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """As a crash would, or what else ``how`` says."""
        child = self.supervisor.processes[name].child
        assert child is not None
        os.kill(child.pid, how)

    def close(self) -> None:
        self.supervisor.stopping = True
        end = time.monotonic() + 60
        while self.thread.is_alive() and time.monotonic() < end:
            time.sleep(0.05)
        self.rig.close()
        if self.before is None:
            os.environ.pop("ROS_DOMAIN_ID", None)
        else:
            os.environ["ROS_DOMAIN_ID"] = self.before
