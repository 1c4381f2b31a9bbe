"""Delta Lake tables keyed by (build, symbol, row_ns): what the store `delta` does.

*Architecture Invariant*: a reader sees sealed builds only, unless it asks for an open one. Sealing is one commit to the
table `builds`; each write to a build carries that build's transaction id, so of two concurrent writers one is refused
by the log and looks again. What was acknowledged is on the disk: files and log entries are synced before.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from btcframe.errors import RefusedError, StoreError
from btcframe.stores import lake_layout, records
from btcframe.stores.batches import NAME, asked, check_name, ordered, plain, without
from btcframe.stores.lake_files import (
    PARTITIONS,
    File,
    Files,
    check_columns,
    fingerprint,
    overlapping,
)
from btcframe.stores.lake_log import PATIENCE_S, Table, create, look, reported, tries
from btcframe.stores.lake_merge import (
    APPEND,
    SEAL,
    in_order,
    merge_days,
    sealing,
    transaction,
    written,
)  # fmt: skip
from btcframe.stores.lake_writing import put_all, put_batch

BUILDS = "builds"
BATCH = 65_536
_KEYS = pa.schema([("symbol", pa.string()), ("row_ns", pa.int64())])


class Sealed(NamedTuple):
    """A sealed build.

    Parameters
    ----------
    manifest : mapping
    tables : mapping      columns by table
    files : mapping       `fingerprint` of its files by table; empty in a build sealed under the first layout
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, list[str]]
    files: Mapping[str, str]


class Lake:
    """The tables below one directory or URL. Threads may share it: their writes take turns.

    Parameters
    ----------
    root : str
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._lock = threading.RLock()
        self._tables_open: dict[str, Table] = {}
        self._sealed: tuple[Table, int, dict[str, Sealed]] | None = None

    def __reduce__(self) -> tuple[type[Lake], tuple[str]]:
        return Lake, (self.root,)  # another process opens the logs itself

    @cached_property
    def files(self) -> Files:
        """Where the data files lie; a lake of a newer btcframe is refused."""
        files = Files(self.root)
        lake_layout.check(files, self.root)
        return files

    # ------------------------------------------------------------------------------------------------- writing

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append the rows that are not there yet; see `Delta.write`."""
        check_name("build", build)
        check_name("table", table)
        self._check_table(table)
        if batch.num_rows == 0:
            return
        batch = ordered(plain(batch))
        check_columns(batch.column_names, PARTITIONS, self._path(table))
        with self._reported(f"table {table} cannot be written"), self._lock:
            for _ in tries():
                if self._append(build, table, batch):
                    return
        raise StoreError(
            f"build {build}: for {PATIENCE_S:.0f} s other processes were faster every time",
            where=self._path(table),
        )

    def _append(self, build: str, table: str, batch: pa.Table) -> bool:
        """One try; False where another process was faster and one has to look again."""
        log = self._look(table)
        fresh = batch if log is None else self._unseen(table, log.files(build), batch)
        if len(fresh) == 0:
            return True
        if log is not None:
            self._check_types(table, log.schema(), fresh)
        if build in self.sealed():
            raise RefusedError(
                f"build {build} is sealed, and {len(fresh):,} of these rows are not in it",
                where=self._path(table),
                hint="A sealed build never changes: write to another build.",
            )
        if log is None:
            lake_layout.mark(self.files)  # before there is anything that would tell of an older layout
        added = put_batch(self.files, table, fresh, build)
        if not self._commit(table, log, fresh.schema, added, build, PARTITIONS):
            return False
        days = {file.day for file in added}
        log = self._tables_open[table]
        crowded = [file for file in log.files(build) if file.day in days]
        merge_days(self.files, table, log, crowded, APPEND)
        return True

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole; see `Delta.seal`."""
        check_name("build", build)
        text = json.dumps(manifest, sort_keys=True)
        with self._reported(f"build {build} cannot be sealed"), self._lock:
            for _ in tries():
                known = self.sealed().get(build)
                if known is not None:
                    if known.manifest != json.loads(text):
                        raise RefusedError(
                            f"build {build} is sealed with another manifest", where=self._path(BUILDS)
                        )
                    return
                if self._seal(build, text, manifest.get("tables", {})):
                    return
        raise StoreError(f"build {build} cannot be sealed: other processes keep writing", where=self.root)

    def _seal(self, build: str, manifest: str, expected: Mapping[str, int]) -> bool:
        """One try; False where another process was faster."""
        for table in self._tables():
            log = self._look(table)
            if log is not None:
                merge_days(self.files, table, log, log.files(build), SEAL)
        for table, _ in self._of(build):
            log = self._tables_open[table]
            try:  # from here on whoever merges files of this build is refused by the log, or sees that it must not
                log.commit([], transactions=[*transaction(build, log), (sealing(build), 1)])
            except CommitFailedError:
                return False
        self._check_whole(build, expected)
        prints = {table: fingerprint(files) for table, files in self._of(build)}
        told = (manifest, json.dumps(self._written(build)), json.dumps(prints))
        names = ("build", "manifest", "tables", "files")
        row = pa.table({name: [text] for name, text in zip(names, (build, *told), strict=True)})
        log = self._look(BUILDS)
        if log is None:
            lake_layout.mark(self.files)
        added = put_all(self.files, BUILDS, [row], row.schema)
        return self._commit(BUILDS, log, row.schema, added, build, ())

    def discard(self, build: str) -> None:
        """Remove the rows of an unsealed build; the files go with the next vacuum."""
        check_name("build", build)
        with self._lock:
            if build in self.sealed():
                raise RefusedError(
                    f"build {build} is sealed and cannot be discarded",
                    where=self.root,
                    hint="Only what an interrupted build left behind is discarded.",
                )
            for table in self._tables():
                with self._reported(f"table {table} cannot be cleaned"):
                    self._remove(build, table)

    def _remove(self, build: str, table: str) -> None:
        for _ in tries():
            log = self._look(table)
            files = [] if log is None else log.files(build)
            if log is None or not files:
                return
            try:
                log.commit([], files)
            except CommitFailedError:
                continue
            return
        raise StoreError(
            f"build {build} cannot be discarded: other processes keep writing", where=self._path(table)
        )

    def _commit(
        self,
        table: str,
        log: Table | None,
        schema: pa.Schema,
        added: Sequence[File],
        build: str,
        partitions: Sequence[str],
    ) -> bool:
        """Append files, and make the table or its new columns first; False where another process was faster."""
        carried = transaction(build, log) if log is not None else ((f"btcframe/{build}", 1),)
        new = log is None
        if log is None:
            text = [pa.field(name, pa.string()) for name in partitions]
            self._tables_open[table] = log = create(
                self._path(table), pa.schema([*text, *schema]), partitions
            )
        try:
            if (log.widen(schema) or new) and transaction(build, log) != carried:
                return False  # while the table or its columns were made, somebody wrote to the build
            log.commit(added, transactions=carried)
        except CommitFailedError:
            return False
        self.files.settle(f"{table}/_delta_log/{log.version():020d}.json")
        return True

    def _check_table(self, table: str) -> None:
        if table == BUILDS or table in records.TABLES:
            raise RefusedError(
                f"{table} is no table for the rows of a build: the store keeps something else under that name",
                where=self.root,
                hint="Choose another name for the table.",
            )

    def _check_types(self, table: str, there: pa.Schema, batch: pa.Table) -> None:
        """Refuse a column of another type than the table's, or that differs from one only in case."""
        types = dict(zip(there.names, there.types, strict=True))
        for field in batch.schema:
            if (have := types.get(field.name, field.type)) != field.type:
                raise RefusedError(
                    f"column {field.name} is {field.type}, and {have} in an earlier build",
                    where=self._path(table),
                    hint="A column keeps its type in all builds: rename it.",
                )
        new = [name for name in batch.column_names if name not in types]
        check_columns(new, types, self._path(table))

    def _unseen(self, table: str, files: Sequence[File], batch: pa.Table) -> pa.Table:
        """The rows of the batch whose key the build does not hold."""
        row_ns = batch["row_ns"].to_numpy()
        first, last = int(row_ns[0]), int(row_ns[-1])
        there = [
            rows
            for file in files
            if file.first <= last and file.last >= first
            for rows in self.files.read(table, file, _KEYS, first, last + 1)
        ]
        return without(batch, pa.concat_tables(there)) if there else batch

    def _check_whole(self, build: str, expected: Mapping[str, int]) -> None:
        """Refuse a build whose numbers of rows are not what the manifest says."""
        held = {table: sum(file.rows for file in files) for table, files in self._of(build)}
        for table, rows in expected.items():
            if held.get(table, 0) != rows:
                raise StoreError(
                    f"build {build} is not whole: {table} holds {held.get(table, 0):,} rows, {rows:,} were written",
                    where=self._path(table),
                    hint="Another process may have discarded or written to the same build.",
                    next="Run it again.",
                )

    def _of(self, build: str) -> Iterator[tuple[str, list[File]]]:
        """The tables that hold rows of a build, and its files in each."""
        for table in self._tables():
            log = self._look(table)
            if log is not None and (files := log.files(build)):
                yield table, files

    def _written(self, build: str) -> dict[str, list[str]]:
        """Columns that a build wrote, sealed or not, by table."""
        columns: dict[str, list[str]] = {}
        with self._reported(f"build {build} cannot be read"), self._lock:
            for table, files in self._of(build):
                names = written(self.files, table, files)
                columns[table] = [name for name in self._tables_open[table].schema().names if name in names]
        return columns

    # ------------------------------------------------------------------------------------------------- reading

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None,
        since: int | None,
        until: int | None,
        *,
        whole: bool,
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a build in order of time; see `Delta.scan`."""
        known = {name: sealed.tables for name, sealed in self.sealed().items()}
        if not whole and build not in known and (tables := self._written(build)):
            known[build] = tables
        names = asked(build, table, columns, known, self.root, whole=whole)
        return self._batches(build, table, names, since, until)

    def _batches(
        self, build: str, table: str, names: list[str], since: int | None, until: int | None
    ) -> Iterator[pa.RecordBatch]:
        with self._reported(f"table {table} cannot be read"):
            with self._lock:
                log = self._look(table)
                if log is None:
                    raise TableNotFoundError("its log is missing")
                files, there = log.files(build), log.schema()
            wanted = [
                file
                for file in files
                if (since is None or file.last >= since) and (until is None or file.first < until)
            ]
            schema = pa.schema([there.field(name) for name in dict.fromkeys([*names, "row_ns"])])
            for group in overlapping(wanted):
                for rows in in_order(self.files, table, group, schema, since, until):
                    yield from rows.select(names).combine_chunks().to_batches(max_chunksize=BATCH)

    def sealed(self) -> dict[str, Sealed]:
        """Every sealed build by id."""
        with self._reported("the list of builds cannot be read"), self._lock:
            log = self._look(BUILDS)
            if log is None:
                return {}
            if self._sealed is None or self._sealed[:2] != (log, log.version()):
                self._sealed = (log, log.version(), self._read_sealed(log))
            return self._sealed[2]

    def _read_sealed(self, log: Table) -> dict[str, Sealed]:
        schema = pa.schema([(name, pa.string()) for name in ("build", "manifest", "tables", "files")])
        found = {}
        for file in log.files():
            for rows in self.files.read(BUILDS, file, schema):
                for row in rows.to_pylist():
                    told = (json.loads(row[name] or "{}") for name in ("manifest", "tables", "files"))
                    found[row["build"]] = Sealed(*told)
        return found

    # ---------------------------------------------------------------------------------------------------- logs

    def _look(self, table: str) -> Table | None:
        """The table as it stands now; None where there is none."""
        known = self._tables_open.get(table)
        if known is not None:
            known.update()
            return known
        self.files  # noqa: B018 — refuses a lake of a newer btcframe
        found = look(self._path(table))
        if found is not None:
            self._tables_open[table] = found
        return found

    def _path(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _tables(self) -> list[str]:
        with self._reported("the store cannot be listed"):
            not_rows = (BUILDS, *records.TABLES)
            return [f for f in self.files.folders() if f not in not_rows and NAME.fullmatch(f)]

    def _reported(self, what: str) -> Any:
        return reported(self.root, what)
