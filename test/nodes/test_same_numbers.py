"""The graph gives the same numbers as the Python runner without ROS, and with ground truth withheld."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from priorrl_core.data.mcap_episodes import EpisodeRecord, read_episode
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.env import InsertionEnv
from priorrl_nodes.schedule import Series
from test.nodes.graph_rig import CONNECTOR, Graph

BASE, PRACTICE = 2, 4


def practise(folder: Path, ground_truth: bool) -> tuple[list[EpisodeRecord], int]:
    """Records of two base and four practice episodes from a fresh graph, and the true successes told."""
    graph = Graph(folder, ground_truth=ground_truth)
    try:
        base = graph.run(count=BASE, policy="base", seed=3)
        practice = graph.run(count=PRACTICE, kind="practice", policy="online", seed=4, deterministic=False)
    finally:
        graph.close()
    assert base.episodes == BASE and practice.episodes == PRACTICE, graph.logs()
    entries = [*closed_episodes(folder, "eval"), *closed_episodes(folder, "practice")]
    return [read_episode(folder / e["file"], e["sha256"]) for e in entries], base.true_successes


def test_ground_truth_withheld_gives_identical_episodes_which_are_those_of_the_environment(
    tmp_path: Path,
) -> None:
    told, true_successes = practise(tmp_path / "told", True)
    withheld, none = practise(tmp_path / "withheld", False)
    assert true_successes >= 0 and none == -1
    assert (tmp_path / "told" / "ground_truth.jsonl").is_file()
    assert not (tmp_path / "withheld" / "ground_truth.jsonl").exists()
    assert len(told) == len(withheld) == BASE + PRACTICE
    for a, b in zip(told, withheld, strict=True):
        for name in (
            "images",
            "features",
            "proprio",
            "actions",
            "base_m",
            "executed_m",
            "probabilities",
            "rewards",
            "policy_versions",
        ):
            assert np.array_equal(getattr(a, name), getattr(b, name)), f"{a.episode_id}: {name}"
    _compare_with_environment(told[:BASE])


def _compare_with_environment(records: list[EpisodeRecord]) -> None:
    """Row S.11: bit for bit."""
    env = InsertionEnv(load_connector(CONNECTOR))
    for index, record in enumerate(records):
        seed = Series("eval", "base", "I", 3).episode_seed(index)
        obs, _ = env.reset(seed=seed, options={"scenario": "I"})
        for step in range(record.length):
            assert np.array_equal(record.images[step], obs["image"])
            assert np.array_equal(record.proprio[step], obs["proprio"])
            obs, _, _, _, info = env.step(np.zeros(3))
            assert np.array_equal(record.executed_m[step], info["executed_m"])
    env.close()
