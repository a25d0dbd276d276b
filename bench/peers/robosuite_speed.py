"""robosuite's Sawyer for `priorrl bench env_speed`; runs in robosuite's own environment, without priorrl.

Reads ``EPISODES LENGTH`` from standard input, answers one JSON line: steps, and wall and CPU seconds of stepping
and of resets. Argument: ``state`` or ``image`` (one 32 x 32 camera picture a control period).
"""

import json
import sys
import time

import numpy as np


def make(images: bool):
    import robosuite
    from robosuite.controllers import load_composite_controller_config

    controller = load_composite_controller_config(controller="BASIC", robot="Sawyer")
    return robosuite.make(
        "NutAssemblySquare", robots="Sawyer", controller_configs=controller, has_renderer=False,
        has_offscreen_renderer=images, use_camera_obs=images, camera_names="agentview", camera_heights=32,
        camera_widths=32, control_freq=10, horizon=10**9, use_object_obs=True, reward_shaping=True, hard_reset=False)


def main() -> None:
    env = make(sys.argv[1] == "image")
    low, high = env.action_spec
    rng = np.random.default_rng(0)
    env.reset()
    print(json.dumps({"ready": True, "physics_step_s": env.sim.model.opt.timestep}), flush=True)
    for line in sys.stdin:
        episodes, length = map(int, line.split())
        wall, cpu = [0.0, 0.0], [0.0, 0.0]

        def steps(length=length):
            for _ in range(length):
                env.step(rng.uniform(low, high))

        for _ in range(episodes):
            for part, work in enumerate((env.reset, steps)):
                w, c = time.perf_counter(), time.process_time()
                work()
                wall[part] += time.perf_counter() - w
                cpu[part] += time.process_time() - c
        print(json.dumps({"steps": episodes * length, "reset_wall_s": wall[0], "step_wall_s": wall[1],
                          "reset_cpu_s": cpu[0], "step_cpu_s": cpu[1]}), flush=True)


if __name__ == "__main__":
    main()
