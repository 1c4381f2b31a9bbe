"""The data files of a lake: Parquet whose name carries the checksum of its bytes.

A file is written once and never changed. Its name ends in the sha256 of what is in it, so that nothing else has to be
kept to find a flipped bit years later. Page checksums of Parquet's own were measured and left out: they halve the
speed of writing. A scan compares a file's size and its number of rows with the log; `check` reads every byte.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from btcframe.errors import RefusedError, StoreError
from btcframe.types import NS

PARTITIONS = ("build", "day")
_DAY = 86_400 * NS

OURS = re.compile(r"[0-9a-f]{12}-(?P<sha256>[0-9a-f]{64})\.parquet|part-.*\.parquet|[0-9a-f]{12}\.unfinished")
"""Names of files that btcframe wrote; those of its first layout, part-…, carry no checksum."""


class File(NamedTuple):
    """A data file, as the log has it.

    Parameters
    ----------
    path : str           below the table's directory
    size, rows : int     bytes and rows
    first, last : int    smallest and largest row_ns, ns UTC; 0 in tables without it
    build, day : str     partition; empty in tables without
    """

    path: str
    size: int
    rows: int
    first: int = 0
    last: int = 0
    build: str = ""
    day: str = ""


class Files:
    """Data files below one directory or URL.

    Parameters
    ----------
    root : str

    Raises
    ------
    StoreError
        If Arrow knows no file system for the URL.
    """

    def __init__(self, root: str) -> None:
        if "://" in root:
            try:
                self.filesystem, self.base = pyarrow.fs.FileSystem.from_uri(root)
            except (pa.ArrowException, OSError) as error:
                raise unreachable(root, error) from error
        else:
            self.filesystem, self.base = pyarrow.fs.LocalFileSystem(), root
        self.local = isinstance(self.filesystem, pyarrow.fs.LocalFileSystem)

    def settle(self, path: str) -> None:
        """Wait until a file or folder and its name are on the disk of this machine; object stores need no such thing."""
        if not self.local:
            return
        file = Path(self.base, path)
        for each in (file, file.parent):
            number = os.open(each, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def folders(self) -> list[str]:
        """Names of the directories below the root."""
        return self._inside(self.base, pyarrow.fs.FileType.Directory)

    def names(self, folder: str) -> list[str]:
        """Names of the files right below a folder; none where it is missing."""
        return self._inside(f"{self.base}/{folder}", pyarrow.fs.FileType.File)

    def _inside(self, path: str, kind: Any) -> list[str]:
        try:  # `allow_not_found` looks before it lists, and fails where a directory is just being made
            found = self.filesystem.get_file_info(pyarrow.fs.FileSelector(path))
        except FileNotFoundError:
            return []
        return sorted(f.base_name for f in found if f.type == kind)

    def open(self, table: str, file: File) -> pq.ParquetFile:
        """Open a file whose size and number of rows are what the log says.

        Raises
        ------
        StoreError
            If it is missing, its size or number of rows is another, or its footer is damaged.
        """
        path = f"{self.base}/{table}/{file.path}"
        try:
            source = self.filesystem.open_input_file(path)
            if (size := source.size()) != file.size:
                raise _damaged(table, f"it has {size:,} bytes, and {file.size:,} were written", path)
            opened = pq.ParquetFile(source)
            if (rows := opened.metadata.num_rows) != file.rows:
                raise _damaged(table, f"it has {rows:,} rows, and {file.rows:,} were written", path)
            return opened
        except FileNotFoundError as error:
            raise _damaged(table, "it is missing", path) from error
        except pa.ArrowException as error:
            raise _damaged(table, str(error), path) from error

    def read(
        self,
        table: str,
        file: File,
        schema: pa.Schema,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.Table]:
        """Rows with since <= row_ns < until, a row group at a time, null where the file has no such column.

        Parameters
        ----------
        table : str
        file : File
        schema : pyarrow.Schema     columns to read, row_ns among them where a limit is given
        since, until : int          ns UTC

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        opened = self.open(table, file)
        there = set(opened.schema_arrow.names)
        has = [name for name in schema.names if name in there]
        for number in range(opened.num_row_groups):
            try:
                rows = opened.read_row_group(number, columns=has)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(table, str(error), f"{self.base}/{table}/{file.path}") from error
            if (since is not None and file.first < since) or (until is not None and file.last >= until):
                rows = _between(rows, since, until)
            yield _as(rows, schema)

    def check(self, table: str, file: File) -> str:
        """What is wrong with a file, read from end to end; "" for nothing."""
        try:
            opened = self.open(table, file)
            named = OURS.fullmatch(file.path.rpartition("/")[2])
            if named and named["sha256"]:
                with self.filesystem.open_input_stream(f"{self.base}/{table}/{file.path}") as stream:
                    digest = hashlib.sha256()
                    while block := stream.read(1 << 22):
                        digest.update(block)
                if digest.hexdigest() != named["sha256"]:
                    return f"{file.path}: its bytes are not those that were written"
            else:  # the first layout kept no checksums: what decodes is all that can be known
                for number in range(opened.num_row_groups):
                    opened.read_row_group(number)
        except StoreError as error:
            return f"{file.path}: {error.hint}"
        except (pa.ArrowException, OSError) as error:
            return f"{file.path}: {error}"
        return ""


def unreachable(root: str, error: Exception) -> StoreError:
    """The error for a place that does not answer, or that does not let us in."""
    remote = "Credentials come from the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of your cloud."
    return StoreError(
        f"the store cannot be reached: {plainly(error)}",
        where=root,
        hint=remote if "://" in root else "The directory may be another program's, or a file in the way.",
        next="Put it right, or use another place: store.path=…",
    )


def plainly(error: Exception) -> str:
    """What a library says, in one line, without the numbers that Arrow puts in front of the system's own words."""
    text = " ".join(str(error).partition("\n   0: ")[0].split())  # delta-rs appends a backtrace of its own
    return re.sub(r"\[[Ee]rrno \d+\] ", "", text) or type(error).__name__


def overlapping(files: Sequence[File]) -> Iterator[list[File]]:
    """Group files, ordered by their first row, whose time ranges overlap: those must be sorted together."""
    group: list[File] = []
    last = 0
    for file in files:
        if group and file.first > last:
            yield group
            group = []
        last = max(last, file.last) if group else file.last
        group.append(file)
    if group:
        yield group


def fingerprint(files: Iterable[File]) -> str:
    """What tells one set of files from another: a sha256 of their paths, which carry checksums, sizes and rows."""
    lines = sorted(f"{file.path} {file.size} {file.rows}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_columns(names: Sequence[str], there: Iterable[str], where: str) -> None:
    """Refuse columns that a lake cannot hold: those that differ from another one only in case."""
    folded = {name.lower(): name for name in there}
    for name in names:
        other = folded.setdefault(name.lower(), name)
        if other != name or (name in PARTITIONS):
            what = (
                f"column {name} differs from {other} only in case"
                if other != name
                else f"{name} is the lake's own"
            )
            raise RefusedError(what, where=where, hint="Rename the column.")


def by_day(batch: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each day (UTC), of rows in order of time."""
    days = batch["row_ns"].to_numpy() // _DAY
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(days)], strict=True):
        yield str(np.datetime64(int(days[start]), "D")), batch.slice(start, stop - start)


def _between(rows: pa.Table, since: int | None, until: int | None) -> pa.Table:
    """Rows with since <= row_ns < until, of rows in order of time."""
    row_ns = rows["row_ns"].to_numpy()
    start = 0 if since is None else int(row_ns.searchsorted(since))
    stop = len(rows) if until is None else int(row_ns.searchsorted(until))
    return rows.slice(start, max(0, stop - start))


def _as(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    if rows.schema.equals(schema):
        return rows
    there = dict(zip(rows.column_names, rows.columns, strict=True))
    columns = []
    for field in schema:
        column = there.get(field.name)
        if column is None:
            column = pa.nulls(len(rows), field.type)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _damaged(table: str, what: str, path: str) -> StoreError:
    return StoreError(
        f"table {table} cannot be read: a file is damaged",
        where=path,
        hint=what,
        next="See all that is: btcframe db verify. Bring the file back from a backup, or build again into another store.path=…",
    )
