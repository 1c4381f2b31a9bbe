"""Which Arrow types a PostgreSQL table takes, and how a value of each looks in a binary COPY."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from btcframe.errors import StoreError


class Kind(NamedTuple):
    """One type of column.

    Parameters
    ----------
    arrow : DataType
    sql : str        its name in a table
    wire : str       NumPy type of a value as it travels: big-endian; "" for text, whose length varies
    """

    arrow: pa.DataType
    sql: str
    wire: str


KINDS = {
    "int16": Kind(pa.int16(), "smallint", ">i2"),
    "int32": Kind(pa.int32(), "integer", ">i4"),
    "int64": Kind(pa.int64(), "bigint", ">i8"),
    "float": Kind(pa.float32(), "real", ">f4"),
    "double": Kind(pa.float64(), "double precision", ">f8"),
    "bool": Kind(pa.bool_(), "boolean", "?"),
    "string": Kind(pa.string(), "text", ""),
}
"""By the name Arrow has for the type. SQL knows no unsigned and no 8-bit numbers."""


def kind_of(name: str, arrow: pa.DataType) -> str:
    """The kind of a column.

    Raises
    ------
    StoreError
        If no type of PostgreSQL gives every value of it back.
    """
    if pa.types.is_large_string(arrow):
        return "string"
    if str(arrow) not in KINDS:
        raise StoreError(
            f"column {name} is {arrow}, which this store cannot hold",
            hint=f"It holds {', '.join(KINDS)}: cast the column.",
        )
    return str(arrow)
