"""d3rlpy, stable-baselines3 and SBX for ``priorrl bench learner_speed``; runs in their own venv.

A learner's name is ``library/algorithm`` or ``library/algorithm/option``: ``medium`` gives a torch library the
oneDNN products that priorrl uses; a number is the samples of BCQ's or BEAR's target and MMD.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from serve import ACTION, BATCH, HIDDEN, OBS, ROWS, Learner, pin, serve  # noqa: E402


class D3rlpy:
    """One algorithm on a data set in memory."""

    def __init__(self, algorithm: str, samples: int | None) -> None:
        import d3rlpy
        import numpy as np

        d3rlpy.logging.set_log_context()
        g = np.random.default_rng(0)
        ends = np.zeros(ROWS, np.float32)
        ends[999::1000] = 1.0
        self.data = d3rlpy.dataset.MDPDataset(
            g.standard_normal((ROWS, OBS)).astype(np.float32), g.uniform(-1, 1, (ROWS, ACTION)).astype(np.float32),
            g.standard_normal(ROWS).astype(np.float32), ends)
        more: dict[str, Any] = {"batch_size": BATCH}
        if algorithm == "bear":
            more |= {"warmup_steps": 0} | ({"n_target_samples": samples, "n_mmd_action_samples": samples}
                                           if samples else {})
        elif samples:
            more["n_action_samples"] = samples
        config = getattr(d3rlpy.algos, f"{algorithm.upper()}Config")
        self.learner = config(**more).create(device="cpu:0")
        self.learner.build_with_dataset(self.data)

    def update(self, count: int) -> None:
        for _ in range(count):
            self.learner.update(self.data.sample_transition_batch(BATCH))

    def sample(self, count: int) -> None:
        for _ in range(count):
            self.data.sample_transition_batch(BATCH)


class Baselines:
    """An algorithm of stable-baselines3, or of SBX by the same interface, on a filled replay."""

    def __init__(self, library: Any, algorithm: str) -> None:
        import numpy as np
        from stable_baselines3.common.logger import Logger

        nets = {"net_arch": {"pi": list(HIDDEN), "qf": list(HIDDEN)}}
        self.model = getattr(library, algorithm.upper())("MlpPolicy", _space_env(), batch_size=BATCH,
                                                         buffer_size=ROWS, policy_kwargs=nets, device="cpu")
        self.model.set_logger(Logger(None, []))
        g, replay = np.random.default_rng(0), self.model.replay_buffer
        for field in ("observations", "next_observations", "rewards"):
            array = getattr(replay, field)
            array[:] = g.standard_normal(array.shape)
        replay.actions[:] = g.uniform(-1, 1, replay.actions.shape)
        replay.full = True

    def update(self, count: int) -> None:
        self.model.train(gradient_steps=count, batch_size=BATCH)
        wait = getattr(getattr(self.model.policy, "qf_state", None), "params", None)
        if wait is not None:
            import jax

            jax.block_until_ready(wait)

    def sample(self, count: int) -> None:
        for _ in range(count):
            self.model.replay_buffer.sample(BATCH)


def _space_env() -> Any:
    import gymnasium
    import numpy as np

    class Still(gymnasium.Env):
        """Spaces without a world: nothing is stepped here."""

        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION,), np.float32)

    return Still()


def make(name: str) -> Learner:
    """The learner of that name."""
    import torch

    library, algorithm, *options = name.split("/")
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    if library == "d3rlpy":
        made: Any = D3rlpy(algorithm, next((int(o) for o in options if o.isdigit()), None))
    elif library == "sb3":
        import stable_baselines3

        made = Baselines(stable_baselines3, algorithm)
    else:
        import sbx

        made = Baselines(sbx, algorithm)
    return WithPrecision(made, "medium" if "medium" in options else "highest")


class WithPrecision:
    """A learner whose products take a path of torch's, set anew at each call: many share the process."""

    def __init__(self, learner: Learner, precision: str) -> None:
        self.learner, self.precision = learner, precision

    def update(self, count: int) -> None:
        self._with_path(self.learner.update, count)

    def sample(self, count: int) -> None:
        self._with_path(self.learner.sample, count)

    def _with_path(self, work: Callable[[int], None], count: int) -> None:
        import torch

        torch.set_float32_matmul_precision(self.precision)
        work(count)


if __name__ == "__main__":
    pin()
    serve(make)
