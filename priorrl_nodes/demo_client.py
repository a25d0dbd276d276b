"""Runs the stages of a plan through the ``run_episodes`` action; tells of each episode on standard output.

``python -m priorrl_nodes.demo_client PLAN.json``: the plan is a list of stages (see ``Stage``). One JSON
object a line comes out: ``{"event": "ready" | "stage" | "episode" | "resent" | "result", ...}``.
Exit status: 0 all stages done, 1 a stage failed, 2 the plan is wrong or no episode manager answers,
130 interrupted (the goal is cancelled first).

A restarted episode manager does not know the goal any more: the client notices and sends it again; the
manager goes on after the episodes that are closed.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from priorrl.action import RunEpisodes
from priorrl_core import config
from priorrl_core.errors import UserError

SERVER_WAIT_S = 120.0
SILENCE_S = 5.0
"""Without news for so long, ask whether the goal still exists."""
RETRY_S = 1.0


class Interrupted(Exception):
    """The user stopped the run."""


@dataclass(frozen=True)
class Stage:
    """One goal of the action; fields as in RunEpisodes.action, ``name`` is only for who reads the output."""

    name: str
    count: int
    kind: str
    policy: str
    scenario: str
    seed: int
    blend: float = 1.0
    deterministic: bool = True


def load_plan(path: Path) -> list[Stage]:
    """The stages of a JSON file; ConfigError for a wrong one."""
    rows = json.loads(path.read_text())
    return [config.build(Stage, row, f"{path}[{i}]") for i, row in enumerate(rows)]


class DemoClient(Node):
    """Sends goals one after the other."""

    def __init__(self) -> None:
        super().__init__("demo_client")
        self._client: Any = ActionClient(self, RunEpisodes, "run_episodes")
        self._stage = ""
        self._news = time.monotonic()

    def wait_for_server(self, timeout_s: float = SERVER_WAIT_S) -> None:
        """Raises UserError if no episode manager answers in time."""
        end = time.monotonic() + timeout_s
        while not self._client.wait_for_server(timeout_sec=0.5):
            if time.monotonic() > end:
                raise UserError(
                    f"no node serves the action 'run_episodes' after {timeout_s:.0f} s; "
                    "look at the log of episode_manager"
                )
        tell("ready")

    def run(self, stage: Stage) -> bool:
        """Runs one stage to its end; False if it failed."""
        self._stage = stage.name
        tell("stage", stage=stage.name, count=stage.count)
        while True:
            handle = self._send(stage)
            outcome = self._follow(handle)
            if outcome is not None:
                break
            tell("resent", stage=stage.name)
        status, result = outcome
        good = status == GoalStatus.STATUS_SUCCEEDED
        tell(
            "result",
            stage=stage.name,
            ok=good,
            episodes=result.episodes,
            judged_successes=result.judged_successes,
            true_successes=result.true_successes,
            message=result.message,
        )
        return good

    def _send(self, stage: Stage) -> Any:
        goal = RunEpisodes.Goal(
            count=stage.count,
            kind=stage.kind,
            policy=stage.policy,
            scenario=stage.scenario,
            seed=stage.seed,
            blend=stage.blend,
            deterministic=stage.deterministic,
        )
        end = time.monotonic() + SERVER_WAIT_S
        while time.monotonic() < end:
            self._news = time.monotonic()
            sent = self._client.send_goal_async(goal, feedback_callback=self._on_feedback)
            handle = self._wait(sent, SILENCE_S)
            if handle is not None and handle.accepted:
                return handle
            time.sleep(RETRY_S)  # a manager that starts or still ends the last goal
        raise UserError(f"the episode manager does not accept stage '{stage.name}'; look at its log")

    def _follow(self, handle: Any) -> tuple[int, Any] | None:
        """(status, result) of the goal, or None if its server forgot it."""
        asked = [handle.get_result_async()]
        try:
            while True:
                rclpy.spin_until_future_complete(self, asked[0], timeout_sec=0.2)
                for future in asked:
                    if not future.done():
                        continue
                    response = future.result()
                    if response.status != GoalStatus.STATUS_UNKNOWN:
                        return response.status, response.result
                    return None
                if time.monotonic() - self._news > SILENCE_S:
                    self._news = time.monotonic()
                    asked = [asked[0], handle.get_result_async()]
        except KeyboardInterrupt:
            self._cancel(handle)
            raise Interrupted from None

    def _cancel(self, handle: Any) -> None:
        self._wait(handle.cancel_goal_async(), 3.0)

    def _wait(self, future: Future, timeout_s: float) -> Any:
        rclpy.spin_until_future_complete(self, future, timeout_sec=timeout_s)
        return future.result() if future.done() else None

    def _on_feedback(self, message: Any) -> None:
        self._news = time.monotonic()
        f = message.feedback
        tell(
            "episode",
            stage=self._stage,
            episode=f.episode,
            judged_successes=f.judged_successes,
            true_successes=f.true_successes,
            probability=round(float(f.probability), 4),
            peak_force_n=round(float(f.peak_force_n), 2),
            policy_version=f.policy_version,
        )


def tell(event: str, **fields: Any) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def main() -> int:
    if len(sys.argv) < 2:
        sys.stderr.write("usage: python -m priorrl_nodes.demo_client PLAN.json\n")
        return 2
    rclpy.init(
        signal_handler_options=SignalHandlerOptions.NO
    )  # the goal is cancelled before the context ends
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stages = load_plan(Path(sys.argv[1]))
        client = DemoClient()
        client.wait_for_server()
        return 0 if all(client.run(stage) for stage in stages) else 1
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (KeyboardInterrupt, Interrupted):
        return 130
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
