"""The store: Parquet files in a directory, one for each write."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from btcframe.errors import StoreError

if TYPE_CHECKING:
    import pyarrow.dataset as ds

PIECE = 10_000
"""Stamps that a scan reads at a time."""


@dataclass(frozen=True)
class AcmeAll:
    """Parquet files rows/<build>/<table>/, runs/<run>/<table>/ and a manifest of each sealed build.

    Parameters
    ----------
    path : str     directory
    """

    path: str = "acme_all"

    def claim(self, build: str, waiting: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Hold the right to make a build: a lock of the system, which goes with its process."""
        return self._locked(f"claim-{build}", waiting)

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append the rows whose (symbol, row_ns) the build does not have."""
        folder = self._folder("rows", build, table)
        with self._locked():
            there = _dataset(folder)
            seen = set() if there is None else set(_keys(there.to_table(["symbol", "row_ns"])))
            new = {key: i for i, key in reversed(list(enumerate(_keys(batch)))) if key not in seen}
            if not new:
                return
            if build in self.builds():
                raise StoreError(f"build {build} is sealed, and {len(new)} of these rows are not in it")
            for file in Path(self.path, "rows").glob(f"*/{table}/*.parquet"):
                _same_types(pq.read_schema(file), batch.schema)
            _add(folder, batch.take(pa.array(sorted(new.values()))))

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole, if it has as many rows as the manifest says."""
        file = self._folder("builds", build) / "manifest.json"
        with self._locked():
            if self.builds().get(build, manifest) != manifest:
                raise StoreError(f"build {build} is sealed with another manifest")
            for table, rows in manifest.get("tables", {}).items():
                there = _dataset(self._folder("rows", build, table))
                if (0 if there is None else there.count_rows()) != rows:
                    raise StoreError(f"build {build} is not whole: table {table} has not {rows} rows")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_suffix(".new").write_text(json.dumps(manifest))
            file.with_suffix(".new").replace(file)

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
        *,
        whole: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order, a piece of time at a time."""
        there = _dataset(self._folder("rows", build, table))
        if there is None or (whole and build not in self.builds()):
            raise StoreError(f"there is no {'whole ' * whole}build {build} with a table {table}")
        names = list(there.schema.names if columns is None else columns)
        if not set(names) <= set(there.schema.names):
            raise StoreError(f"build {build} has not all of the columns {', '.join(names)}")
        stamps = np.unique(there.to_table(["row_ns"])["row_ns"].to_numpy())
        if since is not None:
            stamps = stamps[stamps >= since]
        if until is not None:
            stamps = stamps[stamps < until]
        return _pieces(there, names, stamps)

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""
        files = Path(self.path, "builds").glob("*/manifest.json")
        return {file.parent.name: json.loads(file.read_text()) for file in files}

    def discard(self, build: str) -> None:
        """Delete what an unsealed build left behind."""
        with self._locked():
            if build in self.builds():
                raise StoreError(f"build {build} is sealed and cannot be discarded")
            shutil.rmtree(self._folder("rows", build), ignore_errors=True)

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        """Keep the rows of a run that are not there yet; n counts them."""
        folder = self._folder("runs", run, table)
        with self._locked():
            there = _dataset(folder)
            have = 0 if there is None else there.count_rows()
            if rows.num_rows and rows["n"][0].as_py() > have:
                raise StoreError(f"run {run} has {have} rows in table {table}, and these begin later")
            fresh = rows.filter(pa.array(rows["n"].to_numpy() >= have))
            if fresh.num_rows:
                _add(folder, fresh.add_column(0, "run", pa.repeat(run, fresh.num_rows)))

    def records(self, table: str, run: str | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of one run or of all, run after run, each in order of n."""
        for folder in sorted(Path(self.path, "runs").glob(f"{run or '*'}/{table}")):
            for file in sorted(folder.glob("*.parquet")):
                yield from pq.read_table(file).to_batches()

    def _folder(self, *names: str) -> Path:
        """Where something lies. Raises StoreError for a name that could lead elsewhere."""
        for name in names:
            if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII):
                raise StoreError(f"{name!r} is no name: letters, digits, dot, dash and underscore are")
        return Path(self.path, *names)

    @contextlib.contextmanager
    def _locked(self, name: str = "all", waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock among all threads and processes of this machine."""
        folder = self._folder("locks")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is not None:
                    waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _keys(rows: pa.Table) -> list[tuple[str, int]]:
    return list(zip(rows["symbol"].to_pylist(), rows["row_ns"].to_pylist(), strict=True))


def _same_types(there: pa.Schema, new: pa.Schema) -> None:
    for name in set(there.names) & set(new.names):
        if there.field(name).type != new.field(name).type:
            raise StoreError(f"column {name} is {new.field(name).type}, and {there.field(name).type} before")


def _dataset(folder: Path) -> ds.Dataset | None:
    """All files of a folder, with the columns of each; None where there is none."""
    import pyarrow.dataset as ds  # it loads pandas, which a config need not pay for

    files = sorted(folder.glob("*.parquet"))
    if not files:
        return None
    return ds.dataset(files, schema=pa.unify_schemas([pq.read_schema(file) for file in files]))


def _add(folder: Path, rows: pa.Table) -> None:
    """One more file, which is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{len(list(folder.glob('*.parquet'))):06d}.new"
    pq.write_table(rows, file)
    file.replace(file.with_suffix(".parquet"))


def _pieces(there: ds.Dataset, names: list[str], stamps: Any) -> Iterator[pa.RecordBatch]:
    """Rows with these stamps, in order, piece by piece."""
    time = pc.field("row_ns")
    for i in range(0, len(stamps), PIECE):
        piece = stamps[i : i + PIECE]
        rows = there.to_table(
            list({*names, "row_ns"}), filter=(time >= int(piece[0])) & (time <= int(piece[-1]))
        )
        yield from rows.sort_by("row_ns").select(names).combine_chunks().to_batches()
