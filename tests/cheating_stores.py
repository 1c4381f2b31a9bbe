"""Stores that break the contract, each in one way. The honest one is the example that docs/stores.md shows."""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from folder_store import Folder, _add

from btcframe.errors import StoreError


@dataclass(frozen=True)
class Clinging(Folder):
    """Keeps a claim for ever."""

    @contextlib.contextmanager
    def claim(self, build, waiting):
        file = Path(self.path, f"claimed-{build}")
        Path(self.path).mkdir(exist_ok=True)
        if file.exists():
            waiting()
        file.touch()
        yield


@dataclass(frozen=True)
class Unlocked(Folder):
    """Gives one build to whoever asks."""

    @contextlib.contextmanager
    def claim(self, build, waiting):
        yield


@dataclass(frozen=True)
class Settling(Folder):
    """Sets a variable of the environment, for everyone."""

    def write(self, build, table, batch):
        os.environ["ARROW_IO_THREADS"] = "1"
        super().write(build, table, batch)


@dataclass(frozen=True)
class Rounding(Folder):
    """Keeps float32 of double."""

    def write(self, build, table, batch):
        for i, field in enumerate(batch.schema):
            if field.type == pa.float64():
                rounded = batch[field.name].cast(pa.float32()).cast(pa.float64())
                batch = batch.set_column(i, field.name, rounded)
        super().write(build, table, batch)


@dataclass(frozen=True)
class Forgetful(Folder):
    """Loses manifests."""

    def builds(self):
        return {build: {} for build in super().builds()}

    def seal(self, build, manifest):
        super().seal(build, {})


@dataclass(frozen=True)
class Doubling(Folder):
    """Looks up no key."""

    def write(self, build, table, batch):
        if build in self.builds():
            raise StoreError("sealed")
        if batch.num_rows:
            _add(self._folder("rows", build, table), batch)


@dataclass(frozen=True)
class Trusting(Folder):
    """Takes it that a batch has no row twice."""

    def write(self, build, table, batch):
        twice = batch["row_ns"].to_numpy()
        if len(np.unique(twice)) == len(twice):
            super().write(build, table, batch)
            return
        _add(self._folder("rows", build, table), batch)


@dataclass(frozen=True)
class OneSymbol(Folder):
    """Has row_ns alone for a key."""

    def write(self, build, table, batch):
        with contextlib.suppress(StoreError):
            stamps = {
                t
                for b in super().scan(build, table, ["row_ns"], whole=False)
                for t in b["row_ns"].to_pylist()
            }
            batch = batch.filter(pa.array([t not in stamps for t in batch["row_ns"].to_pylist()], pa.bool_()))
        super().write(build, table, batch)


@dataclass(frozen=True)
class Unsealing(Folder):
    """Reads what is not sealed."""

    def scan(self, build, table, columns=None, since=None, until=None, *, whole=True):
        return super().scan(build, table, columns, since, until, whole=False)


@dataclass(frozen=True)
class Littering(Folder):
    """Discards nothing."""

    def discard(self, build):
        if build in self.builds():
            raise StoreError("sealed")


@dataclass(frozen=True)
class Changing(Folder):
    """Goes on writing to a sealed build."""

    def write(self, build, table, batch):
        file = Path(self.path, "builds", build, "manifest.json")
        kept = file.read_text() if file.exists() else None
        file.unlink(missing_ok=True)
        super().write(build, table, batch)
        if kept is not None:
            file.write_text(kept)


@dataclass(frozen=True)
class Resealing(Folder):
    """Takes the last manifest."""

    def seal(self, build, manifest):
        Path(self.path, "builds", build, "manifest.json").unlink(missing_ok=True)
        super().seal(build, manifest)


@dataclass(frozen=True)
class Ruthless(Folder):
    """Discards sealed builds."""

    def discard(self, build):
        Path(self.path, "builds", build, "manifest.json").unlink(missing_ok=True)
        super().discard(build)


@dataclass(frozen=True)
class Uncounting(Folder):
    """Seals without counting."""

    def seal(self, build, manifest):
        super().seal(build, {key: value for key, value in manifest.items() if key != "tables"})


@dataclass(frozen=True)
class Guessing(Folder):
    """Finds every build, empty."""

    def scan(self, build, *args, **kwargs):
        try:
            return super().scan(build, *args, **kwargs)
        except StoreError:
            return iter(())


@dataclass(frozen=True)
class Inclusive(Folder):
    """Gives the row at `until`, too."""

    def scan(self, build, table, columns=None, since=None, until=None, *, whole=True):
        return super().scan(build, table, columns, since, until and until + 1, whole=whole)


@dataclass(frozen=True)
class Backwards(Folder):
    """Gives the last rows first."""

    def scan(self, *args, **kwargs):
        rows = pa.Table.from_batches(super().scan(*args, **kwargs))
        return iter(rows.take(pa.array(range(rows.num_rows - 1, -1, -1))).to_batches())


@dataclass(frozen=True)
class Stale(Folder):
    """Shows of an open build only what was written first."""

    def scan(self, build, table, columns=None, since=None, until=None, *, whole=True):
        pieces = super().scan(build, table, columns, since, until, whole=whole)
        return pieces if build in self.builds() else (piece.slice(0, 10) for piece in pieces)


@dataclass(frozen=True)
class Showing(Folder):
    """Shows a build the columns of all."""

    def scan(self, build, table, columns=None, since=None, until=None, *, whole=True):
        others = [pq.read_schema(f) for f in sorted(Path(self.path, "rows").glob(f"*/{table}/*.parquet"))]
        rows = pa.Table.from_batches(super().scan(build, table, columns, since, until, whole=whole))
        for field in pa.unify_schemas(others):
            if field.name not in rows.column_names and columns is None:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return iter(rows.to_batches())


@dataclass(frozen=True)
class Exhausting(Folder):
    """Has one scan at a time, and forgets to give it back."""

    def scan(self, *args, **kwargs):
        pieces = super().scan(*args, **kwargs)
        busy = Path(self.path, "busy")
        if busy.exists():
            raise StoreError("another scan runs")
        busy.touch()
        yield from pieces
        busy.unlink()


_SEEN: dict[object, set[int]] = {}


@dataclass(frozen=True)
class PerProcess(Folder):
    """Skips the keys that this process has written."""

    def write(self, build, table, batch):
        seen = _SEEN.setdefault((self.path, build, table, self._who()), set())
        fresh = batch.filter(pa.array([t not in seen for t in batch["row_ns"].to_pylist()], pa.bool_()))
        seen.update(fresh["row_ns"].to_pylist())
        with self._locked():
            _add(self._folder("rows", build, table), fresh)

    def _who(self):
        return os.getpid()


@dataclass(frozen=True)
class PerThread(PerProcess):
    """Skips the keys that this thread has written."""

    def _who(self):
        return threading.get_ident()


@dataclass(frozen=True)
class Microseconds(Folder):
    """Keeps stamps as SQL does."""

    def write(self, build, table, batch):
        at = batch.column_names.index("row_ns")
        stamps = pa.array(batch["row_ns"].to_numpy() // 1000 * 1000)
        super().write(build, table, batch.set_column(at, "row_ns", stamps))


@dataclass(frozen=True)
class NaNIsNull(Folder):
    """Takes NaN for null, as pandas does."""

    def write(self, build, table, batch):
        for i, field in enumerate(batch.schema):
            if pa.types.is_floating(field.type):
                column = pa.array(batch[field.name].to_numpy(), from_pandas=True)
                batch = batch.set_column(i, field.name, column)
        super().write(build, table, batch)


@dataclass(frozen=True)
class Casting(Folder):
    """Makes int8 of what is unsigned."""

    def write(self, build, table, batch):
        for i, field in enumerate(batch.schema):
            if pa.types.is_unsigned_integer(field.type):
                batch = batch.set_column(i, field.name, batch[field.name].cast(pa.int8(), safe=False))
        super().write(build, table, batch)


@dataclass(frozen=True)
class Folding(Folder):
    """Has no capitals."""

    def _folder(self, *names):
        return super()._folder(*(name.lower() for name in names))


@dataclass(frozen=True)
class Renaming(Folder):
    """Makes names of columns that SQL takes unquoted."""

    def write(self, build, table, batch):
        super().write(build, table, batch.rename_columns([n.replace(" ", "_") for n in batch.column_names]))


@dataclass(frozen=True)
class Bending(Folder):
    """Casts a column to the type it had."""

    def write(self, build, table, batch):
        for file in Path(self.path, "rows").glob(f"*/{table}/*.parquet"):
            there = pq.read_schema(file)
            for i, name in enumerate(batch.column_names):
                if name in there.names and batch[name].type != (kept := there.field(name).type):
                    column = (
                        pa.nulls(len(batch), kept) if kept != pa.float64() else pa.array(np.ones(len(batch)))
                    )
                    batch = batch.set_column(i, name, column)
        super().write(build, table, batch)


@dataclass(frozen=True)
class Recounting(Folder):
    """Records again what was recorded."""

    def record(self, run, table, rows):
        _add(self._folder("runs", run, table), rows.add_column(0, "run", pa.repeat(run, rows.num_rows)))


@dataclass(frozen=True)
class Leaky(Folder):
    """Lets rows of a run be left out."""

    def record(self, run, table, rows):
        if rows["n"][0].as_py() > sum(b.num_rows for b in self.records(table, run)):
            return
        super().record(run, table, rows)


_HELD: dict[object, list[pa.Table]] = {}


@dataclass(frozen=True)
class Lazy(Folder):
    """Acknowledges rows that it still has in memory."""

    def write(self, build, table, batch):
        held = _HELD.setdefault((self.path, build, table), [])
        held.append(batch)
        if len(held) == 5:
            super().write(build, table, pa.concat_tables(held))
            held.clear()


@dataclass(frozen=True)
class Greedy(Folder):
    """Reads all before it gives anything."""

    def scan(self, *args, **kwargs):
        rows = pa.Table.from_batches(super().scan(*args, **kwargs)).combine_chunks()
        return iter(rows.to_batches(max_chunksize=1000))
