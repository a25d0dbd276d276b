"""The Fetch bench: rows 5.9 to 5.14 and 5.16 as far as they are its own, and one small cell for real."""

from __future__ import annotations

import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import fetch_demos  # noqa: E402
from bench.fetch import key  # noqa: E402
from bench.fetch_cells import Run, work  # noqa: E402
from bench.fetch_claims import LEARNED, Cells, make_claims, pace, reported, table_rows  # noqa: E402
from bench.fetch_demos import Demonstration, DemoSet, act_out, load, record, save, script_of  # noqa: E402
from bench.fetch_env import (  # noqa: E402
    FetchEncoder,
    FetchWorld,
    layout,
    return_range,
    reward_of,
    succeeded,
)
from bench.fetch_jobs import METHODS, ON, SIZES, Job, ddpg_config, her_config, make_jobs, quick  # noqa: E402
from bench.fetch_script import CLEAR_M, Stack, carry  # noqa: E402
from bench.harness import Context  # noqa: E402
from priorrl_core.data.her import GoalEpisode, HERConfig, sparse_reward  # noqa: E402
from priorrl_core.errors import DataError, UserError  # noqa: E402
from priorrl_core.rewards.stacking import sparse_stack_reward, stack_goals, step_stack_reward  # noqa: E402

FETCH = pytest.mark.skipif(find_spec("gymnasium_robotics") is None, reason="needs gymnasium-robotics and MuJoCo")


def context(**more: object) -> Context:
    return Context("fetch", Path(), Path(), **more)  # type: ignore[arg-type]


# ---- rewards, horizon, success: row 5.10 -------------------------------------------------------------

def test_5_10_every_task_is_judged_by_its_equation_and_by_its_final_state() -> None:
    goal = np.array([1.0, 1.0, 0.4, 1.0, 1.0, 0.45])
    short = goal + np.array([0.0] * 5 + [0.06])
    assert succeeded(goal, goal) and not succeeded(short, goal)
    assert reward_of("stack", "sparse") is sparse_stack_reward and reward_of("stack", "step") is step_stack_reward
    assert reward_of("push", "sparse") is sparse_reward
    assert return_range("push", "sparse", 0.98) == pytest.approx((-50.0, 0.0))
    assert return_range("stack", "sparse", 0.98) == pytest.approx((0.0, 50.0))
    assert return_range("stack", "step", 0.98) == pytest.approx((-50.0, 50.0))


# ---- simulator: rows 5.9 and 5.11 --------------------------------------------------------------------


@FETCH
@pytest.mark.parametrize("task", ["push", "pick", "stack"])
def test_5_09_a_reset_reproduces_the_observation_and_goes_on_as_it_did(task: str) -> None:
    """To a substep's motion: what is seen is 2 ms older than the state; pushing is exact."""
    world, rng, near = FetchWorld(task), np.random.default_rng(0), 0.0 if task == "push" else 0.003
    world.start(3)
    actions = rng.uniform(-1.0, 1.0, (25, 4)).astype(np.float32)
    seen = [world.step(a) for a in actions[:15]]
    state, goal = world.state(), world.split(seen[-1])[1] + 0.1
    after = [world.split(world.step(a))[2] for a in actions[15:]]
    world.start(4)
    world.step(actions[0])
    first = world.restore(state, goal)
    assert world.state().tolist() == state.tolist()
    achieved, desired, obs = world.split(first)
    assert desired.tolist() == goal.tolist()
    there = len(goal) + 3  # the gripper's place and the blocks'
    assert np.abs(achieved - world.split(seen[-1])[0]).max() <= near
    assert np.abs((obs - world.split(seen[-1])[2])[:there]).max() <= near
    again = [world.split(world.step(a))[2] for a in actions[15:]]
    assert max(np.abs((a - b)[:there]).max() for a, b in zip(after, again, strict=True)) <= near


@FETCH
def test_5_11_four_actions_of_at_most_5_cm_a_step_and_the_rate() -> None:
    """The thesis has 50 Hz; the package's tasks are stepped at 25 (a deviation)."""
    for task in ("pick", "stack"):
        world = FetchWorld(task)
        world.start(0)
        assert world.env.action_space.shape == (4,) and world.env.dt == pytest.approx(0.04)
        before = world.env.data.xpos[world.env._model_names.body_name2id["robot0:gripper_link"]].copy()
        world.step(np.array([1.0, 9.0, -1.0, 1.0], np.float32))
        moved = world.env.data.mocap_pos[0] - before
        assert moved == pytest.approx([0.05, 0.05, -0.05], abs=0.002)
        seen = [world.step(np.array([0.0, 0.0, 0.0, sign], np.float32)) for sign in (1, 1, 1, -1, -1, -1)]
        fingers = [world.split(s)[2][{"pick": 9, "stack": 15}[task]] for s in seen]
        assert fingers[2] > fingers[5] + 0.02


@FETCH
def test_stacking_starts_with_blocks_apart_the_first_at_its_goal_and_a_seed_gives_one_start() -> None:
    world = FetchWorld("stack")
    starts = np.array([world.split(world.start(seed)) [0] for seed in range(8)])
    first, second = starts[:, :3], starts[:, 3:]
    assert np.linalg.norm((first - second)[:, :2], axis=1).min() >= 0.1 - 1e-3
    assert len({tuple(s) for s in starts.tolist()}) == 8
    again = world.start(5)
    achieved, desired, obs = world.split(again)
    assert achieved.tolist() == starts[5].tolist() and obs.shape == (28,)
    assert desired.tolist() == pytest.approx(stack_goals(torch.from_numpy(achieved)).tolist(), abs=1e-6)
    assert obs[3:9].tolist() == achieved.tolist() and (obs[9:15] + np.tile(obs[:3], 2)).tolist() == pytest.approx(
        achieved.tolist(), abs=1e-6)


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(UserError, match="push"):
        FetchWorld("pusch")


# ---- the script and what the networks see ------------------------------------------------------------


def test_a_carried_block_goes_up_then_across_then_down() -> None:
    up = carry(np.array([0.2, 0.0, 0.05]))
    assert up.tolist() == pytest.approx([0.0, 0.0, 0.05 + CLEAR_M])
    across = carry(np.array([0.2, -0.1, -0.03]))
    assert across.tolist() == pytest.approx([0.2, -0.1, CLEAR_M - 0.03])
    assert carry(np.array([0.005, 0.0, -0.04])).tolist() == [0.005, 0.0, -0.04]


def test_the_stacking_script_opens_goes_down_and_closes() -> None:
    script, block = Stack(), np.array([1.3, 0.7, 0.425])
    seen = np.zeros(40)
    seen[3:6], seen[9:12], seen[12:15] = block, block + [0.1, 0.0, 0.05], block + [0.1, 0.0, 0.2]
    first = script(seen)
    assert first[0] < 0.0 and first[2] < 0.0 and first[3] == 1.0 and script.phase == 0
    for height, phase in ((0.06, 1), (0.0, 2)):
        seen[12:15] = block + [0.0, 0.0, height]
        script(seen)
        assert script.phase == phase
    assert script(seen)[3] == -1.0


@pytest.mark.parametrize(("task", "size"), [("push", 25), ("pick", 25), ("stack", 28)])
def test_5_12_the_encoder_scales_by_hand_and_gives_the_way_to_the_goal(task: str, size: int) -> None:
    encoder, goals = FetchEncoder(task), 6 if task == "stack" else 3
    shift, unit = layout(task)
    assert len(shift) == len(unit) == size and encoder.width == size + 2 * goals
    obs = torch.zeros(1, size + goals)
    obs[0, :size] = torch.tensor(shift) + 0.5 * torch.tensor(unit)
    obs[0, size:] = obs[0, 3:3 + goals] + 0.03
    seen = encoder(obs)[0]
    assert seen[:size].tolist() == pytest.approx([0.5] * size, abs=1e-4)
    assert seen[-goals:].tolist() == pytest.approx([0.3] * goals, abs=1e-4)
    assert encoder(obs + 100.0).max() == 5.0 and not list(encoder.parameters())


def test_5_12_actor_and_critic_have_the_hidden_layers_of_the_size() -> None:
    from priorrl_core.agents.ddpg import DDPG, DDPGConfig

    assert DDPGConfig().hidden == (256,) * 4
    agent = DDPG(DDPGConfig(), FetchEncoder("pick"), 4)
    assert agent.actor.sizes == (31, 256, 256, 256, 256, 4) and agent.critics.online.sizes[0] == 35
    inputs = (31, 256, 256, 256, 256)
    assert sum(p.numel() for p in agent.actor.parameters()) == sum((i + 1) * 256 for i in inputs[:4]) + 257 * 4


# ---- demonstrations: row 5.13 ------------------------------------------------------------------------


def demo(end: float, steps: int = 4, states: int = 3) -> Demonstration:
    """Its block ends ``end`` metres from the goal."""
    rng = np.random.default_rng(int(1000 * end))
    achieved = rng.uniform(0.0, 1.0, (steps, 3)).astype(np.float32)
    achieved[-1] = [end, 0.0, 0.0]
    episode = GoalEpisode(rng.standard_normal((steps + 1, 25)).astype(np.float32),
                          rng.uniform(-1.0, 1.0, (steps, 4)).astype(np.float32), achieved, np.zeros(3, np.float32))
    return Demonstration(episode, rng.standard_normal((steps + 1, states)))


def test_5_13_what_was_recorded_is_read_back_bit_for_bit_with_who_acted(tmp_path: Path) -> None:
    for by in ("script", "human"):
        told = DemoSet("pick", by, 5, (demo(0.01), demo(0.02)))  # type: ignore[arg-type]
        save(tmp_path / "demos.safetensors", told)
        found = load(tmp_path / "demos.safetensors")
        assert (found.task, found.by, found.tried) == ("pick", by, 5)
        for one, two in zip(told.kept, found.kept, strict=True):
            assert one.states.tolist() == two.states.tolist() and two.states.dtype == np.float64
            for part in fetch_demos.PARTS:
                assert np.array_equal(getattr(one.episode, part), getattr(two.episode, part))
    (tmp_path / "other").write_bytes(b"no")
    with pytest.raises(DataError):
        load(tmp_path / "other")


class Shown:
    """A world in which episode i ends where ``ends[i]`` says."""

    task = "pick"

    def __init__(self, ends: list[float]) -> None:
        self.ends = list(ends)


def test_5_13_a_rejected_episode_is_not_kept_and_too_many_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_demos, "act_out", lambda world, script, seed, noise: demo(world.ends.pop(0)))
    found = record(Shown([0.2, 0.01, 0.05, 0.02, 0.03]), 2)  # type: ignore[arg-type]
    assert [float(d.episode.achieved[-1, 0]) for d in found.kept] == pytest.approx([0.01, 0.02])
    assert found.tried == 4 and found.by == "script"
    with pytest.raises(DataError, match="1 good episodes of 6"):
        record(Shown([0.2, 0.3, 0.4, 0.5, 0.6, 0.01]), 2)  # type: ignore[arg-type]
    chosen = record(Shown([0.2, 0.01]), 1, accept=lambda d: True)  # type: ignore[arg-type]
    assert float(chosen.kept[0].episode.achieved[-1, 0]) == pytest.approx(0.2)


def test_5_09_a_demonstrations_goal_for_resets_is_the_one_its_end_achieved() -> None:
    shown = demo(0.04)
    assert shown.resets.final_goal.tolist() == shown.episode.achieved[-1].tolist() != [0.0, 0.0, 0.0]
    assert shown.resets.states is shown.states


@FETCH
@pytest.mark.parametrize("task", ["push", "pick", "stack"])
def test_5_13_recorded_states_are_those_before_and_after_each_step(task: str) -> None:
    world = FetchWorld(task)
    told = act_out(world, script_of(task), 11, 0.1)
    assert len(told.states) == world.horizon + 1 == len(told.episode.obs)
    world.restore(told.states[7], told.episode.desired)
    achieved = world.split(world.step(told.episode.action[7]))[0]
    near = 0.0 if task == "push" else 0.003
    assert np.abs(achieved - told.episode.achieved[7]).max() <= near
    assert np.abs(world.split(world.restore(told.states[8], told.episode.desired))[2][:6]
                  - told.episode.obs[8][:6]).max() <= near
    assert succeeded(told.episode.achieved[-1], told.episode.desired)


# ---- jobs and settings: row 5.14 ---------------------------------------------------------------------


def test_jobs_put_ours_and_her_first_and_methods_differ_in_their_term_alone() -> None:
    jobs = make_jobs(context())
    assert len(jobs) == sum(len(ON[t]) * SIZES[t].seeds for t in ON) and len({key(j) for j in jobs}) == len(jobs)
    assert {j.method for j in jobs[:6]} == {"ours", "her"} and {j.seed for j in jobs[:6]} == {0}
    assert [j.method for j in make_jobs(context(options=("push", "her", "stored"), seed=7))] == ["her"] * 3
    with pytest.raises(UserError, match="no_bc"):
        make_jobs(context(options=("no_bx",)))


def test_5_14_each_ablation_removes_exactly_its_term() -> None:
    jobs = {m: Job("pick", m, 0, SIZES["pick"]) for m in METHODS}
    ours, ours_her = ddpg_config(jobs["ours"]), her_config(jobs["ours"])
    assert ours.q_filter and (ours.rl_weight, ours.bc_weight) == (1e-3, 1.0) and ours_her.share > 0.0
    assert ddpg_config(jobs["resets"]) == ours == ddpg_config(jobs["no_her"])
    assert ddpg_config(jobs["early"]) == dataclasses.replace(ours, filter_from=0)
    assert ours.filter_from == SIZES["pick"].episodes * SIZES["pick"].updates // 2
    assert ddpg_config(jobs["no_filter"]) == dataclasses.replace(ours, q_filter=False)
    assert ddpg_config(jobs["no_bc"]) == dataclasses.replace(ours, bc_weight=0.0, rl_weight=1.0)
    assert ddpg_config(jobs["bc"]) == dataclasses.replace(ours, rl_weight=0.0, q_filter=False)
    assert ddpg_config(jobs["her"]) == ddpg_config(jobs["bc_her"])
    assert her_config(jobs["no_her"]) == dataclasses.replace(ours_her, k=0.0)
    assert {m for m, j in jobs.items() if her_config(j) == ours_her} == set(METHODS) - {"no_her"}
    assert [m for m, j in jobs.items() if not j.demos] == ["her"]
    assert [m for m, j in jobs.items() if not j.practises] == ["bc"]


# ---- aggregation and claims: row 5.16 ----------------------------------------------------------------


def test_5_16_median_over_seeds_of_each_runs_best() -> None:
    curves = [[0.1, 0.9, 0.2], [0.5, 0.4, 0.3], [0.0, 0.1, 0.6]]
    assert reported(curves) == 0.6 and pace(curves) == pytest.approx(0.4)
    assert reported(curves[:2]) == pytest.approx(0.7)


def cells(task: str = "pick", **success: list[tuple[float, ...]]) -> Cells:
    """Of each method one curve a seed."""
    return Cells([{"task": task, "method": m, "seed": s, "steps": 7, "updates": 5, "cpu_seconds": 1.0,
                   "curve": [{"episode": i, "success": v, "final_reward": v - 1.0} for i, v in enumerate(curve)]}
                  for m, curves in success.items() for s, curve in enumerate(curves)])


def verdicts(found: Cells) -> dict[str, str]:
    return {c.claim: c.verdict for c in make_claims(found)}


GOOD = {"ours": [(0.5, 0.9), (0.6, 0.8), (0.6, 1.0)], "her": [(0.0, 0.1)] * 3, "bc": [(0.3, 0.5)] * 3,
        "no_bc": [(0.0, 0.2)] * 3, "no_filter": [(0.3, 0.8)] * 3, "no_her": [(0.2, 0.3)] * 3,
        "bc_her": [(0.1, 0.4)] * 3, "early": [(0.1, 0.4)] * 3, "resets": [(0.6, 0.85)] * 3}


def test_claims_hold_where_they_should() -> None:
    assert set(verdicts(cells(**GOOD)).values()) == {"holds"} and len(verdicts(cells(**GOOD))) == 8
    (push,) = make_claims(cells("push", ours=GOOD["ours"], her=GOOD["her"]))
    assert push.verdict == "holds" and push.seeds == 3 and "90 % (best of each seed 90, 80, 100; last 90 %" in push.ours


@pytest.mark.parametrize(("changes", "claim", "outcome"), [
    ({"ours": [(0.5, LEARNED - 0.1)] * 3}, "with demonstrations", "partly"),
    ({"her": [(0.5, 0.7), (0.5, 0.85), (0.5, 0.7)]}, "with demonstrations", "fails"),  # better on one seed
    ({"her": [(0.0, 0.79)] * 3}, "with demonstrations", "holds"),
    ({"bc": [(0.1, 0.95)] * 3}, "Ours ends above BC", "partly"),  # as good in the end, not as soon
    ({"bc": [(0.9, 0.95)] * 3}, "Ours ends above BC", "fails"),
    ({"no_filter": [(0.9, 0.9)] * 3}, "without the Q-filter", "fails"),
    ({"no_her": [(0.1, 0.95)] * 3}, "without hindsight", "partly"),
    ({"no_bc": [(0.7, 0.85)] * 3}, "without the cloning loss", "fails"),  # one of 20 episodes
    ({"bc_her": [(0.5, 0.6)] * 3}, "BC+HER ends", "fails"),
    ({"resets": [(0.5, 1.0)] * 3}, "on a short task", "fails"),
])
def test_claims_turn_with_the_figures(changes: dict, claim: str, outcome: str) -> None:
    (found,) = [v for c, v in verdicts(cells(**{**GOOD, **changes})).items() if claim in c]
    assert found == outcome


@pytest.mark.parametrize(("success", "outcome"), [
    ({"ours": [(0.1, 0.2)] * 3, "resets": [(0.5, 0.9)] * 3, "her": [(0.0,)]}, "holds"),
    ({"resets": [(0.5, 0.9)] * 2, "her": [(0.0,)]}, "partly"),
    ({"ours": [(0.1, 0.2)], "her": [(0.0,)]}, "partly"), ({"ours": [(0.0, 0.0)], "her": [(0.0,)]}, "fails"),
    ({"ours": [(0.9, 0.9)], "her": [(0.95,)]}, "fails")])
def test_the_stacking_claim_takes_the_better_of_the_two_with_demonstrations(success: dict, outcome: str) -> None:
    (found,) = make_claims(cells("stack", **success))
    assert found.verdict == outcome


def test_two_seeds_are_too_few_for_a_claim_to_hold() -> None:
    assert set(verdicts(cells(**{m: curves[:2] for m, curves in GOOD.items()})).values()) == {"partly"}


def test_missing_cells_give_no_claim_and_only_shared_seeds_count() -> None:
    some = cells(ours=GOOD["ours"], her=GOOD["her"][:1])
    (found,) = make_claims(some)
    assert found.seeds == 1 and "best of each seed 90;" in found.ours
    rows = table_rows(some)
    assert [(r["method"], r["seeds"], r["median of best"]) for r in rows] == [("Ours", 3, 0.9), ("HER", 1, 0.1)]
    assert rows[0]["best by seed"] == "0.90, 0.80, 1.00" and rows[0]["last by seed"] == "0.90, 0.80, 1.00"
    assert not make_claims(Cells([]))


# ---- one small cell ----------------------------------------------------------------------------------


@FETCH
@pytest.mark.parametrize(("task", "method"), [("pick", "resets"), ("stack", "ours"), ("push", "bc_her")])
def test_one_small_cell_for_real(task: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_demos, "FOLDER", tmp_path)
    made = work(Job(task, method, 0, quick(SIZES[task])))
    assert [p["episode"] for p in made["curve"]] == [2, 4] and made["steps"] == 200 and made["updates"] == 8
    assert all(0.0 <= p["success"] <= 1.0 for p in made["curve"]) and made["demos"] == 2
    assert len(list(tmp_path.glob("demos_*"))) == 1


@FETCH
def test_5_09_resets_are_for_practice_alone_and_judging_leaves_practice_as_it_was(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_demos, "FOLDER", tmp_path)
    size = dataclasses.replace(quick(SIZES["pick"]), share=1.0, evals=3)
    run = Run(Job("pick", "resets", 0, size))
    restored: list[int] = []
    restore = run.world.restore
    monkeypatch.setattr(run.world, "restore", lambda *a: restored.append(1) or restore(*a))
    run.world.start(0)
    before = run.world.env.np_random.bit_generator.state
    run._look(1)
    assert not restored and run.world.env.np_random.bit_generator.state == before
    run._practise()
    assert restored == [1] and run.replay.size == run.world.horizon


@FETCH
def test_5_06_hindsight_reads_demonstrations_anew_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_demos, "FOLDER", tmp_path)
    run = Run(Job("pick", "ours", 0, quick(SIZES["pick"])))
    assert run.shown.config == HERConfig("final", 1.0) and run.shown.size == 2 * run.world.horizon
    run._practise()
    batch = run._batch()
    assert batch.demos == 8 and len(batch.obs) == 24
