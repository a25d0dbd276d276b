"""The live view in the terminal: trial, success so far, reward probability, force, updates, time left."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from priorrl.msg import Episode, GateStatus, Metrics, ResidualCommand, Reward, RobotState
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.live_state import LiveState
from priorrl_nodes.messages import force_of
from priorrl_nodes.qos import CONTROL, EPISODE, LATCHED, VIEW


class Monitor(ManagedNode):
    """On a terminal a table that renews itself, elsewhere one plain line an episode. Writes to stdout."""

    PARAMETERS = (
        Param("trials", 0, "Planned number of episodes, for the time left; 0: unknown.", 0, 1000000),
        Param("plain", False, "Plain lines also on a terminal."),
    )
    NICE = 10

    def setup(self) -> None:
        self.shown = LiveState(total=self.param("trials"))
        self.screen: Any = None
        self.make_subscription(Episode, "episode", self.on_episode, EPISODE)
        self.make_subscription(Metrics, "metrics", self.on_metrics, CONTROL)
        self.make_subscription(GateStatus, "safety_gate/status", self.on_gate, LATCHED)
        if self.param("plain") or not sys.stdout.isatty():
            return
        self.make_subscription(ResidualCommand, "residual_command", self.on_command, VIEW)
        self.make_subscription(Reward, "reward", self.on_reward, VIEW)
        self.make_subscription(RobotState, "robot_state", self.on_state, VIEW)
        self.make_steady_timer(0.25, self.draw)

    def start(self) -> None:
        if self.param("plain") or not sys.stdout.isatty():
            return
        from rich.live import Live

        self.screen = Live(auto_refresh=False, transient=False)
        self.screen.start()

    def stop(self) -> None:
        if self.screen is not None:
            self.draw()
            self.screen.stop()
            self.screen = None

    # ---- what comes in ---------------------------------------------------------------------------
    def on_episode(self, message: Episode) -> None:
        last = message.probabilities[-1] if message.probabilities else math.nan
        new = self.shown.end_episode(message.episode_id, message.kind, message.success, last,
                                     message.peak_force_n)
        if message.policy_versions:
            self.shown.version = int(message.policy_versions[-1])
        if new and self.screen is None:
            sys.stdout.write(self.shown.line() + "\n")
            sys.stdout.flush()

    def on_metrics(self, message: Metrics) -> None:
        values = dict(zip(message.names, message.values, strict=True))
        self.shown.updates_per_s = values.get("trainer/updates_per_s", self.shown.updates_per_s)

    def on_gate(self, message: GateStatus) -> None:
        self.shown.fault = "" if message.armed else message.fault

    def on_command(self, message: ResidualCommand) -> None:
        self.shown.episode_id, self.shown.step = message.episode_id, message.step + 1
        self.shown.version = message.policy_version

    def on_reward(self, message: Reward) -> None:
        self.shown.probability = message.probability

    def on_state(self, message: RobotState) -> None:
        self.shown.force_n = float(np.linalg.norm(force_of(message)))

    # ---- what goes out ---------------------------------------------------------------------------
    def draw(self) -> None:
        if self.screen is None:
            return
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for name, value in self.shown.rows():
            table.add_row(name, value)
        self.screen.update(table, refresh=True)


def main() -> int:
    return run(lambda: Monitor("monitor"))


if __name__ == "__main__":
    raise SystemExit(main())
