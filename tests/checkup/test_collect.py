"""A checkup against plain NumPy over the whole table, and the same to the bit however the rows came."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Column
from btcframe.checkup.collect import Collector
from btcframe.checkup.numbers import Checkup
from btcframe.errors import DataError
from btcframe.testing.markets import rough_rows
from btcframe.types import RowArray

COLUMNS = (
    Column("plain", "bps", -5.0, 5.0, inputs=("mid",), family="a"),
    Column("slow", warmup=200, inputs=("mid",)),
    Column("holed", inputs=("buy_volume",)),
    Column("never", awaits="a miracle"),
    Column("flat"),
    Column("wild"),
)
N = 9000


@pytest.fixture(scope="module")
def table() -> tuple[RowArray, np.ndarray]:
    rows = rough_rows(N, 3)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, len(COLUMNS)))
    x[np.isnan(rows["mid"]), :2] = np.nan
    x[:200, 1] = np.nan
    x[rng.random(N) < 0.4, 2] = np.nan
    x[:, 3] = np.nan
    x[:, 4] = 0.25
    x[4000, 5], x[5000, 5], x[6000, 5] = np.inf, -np.inf, 1e6
    return rows, x


def collected(table: tuple[RowArray, np.ndarray], cuts: list[int]) -> Checkup:
    rows, x = table
    collector = Collector(COLUMNS)
    for a, b in pairwise([0, *sorted(cuts), len(rows)]):
        collector.add(rows[a:b], x[a:b, :4], x[a:b, 4:])
    return collector.finish()


def test_against_numpy(table: tuple[RowArray, np.ndarray]) -> None:
    rows, x = table
    found = collected(table, [])
    usable = ~np.isnan(rows["mid"])
    counts = rows["buy_count"] + rows["sell_count"]
    assert (found.rows, found.usable, found.traded) == (N, usable.sum(), (counts > 0).sum())
    assert found.volume == pytest.approx(np.nansum(rows["buy_volume"] + rows["sell_volume"]), rel=1e-9)
    assert (found.first_ns, found.last_ns) == (rows["row_ns"][0], rows["row_ns"][-1])
    assert found.stride == 4 and found.sampled == len(x[::4])
    for c, values in zip(found.columns, x.T, strict=True):
        known = ~np.isnan(values)
        tame = values[np.isfinite(values)]
        assert (c.known, c.usable) == (known.sum(), (known & usable).sum()), c.name
        assert c.first == (int(np.argmax(known)) if known.any() else None)
        assert (c.low, c.high) == ((tame.min(), tame.max()) if len(tame) else (None, None))
        assert c.infinite == np.isinf(values).sum()
        assert sum(c.causes.values()) == N - c.known
        parts = [known[a : a + found.block] for a in range(0, N, found.block)]
        np.testing.assert_allclose(c.coverage, [100 * part.mean() for part in parts], atol=1)
    assert found.columns[0].limits == (-5.0, 5.0) and found.columns[1].limits == (None, None)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, N), max_size=8))
def test_however_the_rows_came(table: tuple[RowArray, np.ndarray], cuts: list[int]) -> None:
    assert collected(table, cuts) == collected(table, [])


def test_row_by_row(table: tuple[RowArray, np.ndarray]) -> None:
    short = table[0][:700], table[1][:700]
    assert collected(short, list(range(1, 700))) == collected(short, [])


def test_as_a_manifest_and_back(table: tuple[RowArray, np.ndarray]) -> None:
    found = collected(table, [])
    text = json.dumps(found.as_manifest(), allow_nan=False)
    assert Checkup.from_manifest(json.loads(text)) == found


def test_no_rows_and_no_columns() -> None:
    empty = Collector(COLUMNS).finish()
    assert empty.rows == 0 and empty.columns[0].known == 0 and empty.columns[0].coverage == ()
    collector = Collector(())
    collector.add(rough_rows(100), np.empty((100, 0)))
    assert collector.finish().columns == () and collector.finish().rows == 100


def test_another_versions_numbers_are_refused(table: tuple[RowArray, np.ndarray]) -> None:
    manifest = collected(table, []).as_manifest()
    del manifest["columns"]["median"]
    with pytest.raises(DataError, match="checkup of its columns is another version's: KeyError 'median'"):
        Checkup.from_manifest(manifest)
    with pytest.raises(DataError, match="another version's"):
        Checkup.from_manifest({"rows": 3})


def test_memory_does_not_grow_with_the_rows(table: tuple[RowArray, np.ndarray]) -> None:
    import tracemalloc

    collector = Collector(COLUMNS)
    rows, x = table
    collector.add(rows, x)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        collector.add(rows, x)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 10_000
