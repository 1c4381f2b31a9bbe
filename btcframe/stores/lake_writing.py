"""Rows made data files: encoded, hashed and written in one pass, the files of one batch side by side.

A file grows under a name that says so, `<12 hex>.unfinished`, and gets the one that ends in its sha256 when it is on
the disk. What a killed writer leaves under the first is deleted by `compact`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from btcframe.stores.lake_files import File, Files, by_day

GROUP_BYTES = 16_000_000
"""About how large a row group is, which is what a scan holds at a time, however wide the rows."""

GROUP_ROWS = 65_536
"""The most rows that one has."""

FILE_BYTES = 200_000_000
"""About how large a file is made: a day of 864,000 rows × 115 columns is four or five."""

PIECE_BYTES = 32_000_000
"""About how much of a batch, as it is in memory, goes into a file."""

WRITERS = 4
"""How many files of a batch are made at a time."""


class Unfinished:
    """A data file while it is written. It is what Parquet's writer writes to.

    That writer goes on to its footer after an error; so an error is kept, what follows is dropped, and `done` raises.
    Object stores cannot rename: for them the bytes are held until the end.

    Parameters
    ----------
    files : Files
    folder : str     below their root

    Raises
    ------
    OSError
        If the file cannot be made.
    """

    closed = False  # Arrow asks

    def __init__(self, files: Files, folder: str) -> None:
        self.size = 0
        self._files, self._folder = files, folder
        self._number = uuid.uuid4().hex[:12]
        self._digest = hashlib.sha256()
        self._error: OSError | None = None
        self._dropped = False
        self._path = Path(files.base, folder, f"{self._number}.unfinished")
        if files.local:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._out: Any = self._path.open("xb")
        else:
            self._out = io.BytesIO()

    def write(self, data: bytes) -> int:
        """Take bytes; nothing is raised."""
        if self._error is None and not self._dropped:
            try:
                self._out.write(data)
            except OSError as error:
                self._error = error
            self._digest.update(data)
            self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing: `done` does."""

    def done(self) -> str:
        """Give the file its name, which is returned. On a disk of this machine it is there to stay: fsync.

        Raises
        ------
        OSError
            If it could not be written; what was written of it is given back.
        """
        name = f"{self._number}-{self._digest.hexdigest()}.parquet"
        if not self._files.local:
            with self._files.filesystem.open_output_stream(
                f"{self._files.base}/{self._folder}/{name}"
            ) as out:
                out.write(self._out.getbuffer())
            return name
        try:
            if self._error is not None:
                raise self._error
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
            self._path.rename(self._path.with_name(name))
        except OSError:
            self.drop()
            raise
        self._files.settle(self._folder)
        return name

    def drop(self) -> None:
        """Give back what was written; more is not taken."""
        self._dropped = True
        with contextlib.suppress(OSError):  # a full disk: what is still in the buffer cannot be written
            self._out.close()
        if self._files.local:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def put_batch(files: Files, name: str, batch: pa.Table, build: str) -> list[File]:
    """Write rows of a build, in order of time, as data files by day; they are not part of the table yet.

    Encoding, the checksum and the disk let other threads work meanwhile.
    """
    pieces = [(day, piece) for day, rows in by_day(batch) for piece in _pieces(rows)]

    def put(piece: tuple[str, pa.Table]) -> list[File]:
        day, rows = piece
        return put_all(files, name, [rows], strict(rows), build, day)

    if len(pieces) == 1:
        return put(pieces[0])
    with ThreadPoolExecutor(WRITERS) as threads:
        return [file for made in threads.map(put, pieces) for file in made]


def put_all(
    files: Files, name: str, batches: Iterable[pa.Table], schema: pa.Schema, build: str = "", day: str = ""
) -> list[File]:
    """Write rows as data files of about `FILE_BYTES`, of one build and day, or of a table without.

    They are not part of the table yet. The rows come in order of time, in the columns of the schema; a file holds row
    groups of about `GROUP_BYTES`, LZ4-compressed.

    Parameters
    ----------
    files : Files
    name : str                     the table's
    batches : iterable of Table
    schema : pyarrow.Schema        columns that it says are never null cost half as much, see `strict`
    build, day : str

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    folder = f"build={build}/day={day}/" if build else ""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    made = []
    coming = (batch for batch in batches if len(batch))
    batch = next(coming, None)
    while batch is not None:
        sink = Unfinished(files, f"{name}/{folder}".rstrip("/"))
        rows, first, last = 0, 0, 0
        try:
            with pq.ParquetWriter(
                pa.PythonFile(sink, mode="w"),
                schema,
                compression="lz4",
                use_dictionary=texts,
                write_statistics=["row_ns"],  # of the other columns they would cost three times the writing
                write_batch_size=GROUP_ROWS,  # a page at a time
                store_schema=False,  # Parquet's types say all that a store keeps; a tenth of a small file
            ) as writer:
                while batch is not None and sink.size < FILE_BYTES:
                    if "row_ns" in schema.names:
                        row_ns = batch["row_ns"].to_numpy()
                        first, last = (first if rows else int(row_ns[0])), int(row_ns[-1])
                    rows += len(batch)
                    whole = pa.Table.from_arrays(batch.columns, schema=schema)
                    writer.write_table(whole, row_group_size=_group(whole))
                    batch = next(coming, None)
            made.append(File(folder + sink.done(), sink.size, rows, first, last, build, day))
        except BaseException:
            sink.drop()
            raise
    return made


def strict(rows: pa.Table) -> pa.Schema:
    """The schema of the rows, saying of a column without a null that it never has one.

    Parquet then keeps no levels beside the values: half the time of writing, three quarters of reading.
    """
    columns = zip(rows.schema, rows.columns, strict=True)
    return pa.schema([field.with_nullable(column.null_count > 0) for field, column in columns])


def regrouped(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables as large as a row group, but the last."""
    held: list[pa.Table] = []
    size = rows = 0
    for part in parts:
        held.append(part)
        size, rows = size + part.nbytes, rows + len(part)
        if size >= GROUP_BYTES or rows >= GROUP_ROWS:
            yield pa.concat_tables(held)
            held, size, rows = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows, a file each time."""
    each = -(-len(rows) // max(1, round(rows.nbytes / PIECE_BYTES)))
    for start in range(0, len(rows), each):
        yield rows.slice(start, each)


def _group(rows: pa.Table) -> int:
    """Rows of a row group."""
    size: int = rows.nbytes
    return max(1, min(GROUP_ROWS, GROUP_BYTES * len(rows) // max(1, size)))
