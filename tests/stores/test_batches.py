"""Which types of columns are kept, as what, and which are refused: the same in every store."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from stores.every_row import read, rows, same

from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.stores.batches import KEPT, plain, utc

WHEN = datetime.datetime(2024, 7, 18, 12, 30, 0, 123_457, datetime.UTC)


def columns() -> dict[str, tuple[pa.Array, pa.DataType]]:
    """Two values and a null of every type that is kept, at their limits, and what they come back as."""
    short = pa.array(["ask", "", None])
    return {
        "i8": (pa.array([-128, 127, None], pa.int8()), pa.int16()),
        "u8": (pa.array([0, 255, None], pa.uint8()), pa.int16()),
        "i16": (pa.array([-(2**15), 2**15 - 1, None], pa.int16()), pa.int16()),
        "u16": (pa.array([0, 2**16 - 1, None], pa.uint16()), pa.int32()),
        "i32": (pa.array([-(2**31), 2**31 - 1, None], pa.int32()), pa.int32()),
        "u32": (pa.array([0, 2**32 - 1, None], pa.uint32()), pa.int64()),
        "i64": (pa.array([-(2**63), 2**63 - 1, None], pa.int64()), pa.int64()),
        "f16": (pa.array([6e-8, 65504, None], pa.float16()), pa.float32()),
        "f32": (pa.array([1e-45, float("nan"), None], pa.float32()), pa.float32()),
        "f64": (pa.array([5e-324, float("nan"), None], pa.float64()), pa.float64()),
        "flag": (pa.array([True, False, None]), pa.bool_()),
        "text": (short, pa.string()),
        "large": (short.cast(pa.large_string()), pa.string()),
        "view": (short.cast(pa.string_view()), pa.string()),
        "names": (short.dictionary_encode(), pa.string()),
        "codes": (pa.array([7, 255, None], pa.uint8()).dictionary_encode(), pa.int16()),
        "when": (pa.array([WHEN, utc(-1), None], pa.timestamp("us", "UTC")), pa.timestamp("us", "UTC")),
    }


def test_every_kind_comes_back_with_all_its_values(store: Store) -> None:
    given = {name: values for name, (values, _) in columns().items()}
    store.write("b", "t", rows(0, 3, **given))
    store.write("b", "t", rows(0, 3, **given))
    store.seal("b", {"tables": {"t": 3}})
    got = read(store, "b")
    for name, (values, kind) in columns().items():
        assert got[name].type == kind, name
        assert repr(got[name].to_pylist()) == repr(values.to_pylist()), name


def test_a_symbol_may_be_a_dictionary(store: Store) -> None:
    batch = rows(0, 3)
    coded = batch.set_column(1, "symbol", batch["symbol"].combine_chunks().dictionary_encode())
    store.write("b", "t", coded)
    store.write("b", "t", batch)
    store.seal("b", {"tables": {"t": 3}})
    assert same(read(store, "b"), batch)


@pytest.mark.parametrize(
    ("kind", "value", "hint"),
    [
        (pa.uint64(), 1, "cast the column"),
        (pa.timestamp("ns", "UTC"), 1, "Stamps are int64 nanoseconds"),
        (pa.timestamp("us"), 1, "Stamps are int64 nanoseconds"),
        (pa.timestamp("us", "Europe/Zurich"), 1, "Stamps are int64 nanoseconds"),
        (pa.date32(), 1, "cast the column"),
        (pa.decimal128(10, 2), 1, "cast the column"),
        (pa.binary(), b"x", "cast the column"),
        (pa.list_(pa.float64()), [1.0], "cast the column"),
        (pa.null(), None, "cast the column"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused_by_name(
    kind: pa.DataType, value: object, hint: str
) -> None:
    with pytest.raises(StoreError) as caught:
        plain(rows(0, 1, x=pa.array([value], kind)))
    assert caught.value.what == f"column x is {kind}, which no store can hold" and hint in caught.value.hint


def test_a_dictionary_of_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(
        StoreError, match=r"column x is dictionary<values=uint64, .*>, which no store can hold"
    ):
        plain(rows(0, 1, x=pa.array([1], pa.uint64()).dictionary_encode()))


def test_every_store_refuses_it_before_anything_is_written(store: Store) -> None:
    with pytest.raises(StoreError, match="column x is uint64, which no store can hold"):
        store.write("b", "t", rows(0, 1, x=pa.array([1], pa.uint64())))
    store.write("b", "t", rows(0, 1, x=pa.array([1], pa.int64())))
    store.seal("b", {"tables": {"t": 1}})


def test_a_batch_of_kept_types_is_handed_on_as_it_is() -> None:
    batch = pa.table({str(kind): pa.nulls(2, kind) for kind in KEPT})
    assert plain(batch) is batch
