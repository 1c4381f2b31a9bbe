"""What the embedded lake keeps of runs: tables that only grow, not partitioned, a file and a commit for each piece.

How many rows of a run a table has stands in the log, as the number of the transaction btcframe/<run>/<table>: so
nothing is read to know what is there already. Two processes that record one run meet in this transaction, and the log
refuses the second; runs side by side do not meet at all. In a file, the rows of a run follow each other in order of n.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from btcframe.errors import StoreError
from btcframe.stores import lake_layout
from btcframe.stores.lake import Lake
from btcframe.stores.lake_files import File
from btcframe.stores.lake_log import PATIENCE_S, SETTINGS, Table, create, look, reported, tries
from btcframe.stores.lake_writing import Unfinished
from btcframe.stores.records import TABLES, check_table, checked, unseen

GROUP = 65_536
"""Rows of a row group, which is what reading holds at a time."""

FULL = 1 << 18
"""Rows that a file has at most; one with half as many is left alone when small ones are joined."""


class _Kept(NamedTuple):
    """A file, and the keys that it holds: those of `run` from `n` on, or of several runs where it is None."""

    file: File
    first: str
    last: str
    n: int
    run: str | None


class _Stretch(NamedTuple):
    """Rows of one run that follow each other in a file."""

    run: str
    n: int  # of the first
    start: int  # rows of the file before it
    rows: int
    file: File


def record(lake: Lake, run: str, table: str, rows: pa.Table) -> None:
    """Append the rows of a run that are not there yet; see `Delta.record`."""
    rows = checked(run, table, rows)
    name = f"btcframe/{run}/{table}"
    with reported(lake.root, f"table {table} cannot be written"):
        for _ in tries():
            log = _current(lake, table)
            there = log.transaction(name)
            fresh = unseen(run, table, rows, there)
            if len(fresh) == 0:
                return
            added = [_put(lake, table, fresh)]
            if _commit(lake, table, log, added, transaction=(name, there + len(fresh))):
                return
    raise StoreError(
        f"run {run}: for {PATIENCE_S:.0f} s other processes were faster to write to table {table} every time",
        where=lake.root,
    )


def records(lake: Lake, table: str, run: str | None) -> Iterator[pa.RecordBatch]:
    """Rows run after run, each in order of n; see `Delta.records`."""
    check_table(table)
    return _batches(lake, table, run)


def join(lake: Lake, table: str) -> tuple[int, int]:
    """Put the rows of small files into few large ones; how many files there were and are.

    Readers and writers go on: the rows are the same, in other files.

    Raises
    ------
    StoreError
        If a file is damaged, or the disk has no room.
    """
    with reported(lake.root, f"table {table} cannot be compacted"):
        log = _look(lake, table)
        if log is None:
            return 0, 0
        kept = _kept(log)
        small = [k for k in kept if k.file.rows < FULL // 2]
        if len(small) < 2:
            return len(kept), len(kept)
        pieces = _pieces(_read(lake, table, _stretches(lake, table, small, None)))
        added = [_put(lake, table, piece) for piece in pieces]
        if not _commit(lake, table, log, added, [k.file for k in small]):
            return len(kept), len(kept)  # another process joined them first
        return len(kept), len(kept) - len(small) + len(added)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows, FULL at a time."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= FULL:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held)


# ---------------------------------------------------------------------------------------------------- files


def _put(lake: Lake, table: str, rows: pa.Table) -> tuple[File, dict[str, Any]]:
    """Write rows into a new file; the file, and what the log says of its keys."""
    sink = Unfinished(lake.files, table)
    pq.write_table(
        rows,
        pa.PythonFile(sink, mode="w"),
        compression="zstd",
        compression_level=1,
        row_group_size=GROUP,
        write_statistics=["run", "n"],
    )
    file = File(sink.done(), sink.size, len(rows))
    runs, n = rows["run"], rows["n"].to_numpy()
    keys = {
        "minValues": {"run": runs[0].as_py(), "n": int(n.min())},
        "maxValues": {"run": runs[-1].as_py(), "n": int(n.max())},
        "nullCount": {"run": 0, "n": 0},
    }
    return file, keys


def _batches(lake: Lake, table: str, run: str | None) -> Iterator[pa.RecordBatch]:
    with reported(lake.root, f"table {table} cannot be read"):
        log = _look(lake, table)
        if log is not None:
            yield from _read(lake, table, _stretches(lake, table, _kept(log), run))


def _read(lake: Lake, table: str, stretches: Sequence[_Stretch]) -> Iterator[pa.RecordBatch]:
    """The rows of stretches, a row group at a time."""
    for stretch in stretches:
        opened = lake.files.open(table, stretch.file)
        at, end = 0, stretch.start + stretch.rows
        for number in range(opened.num_row_groups):
            rows = opened.metadata.row_group(number).num_rows
            first, last = max(stretch.start, at), min(end, at + rows)
            if first < last:
                found = opened.read_row_group(number).slice(first - at, last - first)
                yield from _widened(found, table).combine_chunks().to_batches()
            at += rows


def _widened(rows: pa.Table, table: str) -> pa.Table:
    """Rows with all columns of today: those that are younger than their file are null."""
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in TABLES[table]
    ]
    return pa.table(columns, names=TABLES[table].names).cast(TABLES[table])


def _stretches(lake: Lake, table: str, kept: Sequence[_Kept], run: str | None) -> list[_Stretch]:
    """What to read, run after run in order of n; neighbours that lie side by side in one file are one."""
    found: list[_Stretch] = []
    for each in kept:
        if run is not None and not each.first <= run <= each.last:
            continue
        if each.run is not None:
            found.append(_Stretch(each.run, each.n, 0, each.file.rows, each.file))
        else:
            keys = lake.files.open(table, each.file).read(columns=["run", "n"])
            found += [s for s in _stretches_of(each.file, keys) if run in (None, s.run)]
    joined: list[_Stretch] = []
    for stretch in sorted(found):
        last = joined[-1] if joined else None
        if last and last.file == stretch.file and last.start + last.rows == stretch.start:
            joined[-1] = last._replace(rows=last.rows + stretch.rows)
        else:
            joined.append(stretch)
    return joined


def _stretches_of(file: File, keys: pa.Table) -> list[_Stretch]:
    """The stretches of one file, from its keys."""
    n = keys["n"].to_numpy()
    runs = keys["run"].combine_chunks().dictionary_encode()
    number = runs.indices.to_numpy()
    starts = np.flatnonzero(np.r_[True, (np.diff(number) != 0) | (np.diff(n) != 1)])
    lengths = np.diff(np.r_[starts, len(n)])
    names = runs.dictionary.take(pa.array(number[starts])).to_pylist()
    columns = (names, n[starts].tolist(), starts.tolist(), lengths.tolist())
    return [_Stretch(*of, file) for of in zip(*columns, strict=True)]


# ------------------------------------------------------------------------------------------------------ log


def _look(lake: Lake, table: str) -> Table | None:
    lake.files  # noqa: B018 — refuses a lake of a newer btcframe
    return look(f"{lake.root}/{table}")


def _made(lake: Lake, table: str) -> Table:
    """An empty table. Two processes that made one with rows in it would both succeed: the log knows of no conflict."""
    lake_layout.mark(lake.files)
    settings = SETTINGS | {"delta.dataSkippingStatsColumns": "run,n"}
    return create(f"{lake.root}/{table}", TABLES[table], (), settings)


def _current(lake: Lake, table: str) -> Table:
    """The table with all columns of today, made or widened where it is not yet."""
    log = _look(lake, table) or _made(lake, table)
    there = {field.name for field in log.handle.schema().fields}
    fields = deltalake.Schema.from_arrow(TABLES[table]).fields
    if missing := [field for field in fields if field.name not in there]:
        with contextlib.suppress(CommitFailedError):  # another process was faster
            log.handle.alter.add_columns(missing)
        log = Table(deltalake.DeltaTable(f"{lake.root}/{table}"))
        lake.files.settle(f"{table}/_delta_log/{log.version():020d}.json")
    return log


def _kept(log: Table) -> list[_Kept]:
    """The files of a table. A run of which a file has all from n on can be told from the log alone."""
    found = []
    for add in pa.table(log.handle.get_add_actions(flatten=True)).to_pylist():
        first, last, n, rows = add["min.run"], add["max.run"], add["min.n"], add["num_records"]
        alone = first == last and add["max.n"] - n + 1 == rows
        file = File(add["path"], add["size_bytes"], rows)
        found.append(_Kept(file, first, last, n, first if alone else None))
    return found


def _commit(
    lake: Lake,
    table: str,
    log: Table,
    added: Sequence[tuple[File, dict[str, Any]]],
    removed: Sequence[File] = (),
    transaction: tuple[str, int] | None = None,
) -> bool:
    """Make files part of the table and take others out; False where another process was faster."""
    now, fresh = int(time.time() * 1000), transaction is not None
    actions: list[Any] = [
        AddAction(f.path, f.size, {}, now, fresh, json.dumps({"numRecords": f.rows} | keys))
        for f, keys in added
    ]
    actions += [RemoveAction(f.path, fresh, now, f.size, {}) for f in removed]
    marks = [deltalake.Transaction(*transaction)] if transaction else None
    try:
        log.handle.create_write_transaction(
            actions, "append", log.handle.schema(), [],
            commit_properties=deltalake.CommitProperties(app_transactions=marks),
        )  # fmt: skip
    except CommitFailedError:
        return False
    lake.files.settle(f"{table}/_delta_log/{log.version():020d}.json")
    return True
