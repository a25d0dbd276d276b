"""robosuite's Sawyer for `priorrl bench env_speed`; runs in robosuite's own environment, without priorrl.

Argument: ``state`` or ``image`` (one 32 x 32 camera picture a control period).
"""

from __future__ import annotations

import sys

import numpy as np

from bench.peers.episodes import serve


def main() -> None:
    import robosuite
    from robosuite.controllers import load_composite_controller_config

    images = sys.argv[1] == "image"
    controller = load_composite_controller_config(controller="BASIC", robot="Sawyer")
    env = robosuite.make(
        "NutAssemblySquare", robots="Sawyer", controller_configs=controller, has_renderer=False,
        has_offscreen_renderer=images, use_camera_obs=images, camera_names="agentview", camera_heights=32,
        camera_widths=32, control_freq=10, horizon=10**9, use_object_obs=True, reward_shaping=True, hard_reset=False)
    low, high = env.action_spec
    rng = np.random.default_rng(0)
    serve(env.reset, lambda: env.step(rng.uniform(low, high)))


if __name__ == "__main__":
    main()
