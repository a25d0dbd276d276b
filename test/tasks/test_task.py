"""Start scenarios and the collection script."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.config import ROOT
from priorrl_core.errors import ConfigError
from priorrl_core.tasks.expert import Expert, ExpertConfig
from priorrl_core.tasks.reset_path import reset_step, start_pose
from priorrl_core.tasks.task import load_task

TASK = load_task()


def _errors(scenario: str, n: int = 10_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([TASK.sample_goal_error(scenario, rng) for _ in range(n)])


def test_10_24_scenario_one_stays_within_ten_millimetres() -> None:
    errors = _errors("I")
    assert np.abs(errors[:, :2]).max() <= 0.010
    assert np.abs(errors[:, :2]).max() > 0.0099
    assert not errors[:, 2].any()


def test_10_24_scenario_two_is_ten_to_twenty_millimetres_in_all_quadrants() -> None:
    errors = _errors("II")
    radius = np.hypot(errors[:, 0], errors[:, 1])
    assert radius.min() >= 0.010 and radius.max() <= 0.020
    quadrants = (errors[:, 0] > 0) * 2 + (errors[:, 1] > 0)
    assert np.bincount(quadrants, minlength=4).min() > 2300


def test_unknown_scenario_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="unknown scenario 'III'"):
        TASK.sample_goal_error("III", np.random.default_rng(0))


@pytest.mark.parametrize(("offset_mm", "command_mm"), [
    ((0.0, 0.0, 20.0), (0.0, 0.0, -4.0)),
    ((0.9, 0.0, 20.0), (-0.9, 0.0, -4.0)),
    ((1.1, 0.0, 20.0), (-1.1, 0.0, 0.0)),
    ((9.0, -9.0, 5.0), (-4.0, 4.0, 0.0)),
    ((0.0, 3.0, 5.0), (0.0, -3.0, 0.0)),
])
def test_10_03_script_goes_down_only_within_a_millimetre(offset_mm, command_mm) -> None:  # type: ignore[no-untyped-def]
    expert = Expert(ExpertConfig(miss_fraction=0.0), np.array(TASK.residual_limit_m))
    expert.reset(np.random.default_rng(0))
    assert expert.rule(np.array(offset_mm) * 1e-3) == pytest.approx(np.array(command_mm) * 1e-3)


def test_10_03_a_fifth_of_the_actions_is_noisy() -> None:
    expert, rng = Expert(ExpertConfig(), np.array(TASK.residual_limit_m)), np.random.default_rng(1)
    expert.reset(rng)
    noisy = []
    for _ in range(5000):
        expert.action(np.zeros(3), np.zeros(3), rng)
        noisy.append(expert.noisy)
    assert np.mean(noisy) == pytest.approx(0.2, abs=0.02)


def test_10_03_base_plus_action_is_the_scripts_command() -> None:
    limit = np.array(TASK.residual_limit_m)
    expert, rng = Expert(ExpertConfig(noise_probability=0.0, miss_fraction=0.0), limit), np.random.default_rng(1)
    expert.reset(rng)
    base = np.array([0.002, -0.002, -0.002])
    offset = np.array([0.003, 0.001, 0.02])
    assert base + expert.action(offset, base, rng) * limit == pytest.approx(expert.rule(offset))


def test_reset_lifts_before_it_travels_and_ends_at_the_start() -> None:
    start = start_pose(np.array([0.56, 0.17, 0.015]), TASK)
    tip = np.array([0.55, 0.16, 0.015])
    path = []
    for _ in range(40):
        delta = reset_step(tip, start, TASK)
        if delta is None:
            break
        path.append(delta)
        tip = tip + delta
    assert np.abs(tip - start).max() <= TASK.reset_tolerance_m
    assert path[0][2] > 0 and not path[0][:2].any()
    sideways = [d for d in path if np.abs(d[:2]).max() > 0.002]
    assert all(abs(d[2]) < 0.003 for d in sideways)


def test_the_graph_cannot_place_an_arm_between_episodes(tmp_path) -> None:
    """``reset_by: place`` is of the training environments; the task of the graph refuses it (law 2)."""
    text = (ROOT / "config" / "tasks" / "insertion.yaml").read_text()
    assert load_task(_written(tmp_path / "same.yaml", text)) == TASK
    with pytest.raises(ConfigError, match="reset_by"):
        load_task(_written(tmp_path / "placed.yaml", text + "\nreset_by: place\n"))
    for path in (ROOT / "priorrl_nodes").glob("*.py"):
        source = path.read_text()
        assert not any(word in source for word in ("reset_by", ".place(", "plug_env", "blocks_env")), path


def _written(path, text: str) -> str:
    path.write_text(text)
    return str(path)
