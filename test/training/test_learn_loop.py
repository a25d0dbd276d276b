"""The one loop from offline to online: the same bits after an interruption, what it keeps, and that it learns."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from point_learn import HIGH, HORIZON, LOW, PointImage, PointReach, image_data, mixed_data

from priorrl_core.agents.awac import AWACConfig
from priorrl_core.agents.bc import BCConfig
from priorrl_core.agents.bcq import BCQConfig
from priorrl_core.agents.bear import BEARConfig
from priorrl_core.agents.ddpg import DDPGConfig
from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.kl_bear import KLBEARConfig
from priorrl_core.agents.mpo import MPOConfig
from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.sacfd import SACfDConfig
from priorrl_core.agents.speed import SpeedConfig
from priorrl_core.agents.svg import SVGConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.data.her import HERConfig
from priorrl_core.data.tensor_files import read_tensors
from priorrl_core.errors import ConfigError, DataError, UserError
from priorrl_core.perception.small_encoder import SmallEncoderConfig
from priorrl_core.training.agent_factory import make_agent
from priorrl_core.training.gym_env import ScaledEnv
from priorrl_core.training.learn_config import LearnConfig, list_agents, load_learn_config
from priorrl_core.training.learn_files import BACKUP, BEST, BEST_KIND, KIND, LAST, load_data, load_run_agent, save_state
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.metrics_log import FILE, read_metrics
from priorrl_core.training.runtime import configure_torch

SMALL_IMAGE = SmallEncoderConfig((4, 4, 4), 8)
TINY, FAST = {"hidden": (8, 8)}, {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02}
QUICK = {**FAST, "actor_rate": 3e-3, "critic_rate": 3e-3}
RLPD = {"critics": 4, "target_critics": 2, "layer_norm": True, "actor_q": "mean", "actor_every": 2}
SNIPPETS = {"policy_trunk": (8,), "policy_head": (), "critic_trunk": (8,), "critic_head": (), "action_samples": 3}
SNIPPET_AGENTS = ("mpo", "svg", "kl_bear")
SMALL = {
    "awac": {"awac": AWACConfig(**TINY)}, "bc": {"bc": BCConfig(**TINY)}, "ddpg": {"ddpg": DDPGConfig(**TINY)},
    "bcq": {"bcq": BCQConfig(**TINY, vae_hidden=(8,))}, "bear": {"bear": BEARConfig(**TINY, vae_hidden=(8,))},
    "iql": {"iql": IQLConfig(**TINY)}, "sac": {"sac": SACConfig(**TINY, **RLPD)}, "td3": {"td3": TD3Config(**TINY)},
    "mpo": {"mpo": MPOConfig(**SNIPPETS)}, "svg": {"svg": SVGConfig(**SNIPPETS, prior="none")},
    "kl_bear": {"kl_bear": KLBEARConfig(**SNIPPETS)},
    "sacfd": {"sacfd": SACfDConfig(**TINY, clone_updates=22, bc_weight=0.5, q_filter=True)},
}


@pytest.fixture(autouse=True)
def one_thread():
    configure_torch()


def config(agent: str = "iql", **changes) -> LearnConfig:
    small = {"batch_size": 16, "offline_epoch": 10, "online_epoch": 20, "eval_episodes": 2, "replay": 35}
    return LearnConfig("small", agent, **{**SMALL[agent], **small, **changes})


def plan(offline: int = 25, online: int = 50, seed: int = 0, **changes) -> LearnPlan:
    facts = {"make_env": PointReach, "env_name": "point", "data": mixed_data(4) if offline else None}
    return LearnPlan(offline, online, seed, **{**facts, **changes})


def image_plan(offline: int = 25, online: int = 50, **changes) -> LearnPlan:
    return plan(offline, online, **{"make_env": PointImage, "data": image_data(4) if offline else None, **changes})


class Cut(Exception):
    """Ctrl-C, at a given count of reports or steps."""


def cut_short(folder: Path, settings: LearnConfig, what: LearnPlan, phase: str, at: int) -> None:
    """The run until shortly after ``at`` updates or steps of ``phase``, where it is killed within an epoch."""
    loop = LearnLoop(settings, what, folder)
    name = "pretrain" if phase == "offline" else "practise"
    original = getattr(loop.learner, name)

    def counted():
        if getattr(loop.counters, phase) >= at:
            raise Cut
        return original()

    setattr(loop.learner, name, counted)
    with pytest.raises(Cut):
        loop.run()


def content(folder: Path) -> tuple[bytes, bytes, bytes, bytes]:
    return tuple((folder / name).read_bytes() for name in (LAST, BACKUP, BEST, FILE))  # type: ignore[return-value]


@pytest.mark.parametrize("seen", ["state", "image"])
@pytest.mark.parametrize("agent", sorted(SMALL))
def test_interrupted_and_resumed_is_the_uninterrupted_run_bit_for_bit(agent, seen, tmp_path):
    """Cut within the offline phase, then within the online one, in the middle of an episode."""
    image = {} if seen == "state" else {"image": SMALL_IMAGE, "random_shift": 2}
    settings = config(agent, sampling="symmetric", random_steps=15, demo_rows=0 if agent in SNIPPET_AGENTS else 4,
                      **image)
    what = plan() if seen == "state" else image_plan()
    LearnLoop(settings, what, tmp_path / "whole").run()
    cut_short(tmp_path / "cut", settings, what, "offline", 17)
    again = LearnLoop(settings, what, tmp_path / "cut", resume=True)
    assert (again.counters.offline, again.resumed_from) == (10, LAST)
    again.close()
    (tmp_path / "twice").mkdir()
    for path in (tmp_path / "cut").glob("*.*"):
        (tmp_path / "twice" / path.name).write_bytes(path.read_bytes())
    cut_resumed(tmp_path / "twice", settings, 33, what)
    second = LearnLoop(settings, what, tmp_path / "twice", resume=True)
    assert (second.counters.offline, second.counters.online) == (25, 20)
    second.run()
    assert content(tmp_path / "twice") == content(tmp_path / "whole")


@pytest.mark.parametrize("changes", [{"chunk": 2}, {"speed": SpeedConfig(bf16=True)}], ids=["chunk", "bf16"])
def test_decisions_of_two_steps_and_bfloat16_resume_bit_for_bit_and_not_as_the_other(changes, tmp_path):
    settings, what = config("sac", sampling="symmetric", random_steps=5), plan(**changes)
    LearnLoop(settings, what, tmp_path / "whole").run()
    cut_short(tmp_path / "cut", settings, what, "online", 33)
    with pytest.raises(DataError, match="of other settings"):
        LearnLoop(settings, plan(), tmp_path / "cut", resume=True)
    LearnLoop(settings, what, tmp_path / "cut", resume=True).run()
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def cut_resumed(folder: Path, settings: LearnConfig, at: int, what: LearnPlan) -> None:
    loop = LearnLoop(settings, what, folder, resume=True)
    original = loop.learner.practise

    def counted():
        if loop.counters.online >= at:
            raise Cut
        return original()

    loop.learner.practise = counted  # type: ignore[method-assign]
    with pytest.raises(Cut):
        loop.run()


def test_resuming_goes_on_from_the_backup_if_last_is_damaged(tmp_path):
    LearnLoop(config(), plan(), tmp_path / "whole").run()
    cut_short(tmp_path / "cut", config(), plan(), "online", 45)
    last = tmp_path / "cut" / LAST
    last.write_bytes(last.read_bytes()[:-100])
    again = LearnLoop(config(), plan(), tmp_path / "cut", resume=True)
    assert again.resumed_from == BACKUP and again.counters.online == 20
    assert last.read_bytes() == (tmp_path / "cut" / BACKUP).read_bytes()
    again.run()
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_killed_between_metrics_and_checkpoint_writes_no_row_twice(tmp_path, monkeypatch):
    LearnLoop(config(), plan(), tmp_path / "whole").run()
    saves = []

    def save(*args):
        saves.append(args)
        if len(saves) == 3:
            raise Cut
        save_state(*args)

    monkeypatch.setattr("priorrl_core.training.learn_loop.save_state", save)
    with pytest.raises(Cut):
        LearnLoop(config(), plan(), tmp_path / "cut").run()
    assert len(read_metrics(tmp_path / "cut")) == 3
    LearnLoop(config(), plan(), tmp_path / "cut", resume=True).run()
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_a_finished_run_can_be_lengthened_and_is_the_long_one(tmp_path):
    """Epochs of 20 steps: the short run's end is one of the long run's epochs."""
    LearnLoop(config(), plan(online=60), tmp_path / "long").run()
    LearnLoop(config(), plan(online=20), tmp_path / "short").run()
    LearnLoop(config(), plan(online=60), tmp_path / "short", resume=True).run()
    assert content(tmp_path / "short") == content(tmp_path / "long")


def test_other_settings_data_or_seed_are_not_resumed(tmp_path):
    LearnLoop(config(), plan(10, 0), tmp_path).run()
    with pytest.raises(UserError, match="--resume"):
        LearnLoop(config(), plan(10, 0), tmp_path)
    for settings, what in ((config(batch_size=8), plan(10, 0)), (config(), plan(10, 0, seed=1)),
                           (config(), plan(10, 0, data=mixed_data(4, seed=8))), (config(), plan(11, 0))):
        with pytest.raises(DataError, match="other settings, data, environment or seed"):
            LearnLoop(settings, what, tmp_path, resume=True)


def test_last_backup_and_best_are_what_they_say(tmp_path):
    loop = LearnLoop(config(**{"iql": IQLConfig(**QUICK)}), plan(60, 40), tmp_path)
    loop.run()
    rows = read_metrics(tmp_path)
    judged = [float(row["eval/return"]) for row in rows]
    counters = {}
    for name, kind in ((LAST, KIND), (BACKUP, KIND), (BEST, BEST_KIND)):
        counters[name] = json.loads(read_tensors(tmp_path / name, kind)[1]["counters"])
    best = judged.index(max(judged))
    assert counters[LAST]["metric_rows"] == len(rows) and counters[BACKUP]["metric_rows"] == len(rows) - 1
    assert counters[BEST]["metric_rows"] == best + 1 and counters[BEST]["best_return"] == max(judged)
    assert 0 < best and loop.counters.best_return == max(judged)
    obs = torch.rand(20, 2)
    assert torch.equal(load_run_agent(tmp_path, "last").act(obs, True), loop.learner.agent.act(obs, True))
    loop.learner.agent = load_run_agent(tmp_path, "best")
    assert loop._evaluate().means("eval")["eval/return"] == max(judged)


@pytest.mark.parametrize("agent", ["iql", "sac"])
def test_evaluation_leaves_learning_alone(agent, tmp_path):
    """Other numbers of evaluations, the same last agent; its environment and its seeds are its own."""
    made = []

    def make() -> PointReach:
        made.append(PointReach())
        return made[-1]

    last = []
    for episodes in (1, 5):
        loop = LearnLoop(config(agent, eval_episodes=episodes), plan(make_env=make), tmp_path / str(episodes))
        loop.run()
        last.append(loop.learner.tensors())
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    practised, judged = made[2].resets, made[3].resets
    assert not set(practised) & set(judged) and judged == judged[:5] * (len(judged) // 5)
    assert practised == made[0].resets and len(set(practised)) == len(practised)


def test_truncated_episodes_bootstrap_and_terminated_ones_do_not(tmp_path):
    """In the buffer as the environment said; an agent's target of a truncated step counts what comes after."""
    loop = LearnLoop(config("sac", replay=400), plan(0, 300, make_env=lambda: PointReach(ends=True)), tmp_path)
    loop.learner.act = lambda obs, explore: np.clip(-obs / 0.25, -1.0, 1.0)  # type: ignore[method-assign]
    env = loop._env.env  # type: ignore[union-attr]
    original = env.step
    env.step = lambda action: original(action if env.np_random.random() < 0.8 else HIGH.astype(np.float32))
    loop.run()
    columns = loop.learner.buffer.practised().columns
    ended, cut = columns["terminated"], columns["truncated"]
    assert int(ended.sum()) > 10 and int(cut.sum()) > 0 and not bool((ended & cut).any())
    assert bool((columns["next_obs"][ended].norm(dim=1) < 0.03).all())
    rows = torch.cat([ended.nonzero()[:1, 0], cut.nonzero()[:1, 0]])
    batch = loop.learner.buffer.batch(rows)
    target = loop.learner.agent.target(batch)
    assert float(target[0]) == float(batch.reward[0]) and float(target[1]) != float(batch.reward[1])


def test_commands_are_the_box_and_the_replay_holds_the_policys_action(tmp_path):
    loop = LearnLoop(config(replay=400), plan(), tmp_path)
    loop.run()
    columns = loop.learner.buffer.practised().columns
    wanted = torch.from_numpy(LOW) + (columns["action"].double() + 1.0) / 2.0 * torch.from_numpy(HIGH - LOW)
    assert torch.allclose(columns["executed"], wanted, atol=1e-6) and float(columns["action"].abs().max()) <= 1.0
    env = ScaledEnv(PointReach())
    assert env.command(np.full(2, -1.0)).tolist() == LOW.tolist()
    assert env.command(np.full(2, 1.0)).tolist() == HIGH.tolist() and env.command(np.zeros(2)).tolist() == [0.0, 0.5]


def test_metrics_have_flat_names_and_their_phase(tmp_path):
    LearnLoop(config(), plan(), tmp_path).run()
    rows = read_metrics(tmp_path)
    assert [row["phase"] for row in rows] == ["start"] + ["offline"] * 3 + ["online"] * 3
    assert [int(row["step"]) for row in rows] == [0, 10, 20, 25, 45, 65, 75]
    flat = {name for row in rows for name in row} - {"phase", "step", "offline", "online"}
    assert flat >= {"trainer/updates", "trainer/critic_loss", "expl/return", "eval/return", "eval/length"}
    assert all(name.startswith(("trainer/", "expl/", "eval/")) for name in flat)
    assert rows[-1]["eval/length"] == str(float(HORIZON)) and "expl/return" not in rows[1]


def test_7_16_updates_a_second_are_measured_over_the_updates_alone(tmp_path, monkeypatch):
    """25 updates on data and 50 online, of 0.1 s each by the clock that the loop reads; the environment's time is not
    counted."""
    now = [0.0]

    class Clock:
        @staticmethod
        def perf_counter():
            return now[0]

    monkeypatch.setattr("priorrl_core.training.learn_loop.time", Clock)
    loop = LearnLoop(config(), plan(), tmp_path)
    real, step = loop.learner.agent.update, loop._env.step  # type: ignore[union-attr]

    def slow(batch):
        now[0] += 0.1
        return real(batch)

    def walk(action):
        now[0] += 7.0
        return step(action)

    loop.learner.agent.update, loop._env.step = slow, walk
    assert loop.run()["updates_per_s"] == 10.0 and loop.learner.agent.updates == 75


def test_offline_alone_needs_no_environment(tmp_path):
    result = LearnLoop(config("bc"), LearnPlan(20, 0, data=mixed_data(4)), tmp_path).run()
    assert result["updates"] == 20 and result["best_return"] is None and not (tmp_path / BEST).exists()
    for wrong, word in (((5, 0), "data"), ((0, 5), "environment"), ((0, 0), "nothing to do")):
        with pytest.raises(ConfigError, match=word):
            LearnPlan(*wrong)


@pytest.mark.parametrize("agent", ["iql", "awac"])
def test_online_ends_above_offline_and_loses_less_than_a_tenth_on_the_way(agent, tmp_path):
    """Standing still gives -8, the best is near -1. No online evaluation falls below the offline level by more than a
    tenth of what pretraining gained."""
    quick = {"iql": IQLConfig(**QUICK), "awac": AWACConfig(**QUICK), "batch_size": 64, "replay": 1000}
    settings = config(agent, **{**quick, "offline_epoch": 150, "online_epoch": 100, "eval_episodes": 16})
    loop = LearnLoop(settings, plan(300, 400, data=mixed_data()), tmp_path)
    loop.run()
    judged = [float(row["eval/return"]) for row in loop.log.rows]
    start, offline, online = judged[0], judged[2], judged[3:]
    assert offline > start + 4.0 and online[-1] > offline
    assert min(online) > offline - 0.1 * (offline - start)


# ---- what is packaged, and what is refused ------------------------------------------------------------


def test_agents_that_learn_from_snippets_say_what_they_cannot(tmp_path):
    for changes, word in (({"demo_rows": 4}, "demo_rows"), ({"her": HERConfig()}, "nor her"),
                          ({"batch_size": 3}, "below one snippet"), ({"mpo": MPOConfig(tasks=2)}, "tasks must be 1")):
        with pytest.raises(ValueError, match=word):
            config("mpo", **changes)
    with pytest.raises(ConfigError, match="leave --chunk out"):
        LearnLoop(config("mpo"), plan(chunk=2), tmp_path)


def test_presets_are_named_as_their_files_and_make_an_agent():
    assert set(SMALL) | {"rlpd", "wsrl", "ddpg_her", "abm_mpo", "bm_mpo", "abm_svg", "bm_svg"} == set(list_agents())
    for name in list_agents():
        settings = load_learn_config(name)
        agent = make_agent(settings, 3, 2, 0)
        assert settings.name == name and agent.act(torch.zeros(1, 3), True).shape == (1, 2)
    with pytest.raises(ConfigError, match="did you mean 'rlpd'"):
        load_learn_config("rlpdd")
    with pytest.raises(ValueError, match="batch_size"):
        dataclasses.replace(load_learn_config("iql"), batch_size=0)


def damaged(tmp_path: Path, column: str, value: float) -> Path:
    data = mixed_data(2)
    data.columns[column][3] = value
    data.save(tmp_path / "data.safetensors")
    return tmp_path / "data.safetensors"


@pytest.mark.parametrize(("column", "value"), [("obs", np.nan), ("next_obs", np.inf), ("reward", np.nan),
                                               ("action", 1.5)])
def test_bad_data_are_refused_by_file_column_and_row(column, value, tmp_path):
    with pytest.raises(DataError, match=f"data.safetensors.*'{column}'.*row 3"):
        load_data(damaged(tmp_path, column, value))


def test_data_of_another_environment_are_refused(tmp_path):
    mixed_data(2).save(tmp_path / "data.safetensors")
    assert load_data(tmp_path / "data.safetensors", 2, 2).size == 2 * HORIZON
    with pytest.raises(DataError, match="'obs' has 2 numbers, the environment's has 3"):
        load_data(tmp_path / "data.safetensors", 3, 2)
    image_data(2).save(tmp_path / "images.safetensors")
    with pytest.raises(DataError, match=r"images.safetensors.*'obs' has images \(1, 16, 16\), the .* has 2 numbers"):
        load_data(tmp_path / "images.safetensors", 2, 2)


@pytest.mark.parametrize(("space", "value"), [("action_space", gym.spaces.Discrete(2)),
                                              ("action_space", gym.spaces.Box(-np.inf, np.inf, (2,))),
                                              ("observation_space", gym.spaces.Box(0, 255, (8, 8, 3), np.uint8))])
def test_spaces_that_cannot_be_learned_in_are_refused(space, value):
    env = PointReach()
    setattr(env, space, value)
    with pytest.raises(ConfigError, match="this loop learns"):
        ScaledEnv(env)
