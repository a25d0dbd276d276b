"""Our side of `priorrl bench env_speed`: speaks as bench/peers/robosuite_speed.py does.

Arguments: ``state`` or ``image``, and ``random`` (no base controller, as the peer's arm) or ``residual`` (random
residual on the P controller: half the steps press on the socket).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def make(view: str, base: str) -> Any:
    from priorrl_core.control.base_loader import BaseSpec
    from priorrl_core.tasks.plug_env import make_plug

    images = view == "image"
    return make_plug("usb", "image" if images else "position", "image" if images else "dense", "noisy",
                     BaseSpec("zero") if base == "random" else None, ground_truth=False)


def main() -> None:
    env = make(sys.argv[1], sys.argv[2])
    rng, episode = np.random.default_rng(0), 0
    env.reset(seed=0)
    print(json.dumps({"ready": True, "physics_step_s": 0.001}), flush=True)
    for line in sys.stdin:
        episodes, length = map(int, line.split())
        wall, cpu = [0.0, 0.0], [0.0, 0.0]

        def steps(length: int = length) -> None:
            for _ in range(length):
                env.step(rng.uniform(-1.0, 1.0, 3))

        for _ in range(episodes):
            episode += 1
            parts: tuple[Callable[[], Any], ...] = (lambda seed=episode: env.reset(seed=seed), steps)  # type: ignore[misc]
            for part, work in enumerate(parts):
                w, c = time.perf_counter(), time.process_time()
                work()
                wall[part] += time.perf_counter() - w
                cpu[part] += time.process_time() - c
        print(json.dumps({"steps": episodes * length, "reset_wall_s": wall[0], "step_wall_s": wall[1],
                          "reset_cpu_s": cpu[0], "step_cpu_s": cpu[1]}), flush=True)


if __name__ == "__main__":
    main()
