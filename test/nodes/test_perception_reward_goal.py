"""Perception, reward and goal proposer as real processes on tiny checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402

from priorrl.msg import Codes, Goal, Latent, Reward, RobotState  # noqa: E402
from priorrl.srv import ProposeGoal  # noqa: E402
from priorrl_core.goals.calibration import calibrated_goal_m  # noqa: E402
from priorrl_core.perception.frozen_encoder import FrozenEncoder  # noqa: E402
from priorrl_core.perception.vqvae import VQVAE  # noqa: E402
from priorrl_core.rewards.classifier import RewardModel  # noqa: E402
from priorrl_core.tasks.connectors import load_connector  # noqa: E402
from priorrl_core.tasks.task import load_task  # noqa: E402
from priorrl_core.training.checkpoints import load_agent  # noqa: E402
from priorrl_core.training.runtime import configure_torch  # noqa: E402
from priorrl_nodes.messages import image_array, image_message, stamp_of, time_ns  # noqa: E402
from priorrl_nodes.qos import CONTROL, LATCHED  # noqa: E402
from test.nodes.node_rig import Rig  # noqa: E402
from test.nodes.tiny_checkpoint import write_tiny  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configure_torch()
    return write_tiny(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (48, 48, 3), dtype=np.uint8)


def image(tick: int) -> Image:
    return image_message(picture(tick), stamp_of(tick * 100_000_000))


def test_s_05_the_node_sees_what_the_offline_pipeline_sees(rig: Rig, checkpoint: Path) -> None:
    """S.05: features, codes and reconstruction of the node equal those of the library, bit for bit."""
    latent = rig.listen(Latent, "latent", CONTROL)
    codes = rig.listen(Codes, "codes", CONTROL)
    pictures = rig.listen(Image, "reconstruction", CONTROL)
    camera = rig.node.create_publisher(Image, "camera/image_raw", CONTROL)
    rig.start("perception", checkpoint=checkpoint, reconstruct_every=2)
    assert rig.connected(camera)
    rig.meet("perception")
    for tick in range(4):
        camera.publish(image(tick))
        assert rig.spin_until(lambda n=tick: len(latent) > n and len(codes) > n)
    assert rig.spin_until(lambda: len(pictures) >= 2)
    agent, vqvae = load_agent(checkpoint), VQVAE.load(checkpoint / "vqvae.safetensors")
    frozen = FrozenEncoder(agent.encoder("policy"))
    for tick in range(4):
        got = np.asarray(latent[tick].features, np.float32)
        assert np.array_equal(got, frozen(picture(tick)))
        assert np.abs(got - agent.features(picture(tick)[None])[0].numpy()).max() < 1e-5
        assert time_ns(latent[tick].header.stamp) == tick * 100_000_000
        grid, embedding = vqvae.encode(picture(tick)[None])
        assert np.array_equal(np.asarray(codes[tick].codes), grid.ravel())
        assert np.array_equal(np.asarray(codes[tick].embedding, np.float32), embedding.ravel())
    assert latent[0].encoder_hash == agent.encoder_hash() and codes[0].encoder_hash == vqvae.hash()
    assert [time_ns(p.header.stamp) // 100_000_000 for p in pictures] == [1, 3], "one of two"
    grid, _ = vqvae.encode(picture(1)[None])
    assert np.array_equal(image_array(pictures[0]), vqvae.decode(grid)[0])


def test_a_wrong_image_is_one_sentence_and_the_nodes_live_on(rig: Rig, checkpoint: Path) -> None:
    latent, reward = rig.listen(Latent, "latent", CONTROL), rig.listen(Reward, "reward", CONTROL)
    said = rig.listen(DiagnosticArray, "diagnostics", CONTROL)
    camera = rig.node.create_publisher(Image, "camera/image_raw", CONTROL)
    rig.start("perception", checkpoint=checkpoint)
    rig.start("reward", checkpoint=checkpoint)
    assert rig.connected(camera, 2)
    rig.meet("perception", "reward")
    small, grey = image_message(np.zeros((32, 32, 3), np.uint8), stamp_of(1)), image(2)
    grey.encoding = "mono8"
    for bad, word in ((small, "(32, 32, 3)"), (grey, "mono8")):
        said.clear()
        camera.publish(bad)
        assert rig.spin_until(lambda: len(said) >= 2)
        assert {s.status[0].name for s in said} == {"perception", "reward"}
        assert all(word in s.status[0].message and "\n" not in s.status[0].message for s in said)
    assert latent == [] and reward == []
    camera.publish(image(3))
    assert rig.spin_until(lambda: latent and reward), "they go on with the next good image"


def test_s_06_reward_modes_change_at_run_time_with_one_schema(rig: Rig, checkpoint: Path) -> None:
    """S.06: daib, sparse, dense and image, switched by a parameter; all answer with a Reward of the stamp."""
    rewards = rig.listen(Reward, "reward", CONTROL)
    camera = rig.node.create_publisher(Image, "camera/image_raw", CONTROL)
    signal = rig.node.create_publisher(Bool, "signals/electrical", CONTROL)
    state = rig.node.create_publisher(RobotState, "robot_state", CONTROL)
    goal = rig.node.create_publisher(Goal, "goal", LATCHED)
    rig.start("reward", checkpoint=checkpoint)
    assert rig.connected(camera) and rig.connected(goal)
    rig.meet("reward")
    goal.publish(Goal(position_m=[0.5, 0.1, 0.0], image=image(7)))
    model = RewardModel.load(checkpoint / "reward.safetensors")

    def answer(tick: int) -> Reward:
        rewards.clear()
        camera.publish(image(tick))
        if signal.get_subscription_count():
            signal.publish(Bool(data=True))
        if state.get_subscription_count():
            message = RobotState()
            message.header.stamp = stamp_of(tick * 100_000_000)
            message.tcp_pose.position.x, message.tcp_pose.position.y = 0.5, 0.1
            message.tcp_pose.position.z = 0.01
            state.publish(message)
        assert rig.spin_until(lambda: rewards)
        assert time_ns(rewards[0].header.stamp) == tick * 100_000_000
        return rewards[0]

    learned = answer(1)
    value, probability = model.reward(picture(1)[None])
    assert (learned.source, learned.model_hash) == ("daib", model.model_hash)
    assert (learned.probability, learned.reward) == (probability[0], value[0])
    assert rig.set_parameter("reward", "mode", "sparse").successful
    assert rig.connected(signal)
    assert (answer(2).source, answer(3).reward) == ("sparse", 1.0)
    assert rig.set_parameter("reward", "mode", "dense").successful
    assert rig.connected(state)
    dense = answer(4)
    assert dense.source == "dense" and dense.reward == pytest.approx(-1.0 + 0.002 / 0.0101, abs=1e-4)
    assert rig.set_parameter("reward", "mode", "image").successful
    assert answer(7).reward == 0.0 and answer(8).reward < -0.1
    refused = rig.set_parameter("reward", "mode", "spars")
    assert not refused.successful and "did you mean 'sparse'" in refused.reason
    assert answer(9).source == "image", "a refused mode changes nothing"


def test_the_same_request_gives_the_same_goal_and_success_a_picture(rig: Rig, checkpoint: Path) -> None:
    heard = rig.listen(Goal, "goal", LATCHED)
    codes = rig.node.create_publisher(Codes, "codes", CONTROL)
    rewards = rig.node.create_publisher(Reward, "reward", CONTROL)
    rig.start("goal_proposer", checkpoint=checkpoint, connector="usb")
    request = ProposeGoal.Request(episode_id="a", scenario="II", seed=7)
    first = rig.call(ProposeGoal, "goal_proposer/propose", request)
    again = rig.call(ProposeGoal, "goal_proposer/propose", request)
    assert first.accepted and list(first.goal.position_m) == list(again.goal.position_m)
    offset = np.asarray(first.goal.position_m) - calibrated_goal_m(load_connector("usb"), load_task())
    assert 0.010 <= np.hypot(*offset[:2]) <= 0.020 and offset[2] == 0.0, "scenario II is a ring"
    assert not first.goal.image.data, "nobody knows yet how success looks"
    vqvae = VQVAE.load(checkpoint / "vqvae.safetensors")
    grid, _ = vqvae.encode(picture(3)[None])
    assert rig.connected(codes) and rig.connected(rewards)
    seen, judged = Codes(encoder_hash=vqvae.hash(), codes=grid.ravel()), Reward(probability=0.9, reward=1.0)
    seen.header.stamp = judged.header.stamp = stamp_of(5)
    rewards.publish(judged)
    codes.publish(seen)

    def proposed() -> Goal:
        return rig.call(ProposeGoal, "goal_proposer/propose", request).goal

    assert rig.spin_until(lambda: proposed().image.data)
    shown = proposed()
    assert np.array_equal(image_array(shown.image), vqvae.decode(grid)[0])
    assert rig.spin_until(lambda: heard and heard[-1].image.data), "and on the topic"
    wrong = rig.call(ProposeGoal, "goal_proposer/propose", ProposeGoal.Request(scenario="III"))
    assert not wrong.accepted and "unknown scenario 'III'" in wrong.message


def test_a_node_without_its_checkpoint_ends_with_one_sentence(rig: Rig, tmp_path: Path) -> None:
    process = rig.start("perception", checkpoint=tmp_path / "nowhere")
    assert process.wait(120) == 2
    assert "checkpoint folder" in rig.log("perception") and "Traceback" not in rig.log("perception")
