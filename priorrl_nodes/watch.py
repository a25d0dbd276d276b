"""The supervisor's eyes in the ROS graph: is the domain free, and which nodes are active."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor

from priorrl_core.errors import UserError

LOOK_S = 4.0
"""Above 3 s: a running participant that missed a newcomer's first announcement answers the next one (Fast DDS), and
on a busy machine its names come some time after it."""
ASK_S = 0.5
ANSWER_S = 3.0
NEXT = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
}


class GraphWatch:
    """Asks for lifecycle states and moves nodes to active."""

    def __init__(self) -> None:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = rclpy.create_node(
            f"supervisor_{os.getpid()}",
            context=self.context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._asked: dict[str, tuple[Any, float]] = {}
        self._next_s: dict[str, float] = {}

    def check_domain(self, names: Iterable[str]) -> None:
        """UserError if nodes of these names run in the domain already."""
        end = time.monotonic() + LOOK_S
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)
        taken = sorted(set(names) & set(self.node.get_node_names()))
        if taken:
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            raise UserError(
                f"ROS domain {domain} is in use: {', '.join(taken)} run there already; stop them (a "
                "killed graph is forgotten after 20 s) or set another ROS_DOMAIN_ID"
            )

    def step(self, waiting: list[str], seconds: float) -> list[str]:
        """Spins for ``seconds``; of the nodes in ``waiting``, those that turned out to be active."""
        now = time.monotonic()
        for name in waiting:
            if name not in self._asked and now >= self._next_s.get(name, 0.0):
                self._ask(name, now)
        end = now + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=max(0.0, end - time.monotonic()))
        return [name for name in list(self._asked) if self._answered(name)]

    def _ask(self, name: str, now: float) -> None:
        client = self._client(GetState, f"{name}/get_state")
        self._next_s[name] = now + ASK_S
        if client.service_is_ready():
            self._asked[name] = (client.call_async(GetState.Request()), now)

    def _answered(self, name: str) -> bool:
        future, asked_s = self._asked[name]
        if not future.done():
            if time.monotonic() - asked_s > ANSWER_S:
                del self._asked[name]  # asked a process that died
            return False
        del self._asked[name]
        answer = future.result()
        state = answer.current_state.id if answer else 0
        if state in NEXT:
            request = ChangeState.Request(transition=Transition(id=NEXT[state]))
            self._client(ChangeState, f"{name}/change_state").call_async(request)
        return bool(state == State.PRIMARY_STATE_ACTIVE)

    def _client(self, kind: type, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        return self._clients[name]

    def close(self) -> None:
        if self.context.ok():
            self.executor.shutdown()
            self.node.destroy_node()
            rclpy.shutdown(context=self.context)
