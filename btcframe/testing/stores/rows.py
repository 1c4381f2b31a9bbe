"""Rows that the checks of a store write, and how they read and compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.errors import StoreError
from btcframe.testing.checks import ContractError, differing, name_of
from btcframe.testing.markets import START_NS
from btcframe.types import NS

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "l2_training_data"


def table(start: int, stop: int) -> pa.Table:
    """Rows start…stop−1 of a small training table: NaN, numbers of all sizes, integers that float64 would lose."""
    import pyarrow

    i = np.arange(start, stop)
    x = np.sin(i) * 10.0 ** (i % 30 - 15)
    x[i % 7 == 3] = np.nan
    return pyarrow.table(
        {
            "row_ns": START_NS + NS * i,
            "symbol": np.full(len(i), "BTC/USDT:USDT"),
            "flags": (i % 5).astype(np.int32),
            "x": x,
            "y_t_end": START_NS + NS * (i + 5) + 1,
        }
    )


def chosen(numbers: Iterable[int]) -> pa.Table:
    """Rows of the same table by number, in this order."""
    import pyarrow

    numbers = list(numbers)
    return table(0, max(numbers, default=-1) + 1).take(pyarrow.array(numbers, pyarrow.int64()))


def stamped(row_ns: Iterable[int], **columns: Any) -> pa.Table:
    """Rows with these stamps and columns."""
    import pyarrow

    stamps = pyarrow.array(list(row_ns), pyarrow.int64())
    return pyarrow.table(
        {"row_ns": stamps, "symbol": pyarrow.repeat("BTC/USDT:USDT", len(stamps)), **columns}
    )


def read(store: Any, build: str, name: str = TABLE, **how: Any) -> pa.Table:
    """All that a scan gives, in one table; of no columns where it gives nothing."""
    import pyarrow

    batches = list(store.scan(build, name, **how))
    return pyarrow.Table.from_batches(batches) if batches else pyarrow.table({})


def difference(got: pa.Table, expected: pa.Table) -> str:
    """Where two tables differ, "" if they have the same columns and bits; any NaN equals any NaN."""
    if got.num_rows != expected.num_rows:
        return f"{got.num_rows:,} rows, not {expected.num_rows:,}"
    if got.num_rows and got.column_names != expected.column_names:
        return f"columns {', '.join(got.column_names)}, not {', '.join(expected.column_names)}"
    for name in got.column_names:
        one, other = got[name], expected[name]
        if one.type != other.type:
            return f"column {name} is {one.type}, not {other.type}"
        row = _first(one, other)
        if row is not None:
            return f"row {row}, column {name} is {one[row].as_py()!r}, not {other[row].as_py()!r}"
    return ""


def _first(one: pa.ChunkedArray, other: pa.ChunkedArray) -> int | None:
    """The first row in which two columns of one type and length differ."""
    import pyarrow

    kind = one.type
    if pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind):
        nulls = [c.is_null().to_numpy() for c in (one, other)]
        values = [c.fill_null(0).to_numpy() for c in (one, other)]
        found = np.flatnonzero((nulls[0] != nulls[1]) | differing(*values))
        return int(found[0]) if len(found) else None
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), None)


def amiss(store: Any, build: str, expected: pa.Table, **how: Any) -> str:
    """What is wrong with a scan of rows that must be there: an error, or where they differ; "" if nothing is."""
    try:
        return difference(read(store, build, **how), expected)
    except StoreError as error:
        return error.what


def expect(store: Any, build: str, expected: pa.Table, what: str, cure: str, **how: Any) -> None:
    """Refuse a store whose scan gives something else. Raises ContractError."""
    found = amiss(store, build, expected, **how)
    if found:
        raise ContractError(f"{name_of(store)} {what}: {found}", cure)


def refused(call: Callable[[], Any]) -> bool:
    """Whether a call raises StoreError; any other exception is not caught."""
    try:
        call()
    except StoreError:
        return True
    return False
