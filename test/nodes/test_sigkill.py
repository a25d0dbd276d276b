"""SIGKILL of any node during practice: it is restarted and named; nothing closed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from priorrl_core.data.mcap_episodes import read_episode
from priorrl_core.data.run_index import closed_episodes, read_lines
from test.nodes.graph_rig import Graph

NODES = (
    "safety_gate",
    "simulator",
    "controller",
    "perception",
    "reward",
    "goal_proposer",
    "trainer",
    "recorder",
    "episode_manager",
)
COUNT = 6


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    graph = Graph(tmp_path_factory.mktemp("sigkill"), changes={"episode_manager": {"stall_s": 1.5}})
    yield graph
    graph.close()


@pytest.mark.parametrize("name", NODES)
def test_practice_goes_on_after_the_sigkill_of(name: str, graph: Graph, capfd: Any) -> None:
    seed = 100 + NODES.index(name)
    prefix = f"practice-online-I-s{seed}-"
    fields = {"count": COUNT, "kind": "practice", "policy": "online", "seed": seed, "deterministic": False}
    handle = graph.goal(**fields)
    assert graph.rig.spin_until(lambda: _closed(graph, prefix) >= 2, 120), graph.logs()
    before = {e["episode_id"]: e["sha256"] for e in closed_episodes(graph.folder)}
    graph.rig.spin(0.05)  # into the next episode
    graph.kill(name)
    if name == "episode_manager":
        graph.rig.spin(1.0)
        result = graph.run(**fields)  # its client sends the goal again (demo_client does)
    else:
        future = handle.get_result_async()
        assert graph.rig.spin_until(future.done, 120), graph.logs()
        result = future.result().result
    assert result.episodes == COUNT and not result.message
    assert _closed(graph, prefix) == COUNT
    closed = closed_episodes(graph.folder)
    for entry in closed:
        read_episode(graph.folder / entry["file"], entry["sha256"])  # whole, with its checksum
    now = {e["episode_id"]: e["sha256"] for e in closed}
    assert all(now[k] == v for k, v in before.items())
    assert graph.rig.spin_until(graph.supervisor.active)
    assert f"{name} died (killed by SIGKILL)" in capfd.readouterr().out


def test_every_repeated_episode_was_told_with_its_reason(graph: Graph) -> None:
    """Runs after the drills of this module."""
    given_up = [e for e in read_lines(graph.folder / "index.jsonl") if not e["closed"]]
    assert given_up and {e["end_reason"] for e in given_up} == {"node_lost"}


def _closed(graph: Graph, prefix: str) -> int:
    return sum(e["episode_id"].startswith(prefix) for e in closed_episodes(graph.folder, "practice"))
