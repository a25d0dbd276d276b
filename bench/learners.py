"""Returns of our learners beside d3rlpy's and stable-baselines3's: same data, environments, seeds and sizes.

Offline IQL, AWAC, BCQ and BEAR on medium, medium-replay and expert data that our SAC makes; online SAC and TD3; DDPG
with hindsight on Fetch tasks, ours with demonstrations too. All are judged by the same episodes in the same process; a
peer learns behind a pipe, in its own venv (PRIORRL_PEERS, else ``.venv-peers``). All but Pendulum need MuJoCo:
``pip install -r requirements/bench.txt``.

``--only`` takes words of: pendulum, hopper, halfcheetah, walker2d, fetchreach, fetchpush, fetchpickandplace; offline,
medium, medium-replay, expert, online, her; iql, awac, bcq, bear, sac, td3, ddpg, ddpg_demos; priorrl, d3rlpy, sb3;
``data`` (makes the data, learns nothing) and ``stored`` (with ``--resume``: only draws up what is there).

On one core: Pendulum half an hour, its data included; Hopper, HalfCheetah and Walker2d an hour and a half each;
FetchReach a quarter of an hour, FetchPush and FetchPickAndPlace half an hour each.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bench.harness import Claim, Context, chosen, run_cells, write_rows
from bench.learner_cells import work
from bench.learner_claims import make_claims
from bench.learner_data import ensure, folder
from bench.learner_jobs import KINDS, Job, data_envs, make_jobs
from bench.learner_settings import PARITY, settings_of
from bench.learner_tables import Manifests, data_rows, plots, rows
from priorrl_core.config import config_hash
from priorrl_core.reporting.summary import write_json

COLUMNS = ("env", "data", "algorithm", "library", "seed", "steps", "last", "best", "seconds")


def run(context: Context) -> list[Claim]:
    """Leaves ``returns.csv``, ``cells.csv``, ``data.csv``, ``parity.csv``, the data's manifests and figures."""
    wanted = make_jobs(context)
    found = {env: _manifest(context, env) for env in data_envs(context, wanted)}
    manifests = {env: manifest for env, manifest in found.items() if manifest}
    wanted = [job for job in wanted if job.data not in KINDS or job.env in manifests]
    write_rows(context.out / "data.csv", data_rows(manifests))
    write_rows(context.out / "parity.csv", PARITY)
    if "data" in context.options:
        return []
    jobs = chosen(context, [(key(job, manifests), (job, context.quick)) for job in wanted])
    cells = run_cells(context, jobs, work)
    write_rows(context.out / "returns.csv", rows(cells, manifests))
    write_rows(context.out / "cells.csv", cells, COLUMNS)
    plots(context.out, cells)
    return make_claims(cells)


def _manifest(context: Context, env: str) -> dict[str, Any]:
    """The data's, made if need be; to draw up stored results the committed copy, empty where there is none."""
    copy = context.out / f"data_{env}.json"
    if "stored" in context.options:
        return dict(json.loads(copy.read_text())) if copy.is_file() else {}
    found = ensure(context, env)
    write_json(copy, {**found, "folder": folder(env, context.quick).name})
    return found


def key(job: Job, manifests: Manifests) -> str:
    """File name of a cell; changes with the job, both sides' settings and the data."""
    told = settings_of(job)
    data = "" if job.data not in KINDS else manifests[job.env]["sets"][job.data]["sha256"]
    digits = config_hash(dataclasses.asdict(job), told, {"data": data})[:8]
    return f"{job.env}_{job.data}_{job.algorithm}_{job.library}_s{job.seed}_{digits}"
