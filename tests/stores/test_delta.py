"""The store delta: what is written is read, once, in order, and only when whole."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import StoreError
from btcframe.stores.delta import Delta
from btcframe.testing import StoreSuite
from btcframe.types import NS

DAY = 86_400 * NS
START = 1_721_260_800 * NS  # 2024-07-18


def rows(first: int, n: int, step: int = NS, **columns: object) -> pa.Table:
    """n rows from row `first` on; column f tells them apart."""
    number = np.arange(first, first + n)
    f = np.where(number % 7 == 3, np.nan, number / 3)
    table = {"row_ns": START + number * step + 123, "symbol": pa.repeat("BTC/USDT:USDT", n), "f": f}
    return pa.table(table | columns)


def read(store: Delta, build: str, **how: object) -> pa.Table:
    return pa.Table.from_batches(store.scan(build, "t", **how))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "lake"))


def test_what_is_written_is_read_to_the_bit(store: Delta) -> None:
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


@settings(max_examples=8, derandomize=True, deadline=None)
@given(parts=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40)), min_size=1, max_size=6))
def test_any_order_and_overlap_of_batches_gives_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]
) -> None:
    store = Delta(str(tmp_path_factory.mktemp("lake")))
    for first, n in parts:
        store.write("b", "t", rows(first, n))
    store.seal("b", {})
    expected = sorted({i for first, n in parts for i in range(first, first + n)})
    got = read(store, "b")
    np.testing.assert_array_equal(got["row_ns"].to_numpy(), rows(0, 200)["row_ns"].to_numpy()[expected])
    np.testing.assert_array_equal(got["f"].to_numpy(), rows(0, 200)["f"].to_numpy()[expected])


def test_unsorted_batches_and_duplicates_within_a_batch(store: Delta) -> None:
    table = rows(0, 50)
    turned = table.take(pa.array(np.random.default_rng(0).permutation(50)))
    store.write("b", "t", pa.concat_tables([turned, turned]))
    store.seal("b", {"tables": {"t": 50}})
    assert read(store, "b")["row_ns"].equals(table["row_ns"])


def test_symbols_share_times(store: Delta) -> None:
    other = rows(0, 20).set_column(1, "symbol", pa.repeat("ETH/USDT:USDT", 20))
    for _ in range(2):
        store.write("b", "t", rows(0, 20))
        store.write("b", "t", other)
    store.seal("b", {"tables": {"t": 40}})
    got = read(store, "b")
    assert (np.diff(got["row_ns"].to_numpy()) >= 0).all()
    assert got["symbol"].to_pylist().count("ETH/USDT:USDT") == 20


def test_ranges_and_columns(store: Delta) -> None:
    store.write("b", "t", rows(0, 100))
    store.write("b", "t", rows(100, 100))
    store.seal("b", {})
    ns = rows(0, 200)["row_ns"].to_numpy()
    got = read(store, "b", columns=["f"], since=int(ns[90]), until=int(ns[110]))
    assert got.column_names == ["f"]
    np.testing.assert_array_equal(got["f"].to_numpy(), rows(90, 20)["f"].to_numpy())
    assert list(store.scan("b", "t", since=int(ns[-1]) + 1)) == []


def test_memory_stays_flat_batch_by_batch(store: Delta) -> None:
    for part in range(4):
        store.write("b", "t", rows(part * 1000, 1000))
    store.seal("b", {})
    assert [batch.num_rows for batch in store.scan("b", "t")] == [1000] * 4


def test_builds_do_not_see_each_others_columns(store: Delta) -> None:
    store.write("a", "t", rows(0, 10, g=np.ones(10)))
    store.write("b", "t", rows(0, 10, h=np.zeros(10)))
    for build in "ab":
        store.seal(build, {})
    assert read(store, "a").column_names == ["row_ns", "symbol", "f", "g"]
    assert read(store, "b").column_names == ["row_ns", "symbol", "f", "h"]
    with pytest.raises(StoreError, match="build b has no column g"):
        store.scan("b", "t", ["g"])


def test_an_unsealed_build_is_refused_and_can_be_discarded(store: Delta) -> None:
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


def test_a_sealed_build_never_changes(store: Delta) -> None:
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


def test_sealing_counts_the_rows(store: Delta) -> None:
    store.write("b", "t", rows(0, 10))
    with pytest.raises(StoreError, match="t holds 10 rows, 11 were written"):
        store.seal("b", {"tables": {"t": 11}})
    with pytest.raises(StoreError, match="other holds 0 rows"):
        store.seal("b", {"tables": {"t": 10, "other": 1}})
    assert store.builds() == {}


def test_an_empty_store_and_wrong_names(store: Delta) -> None:
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


def test_a_column_that_changes_its_type_is_refused(store: Delta) -> None:
    store.write("a", "t", rows(0, 10))
    for other in (pa.repeat("text", 10), pa.array(range(10))):
        with pytest.raises(StoreError, match=r"column f is \w+, and double in an earlier build"):
            store.write("b", "t", rows(0, 10).set_column(2, "f", other))
    store.seal("a", {})
    assert len(read(store, "a")) == 10


def test_a_damaged_file_is_named(store: Delta, tmp_path: Path) -> None:
    store.write("b", "t", rows(0, 10))
    store.seal("b", {})
    file = next((tmp_path / "lake" / "t").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(StoreError, match="table t cannot be read") as caught:
        read(store, "b")
    assert str(tmp_path) in caught.value.where
    file.unlink()
    with pytest.raises(StoreError, match="table t cannot be read"):
        read(store, "b")
    log = next((tmp_path / "lake" / "builds" / "_delta_log").glob("*.json"))
    log.write_text("{not json")
    with pytest.raises(StoreError, match="list of builds cannot be read"):
        store.builds()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Delta(str(tmp_path / "file" / "lake"))
    with pytest.raises(StoreError) as caught:
        store.write("b", "t", rows(0, 10))
    assert "store.path" in caught.value.next
    with pytest.raises(ValueError, match="path: it is empty"):
        Delta(" ")


def _write_half(path: str, queue: multiprocessing.Queue[object], limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # what a full disk looks like to a file
    try:
        Delta(path).write("b", "t", rows(1000, 200_000))
        queue.put("written")
    except StoreError as error:
        queue.put(error.hint)


def test_a_full_disk_leaves_nothing_half(store: Delta) -> None:
    store.write("b", "t", rows(0, 10))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_write_half, args=(store.path, queue, 200_000))
    process.start()
    assert queue.get(timeout=60) == "The disk is full: free some space."
    process.join()
    store.write("b", "t", rows(10, 10))
    store.seal("b", {"tables": {"t": 20}})
    assert read(store, "b")["row_ns"].equals(rows(0, 20)["row_ns"])


def _write_all(path: str, offset: int) -> None:
    store = Delta(path)
    for part in range(6):
        store.write("b", "t", rows((part + offset) % 6 * 100, 100))
    store.seal("b", {"tables": {"t": 600}})


def test_two_processes_building_the_same_build(store: Delta) -> None:
    """Both write all rows of one build into a store that does not exist yet; each row is there once."""
    context = multiprocessing.get_context("spawn")
    # the second to finish may find rows it has just checked for sealed: it then has nothing new to write
    processes = [context.Process(target=_write_all, args=(store.path, offset)) for offset in (0, 3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    got = read(store, "b")
    np.testing.assert_array_equal(got["row_ns"].to_numpy(), rows(0, 600)["row_ns"].to_numpy())


class TestContract(StoreSuite):
    def make(self, tmp_path: Path) -> Delta:
        return Delta(str(tmp_path / "lake"))
