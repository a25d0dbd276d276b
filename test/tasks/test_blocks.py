"""Block assembly (thesis chapter 8): yaws, tracker, physics, reward, success. Real physics, no stand-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from nudge import nudge

from priorrl_core.control.base_loader import BaseSpec
from priorrl_core.errors import ConfigError, DataError, UserError
from priorrl_core.tasks.blocks import (
    Perturbation,
    Tracker,
    Tracking,
    Yaw,
    load_block_task,
    shifts_m,
    tilts_rad,
)
from priorrl_core.tasks.blocks_env import BlocksEnv, make_blocks
from priorrl_core.tasks.blocks_world import BlockWorld

TASK = load_block_task()
STILL = np.zeros(3)


@pytest.fixture(scope="module")
def env() -> Iterator[BlocksEnv]:
    made = BlocksEnv(TASK)
    yield made
    made.close()


# -- draws ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
def test_8_16_yaws_are_uniform_and_each_blocks_own(r):
    rng = np.random.default_rng(0)
    drawn = np.array([Yaw(range_rad=r).sample(rng) for _ in range(10_000)])
    assert np.abs(drawn).max() <= r
    if r == 0.0:
        return
    assert drawn.min() < -0.99 * r and drawn.max() > 0.99 * r
    assert np.abs(drawn.mean(0)).max() < 4.0 * r / np.sqrt(3.0 * 10_000)
    assert drawn.std(0) == pytest.approx([r / np.sqrt(3.0)] * 2, rel=0.02)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.04


def test_8_16_the_yaw_drawn_at_reset_is_the_one_that_stands_there():
    made = BlocksEnv(replace(TASK, yaw=Yaw(range_rad=0.2)))
    seen = [made.reset(seed=k)[1]["ground_truth"]["poses"][:, 5] for k in range(20)]
    made.close()
    assert 0.15 < np.abs(seen).max() <= 0.2 and len({round(float(y), 4) for pair in seen for y in pair}) == 40


def test_8_17_all_nine_pairs_of_straight_plus_and_minus_20_degrees_occur():
    rng = np.random.default_rng(1)
    pairs = Counter(tuple(np.round(np.degrees(Yaw("three_way").sample(rng))).astype(int)) for _ in range(900))
    assert set(pairs) == {(a, b) for a in (-20, 0, 20) for b in (-20, 0, 20)}
    assert min(pairs.values()) > 60


# -- physics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["position", "impedance"])
def test_8_12_blocks_stand_for_five_seconds_and_a_strong_push_tips_one(backend):
    world = BlockWorld(replace(TASK, backend=backend))
    for _ in range(50):
        world.step(STILL)
    poses = world.poses()
    assert tilts_rad(poses).max() < 0.002 and shifts_m(poses).max() < 2e-4
    assert len(world.arm.joints) == 7
    world.push(1, np.array([0.0, 0.25, 0.0]), 0.075)
    for _ in range(10):
        world.step(STILL)
    tilt = tilts_rad(world.poses())
    world.close()
    assert np.degrees(tilt[1]) > 45.0 and np.degrees(tilt[0]) < 1.0


@pytest.mark.parametrize("backend", ["position", "impedance"])
@pytest.mark.parametrize("delta_mm", [(10.0, 0.0, 0.0), (0.0, -10.0, 0.0), (6.0, 6.0, 6.0)])
def test_8_14_both_low_levels_reach_a_step_in_free_space(backend, delta_mm):
    world = BlockWorld(replace(TASK, backend=backend))
    goal = world.arm.tip_m + np.array(delta_mm) * 1e-3
    for _ in range(5):
        world.step(goal - world.arm.tip_m)
    error = np.linalg.norm(world.arm.tip_m - goal)
    world.close()
    assert error < 0.002


@pytest.mark.parametrize("backend", ["position", "impedance"])
def test_pressing_on_a_block_stays_below_the_force_budget(backend):
    world = BlockWorld(replace(TASK, backend=backend, blocks_fixed=True))
    world.set_blocks(np.array([0.3, 0.3]))
    world.step(None)
    world.arm.zero_force()
    peak = 0.0
    for _ in range(12):
        world.step(np.array([0.0, 0.0, -0.006]))
        peak = max(peak, world.arm.peak_force_n)
    down, moved = world.arm.force_n[2], shifts_m(world.poses()).max()
    world.close()
    assert moved == 0.0, "fixed blocks (8-D) do not move"
    assert down > 10.0 and peak < world.robot.force_budget_n


def test_8_24_a_delayed_command_comes_late():
    world = BlockWorld(replace(TASK, perturbation=Perturbation(command_delay_steps=2)))
    heights = [world.arm.tip_m[2]]
    for _ in range(4):
        world.step(np.array([0.0, 0.0, 0.005]))
        heights.append(world.arm.tip_m[2])
    world.close()
    moved = np.diff(heights) * 1e3
    assert np.abs(moved[:2]).max() < 0.1 and moved[2:].min() > 3.0


def test_8_24_friction_and_mass_change_how_far_a_push_slides_a_block():
    def slid(change: Perturbation) -> float:
        world = BlockWorld(replace(TASK, perturbation=change))
        for _ in range(3):
            world.step(STILL)
        world.push(1, np.array([0.0, 0.1, 0.0]), 0.03)
        for _ in range(5):
            world.step(STILL)
        got = float(shifts_m(world.poses())[1])
        world.close()
        return got

    # a block sliding from v = J / m stops after v^2 / (2 mu g): 20 mm; half that at twice the friction, a quarter
    # at twice the mass
    plain = slid(Perturbation())
    assert 0.012 < plain < 0.022
    assert slid(Perturbation(friction_scale=2.0)) < 0.6 * plain
    assert slid(Perturbation(mass_scale=2.0)) < 0.4 * plain
    assert slid(Perturbation(friction_scale=0.5)) > 1.5 * plain


# -- what is seen and what it is worth ------------------------------------------------------------------


def test_8_13_moving_the_robot_changes_f_alone_and_a_push_changes_g_alone(env):
    env.reset(seed=0)
    _, reward, *_, info = env.step(STILL)
    here = info["reward_terms"]
    assert reward == pytest.approx(here["f"] + here["g"])
    _, _, *_, info = env.step(np.array([0.0, 0.0, 0.005]))
    up = info["reward_terms"]
    assert here["f"] - up["f"] == pytest.approx(0.05, abs=0.012)  # 10 per metre, 5 mm
    assert up["g"] == pytest.approx(here["g"], abs=1e-4)
    env.world.push(0, np.array([0.0, -0.25, 0.0]), 0.075)
    for _ in range(8):
        _, _, *_, info = env.step(STILL)
    tipped = info["reward_terms"]
    assert tipped["f"] == pytest.approx(up["f"], abs=0.005) and tipped["g"] < -1.0


def test_8_02_the_base_does_not_see_the_blocks_and_the_policy_does():
    made = make_blocks(TASK)
    runs = []
    for yaw in ((0.0, 0.0), (0.2, -0.2)):
        obs, _ = made.reset(seed=0, options={"yaw_rad": yaw, "start_xy_m": (0.001, 0.002)})
        runs.append((obs, made.step(STILL)[-1]["base_m"]))
    made.close()
    assert runs[0][1] == pytest.approx(runs[1][1], abs=1e-9)
    unit = TASK.observation_unit[2]
    assert (runs[1][0] - runs[0][0])[[11, 17]] * unit == pytest.approx([0.2, -0.2], abs=1e-3)


def test_8_15_tracker_gives_late_and_noisy_poses():
    rng = np.random.default_rng(0)
    late = Tracker(Tracking(delay_steps=2))
    poses = [np.full((2, 6), float(k)) for k in range(6)]
    assert [late(p, rng)[0, 0] for p in poses] == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    late.reset()
    assert late(poses[5], rng)[0, 0] == 5.0
    noisy = Tracker(Tracking(position_std_m=0.002, angle_std_rad=0.03))
    seen = np.array([noisy(np.zeros((2, 6)), rng) for _ in range(4000)])
    assert seen[..., :3].std() == pytest.approx(0.002, rel=0.03)
    assert seen[..., 3:].std() == pytest.approx(0.03, rel=0.03)


def test_8_15_observation_is_the_trackers_output_and_not_the_truth():
    made = BlocksEnv(replace(TASK, tracking=Tracking(position_std_m=0.001, delay_steps=3)))
    made.reset(seed=0)
    unit = TASK.observation_unit[0]
    obs, *_ = made.step(STILL)
    made.world.push(1, np.array([0.0, 0.2, 0.0]), 0.03)
    obs, _, _, _, info = made.step(STILL)
    true = info["ground_truth"]["poses"]
    told = obs[6:].reshape(2, 6)[:, :3] * unit
    assert made.cell.tracked[:, :3] == pytest.approx(told, abs=1e-6)
    assert true[1, 1] > 0.008 and abs(told[1, 1]) < 0.005, "three steps late"
    made.close()


# -- episodes -------------------------------------------------------------------------------------------


def _run(made, act, seed):
    obs, info = made.reset(seed=seed)
    trace, done, step = [obs], False, 0
    while not done:
        obs, reward, terminated, truncated, info = made.step(act(info, step))
        trace.append(np.concatenate([obs, [reward, info["peak_force_n"]]]))
        done, step = terminated or truncated, step + 1
    return trace, info, step, terminated


def test_8_07_the_same_seed_gives_the_same_episode_bit_for_bit_also_after_others():
    noisy = replace(TASK, yaw=Yaw("three_way"), tracking=Tracking(0.001, 0.01, 1))
    made = make_blocks(noisy)
    first, second = (_run(made, lambda info, k: np.zeros(3), 7)[0] for _ in range(2))
    made.close()
    again = make_blocks(noisy, seed=5)
    third = _run(again, lambda info, k: np.zeros(3), 7)[0]
    again.close()
    for other in (second, third):
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_hand_controller_solves_straight_blocks_and_fails_on_rotated_ones_that_a_nudge_solves():
    """8-R3 and 8-R4 in small: the designed controller is good where it was designed for, and there is room to learn."""
    rotated = replace(TASK, yaw=Yaw("three_way"))
    results = {}
    for name, task, scripted in (("straight", TASK, False), ("rotated", rotated, False), ("nudged", rotated, True)):
        made = make_blocks(task)
        results[name] = []
        for seed in range(6 if name != "straight" else 2):
            def act(info, k, made=made, task=task, scripted=scripted):
                return nudge(made, info, task, k) if scripted else np.zeros(3)

            _, info, steps, terminated = _run(made, act, seed)
            assert steps == task.horizon and not terminated
            results[name].append(info["ground_truth"]["success"])
        made.close()
    assert all(results["straight"])
    assert np.mean(results["rotated"]) <= 0.4
    assert np.mean(results["nudged"]) >= 0.8


def test_resets_can_also_drive_the_arm_through_the_safety_filter():
    made = make_blocks(replace(TASK, reset_by="drive", horizon=20))
    for seed in range(2):
        _, info, _, _ = _run(made, lambda info, k: np.zeros(3), seed)
        assert info["ground_truth"]["distance_m"] < 0.01
    made.reset(seed=9)
    assert made.unwrapped.reset_ticks > 5
    made.close()


def test_what_is_kept_of_the_kinematics_follows_the_arm(env):
    env.reset(seed=0)
    arm = env.world.arm
    for _ in range(2):
        env.step(np.array([0.002, 0.001, -0.004]))
        tip, jacobian = arm.kinematics.forward(arm.q)[0], arm.kinematics.jacobian(arm.q)
        assert np.array_equal(arm.tip_m, tip) and np.array_equal(arm.velocity_m_s, jacobian[:3] @ arm.dq)


def test_a_reset_that_starts_pressed_opens_only_the_way_up():
    made = BlocksEnv(replace(TASK, reset_by="drive"))
    made.reset(seed=0)
    sent, step, force = [], made.world.step, 2.0 * made.robot.force_budget_n

    def press(delta_m):
        sent.append((made.world.arm.peak_force_n, delta_m))
        step(delta_m)
        if len(sent) < 4:
            made.world.arm.peak_force_n = force

    made.world.place(made.task.goal_m + [0.01, 0.01, 0.02])
    made.world.step, made.world.arm.peak_force_n = press, force
    made.reset(seed=1)
    pressed = [delta for peak, delta in sent if peak == force]
    assert len(pressed) == 4
    assert all(delta is not None and delta[2] > 0.0 and not delta[:2].any() for delta in pressed)
    made.world.place(made.task.goal_m + [0.0, 0.0, made.task.start_height_m + 0.03])
    made.world.arm.peak_force_n = force
    with pytest.raises(UserError, match="did not reach the start pose"):
        made.reset(seed=2)  # the way is down: a fault for force holds the arm
    made.close()


def test_8_18_a_bias_of_the_command_spoils_the_hand_controller():
    biased = replace(TASK, control_noise=replace(TASK.control_noise, mean=0.2, std=0.05))
    outcomes = {}
    for name, task in (("plain", TASK), ("biased", biased)):
        made = make_blocks(task)
        trace, info, _, _ = _run(made, lambda info, k: np.zeros(3), 0)
        outcomes[name] = (sum(t[-2] for t in trace[1:]), info["ground_truth"]["success"])
        made.close()
    assert outcomes["plain"][1] and not outcomes["biased"][1]
    assert outcomes["biased"][0] < outcomes["plain"][0] - 4.0


def test_a_fault_holds_the_arm_and_the_episode_runs_on_so_that_an_early_end_is_no_gain(env):
    env.reset(seed=0)
    tip = env.world.arm.tip_m
    _, _, terminated, _, info = env.step(np.array([np.nan, 0.0, 0.0]))
    assert info["fault"].startswith("not_finite") and not terminated
    _, _, _, _, info = env.step(np.array([0.0, 0.0, -0.01]))
    assert info["fault"] and np.linalg.norm(env.world.arm.tip_m - tip) < 5e-4
    stops = BlocksEnv(replace(TASK, on_fault="terminate"))
    stops.reset(seed=0)
    assert stops.step(np.array([np.nan, 0.0, 0.0]))[2]
    stops.close()


def test_ground_truth_can_be_withheld_and_learning_sees_the_same():
    traces = []
    for truth in (True, False):
        made = make_blocks(TASK, ground_truth=truth)
        trace, info, _, _ = _run(made, lambda info, k: np.zeros(3), 3)
        assert ("ground_truth" in info) is truth
        traces.append(trace)
        made.close()
    assert all(np.array_equal(a, b) for a, b in zip(*traces, strict=True))


def test_8_08_only_rl_runs_on_the_same_code():
    made = make_blocks(TASK, base=BaseSpec("zero"))
    _, info, _, _ = _run(made, lambda info, k: np.zeros(3), 0)
    assert info["ground_truth"]["distance_m"] == pytest.approx(TASK.start_height_m, abs=0.004)
    made.close()


def test_wrong_configurations_and_a_missing_reset_are_refused(tmp_path):
    text = (tmp_path / "blocks.yaml")
    from priorrl_core.config import config_dir

    good = (config_dir() / "tasks" / "blocks.yaml").read_text()
    for old, new, message in (("horizon: 30", "horizont: 30", "did you mean 'horizon'"),
                              ("kind: uniform", "kind: normal", "normal"),
                              ("range_rad: 0.0", "range_rad: 1.2", "range_rad must lie"),
                              ("foot_m: [0.030", "foot_m: [0.080", "foot_m must not be larger")):
        text.write_text(good.replace(old, new, 1))
        with pytest.raises(ConfigError, match=message):
            load_block_task(text)
    made = BlocksEnv(TASK)
    with pytest.raises(DataError, match="call reset"):
        made.step(STILL)
    made.close()
