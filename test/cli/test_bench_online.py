"""The online bench: the town, its arms, its claims."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.harness import Context  # noqa: E402
from bench.maze_env import TOWN, Maze, stitching_data  # noqa: E402
from bench.online import key  # noqa: E402
from bench.online_cells import work  # noqa: E402
from bench.online_claims import STEPS, Cells, make_claims, table_rows  # noqa: E402
from bench.online_jobs import ARMS, Job, Size, learn_config, make_jobs  # noqa: E402
from priorrl_core.errors import UserError  # noqa: E402


def context(**more: object) -> Context:
    return Context("online", Path(), Path(), **more)  # type: ignore[arg-type]


def job(method: str) -> Job:
    return next(j for j in make_jobs(context()) if j.method == method)


def test_the_town_is_connected_and_starts_lie_everywhere_but_in_the_goal() -> None:
    env = Maze(TOWN, anywhere=True)
    assert len(env.distances(env.goal)) == int(env.free.sum()) == 57 and max(env.distances(env.goal).values()) == 20
    starts = set()
    for seed in range(600):
        env.reset(seed=seed)
        starts.add(env.cell(env.point))
    assert len(starts) == 56 and env.goal not in starts


def test_walks_are_short_and_few_reach_the_goal() -> None:
    data = stitching_data(Size().walks, 0, layout=TOWN)
    ends = np.flatnonzero((data.columns["terminated"] | data.columns["truncated"])[:data.size].numpy())
    assert len(ends) == Size().walks and np.diff(np.append(-1, ends)).max() <= 20
    assert 0 < int(data.columns["terminated"][:data.size].sum()) < 0.2 * Size().walks


def test_arms_differ_in_what_they_say_and_in_nothing_else() -> None:
    one, other = learn_config(job("sac_data")), learn_config(job("sac_norm"))
    assert dataclasses.replace(one.sac, layer_norm=True) == other.sac
    assert dataclasses.replace(one, name=other.name, sac=other.sac) == other
    one, other = learn_config(job("sac_many")), learn_config(job("rlpd"))
    assert dataclasses.replace(one, name=other.name, updates_per_step=4.0) == other
    assert job("rlpd_chunk").online_steps == job("rlpd").online_steps
    chunked = learn_config(job("rlpd_chunk"))
    assert (chunked.updates_per_step, chunked.warm_steps, chunked.random_steps) == (16.0, 125, 125)
    assert {m for m, a in ARMS.items() if a.offline} == {"iql", "iql_symmetric", "iql_updates", "iql_chunk", "awac",
                                                         "wsrl"}


def test_keys_are_unique_and_unknown_methods_are_named() -> None:
    jobs = make_jobs(context())
    assert len({key(j) for j in jobs}) == len(jobs) == 5 * len(ARMS)
    with pytest.raises(UserError, match="unknown method 'rlpp'.*rlpd"):
        make_jobs(context(options=("rlpp",)))


# ---- claims -----------------------------------------------------------------------------------------


def cells(changes: dict[str, list[float]] | None = None) -> Cells:
    """Three seeds a method: 0.5 before practice, then by default 0.6, 0.8, 1.0."""
    curves = {m: [0.5, 0.6, 0.8, 1.0] for m in ARMS} | (changes or {})
    return Cells({"method": m, "seed": s, "episodes": 20, "cpu_seconds": 1.0, "curve": [
        {"phase": "online" if i else "offline", "online": 100 * i, "success": v} for i, v in enumerate(curve)]}
        for m, curve in curves.items() for s in range(3))


@pytest.mark.parametrize(("method", "curve", "claim", "outcome"), [
    ("iql", [0.5, 0.6, 0.8, 1.0], "IQL improves online", "holds"),
    ("iql", [0.5, 0.6, 0.5, 0.5], "IQL improves online", "fails"),
    ("awac", [0.5, 0.6, 0.8, 1.0], "AWAC goes online without a dip", "holds"),
    ("awac", [0.5, 0.1, 0.8, 1.0], "AWAC goes online without a dip", "partly"),
    ("rlpd", [0.5, 1.0, 1.0, 1.0], "four updates a step: rlpd", "holds"),
    ("rlpd", [0.5, 0.1, 0.1, 0.1], "four updates a step: rlpd", "fails"),
    ("rlpd", [0.5, 0.6, 0.8, 1.0], "four updates a step: rlpd", "partly")])
def test_claims_turn_with_the_figures(method: str, curve: list[float], claim: str, outcome: str) -> None:
    made = [c for c in make_claims(cells({method: curve})) if c.claim.startswith(claim)]
    assert [c.verdict for c in made] == [outcome]


def test_seeds_without_success_before_have_nothing_to_lose_and_do_not_count() -> None:
    made = [c for c in make_claims(cells({"iql": [0.0, 0.0, 0.8, 1.0]})) if c.claim.startswith("IQL goes online")]
    assert [(c.verdict, c.seeds) for c in made] == [("fails", 0)]


def test_a_gain_within_its_standard_error_is_no_gain() -> None:
    some = cells()
    for cell in some.of("rlpd"):
        for point in cell["curve"][1:]:
            point["success"] += {0: 0.3, 1: -0.2, 2: 0.0}[cell["seed"]]
    assert next(c for c in make_claims(some) if c.claim.startswith("four updates a step: rlpd")).verdict == "partly"


def test_every_step_of_the_ablation_has_its_claim_and_every_method_its_row() -> None:
    assert len(make_claims(cells())) == 4 + len(STEPS) and len(table_rows(cells())) == len(ARMS)
    assert make_claims(Cells([])) == [] == table_rows(Cells([]))


@pytest.mark.parametrize("method", ["iql", "rlpd_chunk", "wsrl"])
def test_one_small_cell_for_real(method: str) -> None:
    small = dataclasses.replace(job(method), online_steps=300, epoch=150, episodes=2,
                                offline_steps=20 if ARMS[method].offline else 0)
    first, again = work(small), work(small)
    assert first["curve"] == again["curve"] and first["curve"][-1]["online"] >= 300
