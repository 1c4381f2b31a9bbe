"""Records of a session's tables by the names of their fields; what is not told is 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.api import Action
from btcframe.trading.audit import TABLES
from btcframe.types import TimeInForce


def record(table: str, **fields: Any) -> Any:
    """One record of a table of `audit.TABLES`, as an array of length 1."""
    out = np.zeros(1, TABLES[table])
    for name, value in fields.items():
        out[name] = value
    return out


def intent(**fields: Any) -> Any:
    """A buy of 10 lots at the market, decided on a row that had just closed."""
    usual = {
        "order_id": 1, "lots": 10, "action": Action.SUBMIT, "side": 1, "tif": TimeInForce.IOC, "reason": b"signal",
    }  # fmt: skip
    out = record(
        "intents", **usual | {"sent_lots": 0 if fields.get("veto") else fields.get("lots", 10)} | fields
    )
    if "ns" not in fields:
        out["ns"] = out["row_ns"]
    return out


def equity(row_ns: int, mid: float = 100.0, lots: int = 0, value: float = 1000.0, **fields: Any) -> Any:
    """The account at a row whose mid was known."""
    told = {"row_ns": row_ns, "mid": mid, "position_lots": lots, "equity": value, "regime": -1}
    return record("equity", **told | {"fresh": mid == mid} | fields)


def random_tables(seed: int = 0, n: int = 1000) -> dict[str, Any]:
    """Random tables with times in order."""
    rng = np.random.default_rng(seed)
    tables = {}
    for name, dtype in TABLES.items():
        table = np.zeros(n, dtype)
        for field in dtype.names:
            kind = dtype[field].kind
            table[field] = (
                rng.integers(0, 100, n) if kind in "iu" else rng.random(n) if kind == "f" else b"why"
            )
        if "ns" in dtype.names:
            table["ns"] = np.arange(n) * 10
        tables[name] = table
    tables["fills"]["fee"][3] = np.nan
    return tables


def copy(tables: dict[str, Any]) -> dict[str, Any]:
    return {name: table.copy() for name, table in tables.items()}
