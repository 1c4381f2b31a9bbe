"""How a build is read: ranges, columns, while it is open, beside writers, piece by piece."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from btcframe.testing.checks import ContractError, name_of
from btcframe.testing.markets import START_NS
from btcframe.testing.stores.rows import TABLE, difference, expect, read, refused, table
from btcframe.types import NS


def check_scan(store: Any) -> None:
    """`columns`, `since` and `until` select; builds stand apart; unknown names are refused."""
    store.write("a", TABLE, table(0, 20))
    store.write("a", TABLE, table(20, 50))
    store.write("b", TABLE, table(20, 30))
    for build in ("a", "b"):
        store.seal(build, {})
    since, until = START_NS + 10 * NS, START_NS + 25 * NS
    part = read(store, "a", columns=["x", "row_ns"], since=since, until=until)
    found = difference(part, table(10, 25).select(["x", "row_ns"]))
    if found:
        raise ContractError(
            f"{name_of(store)}.scan(columns, since, until) gives other rows: {found}",
            "Rows with since <= row_ns < until, exactly the columns asked for, in that order.",
        )
    expect(
        store, "a", table(10, 25).select(["x"]), "needs row_ns among the columns to select by time",
        "Read what you select by, and give what was asked for.", columns=["x"], since=since, until=until,
    )  # fmt: skip
    expect(
        store, "a", table(0, 0), "gives rows outside the range", "None are a fine answer.", since=until * 2
    )
    expect(store, "b", table(20, 30), "mixes two builds", "Select by build.")
    for build, name, columns in (("c", TABLE, None), ("a", "nonsense", None), ("a", TABLE, ["nonsense"])):
        if not refused(lambda b=build, n=name, c=columns: list(store.scan(b, n, c))):  # type: ignore[misc]
            raise ContractError(
                f"{name_of(store)}.scan finds build {build}, table {name}, columns {columns}, which do not exist",
                "Raise StoreError.",
            )


def check_open_build(store: Any) -> None:
    """With `whole=False` the rows of an open build can be read so far, and of no build that is not there."""
    cure = "scan(…, whole=False) gives all rows whose write has returned, in order, as of a sealed build."
    store.write("a", TABLE, table(0, 10))
    expect(store, "a", table(0, 10), "does not read an open build", cure, whole=False)
    store.write("a", TABLE, table(20, 30))
    expect(
        store, "a", table(22, 25).select(["x"]), "reads a part of an open build wrongly", cure, whole=False,
        columns=["x"], since=START_NS + 22 * NS, until=START_NS + 25 * NS,
    )  # fmt: skip
    store.write("a", TABLE, table(10, 20))
    expect(store, "a", table(0, 30), "does not see what was just written", cure, whole=False)
    for build, name, columns in (("b", TABLE, None), ("a", "nonsense", None), ("a", TABLE, ["nonsense"])):
        if not refused(lambda b=build, n=name, c=columns: list(store.scan(b, n, c, whole=False))):  # type: ignore[misc]
            raise ContractError(
                f"{name_of(store)}.scan(whole=False) finds build {build}, table {name}, columns {columns}, which do "
                "not exist",
                "Raise StoreError: an open build is one that has rows.",
            )
    store.seal("a", {})
    expect(store, "a", table(0, 30), "reads a sealed build otherwise with whole=False", cure, whole=False)
    store.write("c", TABLE, table(0, 5))
    store.discard("c")
    if not refused(lambda: list(store.scan("c", TABLE, whole=False))):
        raise ContractError(f"{name_of(store)} reads a discarded build", "Delete all that tells of it.")


def check_widening(store: Any) -> None:
    """A later batch or build brings a column: rows without it are null, and no build sees another's columns."""
    import pyarrow as pa

    more = table(10, 20).append_column("more", pa.array([float(i) for i in range(10)]))
    cure = "A table has the columns of all builds; a build shows those that it wrote."
    store.write("a", TABLE, table(0, 10))
    store.seal("a", {})
    store.write("b", TABLE, table(0, 10))
    store.write("b", TABLE, more)
    store.seal("b", {})
    other = table(0, 10).append_column("other", pa.repeat(1, 10))
    store.write("c", TABLE, other)
    store.seal("c", {})
    expect(store, "a", table(0, 10), "shows an earlier build the columns of a later one", cure)
    nulls = table(0, 10).append_column("more", pa.nulls(10, pa.float64()))
    expect(store, "b", pa.concat_tables([nulls, more]), "loses a column that a later batch brings", cure)
    expect(store, "c", other, "loses a column", cure)
    if not refused(lambda: list(store.scan("c", TABLE, ["more"]))):
        raise ContractError(f"{name_of(store)}: build c has column more, which only b wrote", cure)


def check_abandoned_scan(store: Any) -> None:
    """A scan that is given up after its first piece leaves the store usable."""
    store.write("a", TABLE, table(0, 30_000))
    store.seal("a", {})
    for _ in range(3):
        scan = iter(store.scan("a", TABLE))
        next(scan)
        scan.close()
        expect(
            store, "a", table(0, 30_000), "cannot be read after a scan was given up",
            "Give back files, connections and locks when the iterator is closed.",
        )  # fmt: skip


def check_readers_and_writers(store: Any) -> None:
    """Threads that read a sealed build and an open one while that is written: whole batches, once each."""
    store.write("a", TABLE, table(0, 2000))
    store.seal("a", {})
    parts = [(100 * i, 100 * i + 150) for i in range(8)]  # each overlaps the next
    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(store.write, "b", TABLE, table(*part)) for part in parts]
        reading = [pool.submit(read, store, "a") for _ in range(4)]
        for each in writing:
            each.result()
        found = next(filter(None, (difference(each.result(), table(0, 2000)) for each in reading)), "")
    if found:
        raise ContractError(
            f"{name_of(store)} gives other rows of a sealed build while another is written: {found}",
            "A reader sees what was sealed when it began, and nothing else.",
        )
    store.seal("b", {})
    expect(
        store, "b", table(0, 850), "loses or doubles rows that several threads write",
        "Look up the keys and append in one transaction, or hold a lock over both.",
    )  # fmt: skip


CHECKS = (check_scan, check_open_build, check_widening, check_abandoned_scan, check_readers_and_writers)
