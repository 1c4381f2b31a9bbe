"""A table of the lake and its transaction log, which says which files are the table.

The log is kept open: looking again reads only what others have committed since. So that it stays small however many
appends there are, entries older than `LOG_KEPT` go at the next checkpoint; nobody needs them but who looks into the past.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from btcframe.errors import StoreError
from btcframe.stores.lake_files import File, plainly

LOG_KEPT = "interval 1 hours"

SETTINGS = {
    "delta.dataSkippingStatsColumns": "row_ns",
    "delta.checkpointInterval": "100",
    "delta.logRetentionDuration": LOG_KEPT,
}

PATIENCE_S = 60.0
"""How long who loses to other processes goes on trying."""

_PAUSES_S = (0.005, 0.5)
"""The longest pause after the first try, and after any."""

_DETAIL = 300
"""Characters of another library's message that are shown."""


def tries() -> Iterator[None]:
    """One for every try, as long as there is patience.

    Of those who commit at the same time one wins. The pauses are of random length and grow, so that whoever has
    already lost often is not the one who always comes second.
    """
    until, (pause, longest) = time.monotonic() + PATIENCE_S, _PAUSES_S
    yield
    while time.monotonic() < until:
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, longest)
        yield


class Table:
    """A Delta table. Not for two threads at a time.

    Parameters
    ----------
    handle : deltalake.DeltaTable
    """

    def __init__(self, handle: deltalake.DeltaTable) -> None:
        self.handle = handle

    def update(self) -> None:
        """Take in what others have committed."""
        self.handle.update_incremental()

    def version(self) -> int:
        """How many commits the table has had."""
        return self.handle.version()

    def schema(self) -> pa.Schema:
        """The columns of all builds, partition columns among them."""
        return pa.schema(self.handle.schema().to_arrow())

    def files(self, build: str | None = None) -> list[File]:
        """Files of one build, or of all, in order of time."""
        adds = pa.table(self.handle.get_add_actions(flatten=True))
        if build is not None:
            adds = adds.filter(ds.field("partition.build") == build)
        rows = len(adds)
        columns = [
            adds[name].to_pylist() if name in adds.column_names else [default] * rows
            for name, default in (
                ("path", ""), ("size_bytes", 0), ("num_records", 0), ("min.row_ns", 0), ("max.row_ns", 0),
                ("partition.build", ""), ("partition.day", ""),
            )
        ]  # fmt: skip
        return sorted((File(*f) for f in zip(*columns, strict=True)), key=lambda f: (f.first, f.last, f.path))

    def transaction(self, name: str) -> int:
        """The number that the last commit of that name carried; 0 where there was none."""
        return self.handle.transaction_version(name) or 0

    def widen(self, schema: pa.Schema) -> bool:
        """Add the columns that the table does not have yet; whether there were any."""
        there = set(self.schema().names)
        new = pa.schema([field for field in schema if field.name not in there])
        if len(new):
            self.handle.alter.add_columns(deltalake.Schema.from_arrow(new).fields)
        return len(new) > 0

    def commit(
        self,
        added: Sequence[File],
        removed: Sequence[File] = (),
        transactions: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Make files part of the table and take others out of it, in one commit.

        Parameters
        ----------
        added, removed : sequence of File
        transactions : sequence of tuple    names and numbers: refused if another commit of such a name came since the
            log was looked at; delta-rs compares no numbers

        Raises
        ------
        CommitFailedError
            If another process was faster, and one has to look again.
        """
        now = int(time.time() * 1000)
        move = bool(added and removed)  # the same rows in other files
        actions: list[Any] = [
            AddAction(f.path, f.size, _partition(f), now, not move, _statistics(f)) for f in added
        ]
        actions += [RemoveAction(f.path, not move, now, f.size, _partition(f)) for f in removed]
        self.handle.create_write_transaction(
            actions,
            "append",
            self.handle.schema(),
            self.handle.metadata().partition_columns,
            commit_properties=deltalake.CommitProperties(
                app_transactions=[deltalake.Transaction(*each) for each in transactions] or None
            ),
        )
        self.update()  # delta-rs leaves the handle as it was before the commit


def look(path: str) -> Table | None:
    """The table at a path, or None where there is none."""
    try:
        return Table(deltalake.DeltaTable(path))
    except TableNotFoundError:
        return None


def create(
    path: str, schema: pa.Schema, partitions: Sequence[str], settings: Mapping[str, str] = SETTINGS
) -> Table:
    """Make an empty table; the one that is there if another process was faster, before or while this one makes it.

    Whoever comes second must not try again: delta-rs would then put its own columns in the place of those that are there.
    """
    try:
        made = deltalake.DeltaTable.create(
            path,
            deltalake.Schema.from_arrow(schema),
            partition_by=list(partitions),
            configuration=dict(settings),
            commit_properties=deltalake.CommitProperties(max_commit_retries=0),
        )
    except (CommitFailedError, DeltaError):
        there = look(path)
        if there is None:
            raise
        return there
    return Table(made)


@contextlib.contextmanager
def reported(root: str, what: str) -> Iterator[None]:
    """Turn the libraries' errors into ours."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException, KeyError) as error:
        detail = plainly(error)
        if "No space left" in detail or "File too large" in detail:
            hint = "The disk is full: free some space."
        elif "ermission denied" in detail or "Read-only" in detail:
            hint = "The directory cannot be written with your rights."
        elif isinstance(error, (FileNotFoundError, NotADirectoryError, FileExistsError)):
            hint = "A file is in the way, or a part of the path is missing."
        else:
            hint = "The files may be damaged or another program's."
        raise StoreError(
            f"{what}: {detail[:_DETAIL]}{'…' * (len(detail) > _DETAIL)}",
            where=root,
            hint=hint,
            next="Put it right, or use another directory: store.path=…",
        ) from error


def _partition(file: File) -> dict[str, str | None]:
    return {"build": file.build, "day": file.day} if file.build else {}


def _statistics(file: File) -> str:
    told: dict[str, Any] = {"numRecords": file.rows}
    if file.build:
        told |= {
            "minValues": {"row_ns": file.first}, "maxValues": {"row_ns": file.last}, "nullCount": {"row_ns": 0},
        }  # fmt: skip
    return json.dumps(told)
