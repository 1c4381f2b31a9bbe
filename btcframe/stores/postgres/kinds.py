"""Which Arrow types a PostgreSQL table takes, and how a value of each looks in a binary COPY."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Kind(NamedTuple):
    """One type of column.

    Parameters
    ----------
    arrow : DataType
    sql : str        its name in a table
    wire : str       NumPy type of a value as it travels: big-endian; "" for text, whose length varies
    zero : int       what Arrow calls the wire's 0
    """

    arrow: pa.DataType
    sql: str
    wire: str
    zero: int = 0


STAMP = "timestamp[us, tz=UTC]"

KINDS = {
    "int16": Kind(pa.int16(), "smallint", ">i2"),
    "int32": Kind(pa.int32(), "integer", ">i4"),
    "int64": Kind(pa.int64(), "bigint", ">i8"),
    "float": Kind(pa.float32(), "real", ">f4"),
    "double": Kind(pa.float64(), "double precision", ">f8"),
    "bool": Kind(pa.bool_(), "boolean", "?"),
    "string": Kind(pa.string(), "text", ""),
    # PostgreSQL counts from 2000-01-01
    STAMP: Kind(pa.timestamp("us", "UTC"), "timestamp with time zone", ">i8", 946_684_800_000_000),
}
"""By the name Arrow has for the type: what `btcframe.stores.batches.plain` leaves in a batch."""
