"""What every store asks of a batch of rows: names that can be kept, order of time, each key once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from btcframe.errors import StoreError, did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a build or a table may be called in any store, whatever it keeps them in."""


def check_name(kind: str, name: str) -> None:
    """Refuse a name that some store could not keep. Raises StoreError."""
    if not NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} is not a name for a {kind}", hint="Letters, digits, dot, dash and underscore are."
        )


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
    sealed: Mapping[str, Mapping[str, Sequence[str]]],
    where: str,
) -> list[str]:
    """The columns that a scan gives.

    Parameters
    ----------
    build, table : str
    columns : sequence of str, optional    None: all that the build has
    sealed : mapping                       columns by table, by sealed build
    where : str                            the store, for messages

    Raises
    ------
    StoreError
        If the build is unknown or not sealed, or has no such table or column.
    """
    if build not in sealed:
        raise StoreError(
            f"there is no whole build {build}",
            where=where,
            hint=did_you_mean(build, sealed) or "This store holds no build yet.",
            next="Make it: btcframe build",
        )
    tables = sealed[build]
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
