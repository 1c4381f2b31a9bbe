"""What a session saw, decided and got, as tables; their fingerprint; and the first difference between two sessions.

Everything is kept in order: predictions, intents with what became of them, order states, fills, and the account
at every row. Two sessions are the same if the bytes of their intents, orders and fills are.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.atomic import replacing
from btcframe.errors import DataError
from btcframe.types import FILL, ORDER, PREDICTION, StateArray

INTENT = np.dtype(
    [
        ("ns", "i8"),  # when it was decided, local clock
        ("row_ns", "i8"),  # row it was decided on
        ("order_id", "i8"),  # the order it made, or the one it changes
        ("ticks", "i8"),  # limit price; 0 for a market order
        ("lots", "i8"),  # asked for by the policy
        ("sent_lots", "i8"),  # what the rules left of it; 0 where it was denied
        ("action", "u1"),  # Action
        ("side", "i1"),
        ("tif", "u1"),  # TimeInForce
        ("reduce_only", "u1"),
        ("model", "i4"),  # PREDICTION.model it rests on, -1 without
        ("reason", "S24"),  # the policy's
        ("veto", "S24"),  # code of the rule or filter that denied it
    ],
    align=True,
)

EQUITY = np.dtype(
    [
        ("row_ns", "i8"),  # the row; in the last record, the end of the session
        ("mid", "f8"),  # quote, the last one known; NaN before the first
        ("position_lots", "i8"),
        ("cash", "f8"),  # quote
        ("equity", "f8"),  # cash plus the position at mid
        ("fees", "f8"),  # paid so far
    ],
    align=True,
)

TABLES = {"intents": INTENT, "orders": ORDER, "fills": FILL, "predictions": PREDICTION, "equity": EQUITY}
COMPARED = ("intents", "orders", "fills")
"""The tables whose bytes decide whether two sessions are the same."""


class Table:
    """A record array that grows."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._data: StateArray = np.zeros(256, dtype)
        self._length = 0

    def append(self, record: tuple[Any, ...]) -> None:
        """Add one record, its fields in order."""
        if self._length == len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        self._data[self._length] = record
        self._length += 1

    def extend(self, records: StateArray) -> None:
        """Add several records."""
        needed = self._length + len(records)
        while needed > len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        self._data[self._length : needed] = records
        self._length = needed

    @property
    def records(self) -> StateArray:
        """All records so far: a view, valid until the next one is added."""
        return self._data[: self._length]


class Audit:
    """The tables of one session, see TABLES."""

    def __init__(self) -> None:
        self.intents = Table(INTENT)
        self.orders = Table(ORDER)
        self.fills = Table(FILL)
        self.predictions = Table(PREDICTION)
        self.equity = Table(EQUITY)

    def tables(self) -> dict[str, StateArray]:
        """Every table by name."""
        return {name: getattr(self, name).records for name in TABLES}

    def fingerprint(self) -> str:
        """sha256 of the intents, orders and fills."""
        return fingerprint(self.tables())


def fingerprint(tables: Mapping[str, StateArray]) -> str:
    """sha256 over the fields of the compared tables. Field by field: padding has no meaning."""
    digest = hashlib.sha256()
    for name in COMPARED:
        table = tables[name]
        digest.update(f"{name} {len(table)}\n".encode())
        for field in table.dtype.names or ():
            digest.update(np.ascontiguousarray(table[field]).tobytes())
    return digest.hexdigest()


def first_difference(recorded: Mapping[str, StateArray], replayed: Mapping[str, StateArray]) -> str:
    """Where two sessions part: table, record, row and field with both values; "" where they are the same.

    The earliest in time is named, over all compared tables: what follows from it explains nothing.
    """
    found: list[tuple[int, int, str]] = []
    for order, name in enumerate(COMPARED):
        a, b = recorded[name], replayed[name]
        both = min(len(a), len(b))
        unequal = np.zeros(both, bool)
        for field in a.dtype.names or ():
            unequal |= _bits(a[field][:both]) != _bits(b[field][:both])
        if unequal.any():
            at = int(np.argmax(unequal))
            fields = [
                f for f in a.dtype.names or () if (_bits(a[f][at : at + 1]) != _bits(b[f][at : at + 1])).any()
            ]
            values = ", ".join(f"{f}: {a[f][at]} recorded, {b[f][at]} replayed" for f in fields)
            found.append((int(a["ns"][at]), order, f"{name}[{at}] at {a['ns'][at]} ns: {values}"))
        elif len(a) != len(b):
            more, what = (a, "recorded only") if len(a) > len(b) else (b, "replayed only")
            record = dict(zip(more.dtype.names or (), more[both].tolist(), strict=True))
            found.append((int(more["ns"][both]), order, f"{name}[{both}] is {what}: {record}"))
    return min(found)[2] if found else ""


def _bits(values: StateArray) -> StateArray:
    """Values as whole numbers of the same bits, so that NaN equals NaN and 0.0 is not -0.0."""
    return values.view(np.int64) if values.dtype.kind == "f" else values


def save_tables(path: Path, tables: Mapping[str, StateArray]) -> None:
    """Write the tables as one .npz: either whole or not there."""
    named: dict[str, Any] = {name: tables[name] for name in TABLES}
    with replacing(path, "the tables of the session") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **named)


def load_tables(path: Path) -> dict[str, StateArray]:
    """Read what `save_tables` wrote.

    Raises
    ------
    DataError
        If the file is missing, damaged, or has other tables than this version writes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            tables = {name: archive[name] for name in TABLES}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"the tables of the session cannot be read: {error}", where=str(path)) from error
    for name, dtype in TABLES.items():
        if tables[name].dtype != dtype:
            raise DataError(f"table {name} was written by another version of btcframe", where=str(path))
    return tables
