"""HDF5 files that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from priorrl_core.errors import DataError


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file; DataError for everything that h5py raises when bytes of it are lost or changed."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"'{path}' is missing or not a whole HDF5 file ({error}); copy or record it again") from error
