"""A run's folder: ``last``, ``backup`` (the one before) and ``best`` as safetensors, each whole at any moment.

``run.json`` says what was asked for. ``last`` and ``backup`` hold the agent, its optimiser, every generator, the
practice and the counters; ``best`` the agent alone, as it was at its highest evaluation return.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from priorrl_core.agents.agent import Agent
from priorrl_core.agents.iql_agent import load_strict
from priorrl_core.config import build
from priorrl_core.data.tensor_files import read_tensors, write_tensors, write_text
from priorrl_core.data.transitions import TransitionReplay
from priorrl_core.errors import DataError
from priorrl_core.training.agent_factory import make_agent
from priorrl_core.training.learn_config import LearnConfig
from priorrl_core.training.observations import ObsSize, check_fit, with_channels_first
from priorrl_core.training.offline_online import OfflineOnlineLearner
from priorrl_core.training.state import under

KIND, BEST_KIND, RUN = "learn_run", "learn_best", "run.json"
LAST, BACKUP, BEST = "last.safetensors", "backup.safetensors", "best.safetensors"


@dataclass
class Counters:
    """Where a run stands."""

    offline: int = 0
    """Updates of pretraining done."""
    online: int = 0
    """Steps of practice done."""
    episodes: int = 0
    """Of practice: the number of the next one's seed."""
    best_return: float | None = None
    metric_rows: int = 0


def save_state(folder: Path, learner: OfflineOnlineLearner, counters: Counters, settings: str) -> None:
    """``last``; the one before becomes ``backup``."""
    last = folder / LAST
    if last.is_file():
        _copy(last, folder / BACKUP)
    write_tensors(last, KIND, learner.tensors(), {"settings": settings, "counters": json.dumps(asdict(counters)),
                                                  "buffer": learner.buffer.header()})


def save_best(folder: Path, learner: OfflineOnlineLearner, counters: Counters) -> None:
    write_tensors(folder / BEST, BEST_KIND, learner.agent_tensors(), {"counters": json.dumps(asdict(counters))})


def load_state(folder: Path, learner: OfflineOnlineLearner, settings: str) -> tuple[Counters, str]:
    """Puts a run back where ``last`` left it, or ``backup`` if ``last`` is damaged; the counters and the file's name.

    DataError where neither is whole, or where they are of other settings, data or seed.
    """
    name = LAST if _whole(folder / LAST) or not _whole(folder / BACKUP) else BACKUP
    tensors, meta = read_tensors(folder / name, KIND)
    if meta["settings"] != settings:
        raise DataError(f"'{folder / name}' is of other settings, data, environment or seed ({meta['settings']}, here "
                        f"{settings}); resume with those it was made with, or choose another --out")
    learner.load(tensors, meta["buffer"], str(folder / name))
    if name == BACKUP:
        _copy(folder / BACKUP, folder / LAST)
    return Counters(**json.loads(meta["counters"])), name


def _whole(path: Path) -> bool:
    try:
        read_tensors(path, KIND)
    except DataError:
        return False
    return True


def _copy(path: Path, other: Path) -> None:
    """``other`` becomes the content of ``path`` in one step; a second name for it where the disk has such."""
    fresh = other.with_name(other.name + ".part")
    fresh.unlink(missing_ok=True)
    try:
        os.link(path, fresh)
    except OSError:
        shutil.copyfile(path, fresh)
    os.replace(fresh, other)


# ---- what was asked for, and what is left for use -----------------------------------------------------


def write_run(folder: Path, learner: OfflineOnlineLearner, facts: dict[str, Any]) -> None:
    """``run.json``."""
    sizes = {"obs_size": learner.obs_size, "action_size": learner.action_size}
    write_text(folder / RUN, json.dumps({**facts, **sizes, "config": asdict(learner.config)}, indent=1) + "\n")


def run_threads(folder: Path) -> int:
    """Threads that the run in ``folder`` began with; 0 where there is none."""
    path = folder / RUN
    return int(json.loads(path.read_text()).get("threads", 1)) if path.is_file() else 0


def load_run_agent(folder: str | Path, which: str = "best") -> Agent:
    """The ``best``, ``last`` or ``backup`` agent of a run's folder, ready to act; DataError if it is not there."""
    folder = Path(folder)
    try:
        run = json.loads((folder / RUN).read_text())
        config = build(LearnConfig, run["config"], str(folder / RUN))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"'{folder}' holds no whole {RUN} ({error}); give a folder of 'priorrl learn'") from error
    size = run["obs_size"]
    agent = make_agent(config, tuple(size) if isinstance(size, list) else size, run["action_size"], 0)
    path = folder / f"{which}.safetensors"
    tensors, _ = read_tensors(path, BEST_KIND if which == "best" else KIND)
    load_strict(agent, under("module", under("agent", tensors)), path)
    return agent.eval()


def load_data(path: str | Path, obs_size: ObsSize | None = None, action_size: int | None = None) -> TransitionReplay:
    """A data set to learn from, images as (C, H, W); DataError names file, column and row of what does not fit."""
    data = with_channels_first(TransitionReplay.load(path), f"'{path}'")
    check_fit(data, obs_size, action_size, f"'{path}'")
    if not data.size:
        raise DataError(f"'{path}' holds no transition; record some")
    for name in ("action", "reward") if data.images else ("obs", "next_obs", "action", "reward"):
        column = data.columns[name][:data.size].flatten(1) if name != "reward" else data.columns[name][:data.size, None]
        limit = 1.0 if name == "action" else float("inf")
        bad = ~(column.isfinite() & (column.abs() <= limit)).all(1)
        if bad.any():
            what = "not finite or outside [-1, 1]" if name == "action" else "not finite"
            raise DataError(f"'{path}': '{name}' is {what} in row {int(bad.nonzero()[0])}; correct or drop it")
    return data
