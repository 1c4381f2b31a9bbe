"""How a build comes to be: claimed, written, sealed, never changed; or discarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.errors import StoreError
from btcframe.testing.checks import ContractError, name_of
from btcframe.testing.stores.rows import TABLE, chosen, expect, read, refused, table
from btcframe.testing.surroundings import undisturbed

if TYPE_CHECKING:
    import pyarrow as pa


def check_claim(store: Any) -> None:
    """A build that nobody makes is claimed at once, and is free again after an error."""
    waited: list[str] = []
    for _ in range(2):
        try:
            with store.claim("a", lambda: waited.append("a")), store.claim("b", lambda: waited.append("b")):
                raise StoreError("the build failed")
        except StoreError as error:
            if error.what != "the build failed":
                raise
    if waited:
        raise ContractError(
            f"{name_of(store)}.claim waits for build {waited[0]}, which nobody makes",
            "A claim is for one build, and is given back when the block is left, by an error too.",
        )


def check_roundtrip(store: Any) -> None:
    """What was written and sealed is read back in order, to the bit, with its manifest."""
    store.write("a", TABLE, table(0, 60))
    store.write("a", TABLE, table(60, 100))
    store.seal("a", {"seed": 1, "columns": ["x"]})
    expect(
        store, "a", table(0, 100), "reads back something else than was written",
        "int64 nanoseconds stay int64, NaN stays NaN, rows come in order of row_ns.",
    )  # fmt: skip
    if dict(store.builds()) != {"a": {"seed": 1, "columns": ["x"]}}:
        raise ContractError(
            f"{name_of(store)}.builds() gives {dict(store.builds())}", "Keep the manifest handed to seal()."
        )


def check_idempotent(store: Any) -> None:
    """Rows that are there already are not written twice."""
    for start, stop in ((0, 50), (0, 50), (30, 80)):
        store.write("a", TABLE, table(start, stop))
    store.seal("a", {})
    expect(
        store,
        "a",
        table(0, 80),
        "writes rows twice",
        "The key is (build, symbol, row_ns): skip what is there.",
    )


def check_any_order(store: Any) -> None:
    """Batches in any order, overlapping, unsorted and with a row twice: each row is there once, in order of time."""
    pick = np.random.default_rng(0)
    written: set[int] = set()
    for _ in range(6):
        numbers = pick.integers(0, 120, 40)  # some of them twice
        written |= set(numbers.tolist())
        store.write("a", TABLE, chosen(numbers))
    store.seal("a", {})
    expect(
        store, "a", chosen(sorted(written)), "does not sort out batches that overlap, unsorted, with rows twice",
        "Sort a batch by row_ns, keep the first row of a key, skip the keys that the build has.",
    )  # fmt: skip


def check_symbols(store: Any) -> None:
    """Two symbols have rows with the same stamps: both are kept, once each."""
    import pyarrow as pa

    other = table(0, 20).set_column(1, "symbol", pa.repeat("ETH/USDT:USDT", 20))
    for _ in range(2):
        store.write("a", TABLE, table(0, 20))
        store.write("a", TABLE, other)
    store.seal("a", {})
    got = read(store, "a")
    keys = _keys(got)
    expected = {*_keys(table(0, 20)), *_keys(other)}
    if len(keys) != 40 or set(keys) != expected or [ns for ns, _ in keys] != sorted(ns for ns, _ in keys):
        raise ContractError(
            f"{name_of(store)} gives {len(keys)} rows of two symbols with 20 rows each",
            "The symbol is a part of the key; rows come in order of row_ns, whatever their symbol.",
        )


def _keys(rows: pa.Table) -> list[tuple[int, str]]:
    return list(zip(rows["row_ns"].to_pylist(), rows["symbol"].to_pylist(), strict=True))


def check_unsealed(store: Any) -> None:
    """An unsealed build cannot be read and is not listed; discarded, it leaves nothing."""
    store.write("a", TABLE, table(0, 50))
    if not refused(lambda: list(store.scan("a", TABLE))) or "a" in store.builds():
        raise ContractError(
            f"{name_of(store)} reads a build that is not sealed",
            "Raise StoreError: an interrupted build must not be taken for whole.",
        )
    store.discard("a")
    store.discard("never")
    store.write("a", TABLE, table(70, 90))
    store.seal("a", {})
    expect(store, "a", table(70, 90), ".discard leaves rows behind", "Delete all rows of the build.")


def check_immutable(store: Any) -> None:
    """A sealed build takes no new rows, no other manifest, and cannot be discarded; the same again is harmless."""
    store.write("a", TABLE, table(0, 50))
    store.seal("a", {"n": 1})
    if not refused(lambda: store.write("a", TABLE, table(50, 60))):
        raise ContractError(f"{name_of(store)} adds rows to a sealed build", "Raise StoreError.")
    if not refused(lambda: store.seal("a", {"n": 2})):
        raise ContractError(
            f"{name_of(store)} seals a build again with another manifest",
            "Raise StoreError: it never changes.",
        )
    if not refused(lambda: store.discard("a")):
        raise ContractError(f"{name_of(store)} discards a sealed build", "Raise StoreError.")
    store.write("a", TABLE, table(10, 20))  # whoever does not know how far it came does it all again
    store.seal("a", {"n": 1})
    expect(store, "a", table(0, 50), "changes a sealed build", "Leave it as it is, refused or not.")


def check_counts(store: Any) -> None:
    """A build is sealed only if its tables hold as many rows as the manifest's "tables" say."""
    store.write("a", TABLE, table(0, 10))
    for tables in ({TABLE: 11}, {TABLE: 9}, {TABLE: 10, "other": 1}):
        if not refused(lambda tables=tables: store.seal("a", {"tables": tables})) or store.builds():  # type: ignore[misc]
            raise ContractError(
                f"{name_of(store)} seals a build of 10 rows as one of {tables}",
                'Where the manifest has "tables", rows by table, count and raise StoreError.',
            )
    store.seal("a", {"tables": {TABLE: 10}})
    expect(store, "a", table(0, 10), "loses rows when it is sealed", "Sealing changes no row.")


def check_empty(store: Any) -> None:
    """An empty store has no builds and no rows; batches and tables of no rows are harmless."""
    if dict(store.builds()):
        raise ContractError(f"{name_of(store)}: an empty store has builds", "Checks need an empty store.")
    if not refused(lambda: list(store.scan("a", TABLE))):
        raise ContractError(f"{name_of(store)}.scan finds build a in an empty store", "Raise StoreError.")
    store.write("a", TABLE, table(0, 0))
    store.write("a", TABLE, table(0, 1))
    store.write("a", TABLE, table(0, 0))
    store.seal("a", {"tables": {TABLE: 1, "empty": 0}})
    store.seal("b", {"tables": {TABLE: 0}})
    expect(store, "a", table(0, 1), "stumbles over a batch of no rows", "Nothing is written of no rows.")
    if not refused(lambda: list(store.scan("b", TABLE))) and read(store, "b").num_rows:
        raise ContractError(f"{name_of(store)} gives rows of a build that has none", "Select by build.")


def check_global_state(store: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    builds = iter(("a", "b"))

    def work() -> None:
        build = next(builds)
        with store.claim(build, lambda: None):
            store.write(build, TABLE, table(0, 50))
            store.seal(build, {})
        read(store, build)

    undisturbed(name_of(store), work)


CHECKS = (
    check_claim, check_roundtrip, check_idempotent, check_any_order, check_symbols, check_unsealed, check_immutable,
    check_counts, check_empty, check_global_state,
)  # fmt: skip
