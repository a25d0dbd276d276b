"""Goals and hindsight in the one loop: what is drawn, what the agent sees, the same bits after an interruption."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goal_point import HORIZON, PointGoal, wandering
from point_learn import PointReach

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.data.her import HERConfig
from priorrl_core.data.transitions import Transition
from priorrl_core.errors import ConfigError
from priorrl_core.training.goal_env import GoalEnv
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_files import BACKUP, BEST, LAST, load_run_agent
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.metrics_log import FILE, read_metrics
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.runtime import configure_torch

TINY = {"hidden": (8, 8)}
AGENTS = {"awac": AWACConfig(**TINY), "ddpg": DDPGConfig(**TINY), "iql": IQLConfig(**TINY), "sac": SACConfig(**TINY),
          "td3": TD3Config(**TINY)}


@pytest.fixture(autouse=True)
def one_thread():
    configure_torch()


def config(agent="ddpg", her=HERConfig(), **changes) -> LearnConfig:  # noqa: B008
    small = {agent: AGENTS[agent], "batch_size": 16, "offline_epoch": 10, "online_epoch": 20, "eval_episodes": 2,
             "replay": 35, "her": her}
    return LearnConfig("small", agent, **{**small, **changes})


def plan(offline=20, online=50, **changes) -> LearnPlan:
    facts = {"make_env": PointGoal, "env_name": "goal", "data": wandering(4) if offline else None}
    return LearnPlan(offline, online, 0, **{**facts, **changes})


def learner(data=None, capacity=400, her=HERConfig(), env=None, **changes) -> OfflineOnlineLearner:  # noqa: B008
    task = GoalEnv(env or PointGoal()).goal_task()
    return OfflineOnlineLearner(config(her=her, replay=capacity, **changes), 6, 2, 0, data, goals=task)


def practise(own: OfflineOnlineLearner, env: GoalEnv, episodes: int, first: int = 0) -> None:
    """Random episodes, stored as the loop does."""
    rng = np.random.default_rng(first)
    for number in range(first, first + episodes):
        obs, done = env.reset(number), False
        while not done:
            action = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
            following, reward, ended, cut, command = env.step(action)
            own.add(Transition(obs, action, np.zeros(2), command, reward, following, ended, cut and not ended))
            obs, done = following, ended or cut


# ---- what is drawn -----------------------------------------------------------------------------------


def test_observations_are_observation_desired_achieved_whatever_their_order_in_the_space():
    env = GoalEnv(PointGoal())
    obs = env.reset(3)
    inner = env.env.unwrapped
    assert obs.dtype == np.float32 and env.obs_size == 6 and env.goal_size == 2
    assert np.allclose(obs, np.concatenate([2.0 * inner.point, inner.goal, inner.point]))
    env.step(np.ones(2))
    assert env.success in (0.0, 1.0)


@pytest.mark.parametrize("strategy", ["future", "final"])
@pytest.mark.parametrize("source", ["data", "practice"])
def test_goals_were_achieved_later_in_the_same_episode_and_judged_anew(strategy, source):
    """Each step's row is known by its observation."""
    own = learner(wandering(12) if source == "data" else None, her=HERConfig(strategy, 4.0))
    if source == "practice":
        practise(own, GoalEnv(PointGoal()), 12)
    table, prior = own.buffer.table.columns, own.buffer.prior
    count = 12 * HORIZON
    rows = torch.arange(count).repeat(30) + (0 if source == "data" else prior)
    batch = own.hindsight.batch(rows, 0, torch.Generator().manual_seed(0))
    assert batch.obs.shape == (len(rows), 4) and torch.equal(batch.obs[:, :2], table["obs"][rows, :2])
    achieved, goal = table["next_obs"][rows, 4:], batch.obs[:, 2:]
    assert torch.equal(goal, batch.next_obs[:, 2:])
    changed = (goal != table["obs"][rows, 2:4]).any(1)
    assert float(changed.float().mean()) == pytest.approx(0.8, abs=0.03)  # k = 4
    mine, every = (rows - rows.min())[changed, None], torch.arange(count)
    matches = (goal[changed, None] == table["next_obs"][rows.min():rows.min() + count, 4:][None]).all(2)
    allowed = (every // HORIZON == mine // HORIZON) & (every >= mine)
    if strategy == "final":
        allowed &= every % HORIZON == HORIZON - 1
    assert (matches & allowed).any(1).all()
    if strategy == "future":
        ahead = ((matches & allowed).float().argmax(1) - mine.squeeze(1))[mine.squeeze(1) % HORIZON == 0]
        assert set(ahead.tolist()) == set(range(HORIZON))
    wanted = ((achieved - goal).norm(dim=1) < 0.15).float() - 1.0
    assert torch.equal(batch.reward, wanted) and (batch.reward[changed] == 0.0).any()


def test_k_0_changes_nothing_and_the_agent_does_not_see_what_is_achieved():
    own = learner(wandering(4), her=HERConfig(k=0.0))
    rows, table = torch.arange(40), own.buffer.table.columns
    batch = own.hindsight.batch(rows, 0, torch.Generator().manual_seed(0))
    assert torch.equal(batch.obs, table["obs"][:, :4][:40]) and torch.equal(batch.reward, table["reward"][:40])
    obs = table["obs"][0].numpy()
    other = np.concatenate([obs[:4], obs[4:] + 1.0])
    assert own.obs_size == 4 and np.array_equal(own.act(obs, False), own.act(other, False))


def test_the_followers_of_a_row_are_counted_alike_step_by_step_and_anew():
    """Through a replay that goes round, in which the oldest episode loses its head, and with data that went round."""
    data = wandering(4)
    round_data = type(data)(35, (6,), 2)
    for i in range(40):
        c = {name: column[i].numpy() for name, column in data.columns.items()}
        round_data.add(Transition(c["obs"], c["action"], c["base"], c["executed"], float(c["reward"]), c["next_obs"],
                                  bool(c["terminated"]), bool(c["truncated"])))
    own = learner(round_data, capacity=35)
    assert own.hindsight.later[:35].tolist() == [*range(4, -1, -1), *range(4, -1, -1), *list(range(9, -1, -1)) * 2,
                                                 *range(9, 4, -1)]
    for number in range(6):
        practise(own, GoalEnv(PointGoal()), 1, number)
        stepwise = own.hindsight.later.clone()
        own.hindsight.recount()
        filled = 35 + own.buffer.practice
        assert torch.equal(stepwise[:filled], own.hindsight.later[:filled])
    wrapped = torch.arange(35)
    sources = own.hindsight.sources(wrapped, torch.full((35,), 0.999, dtype=torch.float64))
    assert own.buffer.table.columns["truncated"][sources].all()


def test_an_end_that_depends_on_the_goal_is_judged_anew():
    own = learner(env=PointGoal(ends=True))
    practise(own, GoalEnv(PointGoal(ends=True)), 8)
    rows = torch.arange(own.buffer.practice)
    batch = own.hindsight.relabelled(rows, torch.ones(len(rows), dtype=torch.bool), rows)
    assert (batch.reward == 0.0).all() and (batch.terminated == 1.0).all()  # each at its own goal
    plain = own.hindsight.relabelled(rows, torch.zeros(len(rows), dtype=torch.bool), rows)
    assert torch.equal(plain.terminated, own.buffer.table.columns["terminated"][rows].float())


def test_demonstration_rows_are_relabelled_too_and_come_last():
    own = learner(wandering(4), her=HERConfig("final", 1.0), demo_rows=6)
    practise(own, GoalEnv(PointGoal()), 2)
    batch = own.sample(0.0)
    assert batch.demos == 6 and len(batch.reward) == 22
    goals = own.buffer.table.columns["obs"][:40, 2:4]
    many = torch.cat([own.sample(0.0).obs[-6:, 2:] for _ in range(100)])
    share = (many[:, None] == goals[None]).all(2).any(1).float().mean()
    assert 0.4 < float(share) < 0.6


# ---- the loop ----------------------------------------------------------------------------------------


class Cut(Exception):
    """Ctrl-C."""


def stop(loop: LearnLoop, name: str, phase: str, at: int) -> None:
    real = getattr(loop.learner, name)

    def counted():
        if getattr(loop.counters, phase) >= at:
            raise Cut
        return real()

    setattr(loop.learner, name, counted)
    with pytest.raises(Cut):
        loop.run()


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_with_goals_interrupted_and_resumed_is_the_uninterrupted_run_bit_for_bit(agent, tmp_path):
    settings = config(agent, sampling="symmetric", random_steps=15, demo_rows=4)
    LearnLoop(settings, plan(), tmp_path / "whole").run()
    stop(LearnLoop(settings, plan(), tmp_path / "cut"), "pretrain", "offline", 13)
    stop(LearnLoop(settings, plan(), tmp_path / "cut", resume=True), "practise", "online", 33)
    again = LearnLoop(settings, plan(), tmp_path / "cut", resume=True)
    assert (again.counters.offline, again.counters.online) == (20, 20)
    again.run()
    for name in (LAST, BACKUP, BEST, FILE):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    rows = read_metrics(tmp_path / "whole")
    assert all(0.0 <= float(row["eval/success"]) <= 1.0 for row in rows) and "expl/success" in rows[-1]
    agent = load_run_agent(tmp_path / "whole", "last")
    assert agent.act(torch.zeros(1, 4), True).shape == (1, 2)


def test_hindsight_learns_from_goals_that_were_never_met(tmp_path):
    """TD3 on wandering episodes and a little practice, three seeds: with hindsight most goals are reached."""
    quick = TD3Config(hidden=(32, 32), discount=0.9, target_rate=0.05, actor_rate=3e-3, critic_rate=3e-3,
                      initial_scale=1.0)
    success = {}
    for k in (4.0, 0.0):
        for seed in range(3):
            settings = config("td3", HERConfig(k=k), td3=quick, batch_size=128, replay=1000, offline_epoch=500,
                              online_epoch=100, eval_episodes=20)
            what = LearnPlan(500, 100, seed, PointGoal, "goal", wandering(40))
            loop = LearnLoop(settings, what, tmp_path / f"{k}{seed}")
            loop.run()
            success[k, seed] = float(loop.log.rows[-1]["eval/success"])
    with_her, without = ([success[k, s] for s in range(3)] for k in (4.0, 0.0))
    assert min(with_her) > 0.7 and np.mean(with_her) > np.mean(without) + 0.3


# ---- what is refused ---------------------------------------------------------------------------------


def test_what_has_no_goals_or_no_environment_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="leave 'her' out"):
        GoalEnv(PointReach())
    with pytest.raises(ConfigError, match="give --env"):
        LearnLoop(config(), LearnPlan(5, 0, data=wandering(2)), tmp_path / "a")
    with pytest.raises(ConfigError, match="--chunk"):
        LearnLoop(config(), plan(chunk=2), tmp_path / "b")
    assert LearnLoop(config(her=None), plan(0, 5), tmp_path / "c").learner.obs_size == 6
