"""Our learners for ``priorrl bench learner_speed``: a process that answers as those of the peers do.

A learner's name is ``priorrl/algorithm`` and then options: ``bf16``, ``compile``, or a number, the samples of BCQ's
or BEAR's target and MMD.
"""

from __future__ import annotations

from bench.peers.serve import Learner, pin, serve


def make(name: str) -> Learner:
    """The learner of that name."""
    from priorrl_core.agents.speed import SpeedConfig
    from priorrl_core.training.runtime import configure_torch
    from priorrl_core.training.speedcheck import Updates

    configure_torch()
    _, algorithm, *options = name.split("/")
    samples = next((int(o) for o in options if o.isdigit()), None)
    return Updates(algorithm, SpeedConfig("bf16" in options, "compile" in options), samples)


if __name__ == "__main__":
    pin()
    serve(make)
