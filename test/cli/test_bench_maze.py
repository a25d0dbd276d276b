"""The maze bench: dynamics, data that never go all the way, jobs, claims."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.harness import Context  # noqa: E402
from bench.maze import key  # noqa: E402
from bench.maze_cells import work  # noqa: E402
from bench.maze_claims import Cells, floor, make_claims, table_rows  # noqa: E402
from bench.maze_env import HORIZON, STEP, Maze, heading, stitching_data  # noqa: E402
from bench.maze_jobs import EXPECTILES, METHODS, ONLINE, Job, learn_config, make_jobs  # noqa: E402
from priorrl_core.errors import UserError  # noqa: E402


def context(**more: object) -> Context:
    return Context("maze", Path(), Path(), **more)  # type: ignore[arg-type]


def test_a_step_moves_by_at_most_step_and_walls_stop_each_axis_by_itself() -> None:
    env = Maze()
    seen, _ = env.reset(options={"position": (2.0, 1.0)})
    assert seen.tolist() == (np.array([2.0, 1.0]) - env.middle).tolist()
    env.step(np.array([0.5, 0.0]))
    assert env.point.tolist() == [2.0 + 0.5 * STEP, 1.0]
    env.step(np.array([9.0, 0.0]))
    assert env.point.tolist() == [2.0 + 1.5 * STEP, 1.0]
    x = env.point[0]
    env.reset(options={"position": (x, 1.4)})
    env.step(np.array([1.0, 1.0]))  # a wall below: it slides along
    assert env.point.tolist() == [x + STEP, 1.4]


def test_start_goal_and_time_limit() -> None:
    env = Maze()
    a, _ = env.reset(seed=3)
    b, _ = env.reset(seed=3)
    c, _ = env.reset(seed=4)
    assert a.tolist() == b.tolist() != c.tolist() and env.cell(env.point) == env.start == (1, 1)
    flags = [env.step(np.zeros(2))[1:4] for _ in range(HORIZON)]
    assert flags[-1] == (0.0, False, True) and set(flags[:-1]) == {(0.0, False, False)}
    env.reset(options={"position": (env.goal[0] - 0.75, env.goal[1])})
    _, reward, ended, _, _ = env.step(np.array([1.0, 0.0]))
    assert (reward, ended) == (1.0, True)


def test_the_way_is_19_cells_and_can_be_gone_in_time() -> None:
    env = Maze()
    far = env.distances(env.goal)
    assert far[env.start] == 19 and len(far) == 20  # five corridors of one cell's width: no branch
    for seed in range(3):
        env.reset(seed=seed)
        for _ in range(HORIZON):
            reward, ended = env.step(heading(env, env.goal, far))[1:3]
            if ended:
                break
        assert ended and reward == 1.0 and env.age <= 19 / STEP + 5


def test_no_walk_of_the_data_goes_all_the_way_and_some_end_in_the_goal() -> None:
    env, data = Maze(), stitching_data(150, 0)
    far = env.distances(env.goal)
    columns = {n: c[:data.size].numpy() for n, c in data.columns.items()}
    cells = [far[env.cell(p + env.middle)] for p in columns["obs"]]
    ends = np.flatnonzero(columns["terminated"] | columns["truncated"])
    assert not (columns["terminated"] & columns["truncated"]).any() and len(ends) == 150
    walks = np.split(np.array(cells), ends + 1)[:-1]
    assert max(w.max() - w.min() for w in walks) < 9 and {w[0] for w in walks} >= set(range(1, 20))
    assert columns["reward"].sum() == columns["terminated"].sum() > 0
    assert (columns["reward"] > 0).tolist() == columns["terminated"].tolist()
    again = stitching_data(150, 0)
    assert np.array_equal(again.columns["action"][:again.size].numpy(), columns["action"])


def test_demonstrations_come_on_top_and_go_all_the_way() -> None:
    without, shown = stitching_data(20, 3), stitching_data(20, 3, shown=4)
    assert np.array_equal(shown.columns["obs"][:without.size].numpy(), without.columns["obs"][:without.size].numpy())
    added = shown.columns["terminated"][without.size:shown.size].numpy()
    assert added.sum() == 4 and added[-1]


def test_the_data_go_both_ways_alike() -> None:
    """So cloning cannot tell forwards from backwards, and only values can."""
    env, data = Maze(), stitching_data(300, 1)
    far = env.distances(env.goal)
    ahead = [far[env.cell(a + env.middle)] - far[env.cell(b + env.middle)]
             for a, b in zip(data.columns["obs"][:data.size].numpy(), data.columns["next_obs"][:data.size].numpy(),
                             strict=True)]
    forwards, backwards = ahead.count(1), ahead.count(-1)
    assert forwards > 100 and backwards > 100 and 0.6 < forwards / backwards < 1.7


def test_jobs_are_every_method_and_seed_and_only_two_go_online() -> None:
    jobs = make_jobs(context())
    assert [(j.seed, j.method) for j in jobs] == [(s, m) for s in range(3) for m in METHODS]
    assert {j.method for j in jobs if j.online_steps} == set(ONLINE)
    demos = {m: learn_config(j) for m, j in {j.method: j for j in jobs}.items()}
    assert dataclasses.replace(demos["awac_demos"], name="awac") == demos["awac"]
    assert len({key(j) for j in jobs}) == len(jobs)
    assert [j.method for j in make_jobs(context(options=("awac", "stored"), seed=7))] == ["awac"] * 3
    with pytest.raises(UserError, match="iql_0.9"):
        make_jobs(context(options=("iql_0.99",)))


def test_methods_differ_in_nothing_but_the_method() -> None:
    jobs = {j.method: j for j in make_jobs(context())}
    configs = {m: learn_config(j) for m, j in jobs.items()}
    assert {m: c.iql.expectile for m, c in configs.items() if c.agent == "iql"} == {**EXPECTILES, "iql_0.9_demos": 0.9}
    assert {c.agent for c in configs.values()} == {"iql", "awac", "bc"}
    plain = [dataclasses.replace(configs[m].iql, expectile=0.9) for m in EXPECTILES]
    assert all(p == plain[0] for p in plain)
    shared = [(c.batch_size, c.reward_scale, c.reward_shift) for c in configs.values()]
    assert len(set(shared)) == 1
    nets = [(a.hidden, a.discount, a.actor_rate, a.critic_rate, a.target_rate)
            for a in (configs["iql_0.9"].iql, configs["awac"].awac)]
    assert nets[0] == nets[1]
    assert key(jobs["bc"]) != key(dataclasses.replace(jobs["bc"], walks=601))


def cell(method: str, seed: int, offline: float, online: tuple[float, ...] = ()) -> dict:
    points = [("start", 0, 0, 0.0), ("offline", 5, 0, 0.0), ("offline", 9, 0, offline),
              *[("online", 9, i + 1, s) for i, s in enumerate(online)]]
    return {"method": method, "seed": seed, "episodes": 10, "transitions": 7, "cpu_seconds": 1.0,
            "curve": [dict(zip(("phase", "offline", "online", "success"), p, strict=True)) for p in points]}


def judged(**success: tuple[float, tuple[float, ...]]) -> dict[str, str]:
    cells = [cell(m.replace("iql_0", "iql_0."), s, *success[m]) for m in success for s in range(3)]
    return {c.claim: c.verdict for c in make_claims(Cells(cells))}


GOOD = {"iql_05": (0.1, ()), "iql_07": (0.5, ()), "iql_09": (0.8, (0.8, 0.7, 0.9, 1.0)), "bc": (0.0, ()),
        "awac": (0.3, (0.3, 0.3, 0.4, 0.5))}


def test_claims_hold_where_they_should() -> None:
    assert set(judged(**GOOD).values()) == {"holds"} and len(judged(**GOOD)) == 7


@pytest.mark.parametrize(("changes", "claim", "outcome"), [
    ({"iql_07": (0.9, ())}, "success after the data", "partly"),
    ({"iql_05": (0.8, ())}, "success after the data", "fails"),
    ({"bc": (0.8, ())}, "IQL with expectile 0.9 above BC", "fails"),
    ({"awac": (0.8, (0.8, 0.9, 0.9, 1.0))}, "IQL with expectile 0.9 above AWAC", "fails"),
    ({"iql_09": (0.8, (0.1, 0.8, 0.9, 1.0))}, "IQL_0.9 goes online", "partly"),
    ({"iql_09": (0.8, (0.1, 0.1, 0.1, 1.0))}, "IQL_0.9 goes online", "fails"),
    ({"iql_09": (0.8, (0.8, 0.8, 0.8, 0.8))}, "IQL_0.9 improves online", "fails"),
    ({"iql_09": (1.0, (1.0, 1.0, 1.0, 1.0))}, "IQL_0.9 improves online", "partly"),
    ({"awac": (0.0, (0.0, 0.0, 0.0, 0.5))}, "AWAC goes online", "fails"),  # it had nothing to lose
])
def test_claims_turn_with_the_figures(changes: dict, claim: str, outcome: str) -> None:
    (found,) = [v for c, v in judged(**{**GOOD, **changes}).items() if c.startswith(claim)]
    assert found == outcome


def test_a_dip_is_judged_by_seed_and_seeds_without_success_do_not_count() -> None:
    assert floor(1.0, 30) == pytest.approx(1.0 - 0.1135, abs=1e-3)  # Wilson, 30 of 30
    mixed = [cell("awac", 0, 0.0, (0.0, 0.0, 0.0)), cell("awac", 1, 1.0, (1.0, 0.9, 0.5))]
    (found,) = [c for c in make_claims(Cells(mixed)) if "dip" in c.claim]
    assert (found.verdict, found.seeds) == ("partly", 1) and found.ours.startswith("2 of 3")


def test_missing_methods_give_no_claim_and_no_row() -> None:
    some = Cells([cell("bc", 0, 0.1), cell("iql_0.9", 0, 0.5, (0.5, 0.6))])
    assert [r["method"] for r in table_rows(some)] == ["bc", "iql_0.9"]
    assert not any("rises" in c.claim or "AWAC" in c.claim for c in make_claims(some))


def test_one_small_cell_for_real() -> None:
    made = work(Job("iql_0.9", 0, 20, 4, 10, 2, 5, 1))
    assert [(p["phase"], p["offline"], p["online"]) for p in made["curve"]] == [
        ("start", 0, 0), ("offline", 2, 0), ("offline", 4, 0), ("online", 4, HORIZON)]
