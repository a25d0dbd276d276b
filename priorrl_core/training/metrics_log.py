"""Metrics of a run under flat names (``trainer/``, ``expl/``, ``eval/``): a CSV file, and TensorBoard if installed.

The CSV file holds nothing that depends on the clock: a resumed run's equals the uninterrupted one's.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from priorrl_core.data.tensor_files import write_text

FILE = "metrics.csv"


class MetricsLog:
    """One row an epoch; a column that comes later is empty in the rows before it."""

    def __init__(self, folder: Path, keep_rows: int = 0) -> None:
        """Goes on behind the first ``keep_rows`` rows of the folder's file; what is behind them is dropped."""
        self.path, self.rows = folder / FILE, read_metrics(folder)[:keep_rows]
        self._board = _open_board(folder, int(self.rows[-1]["step"]) + 1 if self.rows else 0)
        self._write()

    @property
    def has_board(self) -> bool:
        """TensorBoard is installed."""
        return self._board is not None

    def add(self, step: int, values: dict[str, Any]) -> None:
        """One row; ``step`` counts updates of pretraining and steps of practice."""
        self.rows.append({"step": str(step), **{name: str(value) for name, value in values.items()}})
        self._write()
        if self._board is not None:
            for name, value in values.items():
                if "/" in name:
                    self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        if self._board is not None:
            self._board.close()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue() if self.rows else "")


def read_metrics(folder: Path) -> list[dict[str, str]]:
    """Rows of the folder's file, without their empty cells; none where there is no file."""
    path = folder / FILE
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def _open_board(folder: Path, first_step: int) -> Any:
    """TensorBoard's writer; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
