"""What ``priorrl speedcheck`` measures: matrix products by path, and updates of small learners."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.awac import AWAC, AWACConfig
from priorrl_core.agents.bcq import BCQ, BCQConfig
from priorrl_core.agents.bear import BEAR, BEARConfig
from priorrl_core.agents.cuda_graphs import GraphedUpdates
from priorrl_core.agents.device import on_device
from priorrl_core.agents.iql_state import IQL, IQLConfig
from priorrl_core.agents.sac import SAC, SACConfig
from priorrl_core.agents.speed import SpeedConfig, speed_up
from priorrl_core.agents.td3 import TD3, TD3Config
from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.perception.small_encoder import StateEncoder
from priorrl_core.training.observations import ObsSize, obs_shape

OBS, ACTION, BATCH, ROWS, HIDDEN = 17, 6, 256, 10_000, (256, 256)


def make_agent(name: str, samples: int | None = None, seed: int = 0) -> Any:
    """An agent with layers 256, 256 and HalfCheetah's sizes; ``samples``: of BCQ's and BEAR's target and MMD."""
    e = StateEncoder(OBS)
    wide: dict[str, Any] = {"hidden": HIDDEN}
    batch_rl: dict[str, Any] = {**wide, "vae_hidden": HIDDEN, **({"target_samples": samples} if samples else {})}
    mmd: dict[str, Any] = {"mmd_samples": samples} if samples else {}
    makers: dict[str, Callable[[], Agent]] = {
        "iql": lambda: IQL(IQLConfig(**wide), e, ACTION, seed),
        "sac": lambda: SAC(SACConfig(**wide, initial_scale=1.0), e, ACTION, seed),
        "td3": lambda: TD3(TD3Config(**wide, initial_scale=1.0), e, ACTION, seed),
        "awac": lambda: AWAC(AWACConfig(**wide), e, ACTION, seed),
        "bcq": lambda: BCQ(BCQConfig(**batch_rl), e, ACTION, seed),
        "bear": lambda: BEAR(BEARConfig(**batch_rl, **mmd, warm_updates=0), e, ACTION, seed)}
    return makers[name]()


def random_replay(rows: int, size: ObsSize, action_size: int, seed: int = 0) -> TransitionReplay:
    """A full replay of random steps: time does not depend on what they hold."""
    images, generator = isinstance(size, tuple), torch.Generator().manual_seed(seed)
    replay = TransitionReplay(rows, obs_shape(size), action_size, images=images)
    for name in ("obs", "next_obs"):
        column = replay.columns[name]
        column.random_(0, 256, generator=generator) if images else column.normal_(generator=generator)
    replay.columns["reward"].normal_(generator=generator)
    replay.columns["action"].uniform_(-1.0, 1.0, generator=generator)
    replay.added = rows
    return replay


class Updates:
    """An agent and a replay, to be timed; the batch is drawn within the time."""

    def __init__(self, name: str, speed: SpeedConfig, samples: int | None = None, seed: int = 0) -> None:
        self.agent: Any = speed_up(make_agent(name, samples, seed), speed)
        self._graphs = GraphedUpdates([self.agent]) if speed.cuda_graphs else None
        self.replay, self.generator = random_replay(ROWS, OBS, ACTION, seed), torch.Generator().manual_seed(seed)

    def update(self, count: int) -> None:
        for _ in range(count):
            batch = on_device(self.replay.sample(BATCH, self.generator), self.agent.device)
            self.agent.update(batch) if self._graphs is None else self._graphs.update([batch])
        if self.agent.device.type == "cuda":
            torch.cuda.synchronize(self.agent.device)

    def sample(self, count: int) -> None:
        for _ in range(count):
            self.replay.sample(BATCH, self.generator)


def per_second(work: Callable[[int], object], seconds: float, repeats: int = 3) -> float:
    """Calls of ``work(1)`` a second: the best of some repeats that take ``seconds`` together. The first call is not
    counted."""
    work(1)
    begin = time.perf_counter()
    work(1)
    once = max(time.perf_counter() - begin, 1e-6)
    count = max(1, int(seconds / repeats / once))
    return max(_rate(work, count) for _ in range(repeats))


def _rate(work: Callable[[int], object], count: int) -> float:
    begin = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - begin)


def _products(x: torch.Tensor, count: int) -> None:
    for _ in range(count):
        x @ x


def products(seconds: float) -> dict[str, float]:
    """GF/s of a 256 x 256 x 256 product: float32 by MKL and by oneDNN, bfloat16. Restores torch's setting."""
    a, before = torch.ones(256, 256), torch.get_float32_matmul_precision()
    out = {}
    try:
        for name, precision, x in (("float32 MKL", "highest", a), ("float32 oneDNN", "medium", a),
                                   ("bfloat16", "medium", a.bfloat16())):
            torch.set_float32_matmul_precision(precision)
            out[name] = 2 * 256**3 / 1e9 * per_second(partial(_products, x), seconds / 3)
    finally:
        torch.set_float32_matmul_precision(before)
    return out
