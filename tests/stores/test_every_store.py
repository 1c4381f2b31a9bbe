"""What every store does alike: delta, plain PostgreSQL and TimescaleDB."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores.every_row import Make, read, rows, same

from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.testing.stores import CHECKS
from btcframe.types import NS


def test_what_is_written_is_read_to_the_bit(store: Store) -> None:
    table = rows(0, 5000, step=60 * NS)  # 3.5 days
    store.write("b", "t", table.slice(0, 2000))
    store.write("b", "t", table.slice(2000))
    store.seal("b", {"seed": 7, "tables": {"t": 5000}})
    got = read(store, "b")
    assert got.column_names == ["row_ns", "symbol", "f"]
    for name in ("row_ns", "f"):
        assert got[name].to_numpy().tobytes() == table[name].to_numpy().tobytes()
        assert got[name].null_count == 0  # NaN stays NaN
    assert store.builds() == {"b": {"seed": 7, "tables": {"t": 5000}}}


@settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40)), min_size=1, max_size=6))
def test_any_order_and_overlap_of_batches_gives_each_row_once(
    make: Make, parts: list[tuple[int, int]]
) -> None:
    store = make()
    for first, n in parts:
        store.write("b", "t", rows(first, n))
    store.seal("b", {})
    expected = sorted({i for first, n in parts for i in range(first, first + n)})
    got = read(store, "b")
    np.testing.assert_array_equal(got["row_ns"].to_numpy(), rows(0, 200)["row_ns"].to_numpy()[expected])
    np.testing.assert_array_equal(got["f"].to_numpy(), rows(0, 200)["f"].to_numpy()[expected])


def test_unsorted_batches_and_duplicates_within_a_batch(store: Store) -> None:
    table = rows(0, 50)
    turned = table.take(pa.array(np.random.default_rng(0).permutation(50)))
    store.write("b", "t", pa.concat_tables([turned, turned]))
    store.seal("b", {"tables": {"t": 50}})
    assert read(store, "b")["row_ns"].equals(table["row_ns"])


def test_symbols_share_times(store: Store) -> None:
    other = rows(0, 20).set_column(1, "symbol", pa.repeat("ETH/USDT:USDT", 20))
    for _ in range(2):
        store.write("b", "t", rows(0, 20))
        store.write("b", "t", other)
    store.seal("b", {"tables": {"t": 40}})
    got = read(store, "b")
    assert (np.diff(got["row_ns"].to_numpy()) >= 0).all()
    assert got["symbol"].to_pylist().count("ETH/USDT:USDT") == 20


def test_ranges_and_columns(store: Store) -> None:
    store.write("b", "t", rows(0, 100))
    store.write("b", "t", rows(100, 100))
    store.seal("b", {})
    ns = rows(0, 200)["row_ns"].to_numpy()
    got = read(store, "b", columns=["f"], since=int(ns[90]), until=int(ns[110]))
    assert got.column_names == ["f"]
    np.testing.assert_array_equal(got["f"].to_numpy(), rows(90, 20)["f"].to_numpy())
    assert list(store.scan("b", "t", since=int(ns[-1]) + 1)) == []


def test_builds_do_not_see_each_others_columns(store: Store) -> None:
    store.write("a", "t", rows(0, 10, g=np.ones(10)))
    store.write("b", "t", rows(0, 10, h=np.zeros(10)))
    for build in "ab":
        store.seal(build, {})
    assert read(store, "a").column_names == ["row_ns", "symbol", "f", "g"]
    assert read(store, "b").column_names == ["row_ns", "symbol", "f", "h"]
    with pytest.raises(StoreError, match="build b has no column g"):
        store.scan("b", "t", ["g"])


def test_an_unsealed_build_is_refused_and_can_be_discarded(store: Store) -> None:
    store.write("whole", "t", rows(0, 10))
    store.seal("whole", {})
    store.write("half", "t", rows(0, 10))
    with pytest.raises(StoreError, match="there is no whole build half"):
        store.scan("half", "t")
    assert list(store.builds()) == ["whole"]
    store.discard("half")
    store.discard("never")
    store.write("half", "t", rows(0, 5))
    store.seal("half", {"tables": {"t": 5}})
    assert len(read(store, "half")) == 5 and len(read(store, "whole")) == 10


def test_a_sealed_build_never_changes(store: Store) -> None:
    store.write("b", "t", rows(0, 10))
    store.seal("b", {"n": 1})
    store.seal("b", {"n": 1})  # again: nothing happens
    store.write("b", "t", rows(0, 10))  # nothing new in it
    with pytest.raises(StoreError, match="is sealed, and 1 of these rows are not in it"):
        store.write("b", "t", rows(5, 6))
    with pytest.raises(StoreError, match="sealed with another manifest"):
        store.seal("b", {"n": 2})
    with pytest.raises(StoreError, match="cannot be discarded"):
        store.discard("b")
    assert len(read(store, "b")) == 10


def test_sealing_counts_the_rows(store: Store) -> None:
    store.write("b", "t", rows(0, 10))
    with pytest.raises(StoreError, match="t holds 10 rows, 11 were written"):
        store.seal("b", {"tables": {"t": 11}})
    with pytest.raises(StoreError, match="other holds 0 rows"):
        store.seal("b", {"tables": {"t": 10, "other": 1}})
    assert store.builds() == {}


def test_an_empty_store_and_wrong_names(store: Store) -> None:
    assert store.builds() == {}
    with pytest.raises(StoreError, match="no whole build x") as caught:
        store.scan("x", "t")
    assert "btcframe build" in caught.value.next
    store.write("build1", "t", rows(0, 1))
    store.seal("build1", {})
    with pytest.raises(StoreError, match="Did you mean build1"):
        store.scan("build2", "t")
    with pytest.raises(StoreError, match="has no table u"):
        store.scan("build1", "u")
    for name in ("", "../up", "a'b", "a/b", "a=b"):
        with pytest.raises(StoreError, match="is not a name"):
            store.write(name, "t", rows(0, 1))


def test_a_column_that_changes_its_type_is_refused(store: Store) -> None:
    store.write("a", "t", rows(0, 10))
    for other in (pa.repeat("text", 10), pa.array(range(10))):
        with pytest.raises(StoreError, match=r"column f is \w+, and double in an earlier build"):
            store.write("b", "t", rows(0, 10).set_column(2, "f", other))
    store.seal("a", {})
    assert len(read(store, "a")) == 10


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(make: Make, check: Callable[[Store], None]) -> None:
    check(make())


def test_null_is_not_nan_and_every_type_comes_back(store: Store) -> None:
    table = rows(
        0,
        6,
        f=pa.array([None, np.nan, -0.0, np.inf, 5e-324, 1.7976931348623157e308]),
        small=pa.array([None, 1.5, np.nan, -0.0, 1e-45, 3.4e38], pa.float32()),
        i=pa.array([None, -(2**63), 2**63 - 1, 0, 1, -1]),
        j=pa.array([None, -(2**31), 2**31 - 1, 0, 1, -1], pa.int32()),
        k=pa.array([None, -(2**15), 2**15 - 1, 0, 1, -1], pa.int16()),
        b=pa.array([None, True, False, True, True, False]),
        text=pa.array([None, "", "ß 'quoted' \\N \t\n", "x" * 5000, "-1", "NULL"]),
    )
    store.write("b", "t", table)
    store.seal("b", {"tables": {"t": 6}})
    got = read(store, "b")
    assert got.schema.types == table.schema.types
    for name in table.column_names:
        assert repr(got[name].to_pylist()) == repr(table[name].to_pylist())


def test_odd_column_names(store: Store) -> None:
    names = ["UPPER", "select", "50%", "%s", "a'b", 'say "x"', "x--y", "ß", "1st", "new"]
    store.write("a", "t", rows(0, 3, **{name: np.full(3, float(j)) for j, name in enumerate(names[:-1])}))
    store.write("a", "t", rows(3, 3, **{name: np.full(3, float(j)) for j, name in enumerate(names)}))
    store.seal("a", {})
    got = read(store, "a", columns=names)
    assert got.column_names == names
    assert got.to_pylist()[5] == {name: float(j) for j, name in enumerate(names)}
    assert got.to_pylist()[0]["new"] is None


def test_nothing_is_written_of_no_rows(store: Store) -> None:
    store.write("a", "t", rows(0, 0))
    store.write("a", "u", rows(0, 1))
    store.write("a", "u", rows(0, 0))
    store.seal("a", {"tables": {"t": 0, "u": 1}})
    with pytest.raises(StoreError, match="build a has no table t"):
        store.scan("a", "t")


def test_a_later_build_brings_a_column_and_leaves_the_earlier_alone(store: Store) -> None:
    store.write("a", "t", rows(0, 20))
    store.seal("a", {})
    store.write("b", "t", rows(0, 20, later=np.arange(20)))
    assert same(read(store, "a"), rows(0, 20))
    store.seal("b", {})
    assert read(store, "b", columns=["later", "row_ns"])["later"].to_pylist() == list(range(20))


def test_an_abandoned_scan_leaves_the_store_usable(store: Store) -> None:
    store.write("a", "t", rows(0, 50_000))
    store.seal("a", {})
    scan = store.scan("a", "t")
    first = next(scan)
    assert 0 < first.num_rows <= 50_000
    scan.close()  # type: ignore[attr-defined]
    assert len(read(store, "a")) == 50_000


def test_readers_of_one_build_while_another_is_written(store: Store) -> None:
    store.write("a", "t", rows(0, 3000))
    store.seal("a", {})
    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(store.write, "b", "t", rows(part * 100, 150)) for part in range(10)]
        reading = [pool.submit(read, store, "a") for _ in range(5)]
        assert all(same(each.result(), rows(0, 3000)) for each in reading)
        for each in writing:
            each.result()
    store.seal("b", {"tables": {"t": 1050}})
    assert read(store, "b")["row_ns"].equals(rows(0, 1050)["row_ns"])
