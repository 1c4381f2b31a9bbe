"""The raw rows of a build as a table of its own, for pipelines that start where the rows end.

One row of `l2_rows` is a ROW with its symbol: every number of a list is a column of its own, counted from 1
(`bid_px_1` is the best bid), so that any store can hold them. ROW in btcframe.types has their units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.api import Store
from btcframe.errors import DataError
from btcframe.types import ROW, RowArray

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "l2_rows"

_STORED = {"u4": np.dtype("i8"), "i8": np.dtype("i8"), "f8": np.dtype("f8")}
"""Types of the columns: SQL knows no unsigned numbers."""


def _columns() -> dict[str, tuple[str, int | None]]:
    """(field of ROW, place in its list) by column."""
    found: dict[str, tuple[str, int | None]] = {}
    for field in ROW.names or ():
        shape = ROW[field].shape
        if shape:
            found |= {f"{field}_{k + 1}": (field, k) for k in range(shape[0])}
        else:
            found[field] = (field, None)
    return found


COLUMNS = _columns()


class RowWriter:
    """Gathers rows into batches of at least `batch`, and hands each to `write` as a table.

    Parameters
    ----------
    symbol : str
    batch : int
    write : callable    takes a pyarrow.Table
    """

    def __init__(self, symbol: str, batch: int, write: Callable[[Any], None]) -> None:
        self._symbol, self._batch, self._write = symbol, batch, write
        self._held: list[RowArray] = []

    def add(self, rows: RowArray) -> None:
        """Take rows (copied)."""
        self._held.append(rows.copy())
        if sum(map(len, self._held)) >= self._batch:
            self.finish()

    def finish(self) -> None:
        """Write what is left."""
        if self._held:
            self._write(to_table(np.concatenate(self._held), self._symbol))
            self._held = []


def to_table(rows: RowArray, symbol: str) -> pa.Table:
    """ROW[n] as a pyarrow.Table."""
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name, (field, k) in COLUMNS.items():
        values = rows[field] if k is None else rows[field][:, k]
        arrays[name] = pa.array(np.ascontiguousarray(values, _STORED[values.dtype.str[1:]]))
    return pa.table({"row_ns": arrays.pop("row_ns"), "symbol": pa.repeat(symbol, len(rows)), **arrays})


def to_rows(batch: pa.RecordBatch) -> RowArray:
    """ROW[n] of a batch of the table; the bits that were written."""
    rows = np.zeros(batch.num_rows, ROW)
    for name, (field, k) in COLUMNS.items():
        target = rows[field] if k is None else rows[field][:, k]
        target[:] = batch.column(name).to_numpy(zero_copy_only=False)
    return rows


def read_rows(store: Store, build: str, until: int) -> Iterator[RowArray]:
    """The rows of a build with row_ns < until, ROW[n] at a time, in order.

    Raises
    ------
    DataError
        If the build holds none, the first ones are gone, or their times do not increase.
    StoreError
        If it is not whole or cannot be read.
    """
    manifest = store.builds().get(build)
    if manifest is None:
        raise DataError(f"the store holds no build {build}")
    if TABLE not in manifest["tables"]:
        raise DataError(f"build {build} holds no raw rows", hint="Make it with build.rows=true.")
    last = np.iinfo(np.int64).min
    first = manifest.get("summary", {}).get("first_ns", np.iinfo(np.int64).max)
    for batch in store.scan(build, TABLE, list(COLUMNS), None, until):
        rows = to_rows(batch)
        if rows["row_ns"][0] > first:
            raise DataError(
                f"the first raw rows of build {build} are gone",
                hint="Retention of the store (store.keep_rows) drops old ones.",
            )
        first = np.iinfo(np.int64).max
        times = np.concatenate([[last], rows["row_ns"]])
        if (times[1:] <= times[:-1]).any():
            raise DataError(f"the raw rows of build {build} are not in order of time")
        last = times[-1]
        yield rows
