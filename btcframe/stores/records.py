"""What a store keeps of runs beside the tables of rows: which runs there were, their models, and what they traded.

Every table has the key (run, n): n counts its rows within a run, from 0. Stamps are int64 nanoseconds UTC. Prices and
sizes stand as whole ticks and lots, which are exact, and as numbers in quote and base, which are easy to read.
"""

from __future__ import annotations

import pyarrow as pa

KEY = (("run", pa.string()), ("n", pa.int64()))

_INT, _NUMBER, _TEXT, _FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()

_DECIDED = (("side", _TEXT), ("tif", _TEXT), ("reduce_only", _FLAG), ("model", _INT))

TABLES: dict[str, pa.Schema] = {
    name: pa.schema([*KEY, ("symbol", _TEXT), *columns])
    for name, columns in {
        "runs": (
            ("verb", _TEXT), ("status", _TEXT), ("started_ns", _INT), ("finished_ns", _INT), ("seed", _INT),
            ("build", _TEXT), ("config_hash", _TEXT), ("version", _TEXT), ("commit", _TEXT), ("directory", _TEXT),
            ("verdict", _TEXT), ("manifest", _TEXT),
        ),
        "models": (
            ("plugin", _TEXT), ("digest", _TEXT), ("directory", _TEXT), ("train_from_ns", _INT),
            ("train_until_ns", _INT), ("test_from_ns", _INT), ("test_until_ns", _INT), ("rows", _INT),
            ("manifest", _TEXT),
        ),
        "intents": (
            ("ns", _INT), ("row_ns", _INT), ("order_id", _INT), ("action", _TEXT), *_DECIDED, ("ticks", _INT),
            ("lots", _INT), ("sent_lots", _INT), ("price", _NUMBER), ("size", _NUMBER), ("sent", _NUMBER),
            ("reason", _TEXT), ("veto", _TEXT),
        ),
        "orders": (
            ("ns", _INT), ("venue_ns", _INT), ("row_ns", _INT), ("order_id", _INT), ("state", _TEXT), *_DECIDED,
            ("ticks", _INT), ("lots", _INT), ("filled_lots", _INT), ("price", _NUMBER), ("size", _NUMBER),
            ("filled", _NUMBER),
        ),
        "fills": (
            ("ns", _INT), ("venue_ns", _INT), ("order_id", _INT), ("side", _TEXT), ("maker", _FLAG), ("ticks", _INT),
            ("lots", _INT), ("price", _NUMBER), ("size", _NUMBER), ("fee", _NUMBER),
        ),
        "equity": (
            ("row_ns", _INT), ("mid", _NUMBER), ("position_lots", _INT), ("position", _NUMBER), ("cash", _NUMBER),
            ("equity", _NUMBER), ("fees", _NUMBER),
        ),
    }.items()
}  # fmt: skip
"""Columns by table; each may be null but the key."""

TIMES = {"runs": "started_ns", "models": "test_from_ns", "equity": "row_ns"}
"""The stamp by which a table is in order of time, where that is not `ns`."""
