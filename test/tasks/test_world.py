"""Honest contact: what fits goes in, what does not jams and pushes back. Real physics, no stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from priorrl_core.errors import DataError
from priorrl_core.tasks.connectors import load_connector
from priorrl_core.tasks.world import InsertionWorld, WorldState


@pytest.fixture(params=["usb", "dt12", "europlug"])
def world(request: pytest.FixtureRequest) -> Iterator[InsertionWorld]:
    made = InsertionWorld(load_connector(request.param), images=False)
    yield made
    made.close()


def _go(world: InsertionWorld, target: np.ndarray, ticks: int, limit: float = 0.004) -> WorldState:
    state = world.state()
    for _ in range(ticks):
        state = world.step(np.clip(target - state.tip_m, -limit, limit))
    return state


def _above(world: InsertionWorld, aside_m: float) -> WorldState:
    state = _go(world, world.goal_m + [aside_m, 0.0, 0.02], 14)
    world.zero_wrench()
    return state


def test_plug_on_the_axis_goes_in_and_the_signal_closes(world: InsertionWorld) -> None:
    _above(world, 0.0)
    assert not world.electrical()
    _go(world, world.goal_m, 12)
    assert world.truth().inserted and world.electrical()
    _go(world, world.goal_m + [0.0, 0.0, 0.02], 8)
    assert not world.electrical()


def test_plug_off_by_more_than_clearance_and_chamfer_jams_and_pushes_back(world: InsertionWorld) -> None:
    fit = world.connector.fit
    aside = (fit.clearance_mm + fit.chamfer_mm + 1.5) * 1e-3
    _above(world, aside)
    state = _go(world, world.goal_m + [aside, 0.0, 0.0], 8)
    truth = world.truth()
    assert not truth.inserted
    assert truth.depth_m < 0.5 * fit.depth_mm * 1e-3
    assert state.force_n[2] > 8.0


def test_chamfer_leads_in_a_plug_that_is_slightly_off(world: InsertionWorld) -> None:
    fit = world.connector.fit
    aside = (fit.clearance_mm + 0.5 * fit.chamfer_mm) * 1e-3
    _above(world, aside)
    _go(world, world.goal_m + [aside, 0.0, 0.0], 16)
    assert world.truth().inserted


def test_9_25_going_down_beside_the_socket_is_no_success(world: InsertionWorld) -> None:
    _go(world, world.goal_m + [0.0, 0.0, 0.04], 6, 0.01)
    _go(world, world.goal_m + [0.0, 0.05, 0.04], 6, 0.01)
    _go(world, world.goal_m + [0.0, 0.05, -0.001], 8, 0.01)
    assert world.state().tip_m[2] < world.goal_m[2] + 0.001
    assert not world.truth().inserted


def test_10_31_pushing_hard_stays_below_the_force_budget(world: InsertionWorld) -> None:
    _above(world, 0.004)
    peak = 0.0
    for _ in range(20):
        peak = max(peak, world.step(np.array([0.0, 0.0, -0.006])).peak_force_n)
    assert 5.0 < peak < world.robot.force_budget_n


def test_10_31_the_plug_does_not_slip_in_the_hand(world: InsertionWorld) -> None:
    _above(world, 0.004)
    for _ in range(10):
        state = world.step(np.array([0.0, 0.0, -0.006]))
    import pybullet

    link = world._bullet.getLinkState(world._arm, world._plug, computeForwardKinematics=1)
    assert np.linalg.norm(np.array(link[4]) - state.tip_m) < 1e-3
    assert pybullet.getAPIVersion() > 0


def test_9_07_zeroing_removes_a_bias(world: InsertionWorld) -> None:
    _above(world, 0.0)
    state = world.step(np.zeros(3))
    assert np.abs(state.force_n).max() < 0.2


@pytest.mark.parametrize("command", [[np.nan, 0, 0], [0.0, np.inf, 0.0], [0.0, 0.0]])
def test_a_command_that_is_not_three_finite_numbers_is_refused(command: list[float]) -> None:
    made = InsertionWorld(load_connector("usb"), images=False)
    with pytest.raises(DataError, match="three finite"):
        made.step(np.array(command))
    made.close()


def test_same_commands_same_bits() -> None:
    def trace() -> list[bytes]:
        made = InsertionWorld(load_connector("hdmi"))
        rng = np.random.default_rng(0)
        out = []
        for _ in range(12):
            state = made.step(rng.uniform(-0.004, 0.004, 3) - [0, 0, 0.004])
            out.append(state.image.tobytes() + state.q.tobytes() + state.force_n.tobytes())
        made.close()
        return out

    assert trace() == trace()


def test_camera_sees_plug_and_socket() -> None:
    made = InsertionWorld(load_connector("type_a_pink"))
    far = made.render()
    _go(made, made.goal_m + [0.0, 0.0, 0.02], 12)
    near = made.render()
    assert near.shape == (48, 48, 3) and near.dtype == np.uint8
    assert np.abs(far.astype(int) - near).mean() > 2.0
    made.close()
