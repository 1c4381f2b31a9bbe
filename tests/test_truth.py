"""The table of what a synthetic market hides: written as it streams by, joined on time, refused where it is wrong."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import DataError, PluginError, StoreError
from btcframe.stores.delta import Delta
from btcframe.truth import TABLE, TruthWriter, expected_name, known, read_truth
from btcframe.types import NS, TRUTH

HORIZONS = (500_000_000, 5 * NS)


def truth(first: int, stop: int) -> np.ndarray:
    """Row i at i seconds."""
    rows = np.zeros(max(stop - first, 0), TRUTH)
    i = np.arange(first, stop)
    rows["row_ns"], rows["regime"], rows["latent"], rows["pressure"] = i * NS, i % 3, i / 8, -i / 4
    return rows


def oracle(rows: np.ndarray, horizons_ns: Any) -> np.ndarray:
    return rows["latent"][:, None] * np.array(horizons_ns) / NS


def writer(tables: list[pa.Table], batch: int = 100, **changes: Any) -> TruthWriter:
    return TruthWriter(changes.get("oracle", oracle), HORIZONS, "BTC/USDT:USDT", batch, tables.append)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Delta:
    """Build b holds the truth of rows 10 … 299 in several files; build n none."""
    lake = Delta(str(tmp_path_factory.mktemp("lake")))
    tables: list[pa.Table] = []
    hidden = writer(tables, 50)
    for first in range(10, 300, 29):
        hidden.add(truth(first, first + 29))
    hidden.finish()
    assert len(tables) > 3
    for table in tables:
        lake.write("b", TABLE, table)
    lake.seal("b", {"tables": {TABLE: 290}, "layout": {"horizons_ns": HORIZONS}})
    lake.seal("n", {"tables": {}, "layout": {"horizons_ns": HORIZONS}})
    return lake


@settings(max_examples=40, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=8), batch=st.integers(1, 90))
def test_any_chunking_gives_the_same_table(cuts: list[int], batch: int) -> None:
    tables: list[pa.Table] = []
    hidden = writer(tables, batch)
    edges = [0, *sorted(cuts), 200]
    for first, stop in itertools.pairwise(edges):
        rows = truth(first, stop)
        hidden.add(rows)
        rows["latent"] = np.nan  # a feed may use its array again
    hidden.finish()
    hidden.finish()
    assert all(len(t) >= batch for t in tables[:-1])
    table = pa.concat_tables(tables)
    names = ["row_ns", "symbol", "regime", "latent", "pressure", "expected_500ms", "expected_5s"]
    assert table.column_names == names and hidden.rows == 200
    whole = truth(0, 200)
    for name in ("row_ns", "regime", "latent", "pressure"):
        assert table[name].to_numpy().tobytes() == whole[name].tobytes()
    np.testing.assert_array_equal(table["expected_5s"].to_numpy(), 5 * whole["latent"])


def test_a_source_without_truth_needs_no_oracle_and_writes_nothing() -> None:
    tables: list[pa.Table] = []
    hidden = writer(tables, oracle=None)
    hidden.add(truth(0, 0))
    hidden.finish()
    assert tables == [] and hidden.rows == 0


@pytest.mark.parametrize(
    ("rows", "answer", "message"),
    [
        (np.zeros(3, [("row_ns", "i8")]), oracle, r"not btcframe.types.TRUTH"),
        (truth(0, 9)[::-1], oracle, r"does not go forward: after row_ns 8000000000 comes 7000000000"),
        (truth(0, 9)[[0, 1, 1]], oracle, r"after row_ns 1000000000 comes 1000000000"),
        (truth(0, 9), None, "gives truth but has no oracle"),
        (truth(0, 9), lambda rows, h: np.zeros((len(rows), 1)), r"float64\[9, 1\], not finite float64\[9, 2\]"),
        (truth(0, 9), lambda rows, h: np.full((len(rows), 2), np.nan), "with values that are not finite"),
        (truth(0, 9), lambda rows, h: np.zeros((len(rows), 2), np.float32), r"gives float32\[9, 2\]"),
    ],
)  # fmt: skip
def test_truth_that_breaks_the_rules(rows: np.ndarray, answer: Any, message: str) -> None:
    hidden = writer([], oracle=answer)
    with pytest.raises(PluginError, match=message):
        hidden.add(rows)
        hidden.finish()


def test_the_order_is_checked_from_batch_to_batch() -> None:
    hidden = writer([])
    hidden.add(truth(0, 5))
    with pytest.raises(PluginError, match="after row_ns 4000000000 comes 4000000000"):
        hidden.add(truth(4, 9))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(wanted=st.lists(st.integers(0, 700), max_size=60))
def test_rows_are_joined_on_their_time(store: Delta, wanted: list[int]) -> None:
    half_seconds = np.array(sorted(wanted), np.int64)
    got = read_truth(store, "b", ["latent", "regime", "expected_500ms"], half_seconds * NS // 2)
    there = (half_seconds % 2 == 0) & (half_seconds >= 20) & (half_seconds < 600)
    i = half_seconds // 2
    for name, values in (("latent", i / 8), ("regime", i % 3), ("expected_500ms", i / 16)):
        np.testing.assert_array_equal(got[name], np.where(there, values, np.nan))


def test_where_no_truth_is(store: Delta) -> None:
    ns = np.array([20 * NS])
    assert known(store.builds()["b"]) and not known(store.builds()["n"])
    with pytest.raises(StoreError, match="there is no whole build c"):
        read_truth(store, "c", ["latent"], ns)
    with pytest.raises(DataError, match="build n holds no truth") as caught:
        read_truth(store, "n", ["latent"], ns)
    assert "source=synthetic" in caught.value.next
    with pytest.raises(DataError, match=r"has no column expected_6s") as wrong:
        read_truth(store, "b", [expected_name(6 * NS)], ns)
    assert "expected_5s" in wrong.value.hint
