"""``priorrl learn``: one short run through data, pretraining and practice, and its mistakes in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from priorrl_core.agents.iql_state import IQLConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.cli.main import main
from priorrl_core.data.her import HERConfig
from priorrl_core.data.tensor_files import read_tensors
from priorrl_core.training import threads
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_files import load_run_agent
from priorrl_core.training.runtime import configure_torch

SMALL = """name: small
agent: iql
iql: {hidden: [8, 8]}
batch_size: 16
offline_epoch: 20
online_epoch: 200
eval_episodes: 1
episode_steps: 50
"""


@pytest.fixture
def folder(in_tmp: Path) -> Path:
    Path("small.yaml").write_text(SMALL)
    Path("wrong.yaml").write_text(SMALL.replace("agent: iql", "agent: iqk"))
    Path("mine.yaml").write_text(SMALL.replace("batch_size", "batch_sise"))
    Path("not_data.safetensors").write_text("x")
    return in_tmp


def learn(*words: str) -> int:
    return main(["learn", *words])


def test_collects_then_learns_from_it_and_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--config", "small.yaml", "--env", "Pendulum-v1", "--json")
    assert learn(*common, "--online-steps", "100", "--collect", "data/own.safetensors", "--out", "first") == 0
    more = (*common, "--data", "data/own.safetensors", "--offline-steps", "20", "--out", "second")
    assert learn(*more) == 0
    assert learn(*more, "--online-steps", "100", "--resume") == 0
    out, err = capsys.readouterr()
    result = json.loads(out.strip().splitlines()[-1])
    assert (result["offline_steps"], result["online_steps"], result["updates"]) == (20, 100, 120)
    assert result["agent"] == "iql" and result["best_return"] >= result["last_return"] and "goes on from" in err
    assert {"last.safetensors", "backup.safetensors", "best.safetensors", "metrics.csv",
            "run.json"} <= {p.name for p in Path("second").iterdir()}


def test_several_seeds_are_runs_of_their_own_with_their_mean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--config", "small.yaml", "--env", "Pendulum-v1", "--online-steps", "60", "--json")
    assert learn(*common, "--seed", "2", "--out", "alone") == learn(*common, "--seeds", "2", "--seed", "1",
                                                                    "--out", "both") == 0
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    alone, both = out
    assert [run["seed"] for run in both["seeds"]] == [1, 2]
    assert both["seeds"][1]["last_return"] == alone["last_return"]
    assert both["last_return"] == pytest.approx(sum(run["last_return"] for run in both["seeds"]) / 2)
    assert (Path("both/seed_2/best.safetensors").read_bytes() == Path("alone/best.safetensors").read_bytes())
    assert learn(*common, "--seeds", "2", "--collect", "own.safetensors") == 2
    assert "leave --seeds out" in capsys.readouterr().err


def test_threads_are_measured_told_and_kept_on_resuming(folder: Path, capsys: pytest.CaptureFixture[str],
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    common = ("--config", "small.yaml", "--env", "Pendulum-v1", "--json", "--threads", "0", "--out", "one")
    monkeypatch.setattr(threads, "measure", lambda *_: {1: 100.0, 2: 170.0})
    assert learn(*common, "--online-steps", "50") == 0
    monkeypatch.setattr(threads, "measure", lambda *_: pytest.fail("measured again"))
    assert learn(*common, "--online-steps", "100", "--resume") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["threads"] for line in out.splitlines() if line.startswith("{")] == [2, 2]
    assert "100 on 1 thread, 170 on 2 threads; takes 2" in err
    configure_torch()


def test_threads_that_do_not_pay_are_not_taken() -> None:
    assert threads.fastest({1: 100.0, 2: 109.0}) == threads.fastest({1: 100.0, 2: 50.0}) == 1
    rates = threads.measure(LearnConfig("x", "iql", iql=IQLConfig(hidden=(8, 8)), batch_size=8), 3, 1, 0.1)
    goals = LearnConfig("x", "td3", her=HERConfig(), return_range=True, batch_size=8, td3=TD3Config(hidden=(8, 8)))
    assert min(threads.measure(goals, 3, 1, 0.1).values()) > 0.0, "these need an environment and episodes"
    assert set(rates) == {1, threads.cores()} and min(rates.values()) > 0.0 and torch.get_num_threads() == 1


class Picture(gym.Env):
    """A bright row that the action moves; reward for the middle."""

    observation_space = gym.spaces.Box(0, 255, (20, 16, 3), np.uint8)
    action_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.row, self.age = int(self.np_random.integers(20)), 0
        return self._seen(), {}

    def step(self, action):
        self.row, self.age = int(np.clip(self.row + round(float(action[0])), 0, 19)), self.age + 1
        return self._seen(), -abs(self.row - 10.0), False, self.age == 8, {}

    def _seen(self):
        image = np.zeros((20, 16, 3), np.uint8)
        image[self.row] = 200, 100, 0
        return image


def test_images_are_practised_on_collected_learned_from_and_gone_on_with(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gym.registry, "Picture-v0", gym.envs.registration.EnvSpec(
        "Picture-v0", entry_point=Picture, max_episode_steps=8))
    more = "random_shift: 2\nimage: {channels: [4, 4, 4], width: 8}\n"
    Path("images.yaml").write_text(SMALL.replace("episode_steps: 50\n", more))
    common = ("--config", "images.yaml", "--env", "Picture-v0", "--json")
    assert learn(*common, "--online-steps", "40", "--threads", "0", "--collect", "own.safetensors", "--out", "one") == 0
    second = (*common, "--data", "own.safetensors", "--offline-steps", "20", "--out", "two")
    assert learn(*second) == 0 and learn(*second, "--online-steps", "16", "--resume") == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (result["offline_steps"], result["online_steps"], result["updates"]) == (20, 16, 36)
    data, _ = read_tensors("own.safetensors", "transitions")
    assert data["obs"].dtype == torch.uint8 and data["obs"].shape == (40, 3, 20, 16)
    assert load_run_agent("two", "last").act(data["obs"][:2], True).shape == (2, 1)
    assert learn("--agent", "sac", "--env", "Pendulum-v1", "--data", "own.safetensors", "--offline-steps", "5") == 2
    assert "'obs' has images (3, 20, 16), the environment's has 3 numbers" in capsys.readouterr().err
    configure_torch()


CASES = [
    (["--env", "Pendulum-v1", "--online-steps", "5"], "--agent"),
    (["--agent", "iqll", "--env", "Pendulum-v1", "--online-steps", "5"], "did you mean 'iql'"),
    (["--agent", "iql", "--env", "Pendulm-v1", "--online-steps", "5"], "did you mean 'Pendulum-v1'"),
    (["--agent", "iql", "--env", "CartPole-v1", "--online-steps", "5"], "actions are Discrete(2)"),
    (["--agent", "iql", "--env", "Pendulum-v1", "--data", "no.safetensors", "--offline-steps", "5"],
     "'no.safetensors' is missing"),
    (["--agent", "iql", "--data", "not_data.safetensors", "--offline-steps", "5"], "not_data.safetensors"),
    (["--agent", "iql", "--env", "Pendulum-v1", "--offline-steps", "5"], "--data"),
    (["--agent", "iql", "--online-steps", "5"], "--env"),
    (["--agent", "iql", "--env", "Pendulum-v1"], "nothing to do"),
    (["--agent", "iql", "--env", "Pendulum-v1", "--online-steps", "5", "--resume"], "--out"),
    (["--config", "wrong.yaml", "--env", "Pendulum-v1", "--online-steps", "5"], "did you mean 'iql'"),
    (["--config", "mine.yaml", "--env", "Pendulum-v1", "--online-steps", "5"], "did you mean 'batch_size'"),
    (["--config", "small.yaml", "--agent", "sac", "--env", "Pendulum-v1", "--online-steps", "5"], "leave --agent out"),
    (["--agent", "iql", "--online-step", "5"], "did you mean '--online-steps'"),
]


@pytest.mark.parametrize(("words", "part"), CASES, ids=[" ".join(w) for w, _ in CASES])
def test_one_sentence_and_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert learn(*words) == 2
    captured = capsys.readouterr()
    assert part in captured.err and len(captured.err.strip().splitlines()) == 1
    assert "Traceback" not in captured.err and not Path("runs").exists()
