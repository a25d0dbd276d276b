"""One cell of the residual bench: make the task, learn, evaluate without exploration."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Cell
from bench.residual_jobs import ROW, Job
from priorrl_core.control.base_loader import BaseSpec
from priorrl_core.tasks.blocks import BlockTask, Perturbation, Tracking, Yaw, load_block_task
from priorrl_core.tasks.residual import ResidualEnv
from priorrl_core.training.residual_learner import ResidualLearner, load_residual_method
from priorrl_core.training.step_loop import EpisodeLog, Practice, evaluate, no_residual, practise

EVAL_SEED = 10_000
VALIDATION_SEED = 20_000
WINDOW = 10
SOLVED = 0.9
DEMOS = 20
REAL_TRACKING = Tracking(position_std_m=0.001, angle_std_rad=0.02, delay_steps=1)
OTHER_SIMULATOR = Perturbation(friction_scale=1.4, mass_scale=1.3, command_delay_steps=1)
"""The second simulator of Figure 40; not in the thesis, which goes to the real robot (row 8.24)."""


def work(job: Job) -> Cell:
    """Runs one cell in this process."""
    from priorrl_core.training.runtime import configure_torch

    configure_torch()
    begin = time.monotonic()
    figures = _plug(job) if job.task != "blocks" else _blocks(job)
    return {**dataclasses.asdict(job), **figures, "seconds": round(time.monotonic() - begin, 1)}


# ---- chapter 9: plugs -------------------------------------------------------------------------------


def _plug(job: Job) -> Cell:
    from priorrl_core.tasks.plug_env import make_plug

    row = ROW[job.row]
    base = None if row.residual else BaseSpec("zero")
    env = make_plug(job.task, row.view, row.reward, "noisy", base, seed=job.seed)  # type: ignore[arg-type]
    try:
        learner, log = _learned(env, job, row.agent, row.view == "image", row.demos)
        act = no_residual if learner is None else _greedy(learner)
        seed = job.seed + EVAL_SEED
        tested = {goal: evaluate(env, act, job.evals, seed, {"goal": goal}) for goal in ("exact", "noisy")}
    finally:
        env.close()
    return {**_tested(tested), **_practised(log)}


def _learned(
    env: ResidualEnv, job: Job, agent: str, images: bool, demos: bool
) -> tuple[ResidualLearner | None, Practice | None]:
    if not agent:
        return None, None
    shown = None
    if demos:
        from priorrl_core.tasks.demonstrate import ScriptedPerson, record

        horizon = env.unwrapped.task.horizon  # type: ignore[attr-defined]
        shown = record(env, ScriptedPerson(env, job.seed), DEMOS, horizon, seed=job.seed + 1)
    learner = ResidualLearner(load_residual_method(agent), _shape(env), images, job.seed, shown)
    best = Best(env, learner, job)
    log = practise(env, learner, job.steps, job.seed, best.look if job.validate_every else None)
    best.restore()
    return learner, log


class Best:
    """Keeps the policy with the best mean return, by the learner's own reward, on validation trials: never by
    ground truth (law 6), never on test trials."""

    def __init__(self, env: ResidualEnv, learner: ResidualLearner, job: Job) -> None:
        self.env, self.learner, self.job = env, learner, job
        self.looked, self.score = 0, -np.inf
        self.state: dict[str, Any] | None = None

    def look(self, step: int) -> None:
        if step - self.looked < self.job.validate_every:
            return
        self.looked, seed = step, self.job.seed + VALIDATION_SEED
        kinds: list[dict[str, Any] | None] = [{"goal": "exact"}, {"goal": "noisy"}]
        if self.job.task == "blocks":
            kinds = [None]
        logs = [evaluate(self.env, _greedy(self.learner), self.job.validation, seed, kind) for kind in kinds]
        score = float(np.mean([r for log in logs for r in log.returns]))
        if score >= self.score:
            self.score, self.state = score, copy.deepcopy(self.learner.agent.state_dict())

    def restore(self) -> None:
        if self.state is not None:
            self.learner.agent.load_state_dict(self.state)


# ---- chapter 8: blocks ------------------------------------------------------------------------------


def _blocks(job: Job) -> Cell:
    from priorrl_core.tasks.blocks_env import make_blocks

    if job.part == "simulation":
        return _from_simulation(job)
    env = make_blocks(block_task(job), BaseSpec("zero") if job.row == "rl" else None, seed=job.seed)
    try:
        agent = block_agent(job)
        learner, log = _learned(env, job, agent, False, False)
        act = no_residual if learner is None else _greedy(learner)
        cell = {**_tested({"test": evaluate(env, act, job.evals, job.seed + EVAL_SEED)}), **_practised(log)}
        if job.real_like:
            cell |= _by_orientation(env, act, job)
    finally:
        env.close()
    return cell


def block_agent(job: Job) -> str:
    """TD3 as in chapter 8; SAC on the real-like arm, where TD3's pressing runs into the force budget."""
    if job.row == "controller":
        return ""
    return "sac" if job.real_like else "td3"


def block_task(job: Job) -> BlockTask:
    """The packaged task with the setting of the job."""
    task = load_block_task()
    noise = dataclasses.replace(task.control_noise, mean=job.mean, std=job.std)
    task = dataclasses.replace(task, control_noise=noise, yaw=Yaw(range_rad=job.yaw_rad))
    if job.real_like:
        return dataclasses.replace(task, backend="impedance", tracking=REAL_TRACKING, yaw=Yaw("three_way"))
    return task


def _by_orientation(env: ResidualEnv, act: Any, job: Job) -> Cell:
    """Successes of 5 for each of the nine settings of the two blocks (Figure 38(a))."""
    angle, out = np.radians(env.unwrapped.task.yaw.three_way_deg), {}  # type: ignore[attr-defined]
    for left in (-1, 0, 1):
        for right in (-1, 0, 1):
            yaw = [left * angle, right * angle]
            log = evaluate(env, act, 5, job.seed + EVAL_SEED, {"yaw_rad": yaw})
            out[f"{left:+d}{right:+d}"] = sum(log.success)
    return {"by_orientation": out}


def _from_simulation(job: Job) -> Cell:
    """Figure 40: learn with fixed blocks in one simulator, go on in another that differs."""
    from priorrl_core.tasks.blocks_env import make_blocks

    fixed = dataclasses.replace(block_task(job), blocks_fixed=True)
    other = dataclasses.replace(fixed, perturbation=OTHER_SIMULATOR, tracking=REAL_TRACKING)
    zero = BaseSpec("zero") if job.row.startswith("rl") or job.row == "residual_on_sim" else None
    with tempfile.TemporaryDirectory() as folder:
        learner = None
        if job.row in ("rl_init", "residual_init", "residual_on_sim"):
            learner = _simulated(make_blocks(fixed, zero, seed=job.seed), job)
        base = zero
        if learner is not None and job.row == "residual_on_sim":
            file = Path(folder) / "actor.safetensors"
            file.write_bytes(learner.policy_head())
            base = BaseSpec("frozen", {"file": str(file), "limit_m": list(fixed.residual_limit_m)})
        env = make_blocks(other, base, seed=job.seed)
        fresh = ResidualLearner(load_residual_method("td3"), _shape(env), False, job.seed)
        if learner is not None and job.row != "residual_on_sim":
            fresh.agent.load_state_dict(learner.agent.state_dict())
        return _curve(job, env, make_blocks(other, base, seed=job.seed), fresh)


def _simulated(env: ResidualEnv, job: Job) -> ResidualLearner:
    learner = ResidualLearner(load_residual_method("td3"), _shape(env), False, job.seed)
    practise(env, learner, job.sim_steps, job.seed + 1)
    env.close()
    return learner


def _curve(job: Job, env: ResidualEnv, judge: ResidualEnv, learner: ResidualLearner) -> Cell:
    """Learning with evaluations between episodes; ``solved_step``: first with 90 % success (row 8.24)."""
    points: list[list[float]] = []

    def look(step: int) -> None:
        if not points or step - points[-1][0] >= job.curve_every:
            log = evaluate(judge, _greedy(learner), WINDOW, job.seed + EVAL_SEED)
            points.append([step, float(np.mean(log.success)), float(np.mean(log.returns))])

    look(0)
    log = practise(env, learner, job.steps, job.seed, look)
    solved = next((int(p[0]) for p in points if p[1] >= SOLVED), -1)
    tested = _tested({"test": evaluate(judge, _greedy(learner), job.evals, job.seed + EVAL_SEED + 1)})
    env.close()
    judge.close()
    return {**tested, **_practised(log), "eval_curve": points, "solved_step": solved}


# ---- figures ----------------------------------------------------------------------------------------


def _greedy(learner: ResidualLearner) -> Any:
    return lambda obs: learner.act(obs, explore=False)


def _shape(env: ResidualEnv) -> tuple[int, ...]:
    shape = env.observation_space.shape
    assert shape is not None
    return shape


def _tested(logs: dict[str, EpisodeLog]) -> Cell:
    out: Cell = {}
    for name, log in logs.items():
        out[f"{name}_successes"] = sum(log.success)
        out[f"{name}_return"] = round(float(np.mean(log.returns)), 3)
        out[f"{name}_distance_mm"] = round(1e3 * float(np.mean(log.distance_m)), 3)
        out[f"{name}_faults"] = sum(log.faults)
    return out


def _practised(log: Practice | None) -> Cell:
    """Learning curve and budget (rows 8.25, 8.26, 9.30); ``reached_step``: the last ten trials 90 % done."""
    if log is None:
        return {}
    e = log.episodes
    done = np.convolve(e.success, np.ones(WINDOW), "valid") >= SOLVED * WINDOW
    reached = e.end_step[int(np.argmax(done)) + WINDOW - 1] if done.any() else -1
    spread = np.std(np.stack(log.tips_m), axis=0)
    return {
        "curve_steps": e.end_step,
        "curve_returns": [round(r, 2) for r in e.returns],
        "curve_distance_mm": [round(1e3 * d, 2) for d in e.distance_m],
        "curve_success": [int(s) for s in e.success],
        "reached_step": reached,
        "saturated": round(log.saturated, 3),
        "training_faults": sum(e.faults),
        "tip_spread_mm": [round(1e3 * float(s), 2) for s in spread],
        "updates": log.updates,
        "learning_seconds": round(log.seconds, 1),
    }
