"""Raw rows in a store: the bits that were closed, in columns that any store can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from btcframe.errors import DataError, StoreError
from btcframe.learning.stored_rows import COLUMNS, TABLE, RowWriter, read_rows, to_rows, to_table
from btcframe.stores.delta import Delta
from btcframe.types import LEVELS, NS, ROW, RowArray


def rows_of(n: int, since: int = 0) -> RowArray:
    """ROW[n] with something else in every field, and holes."""
    random = np.random.default_rng(7)
    rows = np.zeros(n, ROW)
    for field in ROW.names or ():
        values = rows[field]
        if values.dtype.kind == "f":
            values[:] = random.normal(size=values.shape)
            values[random.random(values.shape) < 0.1] = np.nan
        else:
            values[:] = random.integers(0, np.iinfo(values.dtype).max, values.shape, dtype=values.dtype)
    rows["row_ns"] = NS * np.arange(since + 1, since + n + 1)
    return rows


def stored(path: Path, *parts: RowArray, **manifest: Any) -> Delta:
    store = Delta(path=str(path))
    for part in parts:
        store.write("b", TABLE, to_table(part, "BTC"))
    store.seal("b", {"tables": {TABLE: sum(map(len, parts))}} | manifest)
    return store


def test_the_bits_come_back(tmp_path: Path) -> None:
    rows = rows_of(500)
    table = to_table(rows, "BTC/USDT:USDT")
    assert table.column_names[:2] == ["row_ns", "symbol"]
    assert {str(t) for t in table.schema.types} == {"int64", "double", "string"}
    assert table.column_names.count("bid_px_1") == table.column_names.count(f"ask_sz_{LEVELS}") == 1
    np.testing.assert_array_equal(table["bid_px_3"].to_numpy(), rows["bid_px"][:, 2])
    (batch,) = table.to_batches()
    assert to_rows(batch).tobytes() == rows.tobytes()
    store = stored(tmp_path, rows[:200], rows[200:])
    assert np.concatenate(list(read_rows(store, "b", 10**18))).tobytes() == rows.tobytes()


def test_only_rows_before_a_time_are_read(tmp_path: Path) -> None:
    rows = rows_of(50)
    found = np.concatenate(list(read_rows(stored(tmp_path, rows), "b", 20 * NS)))
    assert found["row_ns"].tolist() == [NS * k for k in range(1, 20)]


def test_every_row_is_written_once_in_batches() -> None:
    written: list[pa.Table] = []
    writer, rows = RowWriter("BTC", 30, written.append), rows_of(100)
    for part in np.split(rows, [7, 7, 40, 90]):
        writer.add(part)
        part["mid"] = -1.0  # the writer has its own
    writer.finish()
    writer.finish()
    assert [len(t) for t in written] == [40, 50, 10]
    assert sorted(name for t in written[:1] for name in t.column_names) == sorted([*COLUMNS, "symbol"])
    assert np.array_equal(np.concatenate([t["row_ns"].to_numpy() for t in written]), rows["row_ns"])
    assert not (np.concatenate([t["mid"].to_numpy() for t in written]) == -1.0).any()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    store = stored(tmp_path, rows_of(5))
    with pytest.raises(DataError, match="the store holds no build c"):
        list(read_rows(store, "c", 10**18))
    store.write("d", "other", pa.table({"row_ns": [1], "symbol": ["BTC"]}))
    store.seal("d", {"tables": {"other": 1}})
    with pytest.raises(DataError, match=r"build d holds no raw rows\n.*build\.rows=true"):
        list(read_rows(store, "d", 10**18))

    summary = {"first_ns": NS}
    whole = stored(tmp_path / "whole", rows_of(5), summary=summary)
    assert sum(map(len, read_rows(whole, "b", 10**18))) == 5
    cut = stored(tmp_path / "cut", rows_of(3, since=2), summary=summary)
    with pytest.raises(DataError, match=r"the first raw rows of build b are gone\n.*store\.keep_rows"):
        list(read_rows(cut, "b", 10**18))

    class Disordered:
        def builds(self) -> Any:
            return {"b": {"tables": {TABLE: 4}}}

        def scan(self, *what: Any) -> Any:
            return iter(
                [*to_table(rows_of(2, 5), "BTC").to_batches(), *to_table(rows_of(2, 5), "BTC").to_batches()]
            )

    with pytest.raises(DataError, match="not in order of time"):
        list(read_rows(Disordered(), "b", 10**18))  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        list(Delta(path=str(tmp_path / "none")).scan("b", TABLE))
