"""Judges each observation: did that look like success, and what does the learner get for it?"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool

from priorrl.msg import Goal, Reward, RobotState
from priorrl_core.config import config_hash
from priorrl_core.errors import DataError, nearest
from priorrl_core.perception.preprocess import check_image
from priorrl_core.rewards.natural import DenseReward, Judgement, image_distance, sparse
from priorrl_core.tasks.kinds import load_kind
from priorrl_nodes.diagnostics import Diagnostics
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import force_of, grey_array, image_array, objects_array, time_ns, tip_of
from priorrl_nodes.natural_judge import NaturalJudge
from priorrl_nodes.qos import CONTROL, LATCHED, STEPS

MODES = ("daib", "sparse", "dense", "image", "assembly")
#: The control path (perception, controller, gate) has the cores first; nobody waits for a reward [s].
GIVE_WAY_S = 0.008
_SIGNAL_WAIT_S = 0.02  # the electrical signal bears no stamp: it follows its image within this time


class RewardNode(ManagedNode):
    """In: image and, by ``mode``, state, electrical signal, objects, goal. Out: ``reward``, one type for all modes."""

    PARAMETERS = (
        Param("checkpoint", "", "Checkpoint folder with the reward model (mode daib)."),
        Param("task", "insertion", "Task: a name or a YAML file (natural rewards of plugs and blocks)."),
        Param("connector", "", "Connector, where the task's file does not name it."),
        Param("mode", "daib", "Who judges; may be changed while running.", options=MODES, read_only=False),
        Param("threshold", -1.0, "Probability from which an image counts as success; -1: the model's own.",
              -1.0, 1.0, read_only=False),
    )
    NICE = 10

    def setup(self) -> None:
        kind = load_kind(self.param("task"), self.param("connector"))
        self.kind, self.natural = kind, NaturalJudge(kind) if kind.residual else None
        self.model = None
        if self.param("checkpoint") and self.natural is None:
            self.model = _load_model(self.param("checkpoint"))
        self.dense = DenseReward()
        self.dense_hash = config_hash(self.dense)
        self.mode = self._checked(self.param("mode"))
        self.add_on_set_parameters_callback(self.on_parameters)
        self.inputs: list[tuple[Callable[[Any], Any], Any]] = []
        self.waiting: tuple[Image, np.ndarray, float] | None = None
        self.states: OrderedDict[int, RobotState] = OrderedDict()
        self.connected = False
        self.goal: Goal | None = None
        self.reward = self.make_publisher(Reward, "reward", STEPS)
        self.diagnostics = Diagnostics(self, self.make_publisher(DiagnosticArray, "diagnostics", CONTROL))
        self._warm_up()
        self.make_subscription(Goal, "goal", self.on_goal, LATCHED, always=True)
        if self.natural is not None:
            self._listen_to_parts()
            return
        self.make_subscription(Image, "camera/image_raw", self.on_image, STEPS)
        self._listen()

    def _listen_to_parts(self) -> None:
        """Natural rewards of plugs and blocks: every part has the stamp of its observation."""
        self.make_subscription(RobotState, "robot_state", self.on_part_state, STEPS)
        self.make_subscription(JointState, "signals/stamped", self.on_part_signal, STEPS)
        if self.kind.image_shape:
            self.make_subscription(Image, "camera/image_raw", self.on_part_image, STEPS)
        if self.kind.tracked:
            self.make_subscription(JointState, "objects", self.on_part_objects, STEPS)

    def _warm_up(self) -> None:
        if self.model is not None:
            for _ in range(20):
                self.model.probability(np.zeros((1, 48, 48, 3), np.uint8))

    def _listen(self) -> None:
        """Only to what the mode needs: nothing is sent for nobody."""
        while self.inputs:
            destroy, entity = self.inputs.pop()
            destroy(entity)
        if self.mode == "dense":
            state = self.make_subscription(RobotState, "robot_state", self.on_state, STEPS)
            self.inputs = [(self.destroy_subscription, state)]
        if self.mode == "sparse":
            signal = self.make_subscription(Bool, "signals/electrical", self.on_signal, CONTROL)
            timer = self.make_steady_timer(_SIGNAL_WAIT_S / 2.0, self.on_time)
            self.inputs = [(self.destroy_subscription, signal), (self.destroy_timer, timer)]

    # ---- what comes in ---------------------------------------------------------------------------
    def on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """``mode`` changes from the next image on."""
        for change in changes:
            if change.name == "mode":
                try:
                    self.mode = self._checked(change.value)
                except DataError as error:
                    return SetParametersResult(successful=False, reason=str(error))
                self.waiting = None
                if self.natural is None:
                    self._listen()
        return SetParametersResult(successful=True)

    def _checked(self, mode: str) -> str:
        if mode not in MODES:
            raise DataError(f"unknown reward mode '{mode}'{nearest(mode, MODES)}")
        if mode not in self.kind.rewards:
            raise DataError(f"reward mode '{mode}' does not fit task '{self.kind.name}'; "
                            f"valid: {', '.join(self.kind.rewards)}")
        if mode == "daib" and self.model is None:
            raise DataError("reward mode 'daib' needs parameter 'checkpoint'; give a checkpoint folder")
        return mode

    def on_image(self, message: Image) -> None:
        try:
            image = check_image(image_array(message), message.encoding)
        except DataError as error:
            self.diagnostics.error(f"camera/image_raw: {error}")
            return
        self.waiting = (message, image, time.monotonic())
        time.sleep(GIVE_WAY_S)
        if self.mode != "sparse":
            self.judge()

    def on_state(self, state: RobotState) -> None:
        self.states[time_ns(state.header.stamp)] = state
        while len(self.states) > STEPS.depth:
            self.states.popitem(last=False)
        self.judge()

    def on_signal(self, signal: Bool) -> None:
        self.connected = signal.data
        self.judge()

    def on_time(self) -> None:
        """The signal came before its image."""
        if self.waiting is not None and time.monotonic() - self.waiting[2] > _SIGNAL_WAIT_S:
            self.judge()

    def on_goal(self, goal: Goal) -> None:
        self.goal = goal
        if self.natural is not None:
            self.natural.goal = goal

    # ---- natural rewards of plugs and blocks ---------------------------------------------------------
    def on_part_state(self, state: RobotState) -> None:
        """On the way back to a start nobody is rewarded."""
        if state.zeroed:
            self._part("state", state, state)

    def on_part_image(self, message: Image) -> None:
        self._part("image", message, grey_array(message))

    def on_part_objects(self, message: JointState) -> None:
        self._part("objects", message, objects_array(message))

    def on_part_signal(self, message: JointState) -> None:
        self._part("signal", message, message.position[0] > 0.5)

    def _part(self, name: str, message: Any, value: Any) -> None:
        """Publishes the reward of the observation that ``message`` completes."""
        assert self.natural is not None
        stamp = time_ns(message.header.stamp)
        self.natural.put(name, stamp, value)
        try:
            verdict = self.natural.verdict(self.mode, stamp)
        except DataError as error:
            self.diagnostics.error(f"reward mode '{self.mode}': {error}")
            return
        if verdict is not None:
            self.reward.publish(Reward(header=message.header, probability=verdict.probability,
                                       reward=verdict.reward, source=self.mode))
            self.diagnostics.good()

    # ---- judgement -------------------------------------------------------------------------------
    def judge(self) -> None:
        """Publishes the reward of the waiting image, if all that the mode needs is here."""
        if self.waiting is None:
            return
        message, image, _ = self.waiting
        try:
            verdict = self._verdict(image, time_ns(message.header.stamp))
        except DataError as error:
            self.waiting = None
            self.diagnostics.error(f"reward mode '{self.mode}': {error}")
            return
        if verdict is None:
            return
        self.waiting = None
        out = Reward(header=message.header, probability=verdict.probability, reward=verdict.reward,
                     source=self._source(), model_hash=self._hash())
        self.reward.publish(out)
        self.diagnostics.good()

    def _verdict(self, image: np.ndarray, stamp_ns: int) -> Judgement | None:
        if self.mode == "daib":
            return self._learned(image)
        if self.mode == "sparse":
            return sparse(self.connected)
        if self.goal is None:
            raise DataError("no goal was proposed yet; start the goal_proposer")
        if self.mode == "image":
            if not self.goal.image.data:
                raise DataError("the goal has no image: nothing was a success yet; choose another mode")
            return image_distance(image, image_array(self.goal.image))
        state = self.states.get(stamp_ns)
        if state is None:
            return None
        return self.dense(tip_of(state) - np.asarray(self.goal.position_m), float(force_of(state)[2]))

    def _learned(self, image: np.ndarray) -> Judgement:
        assert self.model is not None  # _checked
        reward, probability = (float(v[0]) for v in self.model.reward(image[None]))
        limit = self.param("threshold")
        return Judgement(probability, reward if limit < 0.0 else float(probability >= limit))

    def _source(self) -> str:
        return self.model.source if self.model and self.mode == "daib" else self.mode

    def _hash(self) -> str:
        learned = self.model.model_hash if self.model else ""
        return {"daib": learned, "dense": self.dense_hash}.get(self.mode, "")


def _load_model(checkpoint: str) -> Any:
    """The learned judge; torch is imported for it alone."""
    from priorrl_core.training.runtime import configure_torch
    from priorrl_nodes import models

    configure_torch()
    return models.load_reward_model(checkpoint)


def main() -> int:
    return run(lambda: RewardNode("reward"))


if __name__ == "__main__":
    raise SystemExit(main())
