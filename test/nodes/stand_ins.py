"""Light peers for tests of the control path: real processes, real DDS, no torch, deterministic.

``python -m test.nodes.stand_ins NAME``: perception (features are image statistics), reward (judges the mean
of the image), goal_proposer, trainer (a new random head for each practice episode).
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np
from sensor_msgs.msg import Image

from priorrl.msg import Episode, Goal, Latent, PolicyVersion, Reward
from priorrl.srv import ProposeGoal
from priorrl_core.control.policy_head import PolicyHead
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.goals.calibration import believed_goal_m
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.task import load_task
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import floats, image_array, octets
from priorrl_nodes.qos import CONTROL, EPISODE, LATCHED, POLICY

FEATURES = 8


class Perception(ManagedNode):
    PARAMETERS = (Param("delay_s", 0.0, "Wait so long before publishing [s].", read_only=False),)

    def setup(self) -> None:
        self.out = self.make_publisher(Latent, "latent", CONTROL)
        self.make_subscription(Image, "camera/image_raw", self.on_image, CONTROL)

    def on_image(self, image: Image) -> None:
        if self.param("delay_s"):
            import time

            time.sleep(self.param("delay_s"))
        pixels = image_array(image).astype(np.float32)
        self.out.publish(
            Latent(
                header=image.header,
                features=floats(pixels.reshape(FEATURES, -1).mean(1) / 255.0, "f"),
                encoder_hash="stand_in",
            )
        )


class RewardNode(ManagedNode):
    def setup(self) -> None:
        self.out = self.make_publisher(Reward, "reward", CONTROL)
        self.make_subscription(Image, "camera/image_raw", self.on_image, CONTROL)

    def on_image(self, image: Image) -> None:
        probability = float(image_array(image).mean()) / 255.0
        self.out.publish(
            Reward(
                header=image.header,
                probability=probability,
                reward=float(probability > 0.5),
                source="stand_in",
            )
        )


class GoalProposer(ManagedNode):
    PARAMETERS = (Param("connector", "", "Connector."), Param("task", "insertion", "Task."))

    def setup(self) -> None:
        self.out = self.make_publisher(Goal, "goal", LATCHED)
        self.make_service(ProposeGoal, "goal_proposer/propose", self.on_propose)

    def on_propose(self, request: ProposeGoal.Request, answer: ProposeGoal.Response) -> ProposeGoal.Response:
        connector, task = load_connector(self.param("connector")), load_task(self.param("task"))
        goal = Goal(episode_id=request.episode_id, source="stand_in")
        goal.position_m = believed_goal_m(connector, task, request.scenario, request.seed)
        self.out.publish(goal)
        answer.accepted, answer.goal = True, goal
        return answer


class Trainer(ManagedNode):
    PARAMETERS = (Param("run_dir", "", "Run folder."),)

    def setup(self) -> None:
        self.newest = self.make_publisher(PolicyVersion, "policy", POLICY)
        self.offline = self.make_publisher(PolicyVersion, "policy/offline", LATCHED)
        self.known = {e["episode_id"] for e in closed_episodes(self.param("run_dir"), "practice")}
        self.make_subscription(Episode, "episode", self.on_episode, EPISODE)

    def start(self) -> None:
        self.offline.publish(head_message(0))
        self.newest.publish(head_message(len(self.known)))

    def on_episode(self, episode: Episode) -> None:
        if episode.kind == "practice" and episode.end_reason in ("horizon", "fault"):
            self.known.add(episode.episode_id)
            self.newest.publish(head_message(len(self.known)))


def head_message(version: int) -> PolicyVersion:
    """A random head that depends on ``version`` alone."""
    rng = np.random.default_rng(version)
    sizes = (FEATURES + 6, 16, 3)
    layers = [
        (rng.standard_normal((a, b)) * 0.02, rng.standard_normal(b) * 0.02)
        for a, b in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    metadata = {
        "architecture": "stand_in",
        "encoder_hash": "stand_in",
        "config_hash": "none",
        "exploration_std": "0.05",
        "exploration_correlation": "0.5",
        "version": str(version),
    }
    head = PolicyHead(layers, np.full(3, -3.0, np.float32), np.ones(6, np.float32), metadata)
    data = head.to_bytes()
    out = PolicyVersion(
        version=version,
        episodes=version,
        architecture="stand_in",
        encoder_hash="stand_in",
        config_hash=hashlib.sha256(data).hexdigest()[:12],
    )
    out.safetensors = octets(np.frombuffer(data, np.uint8))
    return out


NODES = {"perception": Perception, "reward": RewardNode, "goal_proposer": GoalProposer, "trainer": Trainer}

if __name__ == "__main__":
    name = sys.argv[1]
    raise SystemExit(run(lambda: NODES[name](name)))
