"""Committed cells are named by the keys of the code as it is: else ``--resume`` would compute them all again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import abm, fetch, learners, maze, online  # noqa: E402
from bench.abm_data import data_key  # noqa: E402
from bench.abm_jobs import data_jobs  # noqa: E402
from bench.harness import Context, results_dir  # noqa: E402
from bench.keys import own_settings  # noqa: E402
from priorrl_core.agents.ddpg import DDPGConfig  # noqa: E402
from priorrl_core.agents.iql_state import IQLConfig  # noqa: E402
from priorrl_core.training.learn_config import LearnConfig  # noqa: E402


def context(name: str) -> Context:
    folder = results_dir(name, False)
    return Context(name, folder, folder / "cells")


def learner_keys(told: Context) -> set[str]:
    copies = {path.stem[len("data_"):]: json.loads(path.read_text()) for path in told.out.glob("data_*.json")}
    return {learners.key(job, copies) for job in learners.make_jobs(told)
            if job.env in copies or job.data in ("online", "her")}


def keys(name: str) -> set[str]:
    told = context(name)
    if name == "learners":
        return learner_keys(told)
    module = {"abm": abm, "fetch": fetch, "maze": maze, "online": online}[name]
    jobs = module.make_jobs(told)
    made = {data_key(job) for job in data_jobs(jobs)} if name == "abm" else set()
    return made | {module.key(job) for job in jobs}


@pytest.mark.parametrize("name", ["abm", "fetch", "learners", "maze", "online"])
def test_committed_cells_are_found_under_their_keys(name: str) -> None:
    stored = {path.stem for path in context(name).cells.glob("*.json")}
    assert stored and stored <= keys(name), sorted(stored - keys(name))[:3]


def test_settings_of_other_agents_do_not_count_and_ones_own_do() -> None:
    plain = own_settings(LearnConfig("x", "iql"))
    assert own_settings(LearnConfig("x", "iql", ddpg=DDPGConfig(hidden=(1,)))) == plain
    assert own_settings(LearnConfig("x", "iql", iql=IQLConfig(hidden=(1,)))) != plain
