"""Bench of a connector with its goal picture and its wear: environment and graph share it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from priorrl_core.robots.profile import RobotProfile
from priorrl_core.tasks.plug import PlugSpec, PlugTask
from priorrl_core.tasks.plug_world import PlugWorld
from priorrl_core.tasks.success import insertion_done
from priorrl_core.tasks.world import Truth, WorldState


class PlugCell:
    """A ``tasks.cells.Cell``."""

    def __init__(self, plug: PlugSpec, task: PlugTask, robot: RobotProfile, seed: int = 0) -> None:
        self.plug, self.task = plug, task
        self.world = PlugWorld(plug, task, robot, seed)
        self.goal_image = self.world.goal_image()
        """uint8 (32, 32): what the camera sees with the plug fully in."""
        self.world.place(self.world.goal_m + [0.0, 0.0, task.start_height_m])
        self.goal_m, self.looking = self.world.goal_m, True
        self.insertions = self.replacements = 0
        self._inserted = False

    def refresh(self, spread: float) -> None:
        """A new episode's holding force: its ``spread`` in [-1, 1], the wear, and a new connector when it is due."""
        wear = self.plug.wear
        self._inserted = False
        if wear.replace_after and self.insertions >= wear.replace_after:
            self.insertions, self.replacements = 0, self.replacements + 1
        left = wear.share(self.insertions)
        self.world.set_contact(left * (1.0 + self.plug.force_spread * spread), left)

    def electrical(self) -> bool:
        return self.world.electrical()

    def count(self) -> bool:
        """The connector's signal after a step of an episode; an insertion is counted once an episode."""
        connected = self.electrical()
        if connected and not self._inserted:
            self._inserted, self.insertions = True, self.insertions + 1
        return connected

    # -- the graph's side -------------------------------------------------------------------------------

    @property
    def tick(self) -> int:
        return self.world.tick

    def begin(self, seed: int) -> None:
        self.refresh(self.task.draw(np.random.default_rng(seed)).spread)

    def zero_wrench(self) -> None:
        self.world.zero_wrench()

    def step(self, delta_m: np.ndarray | None) -> WorldState:
        self.world.step(delta_m)
        if self.looking:
            self.count()
        return self.state()

    def state(self) -> WorldState:
        state = self.world.state()
        return replace(state, image=self.world.grey()) if self.looking else state

    def objects(self) -> np.ndarray | None:
        return None

    def truth(self) -> Truth:
        """``inserted`` is the judge's of the task: deep, on the axis and near."""
        truth = self.world.truth()
        done = insertion_done(truth.offset_m, self.plug.connector.fit, self.task.success)
        return Truth(done, truth.depth_m, truth.offset_m)

    def close(self) -> None:
        self.world.close()
