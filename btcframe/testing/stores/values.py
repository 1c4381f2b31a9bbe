"""What a store keeps to the bit, and what it may refuse: stamps, nulls, types, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.errors import StoreError
from btcframe.testing.checks import ContractError, name_of
from btcframe.testing.markets import START_NS
from btcframe.testing.stores.rows import TABLE, difference, expect, read, refused, stamped, table

if TYPE_CHECKING:
    import pyarrow as pa

ODD_NAMES = (
    "UPPER", "upper", "a.b-c_d", "1", "x" * 60, "", ".", "..", "../up", "a/b", "a b", "a'b", 'a"b', "a=b", "a%2Fb",
    "a;b", "ä", "NUL", "select", "-x", "a\n", "\\", "*",
)  # fmt: skip
"""For builds and tables: a store keeps each, or refuses it."""

ODD_COLUMNS = ("UPPER", "select", "50%", "%s", "a'b", 'say "x"', "x--y", "ß", "1st", "a b", "a.b", "`x`")
"""For columns: a store keeps all of them."""


def check_nanoseconds(store: Any) -> None:
    """Stamps a nanosecond apart, before 1970 and after 2262 but for one, stay apart and in order."""
    stamps = [-(10**17) - 1, -1, 0, 1, START_NS + 1, START_NS + 2, START_NS + 3, 2**62]
    rows = stamped(stamps, t_end=np.array([-(2**63), 2**63 - 1, 2**53 + 1, 0, 1, -1, 7, 2**62 + 1]))
    store.write("a", TABLE, rows)
    store.seal("a", {})
    cure = "Keep int64 nanoseconds as they are: neither float64 nor a time in microseconds holds them."
    expect(store, "a", rows, "does not keep nanoseconds", cure)
    for since, until in ((START_NS + 2, START_NS + 3), (-1, 1)):
        inside = [i for i, ns in enumerate(stamps) if since <= ns < until]
        expect(store, "a", rows.take(inside), "selects by coarser stamps", cure, since=since, until=until)


def check_null_is_not_nan(store: Any) -> None:
    """NaN, null, −0.0, infinities and the ends of every common type come back to the bit."""
    import pyarrow as pa

    rows = stamped(
        range(START_NS, START_NS + 6),
        double=pa.array([None, np.nan, -0.0, np.inf, 5e-324, 1.7976931348623157e308]),
        single=pa.array([None, 1.5, np.nan, -0.0, 1e-45, 3.4e38], pa.float32()),
        i64=pa.array([None, -(2**63), 2**63 - 1, 0, 1, -1]),
        i32=pa.array([None, -(2**31), 2**31 - 1, 0, 1, -1], pa.int32()),
        i16=pa.array([None, -(2**15), 2**15 - 1, 0, 1, -1], pa.int16()),
        flag=pa.array([None, True, False, True, True, False]),
        text=pa.array([None, "", "ß 'quoted' \\N \t\n", "x" * 5000, "-1", "NULL"]),
    )
    store.write("a", TABLE, rows)
    store.seal("a", {})
    expect(
        store, "a", rows, "does not keep values and types",
        "NaN is a number and null is none: keep both, and int16 to int64, float32, float64, bool and string.",
    )  # fmt: skip


def check_types(store: Any) -> None:
    """A column of a rarer type is kept, in that type or one that has all its values, or refused."""
    import pyarrow as pa

    rare = {
        "u8": pa.array([0, 255], pa.uint8()), "u16": pa.array([0, 2**16 - 1], pa.uint16()),
        "u32": pa.array([0, 2**32 - 1], pa.uint32()), "u64": pa.array([0, 2**64 - 1], pa.uint64()),
        "i8": pa.array([-128, 127], pa.int8()), "half": pa.array(np.array([1.5, np.nan], np.float16)),
        "day": pa.array([0, 20_000], pa.date32()), "time": pa.array([1, 2], pa.timestamp("ns", "UTC")),
        "money": pa.array([1, 2], pa.int64()).cast(pa.decimal128(20, 1)), "list": pa.array([[1.0], [2.0, 3.0]]),
        "bytes": pa.array([b"\0", b"x"]), "null": pa.nulls(2),
        "category": pa.array(["x", "y"]).dictionary_encode(),
    }  # fmt: skip
    for name, column in rare.items():
        rows = stamped((START_NS, START_NS + 1), value=column)
        _kept_or_refused(store, f"b{name}", f"t{name}", rows, f"a column of type {column.type}")


def check_names(store: Any) -> None:
    """A name of a build or a table is kept, apart from all others, or refused with StoreError."""
    kept = set()
    for i, name in enumerate(ODD_NAMES):
        if _kept_or_refused(store, name, "t", table(i, i + 2), f"a build called {name!r}"):
            kept.add(name)
        _kept_or_refused(store, f"build{i}", name, table(i, i + 3), f"a table called {name!r}")
    names = {name for name in store.builds() if not name.startswith("build")}
    if names != kept:
        raise ContractError(
            f"{name_of(store)}.builds() has {sorted(names ^ kept)} wrong",
            "Keep names as they are, or refuse them.",
        )
    for i, name in enumerate(ODD_NAMES):
        if name in kept:
            expect(
                store, name, table(i, i + 2), f"mixes build {name!r} with another",
                "Names that differ in case or punctuation only are two names.", name="t",
            )  # fmt: skip


def check_column_names(store: Any) -> None:
    """Columns with names that are odd in SQL or in files are kept; names that differ in case only, too, or refused."""
    rows = stamped(
        range(START_NS, START_NS + 3), **{n: np.full(3, float(j)) for j, n in enumerate(ODD_COLUMNS)}
    )
    store.write("a", TABLE, rows)
    store.seal("a", {})
    cure = "Quote names, bind values."
    expect(store, "a", rows, "does not keep columns with odd names", cure)
    expect(
        store, "a", rows.select(ODD_COLUMNS[::-1]), "does not find columns with odd names", cure,
        columns=ODD_COLUMNS[::-1],
    )  # fmt: skip
    both = stamped((START_NS,), x=np.ones(1), X=np.zeros(1))
    _kept_or_refused(store, "case", "case", both, "columns x and X")


def check_changed_type(store: Any) -> None:
    """A column keeps its type in all builds: another one is refused, and what is there can still be read."""
    import pyarrow as pa

    store.write("a", TABLE, table(0, 10))
    at = table(0, 1).column_names.index("x")
    for other in (pa.repeat("text", 10), pa.array(range(10)), pa.array(np.ones(10, np.float32))):
        changed = table(10, 20).set_column(at, "x", other)
        if not refused(lambda changed=changed: store.write("b", TABLE, changed)):  # type: ignore[misc]
            raise ContractError(
                f"{name_of(store)} takes {other.type} in column x, which was double before",
                "Raise StoreError: a cast would change numbers, and readers count on one type.",
            )
    store.seal("a", {"tables": {TABLE: 10}})
    expect(
        store, "a", table(0, 10), "loses rows to a batch that it refused", "Check before anything is written."
    )


def _kept_or_refused(store: Any, build: str, name: str, rows: pa.Table, what: str) -> bool:
    """Whether rows are kept. Raises ContractError if they are neither kept, value by value, nor refused."""
    import pyarrow as pa

    try:
        store.write(build, name, rows)
        store.seal(build, {"tables": {name: rows.num_rows}})
    except StoreError:
        return False
    try:
        got = read(store, build, name)
        found = difference(got, rows.cast(got.schema) if got.column_names == rows.column_names else rows)
    except (StoreError, pa.ArrowInvalid) as error:  # Arrow's: its type has not all values
        found = str(error).partition("\n")[0]
    if found:
        raise ContractError(
            f"{name_of(store)} takes {what}, and gives back something else: {found}",
            "Keep every value, or raise StoreError before anything is written.",
        )
    return True


CHECKS = (
    check_nanoseconds, check_null_is_not_nan, check_types, check_names, check_column_names, check_changed_type,
)  # fmt: skip
