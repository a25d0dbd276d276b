"""Our side of `priorrl bench env_speed`.

Arguments: ``state`` or ``image``, and ``random`` (no base controller, as the peer's arm) or ``residual`` (random
residual on the P controller: half the steps press on the socket).
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from bench.peers.episodes import serve


def main() -> None:
    from priorrl_core.control.base_loader import BaseSpec
    from priorrl_core.tasks.plug_env import make_plug

    images, base = sys.argv[1] == "image", BaseSpec("zero") if sys.argv[2] == "random" else None
    env = make_plug("usb", "image" if images else "position", "image" if images else "dense", "noisy", base,
                    ground_truth=False)
    rng, seeds = np.random.default_rng(0), itertools.count()
    env.reset(seed=next(seeds))
    serve(lambda: env.reset(seed=next(seeds)), lambda: env.step(rng.uniform(-1.0, 1.0, 3)))


if __name__ == "__main__":
    main()
