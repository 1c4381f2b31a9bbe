"""What a store keeps of runs: tables that only grow, each row once, run after run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.testing.checks import ContractError, name_of
from btcframe.testing.markets import START_NS
from btcframe.testing.stores.rows import difference, refused

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "fills"


def fills(start: int, stop: int) -> pa.Table:
    """Rows start…stop−1 of the fills of a run, without the run: NaN, null, and integers that float64 would lose."""
    import pyarrow

    from btcframe.stores.records import TABLES

    n = np.arange(start, stop)
    columns = {
        "n": n,
        "symbol": ["BTC/USDT:USDT"] * len(n),
        "ns": START_NS + n,
        "venue_ns": [None if i % 3 == 1 else START_NS + i for i in n.tolist()],
        "order_id": n // 2,
        "side": ["buy" if i % 2 else "sell" for i in n],
        "maker": [None if i % 5 == 2 else bool(i % 2) for i in n],
        "ticks": 2**53 + 1 + n,
        "lots": 1 + n,
        "price": np.where(n % 7 == 3, np.nan, n / 3),
        "size": n / 7,
        "fee": -n / 11,
    }
    schema = TABLES[TABLE]
    return pyarrow.table(columns, schema=schema.remove(schema.get_field_index("run")))


def check_records(store: Any) -> None:
    """Rows of runs come back to the bit, run after run in order of n; recorded again, they are there once."""
    import pyarrow as pa

    for run, start, stop in (("r2", 0, 5), ("r1", 0, 20), ("r2", 3, 9), ("r1", 10, 20), ("r1", 20, 21)):
        store.record(run, TABLE, fills(start, stop))
    for run, rows in (("r1", 21), ("r2", 9), ("r3", 0)):
        found = difference(_records(store, run), _of(run, fills(0, rows)))
        if found:
            raise ContractError(
                f"{name_of(store)}.records does not give run {run} as it was recorded: {found}",
                "The key is (run, n): skip what is there, keep null and NaN apart, give a run in order of n.",
            )
    whole = [_of(run, fills(0, rows)) for run, rows in (("r1", 21), ("r2", 9))]
    found = _records(store)
    if all(difference(found, pa.concat_tables(order)) for order in (whole, whole[::-1])):
        raise ContractError(f"{name_of(store)}.records of all runs mixes them", "Give run after run.")
    if list(store.records("orders")) or dict(store.builds()):
        raise ContractError(f"{name_of(store)} has records that nobody wrote", "A run is no build.")


def check_records_in_order(store: Any) -> None:
    """Rows of a run that leave others out are refused, and those before them kept."""
    store.record("r1", TABLE, fills(0, 5))
    if not refused(lambda: store.record("r1", TABLE, fills(6, 8))):
        raise ContractError(
            f"{name_of(store)} takes rows 6 and 7 of a run of which it has rows 0 to 4",
            "Raise StoreError: what is left out would never be missed.",
        )
    found = difference(_records(store, "r1"), _of("r1", fills(0, 5)))
    if found:
        raise ContractError(
            f"{name_of(store)} loses records to rows that it refused: {found}", "Check first."
        )


def _records(store: Any, run: str | None = None) -> pa.Table:
    import pyarrow

    batches = list(store.records(TABLE, run))
    return pyarrow.Table.from_batches(batches) if batches else pyarrow.table({})


def _of(run: str, rows: pa.Table) -> pa.Table:
    """Rows as a store gives them: with their run."""
    import pyarrow

    return rows.add_column(0, "run", pyarrow.repeat(run, rows.num_rows))


CHECKS = (check_records, check_records_in_order)
