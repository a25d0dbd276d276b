"""Hindsight: row 5.5; which goals, which rewards, whose end; files bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from priorrl_core.data.her import GoalEpisode, GoalReplay, HERConfig, sparse_reward
from priorrl_core.errors import DataError


def episode(steps=4, start=0.0, goal=100.0, **changes):
    """A walk on a line: the state after step t is start + t + 1, which is also the goal achieved."""
    path = start + np.arange(steps + 1, dtype=np.float32)[:, None]
    values = {"obs": path, "action": np.full((steps, 2), 0.5, np.float32), "achieved": path[1:],
              "desired": np.array([goal], np.float32), **changes}
    return GoalEpisode(**values)


def replay(*episodes, capacity=20, ends=None, **her):
    out = GoalReplay(capacity, 1, 2, 1, sparse_reward, HERConfig(**her), ends)
    for e in episodes:
        out.add_episode(e)
    return out


def draws(r, count=4000, seed=0):
    rows = r.sample(count, torch.Generator().manual_seed(seed))
    return rows, rows.obs[:, 0], rows.obs[:, 1]


def test_5_10_sparse_reward_is_strict_at_the_tolerance():
    achieved, desired = torch.tensor([[0.0], [0.049], [0.05]]), torch.zeros(3, 1)
    assert sparse_reward(achieved, desired).tolist() == [0.0, 0.0, -1.0]


def test_future_goals_are_achieved_at_this_or_a_later_step_and_all_occur():
    rows, state, goal = draws(replay(episode()))
    own = goal == 100.0
    assert float(own.float().mean()) == pytest.approx(0.2, abs=0.02)  # k = 4
    for s in range(4):
        seen = goal[(state == s) & ~own]
        assert sorted(set(seen.tolist())) == [float(g) for g in range(s + 1, 5)]
        share = (seen == 4.0).float().mean()
        assert float(share) == pytest.approx(1.0 / (4 - s), abs=0.06)
    assert torch.equal(rows.next_obs[:, 1], goal) and torch.equal(rows.next_obs[:, 0], state + 1)


def test_reward_is_that_of_the_drawn_goal():
    rows, state, goal = draws(replay(episode()))
    assert torch.equal(rows.reward, torch.where(state + 1 == goal, 0.0, -1.0))


def test_5_05_final_reads_half_of_a_failed_episode_with_its_last_state_as_goal():
    rows, state, goal = draws(replay(episode(), strategy="final", k=1.0))
    assert set(goal.tolist()) == {100.0, 4.0}
    assert float((goal == 4.0).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert set(rows.reward[(goal == 4.0) & (state == 3.0)].tolist()) == {0.0}
    assert set(rows.reward[(goal == 100.0)].tolist()) == {-1.0}


def test_goals_never_come_from_another_episode():
    _, state, goal = draws(replay(episode(3), episode(5, start=50.0)))
    own = goal == 100.0
    assert ((goal > 49.0) == (state > 49.0))[~own].all()


def test_k_0_is_no_hindsight():
    assert set(draws(replay(episode(), k=0.0))[2].tolist()) == {100.0}


def test_a_full_replay_gives_up_the_oldest_steps_and_keeps_futures_apart():
    r = replay(episode(4), episode(4, start=50.0), episode(4, start=80.0), capacity=10)
    _, state, goal = draws(r)
    assert set(state.tolist()) == {2.0, 3.0, 50.0, 51.0, 52.0, 53.0, 80.0, 81.0, 82.0, 83.0}
    own = goal == 100.0
    for low, high in ((0.0, 4.0), (50.0, 54.0), (80.0, 84.0)):
        inside = (state >= low) & (state < high) & ~own
        assert (goal[inside] > state[inside]).all() and (goal[inside] <= high).all()


def test_law_5_a_cut_off_episode_terminates_nowhere_and_an_ended_one_at_its_last_step():
    rows, state, _ = draws(replay(episode(), episode(3, start=50.0, terminated=True)))
    assert set(rows.terminated[state < 49.0].tolist()) == {0.0}
    assert torch.equal(rows.terminated, (state == 52.0).float())


def test_an_end_that_depends_on_the_goal_is_judged_anew():
    r = replay(episode(terminated=True), ends=lambda achieved, desired: (achieved == desired)[:, 0])
    rows, state, goal = draws(r)
    assert torch.equal(rows.terminated, (state + 1 == goal).float()) and 0.0 in rows.terminated[state == 3.0]


def test_saved_and_loaded_bit_for_bit(tmp_path):
    r = replay(episode(4), episode(4, start=50.0), episode(4, start=80.0), capacity=10, strategy="final", k=1.0)
    r.save(tmp_path / "replay")
    other = GoalReplay.load(tmp_path / "replay", sparse_reward)
    for one in (r, other):
        one.add_episode(episode(2, start=20.0))
    assert other.config == r.config and other.added == r.added
    one, two = (x.sample(64, torch.Generator().manual_seed(3)) for x in (r, other))
    assert all(torch.equal(getattr(one, f), getattr(two, f)) for f in ("obs", "action", "reward", "next_obs"))


@pytest.mark.parametrize(("changes", "message"), [
    ({"obs": np.zeros((4, 1), np.float32)}, "'obs' has shape"), ({"desired": np.zeros(2)}, "'desired' has shape"),
    ({"achieved": np.full((4, 1), np.nan)}, "'achieved' is not finite"),
    ({"action": np.full((4, 2), 2.0)}, "'action' lies outside"),
])  # fmt: skip
def test_bad_episodes_are_refused(changes, message):
    r = replay(episode())
    with pytest.raises(DataError, match=message):
        r.add_episode(dataclasses.replace(episode(), **changes))
    assert r.added == 4


def test_too_long_episodes_and_empty_replays_say_so():
    with pytest.raises(DataError, match="does not fit"):
        replay(episode(5), capacity=4)
    with pytest.raises(DataError, match="empty"):
        replay().sample(1, torch.Generator())
