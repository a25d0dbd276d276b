"""Says where the arm should believe the goal to be, and how success is expected to look there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from priorrl.msg import Codes, Goal, Reward
from priorrl.srv import ProposeGoal
from priorrl_core.errors import UserError
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.kinds import load_kind
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import BASE_FRAME, image_message, stamp_of, time_ns
from priorrl_nodes.qos import CONTROL, LATCHED


class GoalProposer(ManagedNode):
    """In: ``codes``, ``reward``. Out: ``goal`` (latched), on ``goal_proposer/propose``.

    The goal image is the decoded VQ-VAE view of the last image that the reward called success; before
    the first one it is empty. For a plug task it is the picture that was taken with the plug in (row 9.11).
    """

    PARAMETERS = (
        Param("checkpoint", "", "Checkpoint folder with vqvae.safetensors."),
        Param("connector", "", "Connector to practise: a name of `priorrl connectors` or a YAML file."),
        Param("task", "insertion", "Task: a name or a YAML file."),
        Param("robot", "sawyer", "Robot profile (of the goal picture of a plug task)."),
    )
    NICE = 10

    def setup(self) -> None:
        self.kind = load_kind(self.param("task"), self.param("connector"))
        self.vqvae: Any = None
        self.vqvae_hash = ""
        self.codes: OrderedDict[int, Codes] = OrderedDict()
        self.rewards: OrderedDict[int, Reward] = OrderedDict()
        self.looks: np.ndarray | None = None
        if self.kind.residual:
            self.looks = self.kind.goal_image(load_robot(self.param("robot")))
        else:
            self._load_networks()
        self.success: Codes | None = None
        self.goal = self.make_publisher(Goal, "goal", LATCHED)
        self.make_subscription(Codes, "codes", self.on_codes, CONTROL)
        self.make_subscription(Reward, "reward", self.on_reward, CONTROL)
        self.make_service(ProposeGoal, "goal_proposer/propose", self.on_propose)

    def _load_networks(self) -> None:
        """The VQ-VAE of a checkpoint; torch is imported for it alone."""
        from priorrl_core.training.runtime import configure_torch
        from priorrl_nodes import models

        configure_torch()
        load_connector(self.param("connector"))  # a wrong name is said now, not with the first goal
        self.vqvae = models.load_vqvae(self.param("checkpoint"))
        self.vqvae_hash = self.vqvae.hash() if self.vqvae else ""

    # ---- what comes in ---------------------------------------------------------------------------
    def on_codes(self, codes: Codes) -> None:
        _keep(self.codes, time_ns(codes.header.stamp), codes)
        self._match(time_ns(codes.header.stamp))

    def on_reward(self, reward: Reward) -> None:
        _keep(self.rewards, time_ns(reward.header.stamp), reward)
        self._match(time_ns(reward.header.stamp))

    def _match(self, stamp: int) -> None:
        """Keeps the codes of an image that was rewarded as a success, whichever of the two came first."""
        if stamp in self.codes and stamp in self.rewards and self.rewards[stamp].reward >= 1.0:
            self.success = self.codes[stamp]

    def on_propose(self, request: ProposeGoal.Request, answer: ProposeGoal.Response) -> ProposeGoal.Response:
        """The same request gives the same position."""
        if not self.active:
            answer.message = "the goal proposer is not active; activate it"
            return answer
        try:
            position = self.kind.goal_m(request.scenario, request.seed)
        except UserError as error:
            answer.message = str(error)
            return answer
        out = Goal(episode_id=request.episode_id, source="calibration+error", position_m=position)
        out.header.stamp, out.header.frame_id = self.get_clock().now().to_msg(), BASE_FRAME
        picture = self.picture()
        if picture is not None:
            out.image = image_message(picture, stamp_of(0))
        self.goal.publish(out)
        answer.accepted, answer.goal = True, out
        return answer

    # ---- what goes out ---------------------------------------------------------------------------
    def picture(self) -> np.ndarray | None:
        """How success is expected to look, uint8 (48, 48, 3), or None when nobody knows."""
        vqvae, success = self.vqvae, self.success
        if vqvae is not None and success is not None and success.encoder_hash == self.vqvae_hash:
            from priorrl_core.perception.vqvae import GRID

            self.looks = vqvae.decode(np.asarray(success.codes).reshape(1, *GRID))[0]
            self.success = None
        return self.looks


def _keep(store: OrderedDict, key: int, value: object) -> None:
    store[key] = value
    store.move_to_end(key)
    while len(store) > 4:
        store.popitem(last=False)


def main() -> int:
    return run(lambda: GoalProposer("goal_proposer"))


if __name__ == "__main__":
    raise SystemExit(main())
