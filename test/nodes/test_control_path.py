"""What goes over the control path of the graph, seen from outside: real processes, real DDS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from std_srvs.srv import Trigger

from priorrl.msg import CartesianCommand, GateStatus, ResidualCommand, RobotState
from priorrl.srv import SetMode
from priorrl_core.data.mcap_episodes import read_episode
from priorrl_core.data.run_index import closed_episodes
from priorrl_nodes.bringup import Options, describe
from priorrl_nodes.messages import time_ns
from priorrl_nodes.qos import CONTROL, LATCHED, STEPS
from priorrl_nodes.schedule import KINDS, Series
from test.nodes.graph_rig import Graph


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    graph = Graph(tmp_path_factory.mktemp("control_path"))
    yield graph
    graph.close()


def steps_heard(graph: Graph) -> list[ResidualCommand]:
    """Fills with every residual command from now on."""
    heard = graph.rig.listen(ResidualCommand, "residual_command", STEPS)
    graph.rig.meet("controller")
    return heard


def test_S_01_every_node_of_the_description_is_up_under_its_name(graph: Graph) -> None:
    names = {s.name for s in describe(Options(view=False))}
    assert names == set(graph.supervisor.processes) and len(names) == 9
    assert graph.rig.spin_until(lambda: names <= set(graph.rig.node.get_node_names()))


def test_blend_0_equals_the_base_controller_bit_for_bit(graph: Graph) -> None:
    residual = graph.rig.listen(ResidualCommand, "residual_command", STEPS)
    safe = graph.rig.listen(CartesianCommand, "safe_command", STEPS)
    graph.rig.meet("controller", "safety_gate")
    assert graph.run(count=2, policy="offline", blend=0.0, seed=11).episodes == 2
    assert len(residual) == 40
    executed = {(s.tick, s.session): s.delta_m for s in safe}
    for r in residual:
        assert np.abs(r.residual_m).max() > 1e-5  # a residual is there, and has no effect
        assert r.sum_m.tobytes() == r.base_m.tobytes()
        assert executed[(r.tick, safe[0].session)].tobytes() == r.base_m.tobytes()


def test_S_02_base_residual_and_sum_agree_over_200_messages(graph: Graph) -> None:
    heard = steps_heard(graph)
    assert graph.run(count=10, policy="offline", seed=12, blend=0.5, deterministic=False).episodes == 10
    assert len(heard) == 200
    for r in heard:
        assert np.array_equal(r.sum_m, r.base_m + r.blend * r.residual_m)
        assert r.blend == 0.5 and np.abs(r.action).max() <= 1.0
    assert [r.seq for r in heard] == sorted({r.seq for r in heard})
    assert all(
        time_ns(a.header.stamp) < time_ns(b.header.stamp) for a, b in zip(heard, heard[1:], strict=False)
    )


def test_S_11_episode_seeds_are_those_of_practice_without_ros() -> None:
    rollout = pytest.importorskip("priorrl_core.training.rollout")
    assert rollout.KINDS == KINDS
    for kind in KINDS:
        assert Series(kind, "online", "I", 5).episode_seed(7) == rollout.episode_seed(5, kind, 7)


def test_S_07_a_rollout_is_refused_until_the_force_was_zeroed(graph: Graph) -> None:
    graph.run(count=1, seed=14)
    reset = SetMode.Request(mode="reset", episode_id="by hand", target_m=[0.55, 0.16, 0.09])
    assert graph.rig.call(SetMode, "controller/set_mode", reset).accepted
    status = SetMode.Request(mode="status", episode_id="by hand")
    assert graph.rig.spin_until(lambda: not graph.rig.call(SetMode, "controller/set_mode", status).accepted)
    answer = graph.rig.call(
        SetMode, "controller/set_mode", SetMode.Request(mode="base", episode_id="by hand")
    )
    assert not answer.accepted and "zero_wrench" in answer.message
    assert graph.run(count=1, seed=15).episodes == 1


def test_a_mode_that_does_not_exist_is_refused_with_a_sentence(graph: Graph) -> None:
    answer = graph.rig.call(SetMode, "controller/set_mode", SetMode.Request(mode="dance"))
    assert not answer.accepted and "dance" in answer.message and "policy" in answer.message


def test_every_search_runs_its_20_steps(graph: Graph) -> None:
    for name in ("straight_down", "random_search", "spiral_search"):
        heard = steps_heard(graph)
        assert graph.run(count=1, policy=name, seed=16).episodes == 1
        assert [r.step for r in heard] == list(range(20)) and heard[0].mode == "search"


def test_practice_names_the_policy_version_that_acted_and_runs_one_behind(graph: Graph) -> None:
    assert graph.run(count=5, kind="practice", policy="online", seed=17, deterministic=False).episodes == 5
    entries = [e for e in closed_episodes(graph.folder, "practice") if "-s17-" in e["episode_id"]]
    assert [e["policy_version"] for e in entries] == [0, 0, 1, 2, 3]
    record = read_episode(graph.folder / entries[-1]["file"], entries[-1]["sha256"])
    assert record.images.shape == (21, 48, 48, 3) and record.length == 20
    assert record.truncated and not record.terminated and record.end_reason == "horizon"
    assert np.abs(record.executed_m - (record.base_m + record.actions * 0.006)).max() < 0.013


def test_a_goal_that_was_run_before_is_not_run_again(graph: Graph) -> None:
    graph.run(count=2, seed=18)
    heard = steps_heard(graph)
    assert graph.run(count=3, seed=18).episodes == 3
    assert len(heard) == 20


def test_a_cancelled_goal_ends_and_the_next_one_runs(graph: Graph) -> None:
    handle = graph.goal(count=50, seed=19)
    graph.rig.spin(1.0)
    cancel = handle.cancel_goal_async()
    assert graph.rig.spin_until(cancel.done)
    result = handle.get_result_async()
    assert graph.rig.spin_until(result.done) and result.result().result.message == "cancelled"
    assert graph.run(count=1, seed=20).episodes == 1


def test_a_second_publisher_latches_a_fault_that_names_both_until_rearmed(graph: Graph) -> None:
    status = graph.rig.listen(GateStatus, "safety_gate/status", LATCHED)
    safe = graph.rig.listen(CartesianCommand, "safe_command", STEPS)
    graph.rig.meet("safety_gate")
    assert graph.run(count=1, seed=21).episodes == 1
    seq = safe[-1].seq  # a number from far away would be told at once, before discovery has the names
    rival = graph.rig.node.create_publisher(CartesianCommand, "candidate_command", CONTROL)
    assert graph.rig.connected(rival)
    for _ in range(20):  # the names of publishers come by discovery, some time after their messages
        rival.publish(CartesianCommand(source="teleop", seq=seq))
        if graph.rig.spin_until(lambda: status and not status[-1].armed, 0.5):
            break
    assert status and not status[-1].armed
    assert "/controller" in status[-1].fault and "/test_rig" in status[-1].fault
    before = len(safe)
    refused = SetMode.Request(mode="reset", episode_id="x", target_m=[0.55, 0.16, 0.09])
    assert not graph.rig.call(SetMode, "controller/set_mode", refused).accepted
    assert len(safe) == before
    graph.rig.node.destroy_publisher(rival)
    graph.rig.spin(0.5)
    assert graph.rig.call(Trigger, "safety_gate/rearm", Trigger.Request()).success
    assert graph.rig.spin_until(lambda: status[-1].armed)


def test_the_simulator_refuses_a_second_publisher_of_safe_command(graph: Graph) -> None:
    states = graph.rig.listen(RobotState, "robot_state", STEPS)
    graph.rig.meet("simulator")
    assert graph.rig.call(Trigger, "simulator/observe", Trigger.Request()).success
    assert graph.rig.spin_until(lambda: states)
    rogue = graph.rig.node.create_publisher(CartesianCommand, "safe_command", CONTROL)
    assert graph.rig.connected(rogue)
    now = states[-1]
    rogue.publish(CartesianCommand(seq=1, tick=now.tick, session=now.session, delta_m=[0.0, 0.0, 0.01]))
    log = graph.folder / "logs" / "simulator.log"
    assert graph.rig.spin_until(lambda: "two publishers" in log.read_text())
    assert graph.rig.call(Trigger, "simulator/observe", Trigger.Request()).success
    graph.rig.spin(0.5)
    assert states[-1].tick == now.tick
    graph.rig.node.destroy_publisher(rogue)


def test_a_late_latent_of_an_answered_state_is_no_step(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The base controller does not wait for perception; a latent that came late had its old state answered again, and
    an episode of 20 steps ended after 18."""
    late = Graph(tmp_path_factory.mktemp("late"), changes={"perception": {"delay_s": 0.004}})
    try:
        heard = steps_heard(late)
        assert late.run(count=10, seed=31).episodes == 10
        entries = [e for e in closed_episodes(late.folder, "eval") if "-s31-" in e["episode_id"]]
        assert [e["length"] for e in entries] == [20] * 10
        ticks = [r.tick for r in heard]
        assert ticks == sorted(set(ticks)) and len(ticks) == 200
    finally:
        late.close()
