"""Tasks of chapters 8 and 9 through real processes over real DDS: bit for bit the Gymnasium environment's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from priorrl.msg import PolicyVersion, RobotState  # noqa: E402
from priorrl.srv import BeginEpisode, SetMode  # noqa: E402
from priorrl_core.config import config_dir  # noqa: E402
from priorrl_core.control.frozen_mlp import FrozenMLP  # noqa: E402
from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode  # noqa: E402
from priorrl_core.data.run_index import closed_episodes  # noqa: E402
from priorrl_core.tasks.blocks import load_block_task  # noqa: E402
from priorrl_core.tasks.blocks_env import make_blocks  # noqa: E402
from priorrl_core.tasks.plug import load_plug_task  # noqa: E402
from priorrl_core.tasks.plug_env import make_plug  # noqa: E402
from priorrl_core.tasks.residual import ResidualEnv  # noqa: E402
from priorrl_core.training.residual_learner import ResidualLearner, load_residual_method  # noqa: E402
from priorrl_core.training.residual_practice import ResidualPractice  # noqa: E402
from priorrl_core.training.runtime import configure_torch  # noqa: E402
from priorrl_nodes.bringup import describe  # noqa: E402
from priorrl_nodes.learning_job import LearningJob  # noqa: E402
from priorrl_nodes.messages import octets  # noqa: E402
from priorrl_nodes.policy_shelf import FROZEN_MLP  # noqa: E402
from priorrl_nodes.qos import CONTROL, POLICY  # noqa: E402
from priorrl_nodes.schedule import Series  # noqa: E402
from test.nodes import graph_rig  # noqa: E402

EPISODES = 2


def policy(inputs: int) -> FrozenMLP:
    """An untrained actor whose actions depend on what it sees."""
    rng = np.random.default_rng(7)
    sizes = (inputs, 16, 3)
    return FrozenMLP([(rng.standard_normal((a, b)) * 0.5, rng.standard_normal(b) * 0.1)
                      for a, b in zip(sizes[:-1], sizes[1:], strict=True)])


def start(folder: Path, actor: FrozenMLP, **options: Any) -> graph_rig.Graph:
    """The graph of a task without its trainer; the test publishes the policy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_rig, "stand_in_specs",
                      lambda given, **_: [s for s in describe(given) if s.name != "trainer"])
        graph = graph_rig.Graph(folder, **options)
    publisher = graph.rig.node.create_publisher(PolicyVersion, "policy", POLICY)
    publisher.publish(PolicyVersion(architecture=FROZEN_MLP,
                                    safetensors=octets(np.frombuffer(actor.to_bytes(), np.uint8))))
    return graph


def edited(folder: Path, name: str, **changes: Any) -> str:
    """A copy of a packaged task file with other values."""
    data = yaml.safe_load((config_dir() / "tasks" / f"{name}.yaml").read_text())
    path = folder / f"my_{name}.yaml"
    path.write_text(yaml.safe_dump({**data, **changes}))
    return str(path)


def records(graph: graph_rig.Graph, seed: int, scenario: str = "exact") -> list[EpisodeRecord]:
    """``EPISODES`` episodes of the published policy."""
    result = graph.run(count=EPISODES, policy="online", scenario=scenario, seed=seed)
    assert result.episodes == EPISODES, graph.logs()
    mine = [e for e in closed_episodes(graph.folder, "eval") if f"-s{seed}-" in e["episode_id"]]
    assert len(mine) == EPISODES
    return [read_episode(graph.folder / e["file"], e["sha256"]) for e in mine]


def compare(env: ResidualEnv, actor: FrozenMLP, got: list[EpisodeRecord], seed: int, scenario: str = "exact") -> None:
    """Observations, actions, base, executed commands and rewards of each step: the same bits."""
    for index, record in enumerate(got):
        options = {"goal": scenario}
        obs, _ = env.reset(seed=Series("eval", "online", scenario, seed).episode_seed(index), options=options)
        assert record.length == env.unwrapped.task.horizon and record.end_reason == "horizon"
        for step in range(record.length):
            where = f"episode {index} step {step}"
            assert record.features[step].tobytes() == obs.tobytes(), where
            obs, reward, _, _, info = env.step(actor(obs))
            assert info["fault"] is None
            assert record.actions[step].tobytes() == info["policy_action"].tobytes(), where
            assert record.base_m[step].tobytes() == info["base_m"].tobytes(), where
            assert record.executed_m[step].tobytes() == info["executed_m"].tobytes(), where
            assert record.rewards[step] == np.float32(reward), where
            if record.judge == "image":
                assert record.images[step + 1].tobytes() == env.unwrapped._image.tobytes(), where
        assert record.features[-1].tobytes() == obs.tobytes()


@pytest.fixture(scope="module")
def usb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[graph_rig.Graph]:
    graph = start(tmp_path_factory.mktemp("usb"), policy(4), task="usb")
    yield graph
    graph.close()


def test_usb_is_the_same_task_in_the_graph_and_in_gymnasium_and_s_06_whatever_rewards_it(
        usb: graph_rig.Graph) -> None:
    """Dense, then without a restart image and sparse, with noisy goals: one policy, one schema, the same bits.
    The arm's way back begins where the last episode left it, so the environment's episodes go on in one row."""
    env = make_plug("usb")
    try:
        for seed, mode in enumerate(("dense", "image", "sparse")):
            assert usb.rig.set_parameter("reward", "mode", mode).successful
            got = records(usb, seed, "noisy")
            assert {r.judge for r in got} == {mode}
            env.unwrapped.reward_kind = mode
            compare(env, policy(4), got, seed, "noisy")
            assert got[0].images.shape == (got[0].length + 1, 32, 32)
    finally:
        env.close()
    assert not usb.rig.set_parameter("reward", "mode", "daib").successful


def test_s_07_a_plug_rollout_is_refused_until_the_force_was_zeroed(usb: graph_rig.Graph) -> None:
    records(usb, 20)
    states = usb.rig.listen(RobotState, "robot_state", CONTROL)
    usb.rig.meet("simulator")
    assert usb.rig.call(BeginEpisode, "simulator/begin_episode", BeginEpisode.Request(seed=1)).accepted
    assert usb.rig.spin_until(lambda: states and not states[-1].zeroed)
    for mode in ("base", "policy"):
        answer = usb.rig.call(SetMode, "controller/set_mode", SetMode.Request(mode=mode, episode_id="by hand"))
        assert not answer.accepted and "zero_wrench" in answer.message
    records(usb, 21)


def test_a_task_file_with_control_noise_gives_the_same_numbers(tmp_path: Path) -> None:
    """Equation 46 in both: on the command that was sent, never in the stored action."""
    noise = {"mean": 0.05, "std": 0.05, "unit_m": 0.02}
    file = edited(tmp_path, "plug", control_noise=noise, goal_noise={"max_m": 0.001, "corners": True})
    graph = start(tmp_path / "run", policy(4), task=file, reward="sparse")
    try:
        got = records(graph, 3, "noisy")
    finally:
        graph.close()
    env = make_plug("usb", reward="sparse", task=load_plug_task(file))
    try:
        compare(env, policy(4), got, 3, "noisy")
    finally:
        env.close()


def test_blocks_are_the_same_task_in_the_graph_and_in_gymnasium(tmp_path: Path) -> None:
    """Turned blocks, a noisy and late tracker; the arm drives to its start, as it must in the graph."""
    file = edited(tmp_path, "blocks", reset_by="drive", yaw={"range_rad": 0.2},
                  tracking={"position_std_m": 0.001, "angle_std_rad": 0.01, "delay_steps": 1})
    graph = start(tmp_path / "run", policy(18), task=file)
    try:
        got = records(graph, 4)
    finally:
        graph.close()
    assert all(r.judge == "assembly" and r.images.shape[0] == 0 for r in got)
    env = make_blocks(load_block_task(file))
    try:
        compare(env, policy(18), got, 4)
    finally:
        env.close()


def test_the_trainer_learns_online_and_a_killed_one_loses_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Practice with TD3: versions run one behind, and the last head is, bit for bit, what an undisturbed learner
    makes of the recorded episodes, though the trainer got SIGKILL on the way."""
    configure_torch()
    method = tmp_path / "method.yaml"
    method.write_text("{name: small, agent: td3, batch_size: 16, warmup_steps: 30, replay: 1000}")
    monkeypatch.setattr(graph_rig, "stand_in_specs", lambda options, **_: describe(options))
    graph = graph_rig.Graph(tmp_path / "run", task="usb", method=str(method), seed=6)
    try:
        heads = graph.rig.listen(PolicyVersion, "policy", POLICY)
        handle = graph.goal(count=4, kind="practice", policy="online", scenario="noisy", seed=6, deterministic=False)
        result = handle.get_result_async()
        assert graph.rig.spin_until(lambda: len(closed_episodes(graph.folder)) >= 2, 90), graph.logs()
        graph.kill("trainer")
        assert graph.rig.spin_until(result.done, 120), graph.logs()
        assert result.result().result.episodes == 4, graph.logs()
        assert graph.rig.spin_until(lambda: heads and heads[-1].version == 4, 60), graph.logs()
        entries = closed_episodes(graph.folder, "practice")
        got = [read_episode(graph.folder / e["file"], e["sha256"]) for e in entries]
    finally:
        graph.close()
    assert [int(r.policy_versions[0]) for r in got] == [0, 0, 1, 2], "lag one"
    assert all(np.abs(r.actions).max() > 0.1 for r in got), "it explores"
    alone = LearningJob(ResidualPractice(ResidualLearner(load_residual_method(method), (4,), seed=6)), None)
    for record in got:
        alone.learn(record)
    assert alone.learner.learner.version == 4 * got[0].length
    assert heads[-1].safetensors.tobytes() == alone.learner.policy_head()
