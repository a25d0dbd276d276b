"""Several seeds of one run: each as it would be alone, also where their updates on the data go together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from point_learn import PointReach, mixed_data

from priorrl_core.agents.cuda_graphs import Cuda
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.data.tensor_files import read_tensors
from priorrl_core.errors import ConfigError
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.learn_files import KIND, LAST
from priorrl_core.training.learn_loop import LearnLoop, LearnPlan
from priorrl_core.training.learn_seeds import run_seeds, summary

CONFIG = LearnConfig("small", "td3", td3=TD3Config((8, 8)), batch_size=8, replay=100, offline_epoch=10,
                     online_epoch=20, eval_episodes=1)
SEEDS = (3, 4, 5)


class Counted(Cuda):
    """No graph: what would be captured is done anew each time, with the branches of the moment."""

    calls = 0

    def capture(self, work, generators):
        return work

    def side_by_side(self, works):
        self.calls += 1
        return [work() for work in works]


def maker(folder, plan, resume=False, config=CONFIG):
    return lambda seed: LearnLoop(config, replace(plan, seed=seed), folder / str(seed), resume)


def state(folder):
    return read_tensors(folder / LAST, KIND)[0]


@pytest.fixture
def plan():
    return LearnPlan(25, 20, make_env=PointReach, data=mixed_data(4))


def test_together_each_seed_ends_with_the_bits_that_it_has_alone(plan, tmp_path):
    cuda = Counted()
    alone = run_seeds(maker(tmp_path / "alone", plan), SEEDS)
    together = run_seeds(maker(tmp_path / "together", plan), SEEDS, cuda)
    assert cuda.calls == 25
    for one, other in zip(alone, together, strict=True):
        assert {k: one[k] for k in one if not k.endswith("_s") and k != "seconds"} == {
            k: other[k] for k in other if not k.endswith("_s") and k != "seconds"}
    for seed in SEEDS:
        one, other = (state(tmp_path / way / str(seed)) for way in ("alone", "together"))
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
        assert len((tmp_path / "together" / str(seed) / "metrics.csv").read_text().splitlines()) == 6


def test_seeds_of_a_stopped_run_go_on_and_those_ahead_wait_for_nobody(plan, tmp_path):
    run_seeds(maker(tmp_path / "whole", plan), SEEDS)
    short = replace(plan, offline_steps=10, online_steps=0)
    maker(tmp_path / "cut", short)(3).run()
    cuda = Counted()
    run_seeds(maker(tmp_path / "cut", short, True), SEEDS, cuda)
    assert cuda.calls == 0 and all((tmp_path / "cut" / str(seed) / LAST).is_file() for seed in SEEDS)
    again = run_seeds(maker(tmp_path / "whole", plan, True), SEEDS, cuda)
    assert cuda.calls == 0 and [r["updates"] for r in again] == [45, 45, 45]


def test_an_agent_that_is_no_graph_is_refused_before_it_learns(plan, tmp_path):
    config = replace(CONFIG, agent="svg")
    with pytest.raises(ConfigError, match="leave --cuda-graphs out"):
        run_seeds(maker(tmp_path, plan, config=config), SEEDS, Counted())


def test_the_summary_is_of_all_seeds_and_says_nothing_where_nothing_was_judged():
    found = summary([{"best_return": 1.0, "last_return": 0.0}, {"best_return": 3.0, "last_return": 0.0}])
    assert found == {"best_return": 2.0, "best_return_std": 1.0, "last_return": 0.0, "last_return_std": 0.0}
    assert summary([{"best_return": None, "last_return": None}]) == {}
