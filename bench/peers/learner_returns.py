"""d3rlpy and stable-baselines3 for ``priorrl bench learners``; runs in their own venv, without priorrl.

JSON lines: first the settings, then ``{"do": "offline" | "online" | "act" | "go"}``. While learning it asks for the
environment's ``reset`` and ``step`` and says ``look`` at equal distances, until it says ``done``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402


class Line:
    """The pipe to the bench."""

    def __init__(self) -> None:
        self.out, sys.stdout = sys.stdout, sys.stderr  # libraries may print

    def say(self, what: str, **more: Any) -> None:
        self.out.write(json.dumps({"say": what, **more}) + "\n")
        self.out.flush()

    def hear(self) -> dict[str, Any]:
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(0)
        return dict(json.loads(line))


class RemoteEnv(gymnasium.Env):
    """The bench's environment: actions in [-1, 1], seeds of its own."""

    def __init__(self, line: Line, obs_size: int, action_size: int, seed: int) -> None:
        self.line = line
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (obs_size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_size,), np.float32, seed=seed)

    def reset(self, *, seed=None, options=None):
        self.line.say("reset")
        return np.array(self.line.hear()["obs"], np.float32), {}

    def step(self, action):
        self.line.say("step", action=np.clip(action, -1.0, 1.0).tolist())
        got = self.line.hear()
        return np.array(got["obs"], np.float32), got["reward"], got["terminated"], got["truncated"], {}


class GoalEnv(RemoteEnv):
    """The same with goals: what is seen is [achieved goal, desired goal, observation]."""

    def __init__(self, line: Line, obs_size: int, action_size: int, seed: int, goal: int) -> None:
        super().__init__(line, obs_size, action_size, seed)
        sizes = {"achieved_goal": goal, "desired_goal": goal, "observation": obs_size - 2 * goal}
        self.observation_space = gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32) for name, size in sizes.items()})
        self.goal = goal

    def reset(self, *, seed=None, options=None):
        return split(super().reset()[0], self.goal), {}

    def step(self, action):
        obs, *rest = super().step(action)
        return split(obs, self.goal), *rest

    def compute_reward(self, achieved, desired, info):
        """That of the Fetch tasks."""
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.05).astype(np.float32)


def split(seen: np.ndarray, goal: int) -> dict[str, np.ndarray]:
    """(..., D) as the goal-conditioned agents of stable-baselines3 want it."""
    return {"achieved_goal": seen[..., :goal], "desired_goal": seen[..., goal:2 * goal],
            "observation": seen[..., 2 * goal:]}


class D3rlpy:
    """One algorithm; offline on arrays, online in the bench's environment."""

    def __init__(self, told: dict[str, Any], line: Line) -> None:
        import d3rlpy
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
        d3rlpy.seed(told["seed"])
        self.told, self.line = told, line
        self.env = RemoteEnv(line, told["obs_size"], told["action_size"], told["seed"])
        config = getattr(d3rlpy.algos, f"{told['algorithm'].upper()}Config")
        self.learner = config(**_d3rlpy_settings(told)).create(device="cpu:0")

    def offline(self, steps: int, every: int, look: Callable[[int], None]) -> None:
        import d3rlpy

        with np.load(self.told["data"], allow_pickle=False) as f:
            data = d3rlpy.dataset.MDPDataset(f["obs"], f["action"], f["reward"], f["terminated"].astype(np.float32),
                                             _ends(f["terminated"], f["truncated"]))
        self.learner.build_with_dataset(data)
        for done in range(1, steps + 1):
            self.learner.update(data.sample_transition_batch(self.told["batch"]))
            if done % every == 0:
                look(done)

    def online(self, steps: int, every: int, look: Callable[[int], None]) -> None:
        import d3rlpy

        start = self.told["random_steps"]
        noise = d3rlpy.algos.NormalNoise(std=0.1) if self.told["algorithm"] == "td3" else None
        buffer = d3rlpy.dataset.create_fifo_replay_buffer(steps, env=self.env)
        self.learner.fit_online(
            self.env, buffer, noise, n_steps=steps, n_steps_per_epoch=steps + 1, update_start_step=start,
            random_steps=start, save_interval=steps, show_progress=False,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            callback=lambda algo, epoch, step: look(step) if step % every == 0 else None)

    def act(self, obs: np.ndarray) -> np.ndarray:
        return self.learner.predict(obs)


def _d3rlpy_settings(told: dict[str, Any]) -> dict[str, Any]:
    from d3rlpy.models.encoders import VectorEncoderFactory

    name, rate, samples = told["algorithm"], told["rate"], told["samples"]
    net = VectorEncoderFactory(told["hidden"])
    out = {"batch_size": told["batch"], "gamma": told["discount"], "tau": told["target_rate"],
           "actor_learning_rate": rate, "critic_learning_rate": rate,
           "actor_encoder_factory": net, "critic_encoder_factory": net}
    if name in ("sac", "bear"):
        out["temp_learning_rate"] = rate
    if name == "iql":
        out["value_encoder_factory"] = net
    if name in ("bcq", "bear"):
        out |= {"imitator_encoder_factory": net, "imitator_learning_rate": rate, "n_action_samples": samples}
    if name == "bear":
        out |= {"n_target_samples": samples, "n_mmd_action_samples": samples, "mmd_sigma": told["sigma"],
                "warmup_steps": told["warm_updates"]}
    return out


def _ends(terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Time-outs (N,), with one at the last row where its episode is cut off."""
    out = (truncated & ~terminated).astype(np.float32)
    out[-1] = float(not terminated[-1])
    return out


class Baselines:
    """stable-baselines3, online; with goals its hindsight replay."""

    def __init__(self, told: dict[str, Any], line: Line) -> None:
        import stable_baselines3

        self.goal, world = told["goals"], (line, told["obs_size"], told["action_size"], told["seed"])
        more = {}
        if self.goal:
            more = {"replay_buffer_class": stable_baselines3.HerReplayBuffer,
                    "replay_buffer_kwargs": {"n_sampled_goal": 4, "goal_selection_strategy": "future"}}
        self.model = getattr(stable_baselines3, told["algorithm"].upper())(
            "MultiInputPolicy" if self.goal else "MlpPolicy",
            GoalEnv(*world, self.goal) if self.goal else RemoteEnv(*world), learning_rate=told["rate"],
            buffer_size=told["steps"], learning_starts=told["random_steps"], batch_size=told["batch"],
            tau=told["target_rate"], gamma=told["discount"], train_freq=1, gradient_steps=1,
            action_noise=_noise(told), seed=told["seed"], device="cpu", verbose=0,
            policy_kwargs={"net_arch": {"pi": told["hidden"], "qf": told["hidden"]}}, **more)

    def online(self, steps: int, every: int, look: Callable[[int], None]) -> None:
        from stable_baselines3.common.callbacks import BaseCallback

        class Looks(BaseCallback):
            def _on_step(self) -> bool:
                if self.num_timesteps % every == 0:
                    look(self.num_timesteps)
                return True

        self.model.learn(steps, callback=Looks())

    def act(self, obs: np.ndarray) -> np.ndarray:
        return self.model.predict(split(obs, self.goal) if self.goal else obs, deterministic=True)[0]


def _noise(told: dict[str, Any]) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise

    std, size = {"td3": 0.1, "ddpg": 0.2}.get(told["algorithm"], 0.0), told["action_size"]
    return NormalActionNoise(np.zeros(size), np.full(size, std)) if std else None


LIBRARIES: dict[str, Any] = {"d3rlpy": D3rlpy, "sb3": Baselines}


def main() -> None:
    """Serves one learner until the input ends."""
    line = Line()
    try:
        _serve(line)
    except Exception as error:  # noqa: BLE001 - named in the answer, and the bench stops
        line.say("error", error=f"{type(error).__name__}: {error}")
        raise


def _serve(line: Line) -> None:
    import torch

    torch.set_num_threads(1)
    told = line.hear()
    side = LIBRARIES[told["library"]](told, line)
    line.say("ready")

    def look(step: int) -> None:
        """Acts for the bench until it says ``go``."""
        line.say("look", step=step)
        while (asked := line.hear())["do"] == "act":
            line.say("action", action=np.asarray(side.act(np.array(asked["obs"], np.float32))).tolist())

    while True:
        asked = line.hear()
        getattr(side, asked["do"])(asked["steps"], asked["every"], look)
        line.say("done")


if __name__ == "__main__":
    main()
