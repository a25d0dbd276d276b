"""Does bfloat16 learn as float32 does? Curves of IQL, SAC and TD3 on a point that should reach the origin.

State (2,) in [-1, 1], ``s' = clip(s + 0.2 a)``, reward ``-||s'||``, 20 steps, never terminated. The data are 10 000
uniformly random steps, the same for both precisions; the policy is judged without noise from 256 fixed starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.harness import Cell, Claim, Context, curves, run_cells, write_rows

LEARNERS, STEPS, EVERY = ("iql", "sac", "td3"), 20, 25
NEAR = 0.05
"""Of what float32 has gained; as near counts as the same."""


def run(context: Context) -> list[Claim]:
    """Writes curves.csv and curves.png; one claim a learner."""
    seeds, updates = (1, 150) if context.quick else (3, 300)
    jobs = [(f"curve_{name}_{'bf16' if half else 'float32'}_{seed}", (name, half, seed, updates))
            for name in LEARNERS for half in (False, True) for seed in range(seeds)]
    cells = run_cells(context, jobs, learn)
    rows = [{**{k: c[k] for k in ("learner", "precision", "seed")}, "updates": i * EVERY, "return": round(value, 3)}
            for c in cells for i, value in enumerate(c["curve"])]
    write_rows(context.out / "curves.csv", rows)
    lines = {f"{name} {p}": _mean(cells, name, p) for name in LEARNERS for p in ("float32", "bf16")}
    curves(context.out / "curves.png", "Return while learning", {n: (np.arange(len(y)) * EVERY, y) for n, y in
                                                                 lines.items()}, "updates", "return")
    return [_claim(name, lines[f"{name} float32"], lines[f"{name} bf16"], seeds) for name in LEARNERS]


def learn(job: tuple[str, bool, int, int]) -> Cell:
    """One cell: the curve of one learner, precision and seed."""
    from priorrl_core.agents.speed import SpeedConfig, speed_up
    from priorrl_core.training.runtime import configure_torch
    from priorrl_core.training.speedcheck import BATCH

    name, half, seed, updates = job
    configure_torch()
    agent, replay, generator = speed_up(_agent(name, seed), SpeedConfig(half)), _data(seed), _generator(seed)
    curve = [_return(agent)]
    for update in range(1, updates + 1):
        agent.update(replay.sample(BATCH, generator))  # type: ignore[operator]
        if update % EVERY == 0:
            curve.append(_return(agent))
    return {"learner": name, "precision": "bf16" if half else "float32", "seed": seed, "curve": curve}


def _agent(name: str, seed: int) -> Any:
    from priorrl_core.agents.iql_state import IQL, IQLConfig
    from priorrl_core.agents.sac import SAC, SACConfig
    from priorrl_core.agents.td3 import TD3, TD3Config
    from priorrl_core.perception.small_encoder import StateEncoder

    encoder, short = StateEncoder(2), {"discount": 0.9}
    if name == "iql":
        return IQL(IQLConfig(**short, inverse_temperature=10.0), encoder, 2, seed)
    if name == "sac":
        return SAC(SACConfig(**short, alpha_init=0.1), encoder, 2, seed)
    return TD3(TD3Config(**short), encoder, 2, seed)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _step(state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    following = (state + 0.2 * action).clamp(-1.0, 1.0)
    return following, -following.norm(dim=-1)


def _data(seed: int, rows: int = 10_000) -> Any:
    from priorrl_core.data.transitions import TransitionReplay

    generator, replay = _generator(seed + 1000), TransitionReplay(rows, (2,), 2)
    for name in ("obs", "action"):
        replay.columns[name].uniform_(-1.0, 1.0, generator=generator)
    following, reward = _step(replay.columns["obs"], replay.columns["action"])
    replay.columns["next_obs"].copy_(following)
    replay.columns["reward"].copy_(reward)
    replay.added = rows
    return replay


def _return(agent: Any) -> float:
    state = torch.rand(256, 2, generator=_generator(7)) * 2.0 - 1.0
    total = torch.zeros(256)
    for _ in range(STEPS):
        state, reward = _step(state, agent.act(state, True))
        total += reward
    return float(total.mean())


def _mean(cells: list[Cell], name: str, precision: str) -> np.ndarray:
    return np.mean([c["curve"] for c in cells if (c["learner"], c["precision"]) == (name, precision)], axis=0)


def _claim(name: str, full: np.ndarray, half: np.ndarray, seeds: int) -> Claim:
    """Held against the end of the curves, in units of what float32 has learned."""
    learned = float(full[-1] - full[0])
    gap = float(full[-1] - half[-1]) / max(learned, 1e-9)
    return Claim(f"{name} learns in bf16 as in float32 (return at the end, by what float32 gained)", "goal of issue 4",
                 f"within {NEAR:.0%}", f"{half[-1]:.2f} beside {full[-1]:.2f}, from {full[0]:.2f}: {gap:+.1%} short",
                 seeds, "holds" if gap <= NEAR and learned > 0.0 else "fails")
