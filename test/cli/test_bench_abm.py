"""The ABM bench: rewards of the suite, jobs, data of several tasks, every algorithm, claims."""

from __future__ import annotations

import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import abm_data  # noqa: E402
from bench.abm import key  # noqa: E402
from bench.abm_cells import make_agent, transitions, work  # noqa: E402
from bench.abm_claims import Cells, apart, make_claims, table_rows  # noqa: E402
from bench.abm_data import data_file, data_key, load_share  # noqa: E402
from bench.abm_jobs import AMOUNTS, FULL, LABELS, PAPER, PRIORS, USUAL, DataJob, Job, data_jobs, make_jobs  # noqa: E402
from bench.abm_tasks import DOMAINS, SuiteEnv, gaussian_tolerance, linear_tolerance, task_reward  # noqa: E402
from bench.harness import Context  # noqa: E402
from priorrl_core.data.snippets import SnippetSampler  # noqa: E402
from priorrl_core.data.transitions import Transition, TransitionReplay  # noqa: E402
from priorrl_core.errors import UserError  # noqa: E402

SUITE = pytest.mark.skipif(find_spec("dm_control") is None, reason="needs dm_control")


def context(**more: object) -> Context:
    return Context("abm", Path(), Path(), **more)  # type: ignore[arg-type]


# ---- tasks -------------------------------------------------------------------------------------------


def test_tolerances_by_hand() -> None:
    below = torch.tensor([-1.0, 0.0, 0.3, 0.6])
    assert gaussian_tolerance(below, 0.6).tolist() == pytest.approx([1.0, 1.0, 0.1 ** 0.25, 0.1])
    assert linear_tolerance(torch.tensor([-1.0, 0.0, 2.0, 4.0, 9.0]), 4.0, 0.5).tolist() == [1.0, 1.0, 0.75, 0.5, 0.0]


def test_tasks_of_a_domain_conflict() -> None:
    fast = torch.tensor([[0.0, 8.0], [0.0, -8.0]])
    ahead, back = (DOMAINS["cheetah"].tasks[t](fast).tolist() for t in ("forwards", "backwards"))
    assert ahead == pytest.approx([0.8, 0.0]) and back == pytest.approx([0.0, 0.8])
    at = torch.tensor([[0.15, 0.15, 0.0, 0.0]])
    found = {t: float(judge(at)) for t, judge in DOMAINS["point_mass"].tasks.items()}
    assert found.pop("north_east") == 1.0 and max(found.values()) < 1e-3
    still = torch.tensor([[0.0, 0.0, 1.3, 1.0]])
    walker = {t: float(judge(still)) for t, judge in DOMAINS["walker"].tasks.items()}
    assert walker == pytest.approx({"stand": 1.0, "walk": 1.0 / 6.0, "run": 1.0 / 6.0})


@SUITE
@pytest.mark.parametrize(("domain", "task", "suite_task"), [
    ("cheetah", "forwards", "run"), ("walker", "walk", "walk"), ("walker", "run", "run"), ("walker", "stand", "stand")])
def test_rewards_are_the_suites(domain: str, task: str, suite_task: str) -> None:
    from dm_control import suite

    env, judge = SuiteEnv(domain), suite.load(domain, suite_task).task
    env.reset(seed=1)
    ours, theirs, rng = [], [], np.random.default_rng(0)
    for _ in range(15):
        seen = env.step(rng.uniform(env.action_space.low, env.action_space.high))[0]
        ours.append(float(DOMAINS[domain].tasks[task](torch.from_numpy(seen[None]))))
        theirs.append(judge.get_reward(env.suite.physics))
    assert ours == pytest.approx(theirs, abs=1e-5) and len({round(r, 3) for r in ours}) > 3


@SUITE
@pytest.mark.parametrize("domain", list(DOMAINS))
def test_a_seed_gives_the_same_episode_after_any_other(domain: str) -> None:
    env = SuiteEnv(domain)
    first = env.reset(seed=5)[0]
    env.reset(seed=6)
    env.step(np.ones(env.action_space.shape))
    assert env.reset(seed=5)[0].tolist() == first.tolist() and env.observation_space.shape == first.shape
    if domain != "point_mass":
        assert env.reset(seed=6)[0].tolist() != first.tolist()
    flags = [env.step(np.zeros(env.action_space.shape))[2:4] for _ in range(DOMAINS[domain].steps)]
    assert flags[-1] == (False, True) and set(flags[:-1]) == {(False, False)}


@SUITE
def test_point_and_finger_lie_where_the_rewards_look() -> None:
    for domain, body in (("point_mass", "pointmass"), ("reacher", "finger")):
        env = SuiteEnv(domain)
        env.reset(seed=2)
        seen = env.step(np.ones(2))[0]
        where = env.suite.physics.named.data.geom_xpos[body, :2]
        start = 0 if domain == "point_mass" else 4
        assert seen[start:start + 2] == pytest.approx(where, abs=1e-6)


# ---- jobs and data -----------------------------------------------------------------------------------


def test_jobs_are_every_algorithm_on_every_share_of_every_domain() -> None:
    jobs = make_jobs(context())
    assert len(jobs) == 3 * len(USUAL) * len(AMOUNTS) * len(PRIORS) and len(USUAL) >= 3
    assert len({key(j) for j in jobs}) == len(jobs) and len(data_jobs(jobs)) == 3 * len(USUAL)
    assert len({data_key(j) for j in data_jobs(jobs)}) == 3 * len(USUAL)
    seeds = [j.data.seed for j in jobs]
    assert {j.updates for j in jobs} == {FULL.updates} and seeds == sorted(seeds)
    assert set(PRIORS) == set(LABELS)
    few = make_jobs(context(options=("reacher", "abm_svg", "low", "stored"), seed=4))
    assert [(j.data.domain, j.algorithm, j.amount, j.data.seed) for j in few] == [
        ("reacher", "abm_svg", "low", s) for s in (4, 5, 6)]
    assert {j.networks for j in make_jobs(context(options=("paper",)))} == {PAPER}
    with pytest.raises(UserError, match="cheetah"):
        make_jobs(context(options=("cheeta",)))


def test_a_key_changes_with_data_and_settings() -> None:
    job = make_jobs(context())[0]
    others = [dataclasses.replace(job, updates=1), dataclasses.replace(job, networks=PAPER),
              dataclasses.replace(job, data=dataclasses.replace(job.data, episodes=7))]
    assert len({key(j) for j in (job, *others)}) == 4


TINY = DataJob("point_mass", 0, 10, 0.0, 10)


@pytest.fixture
def pot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TransitionReplay:
    """A stored replay of ten episodes of the right length, with random steps; no suite is needed."""
    monkeypatch.setattr(abm_data, "FOLDER", tmp_path)
    rng, steps = np.random.default_rng(0), DOMAINS["point_mass"].steps
    replay = TransitionReplay(10 * steps, (4,), 2)
    for step in range(10 * steps):
        obs, following = rng.uniform(-0.3, 0.3, (2, 4)).astype(np.float32)
        action = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        replay.add(Transition(obs, action, np.zeros(2), np.zeros(2), 0.0, following, False, step % steps == steps - 1))
    replay.save(tmp_path / f"{data_key(TINY)}.safetensors")
    return replay


def test_low_data_are_the_first_fifth_of_the_episodes(pot: TransitionReplay) -> None:
    high, low = (load_share(TINY, amount) for amount in AMOUNTS)
    steps = DOMAINS["point_mass"].steps
    assert high.size == 10 * steps and low.size == low.capacity == 2 * steps
    assert torch.equal(low.columns["obs"], pot.columns["obs"][:2 * steps])
    assert bool(low.columns["truncated"][-1])


@pytest.mark.parametrize("algorithm", list(PRIORS))
def test_every_algorithm_learns_from_the_task_at_hand(algorithm: str, pot: TransitionReplay) -> None:
    job = Job(TINY, algorithm, "high", 100, 1, 1)
    agent, reward = make_agent(job, 4, 2), task_reward("point_mass", job.task)
    sampler = SnippetSampler(pot, 2, [reward])
    batch = sampler.sample(16, torch.Generator().manual_seed(0))
    wanted = DOMAINS["point_mass"].tasks["north_east"](batch.next_obs.flatten(0, 1)).view(batch.reward.shape)
    assert torch.equal(batch.reward, wanted) and float(batch.reward.max()) > 0.0
    single = algorithm in ("bcq", "bear")
    flat = transitions(batch)
    assert torch.equal(flat.reward, batch.reward[:, 0]) and torch.equal(flat.action, batch.action[:, 0])
    before = torch.cat([p.detach().flatten().clone() for p in agent.parameters()])
    metrics = agent.update(flat if single else batch)
    after = torch.cat([p.detach().flatten() for p in agent.parameters()])
    assert all(bool(torch.isfinite(m)) for m in metrics.values()) and not torch.equal(before, after)
    assert single or agent.config.prior == PRIORS[algorithm]


@SUITE
def test_one_small_cell_and_its_data_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abm_data, "FOLDER", tmp_path)
    data = DataJob("point_mass", 0, 5, 0.02, 2)
    facts = abm_data.work(data)
    named = {f"{t} {a} mean" for t in DOMAINS["point_mass"].tasks for a in AMOUNTS}
    assert facts["steps"] == 500 and named <= set(facts)
    made = data_file(data).read_bytes()
    data_file(data).unlink()
    assert data_file(data).read_bytes() == made, "the same job gives the same data"
    cell = work(Job(data, "abm_mpo", "low", 4, 2, 1))
    assert [p["updates"] for p in cell["curve"]] == [2, 4] and 0.0 <= cell["prior"] <= 1000.0
    assert cell["policy"] == pytest.approx(np.mean([p["policy"] for p in cell["curve"]]))


# ---- claims ------------------------------------------------------------------------------------------

#: algorithm -> policy, prior
PAPERS_ORDER = {"abm_mpo": (9.0, 7.0), "bm_mpo": (6.0, 3.0), "mpo": (2.0, None), "abm_svg": (9.0, 7.0),
                "bm_svg": (6.0, 3.0), "svg": (2.0, None), "bcq": (5.0, None), "bear": (4.0, None)}


def cells(scores: dict, places: tuple = (("a", "high"), ("a", "low")), noise: float = 0.1) -> Cells:
    made = []
    for domain, amount in places:
        for algorithm, (policy, prior) in scores.items():
            for seed in range(3):
                cell = {"domain": domain, "amount": amount, "algorithm": algorithm, "seed": seed,
                        "policy": policy + noise * seed}
                made.append(cell if prior is None else {**cell, "prior": prior})
    return Cells(made)


def verdicts(found: Cells) -> dict[str, str]:
    return {c.claim.split(",")[0]: c.verdict for c in make_claims(found)}


def test_the_papers_order_gives_claims_that_hold() -> None:
    good = verdicts(cells(PAPERS_ORDER))
    assert set(good.values()) == {"holds"} and len(good) == 8
    assert {c.seeds for c in make_claims(cells(PAPERS_ORDER))} == {3}


@pytest.mark.parametrize(("changes", "claim"), [
    ({"bm_mpo": (9.5, 3.0)}, "ABM+MPO above BM+MPO"), ({"mpo": (7.0, None)}, "BM+MPO above MPO"),
    ({"bm_svg": (9.5, 3.0)}, "ABM+SVG above BM+SVG"), ({"svg": (7.0, None)}, "BM+SVG above SVG"),
    ({"bm_mpo": (6.0, 8.0)}, "the ABM prior alone above the BM prior alone"),
    ({"abm_mpo": (9.0, 9.5)}, "ABM+MPO above its own prior"), ({"bcq": (9.5, None)}, "ABM+MPO above BCQ"),
    ({"bear": (9.5, None)}, "ABM+MPO above BEAR")])
def test_each_claim_turns_with_its_own_figures(changes: dict, claim: str) -> None:
    bad = cells({**PAPERS_ORDER, **changes}, (("b", "high"),))
    assert verdicts(bad)[claim] == "fails"
    mixed = Cells([*cells(PAPERS_ORDER).all, *bad.all])
    assert verdicts(mixed)[claim] == "partly"


def test_a_difference_within_its_standard_error_does_not_count() -> None:
    assert apart({0: 2.0, 1: 2.0, 2: 2.0}, {0: 1.0, 1: 1.5, 2: 1.2})
    assert not apart({0: 9.0, 1: 0.0, 2: 0.5}, {0: 1.0, 1: 1.0, 2: 1.0})
    assert apart({0: 2.0, 5: 0.0}, {0: 1.0, 7: 9.0}), "seeds of one side alone do not count"
    assert not apart({0: 1.0}, {0: 1.0})


def test_table_6_has_priors_beside_policies_and_no_claim_is_made_of_nothing() -> None:
    rows = table_rows(cells(PAPERS_ORDER))
    assert len(rows) == 2 and rows[0]["ABM+MPO"] == "9 (sd 0)" and rows[0]["ABM+MPO prior"] == "7 (sd 0)"
    assert "MPO prior" not in rows[0] and rows[1]["data"] == "low" and rows[0]["seeds"] == "3"
    assert not make_claims(Cells([]))
    assert {*verdicts(cells({"bcq": (1.0, None), "abm_mpo": (2.0, 1.0)}))} == {
        "ABM+MPO above BCQ", "ABM+MPO above its own prior"}
