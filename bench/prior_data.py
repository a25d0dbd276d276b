"""Prior data for benches: finds each connector's file, collects the ones that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.harness import Context
from priorrl_core.tasks.collect import CollectConfig, collect, settings_hash

FOLDERS = ("data/prior", "data/held_out")
"""Where ``priorrl collect`` leaves its files; ``--data`` comes before them."""


class PriorData:
    """The HDF5 file of each connector; one that is nowhere is made, with ``context.seed``, into ``home``."""

    def __init__(self, context: Context, config: CollectConfig, home: str = "data/bench") -> None:
        self.context, self.config = context, config
        self.home = Path(f"{home}_{config.episodes_per_connector}")
        self.folders = [Path(f) for f in (context.data, *FOLDERS) if f]

    def settings(self, name: str) -> str:
        """What the connector's data was made of: the hash in its file, or the one that it will get."""
        from priorrl_core.data.episodes import read_connector_file
        from priorrl_core.tasks.connectors import load_connector
        from priorrl_core.tasks.task import load_task

        path = self._existing(name)
        if path is not None:
            return str(read_connector_file(path)[1]["config_hash"])
        return settings_hash(load_connector(name), load_task(), self.context.seed, self.config)

    def files(self, names: Iterable[str]) -> dict[str, str]:
        """Path of each connector's file, all of them there; may take minutes."""
        names = sorted(set(names))
        missing = [n for n in names if self._existing(n) is None]
        if missing:
            collect(self.home, missing, self.context.seed, self.config, self.context.processes,
                    self.context.progress)
        return {n: str((self._existing(n) or self.home / f"{n}.h5").resolve()) for n in names}

    def _existing(self, name: str) -> Path | None:
        return next((f / f"{name}.h5" for f in self.folders if (f / f"{name}.h5").is_file()), None)
