"""The learners' bench: jobs, keys, the data and their manifest, the pipe to another library, claims."""

from __future__ import annotations

import dataclasses
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import learner_data, learner_sides  # noqa: E402
from bench.harness import Context, run_cells  # noqa: E402
from bench.learner_cells import work  # noqa: E402
from bench.learner_claims import make_claims  # noqa: E402
from bench.learner_data import Judge, episode_returns, first_rows, load_set, make, manifest, medium  # noqa: E402
from bench.learner_goals import GoalSide, demonstrations, with_goal  # noqa: E402
from bench.learner_jobs import KINDS, SIZES, Job, Size, data_envs, make_jobs, quick  # noqa: E402
from bench.learner_settings import our_config, peer_config  # noqa: E402
from bench.learner_sides import Peer, export  # noqa: E402
from bench.learner_tables import normalised, pairings, rows  # noqa: E402
from bench.learners import key  # noqa: E402
from priorrl_core.data.her import sparse_reward  # noqa: E402
from priorrl_core.data.transitions import Transition, TransitionReplay  # noqa: E402
from priorrl_core.errors import DataError, UserError  # noqa: E402
from priorrl_core.training.gym_env import ScaledEnv, open_env  # noqa: E402
from priorrl_core.training.step_loop import EVAL_STREAM, TRAIN_STREAM, episode_seed  # noqa: E402

TINY = dataclasses.replace(quick(SIZES["pendulum"]), hidden=(8,), batch=8, online_steps=210, random_steps=200,
                           evals=1, data_steps=400, data_rows=250)  # fmt: skip


def context(folder: Path, *only: str, **more: Any) -> Context:
    return Context(name="learners", out=folder, cells=folder / "cells", processes=1, options=only, **more)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Size:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learner_data, "size_of", lambda env, is_quick: TINY)
    return TINY


# ---- jobs and keys ----------------------------------------------------------------------------------


def test_every_pairing_of_the_issue_is_in_the_full_run(tmp_path: Path) -> None:
    jobs = make_jobs(context(tmp_path))
    moving, fetch = ("pendulum", "hopper", "halfcheetah", "walker2d"), ("fetchreach", "fetchpush", "fetchpickandplace")
    assert set(SIZES) == {*moving, *fetch} and jobs[0].env == "pendulum"
    for seed in range(3):
        found = {env: {(j.data, j.algorithm, j.library) for j in jobs if (j.env, j.seed) == (env, seed)}
                 for env in SIZES}  # fmt: skip
        offline = {(k, a, p) for k in KINDS for a in ("iql", "awac", "bcq", "bear") for p in ("priorrl", "d3rlpy")}
        online = {("online", a, p) for a in ("sac", "td3") for p in ("priorrl", "sb3", "d3rlpy")}
        goals = {("her", "ddpg", "priorrl"), ("her", "ddpg", "sb3"), ("her", "ddpg_demos", "priorrl")}
        assert all(found[env] == offline | online for env in moving)
        assert all(found[env] == goals for env in fetch)
    assert len(jobs) == 3 * (4 * (24 + 6) + 3 * 3) == len(set(jobs))


def test_words_narrow_the_run(tmp_path: Path) -> None:
    def found(*words: str) -> set[tuple[str, str, str]]:
        return {(j.data, j.algorithm, j.library) for j in make_jobs(context(tmp_path, "hopper", *words))}

    assert found("sac") == {("online", "sac", p) for p in ("priorrl", "sb3", "d3rlpy")}
    assert found("iql", "expert") == {("expert", "iql", "priorrl"), ("expert", "iql", "d3rlpy")}
    assert found("online", "td3", "sb3") == {("online", "td3", "sb3")}
    assert {d for d, _, _ in found("medium")} == {"medium"}
    assert {d for d, _, _ in found("offline")} == set(KINDS)
    assert found("her") == set()
    with pytest.raises(UserError, match="unknown part 'hoper'.*hopper"):
        make_jobs(context(tmp_path, "hoper"))


def test_data_are_made_only_for_who_learns_from_them(tmp_path: Path) -> None:
    def envs(*words: str) -> list[str]:
        c = context(tmp_path, *words)
        return data_envs(c, make_jobs(c))

    assert envs() == ["pendulum", "hopper", "halfcheetah", "walker2d"]
    assert envs("sac", "hopper") == envs("fetchreach") == []
    assert envs("bcq", "hopper") == envs("data", "hopper", "fetchreach") == ["hopper"]


def test_a_key_changes_with_what_changes_the_cell(tmp_path: Path) -> None:
    facts = {env: {"sets": {kind: {"sha256": f"{env}{kind}"} for kind in KINDS}} for env in SIZES}
    jobs = make_jobs(context(tmp_path))
    keys = [key(job, facts) for job in jobs]
    assert len(set(keys)) == len(jobs)
    other = {"pendulum": {"sets": {kind: {"sha256": "other"} for kind in KINDS}}}
    for job, name in zip(jobs[:90], keys, strict=False):
        assert (key(job, other) == name) == (job.data == "online")
        assert key(dataclasses.replace(job, size=dataclasses.replace(job.size, batch=7)), facts) != name


def test_both_sides_are_told_the_same(tmp_path: Path) -> None:
    for job in make_jobs(context(tmp_path, "pendulum")):
        ours, theirs = our_config(job), peer_config(job)
        agent: Any = getattr(ours, job.algorithm)
        assert list(agent.hidden) == theirs["hidden"] and ours.batch_size == theirs["batch"]
        rates = (getattr(agent, n) for n in ("actor_rate", "critic_rate", "alpha_rate", "learning_rate")
                 if hasattr(agent, n))  # fmt: skip
        assert set(rates) == {theirs["rate"]}
        assert (theirs["discount"], theirs["target_rate"]) == (agent.discount, agent.target_rate)
        if job.data == "online":
            assert ours.random_steps == ours.warm_steps == theirs["random_steps"] and ours.reward_scale == 1.0
        if job.algorithm == "bear":
            assert agent.warm_updates == theirs["warm_updates"] and agent.sigma == theirs["sigma"]


# ---- data -------------------------------------------------------------------------------------------


def test_medium_is_the_snapshot_nearest_to_a_third() -> None:
    curve = [(1, -1000.0), (2, -700.0), (3, -500.0), (4, -100.0)]
    assert medium(curve, -1000.0) == 1  # a third: -700
    assert medium([(1, 0.0), (2, 100.0), (3, 30.0), (4, 90.0)], 0.0) == 0  # 30 comes after the best


def test_data_are_made_with_a_manifest_and_a_changed_file_is_refused(tiny: Size, tmp_path: Path) -> None:
    make(context(tmp_path, quick=True), "pendulum")
    facts = manifest("pendulum", True)
    assert facts["command"] == "priorrl bench learners --only data,pendulum --quick"
    assert facts["seed"] == 0 and facts["env"] == "Pendulum-v1" and facts["config"]["sac"]["hidden"] == [8]
    assert max(facts["curve"], key=lambda point: point[1]) == [facts["expert_step"], facts["expert_return"]]
    for kind in ("medium", "expert"):
        assert facts["sets"][kind]["rows"] == 250 and facts["sets"][kind]["terminated"] == 0
        assert facts["sets"][kind]["truncated"] == 2  # after 200 steps, and the last row
    replay = load_set("pendulum", "medium-replay", True)
    assert replay.size == facts["medium_step"] == facts["sets"]["medium-replay"]["rows"]
    assert bool(replay.columns["truncated"][-1])
    one = learner_data.folder("pendulum", True) / "expert.safetensors"
    one.write_bytes(one.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="expert.safetensors.*not the file of its manifest"):
        manifest("pendulum", True)


def test_missing_data_name_the_command(tiny: Size) -> None:
    with pytest.raises(DataError, match="priorrl bench learners --only data,pendulum"):
        manifest("pendulum", True)


def replay_of(ends: str) -> TransitionReplay:
    """One row a letter: ``t`` terminated, ``c`` cut off, ``.`` goes on; the reward of row i is i."""
    out = TransitionReplay(len(ends), (1,), 1)
    for i, end in enumerate(ends):
        at, zero = np.full(1, i, np.float32), np.zeros(1)
        out.add(Transition(at, np.zeros(1, np.float32), zero, zero, float(i), at + 1, end == "t", end == "c"))
    return out


def test_first_rows_and_returns() -> None:
    assert episode_returns(replay_of("..t.c.")) == [3.0, 7.0]
    cut = first_rows(replay_of("..t.c."), 4)
    assert cut.columns["truncated"].tolist() == [False, False, False, True]
    assert first_rows(replay_of("..t.c."), 3).columns["truncated"].tolist() == [False, False, False]


def test_export_scales_rewards_and_keeps_the_two_ends_apart(tmp_path: Path) -> None:
    with np.load(export(replay_of(".t.c"), 0.5, tmp_path), allow_pickle=False) as f:
        assert f["reward"].tolist() == [0.0, 0.5, 1.0, 1.5]
        assert f["terminated"].tolist() == [False, True, False, False]
        assert f["truncated"].tolist() == [False, False, False, True]


def test_the_judge_is_one_episode_after_another() -> None:
    def act(obs: np.ndarray) -> np.ndarray:
        return np.tanh(obs[:, 2:])  # by the row alone

    judge, env = Judge("Pendulum-v1", 2, 5), ScaledEnv(open_env("Pendulum-v1"))
    alone = []
    for index in range(2):
        obs, total, done = env.reset(episode_seed(5, EVAL_STREAM, index)), 0.0, False
        while not done:
            obs, reward, terminated, truncated, _ = env.step(act(obs[None])[0])
            total, done = total + reward, terminated or truncated
        alone.append(total)
    assert judge.returns(act) == alone == judge.returns(act)


# ---- the two sides ----------------------------------------------------------------------------------

TOY = """
import json, sys
sys.path.insert(0, {folder!r})
import numpy as np
import learner_returns

class Toy:
    "Pushes by half, and notes what it meets."
    def __init__(self, told, line):
        self.env = learner_returns.RemoteEnv(line, told["obs_size"], told["action_size"], 0)
    def online(self, steps, every, look):
        starts, rewards, done = [], [], True
        for step in range(1, steps + 1):
            if done:
                starts.append(self.env.reset()[0].tolist())
            _, reward, terminated, done, _ = self.env.step(np.full(1, 0.5))
            rewards.append(reward)
            if step % every == 0:
                look(step)
        json.dump([starts, rewards], open({out!r}, "w"))
    def act(self, obs):
        return np.full((len(obs), 1), 0.5)

learner_returns.LIBRARIES["sb3"] = Toy
learner_returns.main()
"""


def test_a_peer_meets_our_environment_and_our_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    python, script, out = tmp_path / "bin" / "python", tmp_path / "toy.py", tmp_path / "met.json"
    python.parent.mkdir()
    path = os.environ.get("LD_LIBRARY_PATH", "")
    python.write_text(f"#!/bin/sh\nLD_LIBRARY_PATH='{path}' exec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    script.write_text(TOY.format(folder=str(ROOT / "bench" / "peers"), out=str(out)))
    monkeypatch.setenv("PRIORRL_PEERS", str(tmp_path))
    monkeypatch.setattr(learner_sides, "SCRIPT", str(script))
    peer = Peer(Job("pendulum", "online", "sac", "sb3", 3, 250, TINY), 3, 1, None, tmp_path)
    env, judge, looks = ScaledEnv(open_env("Pendulum-v1")), Judge("Pendulum-v1", 2, 5), []
    try:
        peer.online(env, 250, 100, lambda step: looks.append((step, judge.returns(peer.act))))
    finally:
        peer.close()
    same = judge.returns(lambda obs: np.full((len(obs), 1), 0.5, np.float32))
    assert looks == [(100, same), (200, same)]
    starts, rewards = json.loads(out.read_text())
    assert starts == [env.reset(episode_seed(3, TRAIN_STREAM, i)).tolist() for i in range(2)]
    env.reset(episode_seed(3, TRAIN_STREAM, 1))
    assert rewards[200:] == [env.step(np.full(1, 0.5, np.float32))[1] for _ in range(50)]


def test_missing_peers_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRIORRL_PEERS", str(tmp_path))
    with pytest.raises(UserError, match="pip install -r requirements/peers.txt"):
        learner_sides.peers_python()


def test_our_cells_online_and_offline(tiny: Size, tmp_path: Path) -> None:
    make(context(tmp_path, quick=True), "pendulum")
    jobs = [Job("pendulum", data, name, "priorrl", 0, 210 if data == "online" else 4, tiny)
            for data, name in (("online", "sac"), ("online", "td3"), ("medium", "iql"), ("expert", "awac"),
                               ("medium-replay", "bcq"), ("medium", "bear"))]  # fmt: skip
    cells = run_cells(context(tmp_path), [(str(i), (job, True)) for i, job in enumerate(jobs)], work)
    assert [c["curve_steps"] for c in cells] == [[105, 210]] * 2 + [[2, 4]] * 4
    for cell in cells:
        assert cell["last"] == cell["curve"][-1] and cell["best"] == max(cell["curve"])
        assert all(-2000.0 < v < 0.0 for v in cell["curve"])


# ---- goals -----------------------------------------------------------------------------------------


class TinyReach(gymnasium.Env):
    """A point that an action moves by up to 5 cm; seen and rewarded as the Fetch tasks are."""

    def __init__(self) -> None:
        box = partial(gymnasium.spaces.Box, -np.inf, np.inf, dtype=np.float64)
        self.observation_space = gymnasium.spaces.Dict(
            {"observation": box((3,)), "achieved_goal": box((3,)), "desired_goal": box((3,))})
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def _seen(self) -> dict[str, np.ndarray]:
        return {"observation": self.at.copy(), "achieved_goal": self.at.copy(), "desired_goal": self.goal.copy()}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at, self.goal = np.zeros(3), self.np_random.uniform(-0.2, 0.2, 3)
        return self._seen(), {}

    def step(self, action: np.ndarray) -> Any:
        self.at = self.at + 0.05 * action[:3]
        return self._seen(), float(sparse_reward(*map(torch.tensor, (self.at, self.goal)))), False, False, {}


@pytest.fixture
def reach() -> Any:
    gymnasium.register("TinyFetchReach-v0", TinyReach, max_episode_steps=6)
    yield "TinyFetchReach-v0"
    del gymnasium.registry["TinyFetchReach-v0"]


def test_demonstrations_end_at_their_goals(reach: str) -> None:
    found = demonstrations(reach, 3, 0)
    for episode in found:
        assert episode.obs.shape == (7, 3) and episode.action.shape == (6, 4) and not episode.terminated
        assert np.array_equal(episode.achieved, episode.obs[1:])  # what the state after each step satisfies
        assert np.linalg.norm(episode.achieved[-1] - episode.desired) < 0.05
    assert len({tuple(e.desired) for e in found}) == 3


@pytest.mark.parametrize("algorithm", ["ddpg", "ddpg_demos"])
def test_our_cells_with_goals(reach: str, tmp_path: Path, algorithm: str) -> None:
    size = dataclasses.replace(quick(SIZES["fetchreach"]), env=reach, hidden=(16,), batch=16)
    job = Job("fetchreach", "her", algorithm, "priorrl", 0, 60, size)
    cell = work((dataclasses.replace(job, size=dataclasses.replace(size, random_steps=20)), True))
    assert cell["curve_steps"] == [30, 60] and all(-6.0 <= v <= 0.0 for v in cell["curve"])


def test_batches_end_with_demonstrations_as_they_were(reach: str) -> None:
    size = dataclasses.replace(SIZES["fetchreach"], env=reach, hidden=(8,), batch=32, random_steps=20, demos=5)
    side = GoalSide(Job("fetchreach", "her", "ddpg_demos", "priorrl", 0, 30, size), 9, 4)
    assert side.demos is not None
    side.online(ScaledEnv(open_env(reach)), 30, 30, lambda step: None)
    batch, rows = side._batch(), side.demos.columns
    assert batch.demos == 128 and len(batch.obs) == 160 and side.agent.updates == 10
    same = (batch.obs[:, None] == torch.cat([rows["obs"], rows["desired"]], -1)[:side.demos.size]).all(-1)
    assert same[32:].any(-1).all() and not same[:32].any()  # their goals are not replaced
    assert (batch.action[32:] == rows["action"][same[32:].int().argmax(-1)]).all()


def test_the_peers_goals_are_split_as_ours_are() -> None:
    from bench.peers.learner_returns import GoalEnv, split

    seen = np.arange(20.0).reshape(2, 10)
    parts = split(seen, 3)
    assert parts["observation"].tolist() == seen[:, 6:].tolist()
    assert np.array_equal(with_goal(seen), np.concatenate([parts["observation"], parts["desired_goal"]], -1))
    far = np.array([[0.0, 0.0, 0.049], [0.0, 0.0, 0.051]])
    rewards = GoalEnv.compute_reward(None, far, np.zeros((2, 3)), {})  # type: ignore[arg-type]
    assert rewards.tolist() == sparse_reward(torch.tensor(far), torch.zeros(2, 3)).tolist() == [0.0, -1.0]


# ---- claims -----------------------------------------------------------------------------------------


def cell(library: str, seed: int, last: float, best: float | None = None, **more: Any) -> dict[str, Any]:
    return {"env": "hopper", "data": "medium", "algorithm": "iql", "library": library, "seed": seed, "steps": 10,
            "last": last, "best": last if best is None else best, "seconds": 1.0, **more}  # fmt: skip


def verdicts(ours: list[float], theirs: list[float], ours_best: float | None = None) -> list[str]:
    cells = [cell("priorrl", i, v, ours_best) for i, v in enumerate(ours)]
    return [c.verdict for c in make_claims([*cells, *(cell("d3rlpy", i, v) for i, v in enumerate(theirs))])]


def test_within_or_above_the_spread() -> None:
    assert verdicts([10.0, 20.0], [15.0, 40.0]) == ["holds", "holds"]  # 15 is the peer's worst
    assert verdicts([10.0, 19.0], [15.0, 40.0]) == ["fails", "fails"]
    assert verdicts([10.0, 19.0], [15.0, 40.0], 30.0) == ["fails", "partly"]
    assert verdicts([90.0, 90.0], [15.0, 40.0]) == ["holds", "holds"]


def test_only_whole_pairings_are_claimed() -> None:
    assert verdicts([1.0, 2.0], [1.0]) == [] and verdicts([], [1.0]) == []
    two = [cell("priorrl", 0, 5.0), cell("d3rlpy", 0, 9.0)]
    online = [cell(n, 0, v, data="online", algorithm="sac") for n, v in
              (("priorrl", 5.0), ("d3rlpy", 4.0), ("sb3", 6.0))]  # fmt: skip
    found = make_claims([*two, *online])
    assert [c.verdict for c in found] == ["partly", "holds", "fails", "fails"]
    assert found[0].ours.startswith("1 of 3 pairings (the peers' mean is within or above ours in 2)")
    assert {p.peer for p in pairings(online)} == {"d3rlpy", "sb3"}


def test_demonstrations_are_held_against_the_peers_plain_hindsight() -> None:
    made = [cell(n, 0, v, data="her", algorithm=a) for n, a, v in
            (("priorrl", "ddpg", -30.0), ("sb3", "ddpg", -20.0), ("priorrl", "ddpg_demos", -10.0))]  # fmt: skip
    found = make_claims(made)
    assert [c.verdict for c in found] == ["partly", "fails", "holds"]
    assert "ddpg_demos with hindsight" in found[2].claim and found[2].theirs.startswith("-20.0")


def test_rows_have_last_best_and_the_scale_of_the_data() -> None:
    facts = {"hopper": {"random_return": 20.0, "expert_return": 220.0}}
    (row,) = rows([cell("priorrl", 0, 100.0, 150.0), cell("priorrl", 1, 140.0, 150.0)], facts)
    assert (row["last"], row["last_lowest"], row["last_highest"], row["best"]) == (120.0, 100.0, 140.0, 150.0)
    assert row["last_normalised"] == 50.0 and row["seeds"] == 2
    assert normalised(5.0, None) == ""
