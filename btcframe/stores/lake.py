"""Delta Lake tables keyed by (build, symbol, row_ns): what the store `delta` does.

*Architecture Invariant*: a reader sees sealed builds only. Sealing is one commit to the table `builds`; each write
to a build carries that build's transaction id, so of two concurrent writers one is refused by the log and looks again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from btcframe.errors import StoreError
from btcframe.stores.batches import NAME, asked, check_name, ordered, without
from btcframe.types import NS

BUILDS = "builds"
PARTITIONS = ("build", "day")
BATCH = 65_536
ATTEMPTS = 20
_DAY = 86_400 * NS

_DETAIL = 300
"""Characters of another library's message that are shown."""


class Sealed(NamedTuple):
    """A sealed build."""

    manifest: Mapping[str, Any]
    tables: Mapping[str, list[str]]  # columns by table


class _File(NamedTuple):
    path: str
    rows: int
    first: int  # row_ns
    last: int


class Lake:
    """The tables below one directory or URL.

    Parameters
    ----------
    root : str
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    # ------------------------------------------------------------------------------------------------- writing

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append the rows that are not there yet; see `Delta.write`."""
        check_name("build", build)
        check_name("table", table)
        if batch.num_rows == 0:
            return
        batch = ordered(batch)
        for _ in range(ATTEMPTS):
            with self._reported(f"table {table} cannot be written"):
                handle = self._open(table)
                fresh = batch if handle is None else self._unseen(table, handle, build, batch)
                if len(fresh) == 0:
                    return
                if handle is not None:
                    self._check_types(table, handle, fresh)
                if build in self.sealed():
                    raise StoreError(
                        f"build {build} is sealed, and {len(fresh):,} of these rows are not in it",
                        where=self._path(table),
                        hint="A sealed build never changes: write to another build.",
                    )
                if self._commit(table, handle, _partitioned(build, fresh), build, PARTITIONS):
                    return
        raise StoreError(
            f"build {build}: other processes wrote to it {ATTEMPTS} times in a row", where=self._path(table)
        )

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole; see `Delta.seal`."""
        check_name("build", build)
        text = json.dumps(manifest, sort_keys=True)
        for _ in range(ATTEMPTS):
            with self._reported(f"build {build} cannot be sealed"):
                handle = self._open(BUILDS)
                known = self.sealed().get(build)
                if known is not None:
                    if known.manifest != json.loads(text):
                        raise StoreError(
                            f"build {build} is sealed with another manifest", where=self._path(BUILDS)
                        )
                    return
                tables = self._check_whole(build, manifest)
                row = pa.table({"build": [build], "manifest": [text], "tables": [json.dumps(tables)]})
                if self._commit(BUILDS, handle, row, build, ()):
                    return
        raise StoreError(f"build {build} cannot be sealed: other processes keep writing", where=self.root)

    def discard(self, build: str) -> None:
        """Remove the rows of an unsealed build; the files go with the next vacuum."""
        check_name("build", build)
        if build in self.sealed():
            raise StoreError(
                f"build {build} is sealed and cannot be discarded",
                where=self.root,
                hint="Only what an interrupted build left behind is discarded.",
            )
        for table in self._tables():
            with self._reported(f"table {table} cannot be cleaned"):
                handle = self._open(table)
                if handle is not None and self._files(handle, build):
                    handle.delete(f"build = '{build}'")

    def _commit(
        self,
        table: str,
        handle: deltalake.DeltaTable | None,
        rows: pa.Table,
        build: str,
        partitions: Sequence[str],
    ) -> bool:
        """Append, or create the table; False where another process was faster and one has to look again."""
        new = handle is None
        try:
            deltalake.write_deltalake(
                self._path(table) if handle is None else handle,
                rows,
                mode="error" if new else "append",
                schema_mode=None if new else "merge",
                partition_by=list(partitions),
                configuration={"delta.dataSkippingStatsColumns": "row_ns"} if new and partitions else None,
                writer_properties=deltalake.WriterProperties(
                    compression="LZ4_RAW",
                    default_column_properties=deltalake.ColumnProperties(dictionary_enabled=False),
                ),
                commit_properties=deltalake.CommitProperties(
                    app_transactions=[
                        deltalake.Transaction(f"btcframe/{build}", _next_version(handle, build))
                    ]
                ),
            )
        except CommitFailedError:
            return False
        except DeltaError:
            if new and self._open(table) is not None:
                return False  # somebody else has just created it
            raise
        return True

    def _check_types(self, table: str, handle: deltalake.DeltaTable, batch: pa.Table) -> None:
        """Refuse a column of another type than the table's: delta-rs would cast it, or try to."""
        there = pa.schema(handle.schema().to_arrow())
        for field in batch.schema:
            if field.name in there.names and (have := there.field(field.name).type) != field.type:
                raise StoreError(
                    f"column {field.name} is {field.type}, and {have} in an earlier build",
                    where=self._path(table),
                    hint="A column keeps its type in all builds: rename it.",
                )

    def _unseen(self, table: str, handle: deltalake.DeltaTable, build: str, batch: pa.Table) -> pa.Table:
        """The rows of the batch whose key the build does not hold."""
        row_ns = batch["row_ns"].to_numpy()
        first, last = int(row_ns[0]), int(row_ns[-1])
        files = [f for f in self._files(handle, build) if f.first <= last and f.last >= first]
        if not files:
            return batch
        inside = (ds.field("row_ns") >= first) & (ds.field("row_ns") <= last)
        there = pa.concat_tables(
            fragment.to_table(columns=["symbol", "row_ns"], filter=inside)
            for fragment in self._fragments(table, handle, build, files)
        )
        return without(batch, there)

    def _check_whole(self, build: str, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
        """Columns of the build by table, once the numbers of rows are what the manifest says."""
        expected: Mapping[str, int] = manifest.get("tables", {})
        columns: dict[str, list[str]] = {}
        for table in dict.fromkeys((*self._tables(), *expected)):
            handle = self._open(table)
            files = [] if handle is None else self._files(handle, build)
            rows = sum(file.rows for file in files)
            if rows != expected.get(table, rows):
                raise StoreError(
                    f"build {build} is not whole: {table} holds {rows:,} rows, {expected[table]:,} were written",
                    where=self._path(table),
                    hint="Another process may have discarded or written to the same build.",
                    next="Run it again.",
                )
            if handle is not None and files:
                columns[table] = self._columns(table, handle, build, files)
        return columns

    def _columns(
        self, table: str, handle: deltalake.DeltaTable, build: str, files: Sequence[_File]
    ) -> list[str]:
        """Columns that this build wrote: the table has those of all builds, null where a build has none."""
        written: dict[str, None] = {}
        for fragment in self._fragments(table, handle, build, files):
            names = fragment.physical_schema.names
            for group in fragment.row_groups:
                for i, name in enumerate(names):
                    column = group.metadata.column(i)
                    if not column.is_stats_set or column.statistics.null_count < column.num_values:
                        written[name] = None
        return [name for name in self._dataset(table, handle).schema.names if name in written]

    # ------------------------------------------------------------------------------------------------- reading

    def scan(
        self, build: str, table: str, columns: Sequence[str] | None, since: int | None, until: int | None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a sealed build in order of time; see `Delta.scan`."""
        sealed = {name: known.tables for name, known in self.sealed().items()}
        names = asked(build, table, columns, sealed, self.root)
        return self._batches(build, table, names, since, until)

    def _batches(
        self, build: str, table: str, names: list[str], since: int | None, until: int | None
    ) -> Iterator[pa.RecordBatch]:
        with self._reported(f"table {table} cannot be read"):
            handle = deltalake.DeltaTable(self._path(table))
            wanted = None
            if since is not None:
                wanted = ds.field("row_ns") >= since
            if until is not None:
                below = ds.field("row_ns") < until
                wanted = below if wanted is None else wanted & below
            files = [
                file
                for file in self._files(handle, build)
                if (since is None or file.last >= since) and (until is None or file.first < until)
            ]
            read = list(dict.fromkeys([*names, "row_ns"]))
            schema = pa.schema(
                handle.schema().to_arrow()
            )  # a file may lack what a later batch of the build brought
            for group in _overlapping(files):
                rows = pa.concat_tables(
                    fragment.to_table(schema=schema, columns=read, filter=wanted)
                    for fragment in self._fragments(table, handle, build, group)
                )
                yield from ordered(rows).select(names).combine_chunks().to_batches(max_chunksize=BATCH)

    def sealed(self) -> dict[str, Sealed]:
        """Every sealed build by id."""
        with self._reported("the list of builds cannot be read"):
            handle = self._open(BUILDS)
            if handle is None:
                return {}
            rows = self._dataset(BUILDS, handle).to_table().to_pylist()
            return {r["build"]: Sealed(json.loads(r["manifest"]), json.loads(r["tables"])) for r in rows}

    # --------------------------------------------------------------------------------------------------- files

    def _path(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _open(self, table: str) -> deltalake.DeltaTable | None:
        try:
            return deltalake.DeltaTable(self._path(table))
        except TableNotFoundError:
            return None

    def _filesystem(self) -> tuple[Any, str]:
        if "://" in self.root:
            filesystem, path = pyarrow.fs.FileSystem.from_uri(self.root)
            return filesystem, path
        return pyarrow.fs.LocalFileSystem(), self.root

    def _dataset(self, table: str, handle: deltalake.DeltaTable, **how: Any) -> ds.Dataset:
        # with a filesystem of Arrow's own: deltalake's calls back into Python from Arrow's threads, and a process
        # that ends while one of them runs is aborted
        filesystem, path = self._filesystem()
        below = pyarrow.fs.SubTreeFileSystem(f"{path}/{table}", filesystem)
        return handle.to_pyarrow_dataset(filesystem=below, **how)

    def _tables(self) -> list[str]:
        with self._reported("the store cannot be listed"):
            filesystem, path = self._filesystem()
            found = filesystem.get_file_info(pyarrow.fs.FileSelector(path, allow_not_found=True))
            folders = (f.base_name for f in found if f.type == pyarrow.fs.FileType.Directory)
            return sorted(f for f in folders if f != BUILDS and NAME.fullmatch(f))

    def _files(self, handle: deltalake.DeltaTable, build: str) -> list[_File]:
        """Files of a build in order of time."""
        adds = pa.table(handle.get_add_actions(flatten=True))
        adds = adds.filter(ds.field("partition.build") == build)
        names = ("path", "num_records", "min.row_ns", "max.row_ns")
        columns = [adds[name].to_pylist() for name in names]
        return sorted(
            (_File(*f) for f in zip(*columns, strict=True)), key=lambda f: (f.first, f.last, f.path)
        )

    def _fragments(
        self, table: str, handle: deltalake.DeltaTable, build: str, files: Sequence[_File]
    ) -> Iterator[ds.ParquetFileFragment]:
        dataset = self._dataset(table, handle, file_pruning_predicate=[("build", "=", build)])
        by_path = {fragment.path: fragment for fragment in dataset.get_fragments()}
        return (by_path[file.path] for file in files)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Turn the libraries' errors into ours."""
        try:
            yield
        except (DeltaError, OSError, pa.ArrowException, KeyError) as error:
            theirs = str(error).partition("\n   0: ")[0]  # delta-rs appends a backtrace of its own
            detail = " ".join(theirs.split()) or type(error).__name__
            if "No space left" in detail or "File too large" in detail:
                hint = "The disk is full: free some space."
            elif "ermission denied" in detail or "Read-only" in detail:
                hint = "The directory cannot be written with your rights."
            else:
                hint = "The files may be damaged or another program's."
            raise StoreError(
                f"{what}: {detail[:_DETAIL]}{'…' * (len(detail) > _DETAIL)}",
                where=self.root,
                hint=hint,
                next="Put it right, or use another directory: store.path=…",
            ) from error


def _next_version(handle: deltalake.DeltaTable | None, build: str) -> int:
    return 1 + ((handle.transaction_version(f"btcframe/{build}") or 0) if handle is not None else 0)


def _partitioned(build: str, batch: pa.Table) -> pa.Table:
    days = batch["row_ns"].to_numpy() // _DAY
    names, which = np.unique(days, return_inverse=True)
    texts = np.datetime_as_string(names.astype("M8[D]"))
    day = pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32)), pa.array(texts)).cast(pa.string())
    return batch.add_column(0, "build", pa.repeat(build, len(batch))).add_column(1, "day", day)


def _overlapping(files: Sequence[_File]) -> Iterator[list[_File]]:
    """Group files, ordered by their first row, whose time ranges overlap: those must be sorted together."""
    group: list[_File] = []
    last = 0
    for file in files:
        if group and file.first > last:
            yield group
            group = []
        last = max(last, file.last) if group else file.last
        group.append(file)
    if group:
        yield group
