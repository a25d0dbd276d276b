"""Frames of a LeRobot folder by episode: Parquet row groups, the latest one kept, as neighbours often share it.

One thread: with two, pyarrow 26 was seen to wait for ever on a file with changed bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from priorrl_core.data.formats.reading import refuse
from priorrl_core.errors import DataError

BY = "episode_index"


class Group(NamedTuple):
    """A row group and the episodes that it may hold."""

    file: Path
    number: int
    low: float
    high: float


class Frames:
    """All ``data/*/*.parquet``; DataError names a file that is broken or has a column twice."""

    def __init__(self, root: Path) -> None:
        self._groups = [group for file in parquet_files(root / "data") for group in _groups(file)]
        self._latest: tuple[Group, pa.Table] | None = None

    def of_episode(self, number: int) -> pa.Table:
        """The frames of one episode in the order of the files."""
        tables = [self._read(group) for group in self._groups if group.low <= number <= group.high]
        found = [table.filter(pc.field(BY) == number) for table in tables]
        return pa.concat_tables(found, promote_options="default") if found else pa.table({BY: pa.array([], pa.int64())})

    def _read(self, group: Group) -> pa.Table:
        if self._latest is None or self._latest[0] != group:
            try:
                file = pq.ParquetFile(group.file, page_checksum_verification=True)
                self._latest = group, file.read_row_group(group.number, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise broken(group.file, error) from error
        return self._latest[1]


def _groups(file: Path) -> list[Group]:
    try:
        about = pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise broken(file, error) from error
    names = about.schema.to_arrow_schema().names
    for name in names:
        if names.count(name) > 1:
            raise refuse(file, name, "is there twice", "remove one of the two columns")
    if BY not in names:
        raise refuse(file, BY, "is missing", "record or convert the data set again")
    return [_group(file, index, about.row_group(index)) for index in range(about.num_row_groups)]


def _group(file: Path, index: int, about: pq.RowGroupMetaData) -> Group:
    columns = [about.column(i) for i in range(about.num_columns)]
    statistics = next((c.statistics for c in columns if c.path_in_schema == BY), None)
    if statistics is None or not statistics.has_min_max:
        return Group(file, index, float("-inf"), float("inf"))
    return Group(file, index, statistics.min, statistics.max)


def parquet_files(folder: Path) -> list[Path]:
    """``chunk-*/file-*.parquet`` of a folder; DataError if there is none."""
    found = sorted(folder.glob("*/*.parquet"))
    if not found:
        raise DataError(f"'{folder}' holds no Parquet file; copy or record the data set again")
    return found


def broken(path: Path, error: Exception) -> DataError:
    """For a file that pyarrow cannot read."""
    return DataError(f"'{path}' is missing or not whole Parquet ({error}); a recording that was not finalized cannot "
                     "be read, copy or record it again")
