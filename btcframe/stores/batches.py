"""What every store asks of a batch of rows: names that can be kept, order of time, each key once."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from btcframe.errors import RefusedError, StoreError, did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a build or a table may be called in any store, whatever it keeps them in."""


def check_name(kind: str, name: str) -> None:
    """Refuse a name that some store could not keep. Raises StoreError."""
    if not NAME.fullmatch(name):
        raise RefusedError(
            f"{name!r} is not a name for a {kind}", hint="Letters, digits, dot, dash and underscore are."
        )


KEPT = (
    pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.timestamp("us", "UTC"),
)  # fmt: skip
"""What a column comes back as, from any store."""

_WIDER = {
    pa.int8(): pa.int16(), pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(), pa.large_string(): pa.string(), pa.string_view(): pa.string(),
}  # fmt: skip
"""Types that no store has, and the next one that has all their values."""


def plain(batch: pa.Table) -> pa.Table:
    """The batch in types that every store keeps: KEPT, the next wider one, and values in place of dictionaries.

    Raises
    ------
    StoreError
        If the values of a column cannot all be kept; it names the column.
    """
    for i, field in enumerate(batch.schema):
        values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        kind = _WIDER.get(values, values)
        if kind not in KEPT:
            raise RefusedError(
                f"column {field.name} is {field.type}, which no store can hold",
                hint=f"{_cure(kind)}: cast the column.",
            )
        if kind != field.type:
            batch = batch.set_column(i, pa.field(field.name, kind), batch.column(i).cast(values).cast(kind))
    return batch


def _cure(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "Stamps are int64 nanoseconds, or timestamp[us, tz=UTC]"
    return f"They hold {', '.join(map(str, KEPT))}, and what fits one of these"


def utc(ns: int) -> datetime.datetime:
    """The microsecond that a stamp lies in, as databases keep time."""
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=int(ns) // 1000)


def ordered(batch: pa.Table) -> pa.Table:
    """In order of time; each key (symbol, row_ns) once, the first wins."""
    row_ns = batch["row_ns"].to_numpy()
    steps = np.diff(row_ns)
    if not (steps < 0).any():
        if "symbol" not in batch.column_names or (steps > 0).all():
            return batch
    else:
        batch = batch.take(pa.array(np.argsort(row_ns, kind="stable")))
    if "symbol" in batch.column_names:
        keys = _keys(batch)
        if len(first := {key: i for i, key in reversed(list(enumerate(keys)))}) < len(keys):
            batch = batch.take(pa.array(sorted(first.values())))
    return batch


def without(batch: pa.Table, there: pa.Table) -> pa.Table:
    """The rows of a batch whose key is not among those of `there`."""
    seen = set(_keys(there))
    return batch.filter(pa.array([key not in seen for key in _keys(batch)], pa.bool_()))


def _keys(rows: pa.Table) -> list[tuple[str, int]]:
    return list(zip(rows["symbol"].to_pylist(), rows["row_ns"].to_pylist(), strict=True))


def asked(
    build: str,
    table: str,
    columns: Sequence[str] | None,
    known: Mapping[str, Mapping[str, Sequence[str]]],
    where: str,
    *,
    whole: bool,
) -> list[str]:
    """The columns that a scan gives.

    Parameters
    ----------
    build, table : str
    columns : sequence of str, optional    None: all that the build has
    known : mapping                        columns by table, by build that may be read
    where : str                            the store, for messages
    whole : bool                           whether only sealed builds may, for messages

    Raises
    ------
    StoreError
        If the build is not among the known, or has no such table or column.
    """
    if build not in known:
        raise StoreError(
            f"there is no {'whole ' if whole else ''}build {build}",
            where=where,
            hint=did_you_mean(build, known) or "This store holds no build yet.",
            next="Make it: btcframe build",
        )
    tables = known[build]
    if table not in tables:
        raise StoreError(f"build {build} has no table {table}", where=where, hint=did_you_mean(table, tables))
    names = list(tables[table] if columns is None else columns)
    for name in names:
        if name not in tables[table]:
            raise StoreError(
                f"build {build} has no column {name}",
                where=f"{where}, table {table}",
                hint=did_you_mean(name, tables[table]),
            )
    return names
