"""Stores that tests make, rows they write, and how they read them back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from btcframe.api import Store
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

Make = Callable[[], Store]

START = 1_721_260_800 * NS  # 2024-07-18


def rows(first: int, n: int, step: int = NS, **columns: object) -> pa.Table:
    """n rows from row `first` on; column f tells them apart."""
    number = np.arange(first, first + n)
    f = np.where(number % 7 == 3, np.nan, number / 3)
    table = {"row_ns": START + number * step + 123, "symbol": pa.repeat("BTC/USDT:USDT", n), "f": f}
    return pa.table(table | columns)


def read(store: Store, build: str, **how: object) -> pa.Table:
    """Table `t` of a build."""
    return pa.Table.from_batches(store.scan(build, "t", **how))  # type: ignore[arg-type]


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables have the same columns and bits; Arrow's NaN is not equal to itself."""
    return one.schema.equals(other.schema) and repr(one.to_pydict()) == repr(other.to_pydict())


def on(port: int, number: int, **settings: str) -> Timescale:
    """An empty store on a server of ours."""
    return Timescale(
        "127.0.0.1", port, "postgres", "postgres", schema=f"Schema {number}", sslmode="disable", **settings
    )
