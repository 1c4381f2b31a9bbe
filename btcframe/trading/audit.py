"""What a session saw, decided and got, as tables, and their fingerprint.

Everything is kept in order: predictions, intents with what became of them, order states, fills, and the account
at every row. Two sessions are the same if the bytes of their intents, orders and fills are.

The tables of a run stand in a directory, one .npy file each, and are written while the session lasts: memory does not
grow with its length, a session that is killed loses its last moments only, and readers map the files.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from btcframe.api import Market
from btcframe.atomic import unwritable
from btcframe.errors import DataError
from btcframe.scratch import pieces
from btcframe.types import FILL, FUNDING, ORDER, PREDICTION, Floats, StateArray

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
        ("cut", "S24"),  # the last rule that made it smaller or reduce-only, "" where none did
        ("bid_ticks", "i8"),  # best prices of the book it was decided on; 0 where that was not usable
        ("ask_ticks", "i8"),
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
        ("funding", "f8"),  # paid so far, negative where more was received
        ("quality", "f8"),  # ROW.quality of the row
        ("age_ns", "i8"),  # ROW.age_ns of the row
        ("regime", "i4"),  # the likeliest by the row's model, an index into its names; -1 without
        ("state", "u1"),  # TraderState
        ("fresh", "u1"),  # whether the mid is the row's own, not an earlier one's
        ("pad", "u2"),
    ],
    align=True,
)

PROMOTION = np.dtype(
    [
        ("row_ns", "i8"),  # the first row it predicts on
        ("ns", "i8"),  # when it took over, local clock
        ("model", "i4"),  # PREDICTION.model from here on, -1: none predicts
        ("pad", "i4"),
        ("digest", "S64"),  # sha256 of its artefact, "" without
        ("build", "S64"),  # the training table it was fitted on
        ("name", "S256"),  # where its artefact lies, the last characters of it
    ],
    align=True,
)
"""Which model stands behind PREDICTION.model, and from when on."""

STOP = np.dtype(
    [
        ("ns", "i8"),  # since when it holds
        ("row_ns", "i8"),  # the last row then
        ("state", "u1"),  # TraderState it brings
        ("pad", "u1"),
        ("pad2", "u2"),
        ("pad3", "u4"),
        ("code", "S48"),  # what stopped the trader: halt, daily_loss, contained.NAME
        ("why", "S96"),
    ],
    align=True,
)
"""Why the trader opened nothing more, or did nothing at all."""

TABLES = {
    "intents": INTENT,
    "orders": ORDER,
    "fills": FILL,
    "funding": FUNDING,
    "stops": STOP,
    "predictions": PREDICTION,
    "promotions": PROMOTION,
    "equity": EQUITY,
}
COMPARED = ("intents", "orders", "fills", "funding", "stops")
"""The tables whose bytes decide whether two sessions are the same."""


KEPT = 1 << 18
"""Bytes that a table with a file keeps in memory at most, between two calls."""


class Table:
    """Records that become more.

    Parameters
    ----------
    dtype : dtype            without padding: records are kept as bytes
    path : Path, optional    the .npy file they stand in, which must not exist; None: all of them in memory
    kept : int               bytes after which records are put into the file by themselves
    hand : callable, optional    takes records (a copy) in place of this table, which then keeps none

    Raises
    ------
    StoreError
        Here and whenever records are added: if the file cannot be written.
    """

    def __init__(
        self,
        dtype: np.dtype[Any],
        path: Path | None = None,
        *,
        kept: int = KEPT,
        hand: Callable[[StateArray], None] | None = None,
    ) -> None:
        self._path, self._kept, self._hand = path, kept, hand
        self._dtype, self._record = dtype, _packer(dtype)
        self._buffer = bytearray()  # what is not in the file
        self._start = self._written = 0  # of the file: where records begin, and how many there are
        if path is not None:
            self._write(path, "xb")

    def append(self, record: tuple[Any, ...]) -> None:
        """Add one record, its fields in order."""
        packed = self._record.pack(*record)  # numpy takes four times as long to fill a record
        if self._hand is not None:
            self._hand(np.frombuffer(bytearray(packed), self._dtype))
            return
        self._buffer += packed
        self._flush_when_full()

    def extend(self, records: StateArray) -> None:
        """Add several records."""
        if self._hand is not None:
            self._hand(records.copy())
            return
        self._buffer += records.tobytes()
        self._flush_when_full()

    def _flush_when_full(self) -> None:
        if self._path is not None and len(self._buffer) >= self._kept:
            self.flush()

    @property
    def held(self) -> int:
        """Bytes of records that are in no file."""
        return len(self._buffer)

    @property
    def records(self) -> StateArray:
        """All records so far."""
        if self._path is None:
            return np.frombuffer(bytes(self._buffer), self._dtype)
        self.flush()
        return _map(self._path)

    def flush(self) -> None:
        """Put everything into the file, if there is one."""
        if self._path is not None and self._buffer:
            self._write(self._path, "r+b")

    def _write(self, path: Path, mode: str) -> None:
        """The records, then the header: it never tells of more than is there."""
        dtype = self._dtype
        total = self._written + len(self._buffer) // dtype.itemsize
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (total,),
        }
        try:
            with path.open(mode) as file:
                if self._buffer:
                    file.seek(self._start + self._written * dtype.itemsize)
                    file.write(self._buffer)
                    file.seek(0)
                np.lib.format.write_array_header_1_0(file, header)  # leaves room for the length to grow
                self._start = file.tell()
        except OSError as error:
            raise unwritable("a table of the session", path, error) from error
        self._written = total
        self._buffer.clear()


_CODES = {"i1": "b", "u1": "B", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "f8": "d"}


def _packer(dtype: np.dtype[Any]) -> struct.Struct:
    """What makes the bytes of a record without padding."""
    kinds = [dtype[name].str[1:] for name in dtype.names or ()]
    return struct.Struct("<" + "".join(_CODES.get(kind, f"{kind[1:]}s") for kind in kinds))


def _map(path: Path) -> StateArray:
    table: StateArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return table


class Audit:
    """The tables of one session, see TABLES.

    Parameters
    ----------
    directory : Path, optional    where they stand, made here; None: in memory
    kept : int                    see Table
    hand : callable, optional     takes the name of a table and records of it, a copy; then none are kept here

    Raises
    ------
    StoreError
        If it exists or cannot be written.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        kept: int = KEPT,
        hand: Callable[[str, StateArray], None] | None = None,
    ) -> None:
        if directory is not None:
            try:
                directory.mkdir()
            except OSError as error:
                raise unwritable("the tables of the session", directory, error) from error
        tables = {
            name: Table(
                dtype,
                directory and _file(directory, name),
                kept=kept,
                hand=hand and partial(hand, name),
            )
            for name, dtype in TABLES.items()
        }
        self.intents, self.orders, self.fills, self.funding, self.stops = (tables[name] for name in COMPARED)
        self.predictions, self.promotions, self.equity = (
            tables[name] for name in ("predictions", "promotions", "equity")
        )

    def tables(self) -> dict[str, StateArray]:
        """Every table by name."""
        return {name: getattr(self, name).records for name in TABLES}

    @property
    def held(self) -> int:
        """Bytes of records that are in no file."""
        return sum(getattr(self, name).held for name in TABLES)

    def flush(self) -> None:
        """Put everything into the files, if there are any."""
        for name in TABLES:
            getattr(self, name).flush()

    def fingerprint(self) -> str:
        """sha256 of the intents, orders and fills."""
        return fingerprint(self.tables())


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.npy"


def best_of(market: Market) -> tuple[int, int]:
    """Best bid and ask, ticks; 0 where the book is not usable."""
    return (int(market.bid_ticks[0]), int(market.ask_ticks[0])) if market.usable else (0, 0)


def likeliest(regime: Floats) -> int:
    """Index of the likeliest regime, −1 without."""
    probabilities = regime.tolist()
    known = probabilities and probabilities[0] == probabilities[0]
    return probabilities.index(max(probabilities)) if known else -1


def fingerprint(tables: Mapping[str, StateArray]) -> str:
    """sha256 over the fields of the compared tables. Field by field: padding has no meaning."""
    digest = hashlib.sha256()
    for name in COMPARED:
        table = tables[name]
        digest.update(f"{name} {len(table)}\n".encode())
        for field in table.dtype.names or ():
            for part in pieces(len(table), table):
                digest.update(table[field][part].tobytes())
    return digest.hexdigest()


def digests(directory: Path) -> dict[str, str]:
    """sha256 of the file of every table that a session left.

    Raises
    ------
    DataError
        If one is missing or cannot be read.
    """
    found = {}
    for name in TABLES:
        path = _file(directory, name)
        try:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"the tables of the session cannot be read: {error}", where=str(path)) from error
    return found


def load_tables(directory: Path) -> dict[str, StateArray]:
    """The tables that a session left, mapped: reading takes no memory.

    Raises
    ------
    DataError
        If one is missing, damaged, or not as this version writes it.
    """
    tables = {}
    for name, dtype in TABLES.items():
        path = _file(directory, name)
        try:
            tables[name] = _map(path)
        # a damaged header is read as Python, which fails in its own ways
        except (OSError, EOFError, ValueError, SyntaxError, TokenError) as error:
            raise DataError(f"the tables of the session cannot be read: {error}", where=str(path)) from error
        if tables[name].dtype != dtype:
            raise DataError(f"table {name} was written by another version of btcframe", where=str(path))
    return tables
