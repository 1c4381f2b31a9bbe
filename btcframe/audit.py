"""What a session saw, decided and got, as tables; their fingerprint; and the first difference between two sessions.

Everything is kept in order: predictions, intents with what became of them, order states, fills, and the account
at every row. Two sessions are the same if the bytes of their intents, orders and fills are.

The tables of a run stand in a directory, one .npy file each, and are written while the session lasts: memory does not
grow with its length, a session that is killed loses its last moments only, and readers map the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from btcframe.atomic import unwritable
from btcframe.errors import DataError
from btcframe.scratch import pieces
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


KEPT = 1 << 18
"""Bytes that a table with a file keeps in memory at most, between two calls."""


class Table:
    """Records that become more.

    Parameters
    ----------
    dtype : dtype            without padding: records are kept as bytes
    path : Path, optional    the .npy file they stand in, which must not exist; None: all of them in memory

    Raises
    ------
    StoreError
        Here and whenever records are added: if the file cannot be written.
    """

    def __init__(self, dtype: np.dtype[Any], path: Path | None = None) -> None:
        self._path = path
        self._one: StateArray = np.zeros(1, dtype)
        self._buffer = bytearray()  # what is not in the file
        self._start = self._written = 0  # of the file: where records begin, and how many there are
        if path is not None:
            self._write(path, "xb")

    def append(self, record: tuple[Any, ...]) -> None:
        """Add one record, its fields in order."""
        self._one[0] = record
        self.extend(self._one)

    def extend(self, records: StateArray) -> None:
        """Add several records."""
        self._buffer += records.tobytes()
        if self._path is not None and len(self._buffer) >= KEPT:
            self.flush()

    @property
    def records(self) -> StateArray:
        """All records so far."""
        if self._path is None:
            return np.frombuffer(bytes(self._buffer), self._one.dtype)
        self.flush()
        return _map(self._path)

    def flush(self) -> None:
        """Put everything into the file, if there is one."""
        if self._path is not None and self._buffer:
            self._write(self._path, "r+b")

    def _write(self, path: Path, mode: str) -> None:
        """The records, then the header: it never tells of more than is there."""
        dtype = self._one.dtype
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


def _map(path: Path) -> StateArray:
    table: StateArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return table


class Audit:
    """The tables of one session, see TABLES.

    Parameters
    ----------
    directory : Path, optional    where they stand, made here; None: in memory

    Raises
    ------
    StoreError
        If it exists or cannot be written.
    """

    def __init__(self, directory: Path | None = None) -> None:
        if directory is not None:
            try:
                directory.mkdir()
            except OSError as error:
                raise unwritable("the tables of the session", directory, error) from error
        tables = {name: Table(dtype, directory and _file(directory, name)) for name, dtype in TABLES.items()}
        self.intents, self.orders, self.fills = (tables[name] for name in ("intents", "orders", "fills"))
        self.predictions, self.equity = tables["predictions"], tables["equity"]

    def tables(self) -> dict[str, StateArray]:
        """Every table by name."""
        return {name: getattr(self, name).records for name in TABLES}

    def flush(self) -> None:
        """Put everything into the files, if there are any."""
        for name in TABLES:
            getattr(self, name).flush()

    def fingerprint(self) -> str:
        """sha256 of the intents, orders and fills."""
        return fingerprint(self.tables())


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.npy"


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


def first_difference(recorded: Mapping[str, StateArray], replayed: Mapping[str, StateArray]) -> str:
    """Where two sessions part: table, record, row and field with both values; "" where they are the same.

    The earliest in time is named, over all compared tables: what follows from it explains nothing.
    """
    found: list[tuple[int, int, str]] = []
    for order, name in enumerate(COMPARED):
        a, b = recorded[name], replayed[name]
        both = min(len(a), len(b))
        at = _first_unequal(a[:both], b[:both])
        if at < both:
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


def _first_unequal(a: StateArray, b: StateArray) -> int:
    """Index of the first record that differs between tables of one length; the length where none does."""
    for part in pieces(len(a), a, b):
        unequal = np.zeros(part.stop - part.start, bool)
        for field in a.dtype.names or ():
            unequal |= _bits(a[field][part]) != _bits(b[field][part])
        if unequal.any():
            return int(part.start + np.argmax(unequal))
    return len(a)


def _bits(values: StateArray) -> StateArray:
    """Values as whole numbers of the same bits, so that NaN equals NaN and 0.0 is not -0.0."""
    return values.view(np.int64) if values.dtype.kind == "f" else values


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
