"""Times episodes on request, for both sides of `priorrl bench env_speed`. Standard library alone: any venv runs it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def serve(reset: Callable[[], object], step: Callable[[], object]) -> None:
    """Says that it is ready, then answers each line ``EPISODES LENGTH`` with steps, and wall and CPU seconds of
    stepping and of resets."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        episodes, length = map(int, line.split())
        spent = dict.fromkeys(("reset_wall_s", "reset_cpu_s", "step_wall_s", "step_cpu_s"), 0.0)
        for _ in range(episodes):
            for name, work, count in (("reset", reset, 1), ("step", step, length)):
                wall, cpu = time.perf_counter(), time.process_time()
                for _ in range(count):
                    work()
                spent[f"{name}_wall_s"] += time.perf_counter() - wall
                spent[f"{name}_cpu_s"] += time.process_time() - cpu
        print(json.dumps({"steps": episodes * length, **spent}), flush=True)
