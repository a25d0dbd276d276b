"""The scripted strategies of ``control.search`` as policies for ``rollout`` (rows 10.25, 10.26)."""

from __future__ import annotations

import numpy as np

from priorrl_core.control.p_controller import PController
from priorrl_core.control.search import SEARCHES, LocalizeFirst, Search, make_search
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.tasks.task import InsertionTask
from priorrl_core.training.localize import Localizer

#: Every policy that needs no learning on the job, in the order of thesis Table 5, then the base controller.
BASELINES = ("localize", "straight_down", "random_search", "spiral_search", "base")


class SearchPolicy:
    """A search strategy in place of base plus residual: the action is whatever makes their sum its command.

    With ``localizer`` a blind strategy first goes where the model says (scenario II of the thesis).
    """

    def __init__(self, name: str, task: InsertionTask, localizer: Localizer | None = None) -> None:
        if name not in SEARCHES:
            raise ConfigError(f"there is no search '{name}'{nearest(name, SEARCHES)}")
        if name == "localize" and localizer is None:
            raise ConfigError(
                "the baseline 'localize' needs a trained localiser; add localize.safetensors "
                "to the checkpoint with 'priorrl train'"
            )
        self.name, self.localizer = name, localizer
        self._base = PController(np.array(task.base_gain), np.array(task.base_limit_m))
        self._limit = np.array(task.residual_limit_m)
        self._strategy: Search | LocalizeFirst = make_search(name)
        self._step = 0

    def reset(self, seed: int) -> None:
        strategy = make_search(self.name, seed)
        first = self.localizer is not None and self.name != "localize"
        self._strategy = LocalizeFirst(strategy) if first else strategy
        self._step = 0

    def act(self, image: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        offset_m, force_n = proprio[:3].astype(np.float64), proprio[3:].astype(np.float64)
        command = self._command(image, offset_m, force_n)
        self._step += 1
        base = self._base(offset_m, np.zeros(3))
        return np.clip((command - base) / self._limit, -1.0, 1.0).astype(np.float32)

    def _command(self, image: np.ndarray, offset_m: np.ndarray, force_n: np.ndarray) -> np.ndarray:
        """Increment (3,) [m] that the strategy wants."""
        strategy = self._strategy
        if isinstance(strategy, LocalizeFirst):
            estimate = self._estimate(image) if strategy.found_m is None else None
            return strategy.act(offset_m, force_n, self._step, estimate)
        if self.name == "localize":
            return strategy.act(np.array([*self._estimate(image), 0.0]), force_n, self._step)
        return strategy.act(offset_m, force_n, self._step)

    def _estimate(self, image: np.ndarray) -> np.ndarray:
        assert self.localizer is not None
        return np.asarray(self.localizer.offset_m(image[None])[0], np.float64)
