"""World and tracker of block assembly with what a person does between episodes: environment and graph share it."""

from __future__ import annotations

import numpy as np

from priorrl_core.robots.profile import RobotProfile
from priorrl_core.tasks.blocks import BLOCKS, BlockTask, Tracker, shifts_m, tilts_rad, tracker_rng
from priorrl_core.tasks.blocks_world import BlockWorld
from priorrl_core.tasks.success import assembly_done
from priorrl_core.tasks.world import Truth, WorldState

_NO_IMAGE = np.zeros((0, 0), np.uint8)


class BlockCell:
    """A ``tasks.cells.Cell``. ``set_up`` and ``track`` are the environment's; they take no time of their own tick."""

    def __init__(self, task: BlockTask, robot: RobotProfile, seed: int = 0) -> None:
        self.task, self.world, self.tracker = task, BlockWorld(task, robot), Tracker(task.tracking)
        self.goal_m, self.tick, self.looking = task.goal_m, 0, True
        self.tracked = np.zeros((BLOCKS, 6))
        """Poses (2, 6) of the newest observation, as the tracker reports them."""
        self._yaw: np.ndarray | None = None
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """The tracker's noise begins anew."""
        self._rng = tracker_rng(seed)

    def set_up(self, yaw_rad: np.ndarray) -> None:
        """Both blocks in place, turned by ``yaw_rad`` (2,); one period later the force reading is made zero."""
        self.world.set_blocks(yaw_rad)
        self.world.arm.step(None)  # the force reading settles
        self.world.arm.zero_force()
        self.tracker.reset()

    def track(self) -> np.ndarray:
        """One look of the tracker: poses (2, 6)."""
        self.tracked = self.tracker(self.world.poses(), self._rng)
        return self.tracked

    # -- the graph's side -------------------------------------------------------------------------------

    def begin(self, seed: int) -> None:
        """An episode: its blocks are set up at ``zero_wrench``, when the arm has left."""
        self.seed(seed)
        self._yaw = self.task.draw(np.random.default_rng(seed)).yaw_rad

    def zero_wrench(self) -> None:
        if self._yaw is None:
            self.world.arm.zero_force()
            return
        self.set_up(self._yaw)
        self._yaw, self.tick = None, self.tick + 1
        self.track()

    def step(self, delta_m: np.ndarray | None) -> WorldState:
        self.world.step(delta_m)
        self.tick += 1
        if self.looking:
            self.track()
        return self.state()

    def state(self) -> WorldState:
        arm = self.world.arm
        return WorldState(self.tick, round(self.tick * self.task.control_period_s * 1e9), _NO_IMAGE, arm.q.copy(),
                          arm.dq.copy(), arm.tip_m, arm.pose.rotation, arm.force_n, (arm.bias - arm.raw)[3:],
                          arm.peak_force_n)

    def objects(self) -> np.ndarray | None:
        return self.tracked

    def electrical(self) -> bool:
        return False

    def truth(self) -> Truth:
        poses, offset = self.world.poses(), self.world.arm.tip_m - self.goal_m
        done = assembly_done(offset, tilts_rad(poses), shifts_m(poses), self.task.success)
        return Truth(done, -float(offset[2]), offset)

    def close(self) -> None:
        self.world.close()
