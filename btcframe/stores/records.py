"""What a store keeps of runs beside the tables of rows: which runs there were, their models, and what they traded.

Every table has the key (run, n): n counts its rows within a run, from 0. Stamps are int64 nanoseconds UTC. Prices and
sizes stand as whole ticks and lots, which are exact, and as numbers in quote and base, which are easy to read. What
there is none of is null (the price of a market order, the model of an intent that rests on none); NaN is a number that
was not known (the mid before the first).

The row in `runs` is written last: the other tables hold all of a run that stands there as complete.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from btcframe.errors import RefusedError, did_you_mean
from btcframe.stores.batches import check_name

KEY = (("run", pa.string()), ("n", pa.int64()))

_INT, _NUMBER, _TEXT, _FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()

_DECIDED = (("side", _TEXT), ("tif", _TEXT), ("reduce_only", _FLAG), ("model", _INT))

TABLES: dict[str, pa.Schema] = {
    name: pa.schema([*KEY, ("symbol", _TEXT), *columns])
    for name, columns in {
        "runs": (
            ("verb", _TEXT), ("status", _TEXT), ("started_ns", _INT), ("finished_ns", _INT), ("seed", _INT),
            ("build", _TEXT), ("config_hash", _TEXT), ("version", _TEXT), ("commit", _TEXT), ("host", _TEXT),
            ("directory", _TEXT), ("verdict", _TEXT), ("error", _TEXT), ("manifest", _TEXT),
        ),
        "models": (
            ("plugin", _TEXT), ("digest", _TEXT), ("directory", _TEXT), ("train_from_ns", _INT),
            ("train_until_ns", _INT), ("test_from_ns", _INT), ("test_until_ns", _INT), ("rows", _INT),
            ("manifest", _TEXT),
        ),
        "intents": (
            ("ns", _INT), ("row_ns", _INT), ("order_id", _INT), ("action", _TEXT), *_DECIDED, ("ticks", _INT),
            ("lots", _INT), ("sent_lots", _INT), ("price", _NUMBER), ("size", _NUMBER), ("sent", _NUMBER),
            ("reason", _TEXT), ("veto", _TEXT), ("cut", _TEXT), ("bid", _NUMBER), ("ask", _NUMBER),
        ),
        "orders": (
            ("ns", _INT), ("venue_ns", _INT), ("row_ns", _INT), ("order_id", _INT), ("state", _TEXT), *_DECIDED,
            ("ticks", _INT), ("lots", _INT), ("filled_lots", _INT), ("price", _NUMBER), ("size", _NUMBER),
            ("filled", _NUMBER), ("why", _TEXT),
        ),
        "fills": (
            ("ns", _INT), ("venue_ns", _INT), ("order_id", _INT), ("side", _TEXT), ("maker", _FLAG), ("ticks", _INT),
            ("lots", _INT), ("price", _NUMBER), ("size", _NUMBER), ("fee", _NUMBER),
        ),
        "equity": (
            ("row_ns", _INT), ("mid", _NUMBER), ("position_lots", _INT), ("position", _NUMBER), ("cash", _NUMBER),
            ("equity", _NUMBER), ("fees", _NUMBER), ("funding", _NUMBER), ("quality", _NUMBER), ("regime", _INT),
            ("trader_state", _TEXT),
        ),
        "predictions": (
            ("row_ns", _INT), ("horizon_ns", _INT), ("mean", _NUMBER), ("p_up", _NUMBER), ("low", _NUMBER),
            ("high", _NUMBER), ("model", _INT),
        ),
        "promotions": (
            ("row_ns", _INT), ("ns", _INT), ("model", _INT), ("digest", _TEXT), ("build", _TEXT), ("name", _TEXT),
        ),
        "funding": (
            ("ns", _INT), ("venue_ns", _INT), ("rate", _NUMBER), ("position_lots", _INT), ("position", _NUMBER),
            ("amount", _NUMBER),
        ),
        "stops": (("ns", _INT), ("row_ns", _INT), ("state", _TEXT), ("code", _TEXT), ("why", _TEXT)),
    }.items()
}  # fmt: skip
"""Columns by table; each may be null but the key. Those at the end may be younger than a store."""

TIMES = {"runs": "started_ns", "models": "test_from_ns", "equity": "row_ns", "predictions": "row_ns"}
"""The stamp by which a table is in order of time, where that is not `ns`; null in no row."""

DOCUMENTS = frozenset({"manifest"})
"""Columns of text that hold JSON: a server keeps them as `json`, text as it is."""


def time_of(table: str) -> str:
    """The column by which a table of records is in order of time."""
    return TIMES.get(table, "ns")


def check_table(table: str) -> None:
    """Refuse a table that stores do not keep of runs. Raises RefusedError."""
    if table not in TABLES:
        raise RefusedError(f"a run has no table {table}", hint=did_you_mean(table, TABLES))


def checked(run: str, table: str, rows: pa.Table) -> pa.Table:
    """Rows of a run as every store keeps them: with the run before them, all columns of the table in its order.

    Parameters
    ----------
    run : str
    table : str      one of TABLES
    rows : Table     without `run`; a column that is left out is null

    Raises
    ------
    RefusedError
        If the name, the table, a column or its type is none of ours, or n does not go up by one.
    """
    check_name("run", run)
    check_table(table)
    schema = TABLES[table]
    for field in rows.schema:
        if field.name not in schema.names or field.name == "run":
            raise RefusedError(
                f"table {table} has no column {field.name}",
                hint=did_you_mean(field.name, [name for name in schema.names if name != "run"]),
            )
        if field.type != (kept := schema.field(field.name).type):
            raise RefusedError(f"column {field.name} of table {table} is {kept}, not {field.type}")
    if "n" not in rows.column_names or rows["n"].null_count:
        raise RefusedError(
            f"rows of table {table} come without n", hint="It counts the rows of a run, from 0."
        )
    if (np.diff(rows["n"].to_numpy()) != 1).any():
        raise RefusedError(
            f"rows of table {table} are not in order of n", hint="It goes up by one from row to row, from 0."
        )
    columns = [
        pa.chunked_array([pa.repeat(run, len(rows))])
        if field.name == "run"
        else rows[field.name]
        if field.name in rows.column_names
        else pa.chunked_array([pa.nulls(len(rows), field.type)])
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def unseen(run: str, table: str, rows: pa.Table, there: int) -> pa.Table:
    """The rows that come after the `there` rows which a store has of a run.

    Raises
    ------
    RefusedError
        If rows between them are missing.
    """
    first = rows["n"][0].as_py() if len(rows) else there
    if first > there:
        raise RefusedError(
            f"table {table} has {there:,} rows of run {run}, and these begin at n = {first:,}",
            hint="Rows of a run come in order, none left out.",
        )
    return rows.slice(there - first)
