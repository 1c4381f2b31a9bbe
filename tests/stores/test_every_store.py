"""What every store does alike: the contract on servers (delta's is in tests/test_contract.py), and the words of its errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores.every_row import Make, read, rows

from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.testing.stores import BEHAVIOUR, together


@pytest.mark.parametrize("make", ["delta", "postgres"], indirect=True)
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


def test_nothing_is_written_of_no_rows(store: Store) -> None:
    store.write("a", "t", rows(0, 0))
    store.write("a", "u", rows(0, 1))
    store.write("a", "u", rows(0, 0))
    store.seal("a", {"tables": {"t": 0, "u": 1}})
    with pytest.raises(StoreError, match="build a has no table t"):
        store.scan("a", "t")


@pytest.mark.parametrize("check", BEHAVIOUR, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("server", ["plain", "hyper"])
def test_contract(request: pytest.FixtureRequest, server: str, check: Callable[[Store], None]) -> None:
    if server == "hyper" and check in together.CHECKS:
        pytest.skip("TimescaleDB in WebAssembly has one session for all clients: it cannot lock one out")
    check(request.getfixturevalue(server))
