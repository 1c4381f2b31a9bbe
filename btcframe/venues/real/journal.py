"""The account's journal: what was asked for, before it is sent, and what became of it. SQLite, every commit on disk.

One file per account, for all sessions of it. Whoever writes it holds the account's lock, so there is one writer; what
it has read at the start is kept in memory, and the file is its durable copy.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from btcframe.errors import StoreError
from btcframe.types import OrderState, TimeInForce
from btcframe.venues.real.records import Asked, Execution, Known, Stand

VERSION = 1

_TABLES = """
CREATE TABLE orders (
    link TEXT PRIMARY KEY, session TEXT NOT NULL, order_id INTEGER NOT NULL, symbol TEXT NOT NULL,
    side INTEGER NOT NULL, ticks INTEGER NOT NULL, lots INTEGER NOT NULL, tif INTEGER NOT NULL,
    reduce_only INTEGER NOT NULL, ns INTEGER NOT NULL, venue_id TEXT NOT NULL, state INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX working ON orders (symbol) WHERE state < 4 OR state = 5;
CREATE TABLE steps (
    n INTEGER PRIMARY KEY, ns INTEGER NOT NULL, link TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE TABLE fills (
    exec_id TEXT PRIMARY KEY, link TEXT NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL, ticks INTEGER NOT NULL,
    lots INTEGER NOT NULL, fee REAL NOT NULL, maker INTEGER NOT NULL, venue_ns INTEGER NOT NULL, ns INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX filled ON fills (symbol, venue_ns);
CREATE TABLE adjustments (
    n INTEGER PRIMARY KEY, symbol TEXT NOT NULL, lots INTEGER NOT NULL, why TEXT NOT NULL, ns INTEGER NOT NULL) STRICT;
"""

Note = tuple[str, tuple[Any, ...]]
"""A statement that waits to be written."""

_ORDER = "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)"
_STAND = "UPDATE orders SET state = ?, venue_id = ? WHERE link = ?"
_STEP = "INSERT INTO steps (ns, link, what, detail) VALUES (?, ?, ?, ?)"
_FILL = "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADJUSTMENT = "INSERT INTO adjustments (symbol, lots, why, ns) VALUES (?, ?, ?, ?)"


class Journal:
    """An open journal, of one market of the account.

    What is noted is on disk when `commit` says so. Where that fails it is owed, and made good, in its order, with the
    next commit that succeeds; what may not be owed is taken back by `withdraw`.

    Parameters
    ----------
    connection : sqlite3.Connection
    symbol : str

    Attributes
    ----------
    failure : str       why the last commit failed, "" where it did not
    last_ns : int       the exchange's stamp of the newest fill, 0 without
    """

    def __init__(self, connection: sqlite3.Connection, symbol: str) -> None:
        self._db, self._symbol = connection, symbol
        self._owed: list[Note] = []
        self.failure = ""
        self._known = {row[0] for row in self._all("SELECT exec_id FROM fills WHERE symbol = ?", symbol)}
        self._held = sum(
            self._all(f"SELECT coalesce(sum({lots}), 0) FROM {table} WHERE symbol = ?", symbol)[0][0]
            for lots, table in (("side * lots", "fills"), ("lots", "adjustments"))
        )
        self.last_ns: int = self._all(
            "SELECT coalesce(max(venue_ns), 0) FROM fills WHERE symbol = ?", symbol
        )[0][0]

    # -------------------------------------------------------------------------------------------------- written

    def asked(self, session: str, a: Asked) -> Note:
        """An order is about to be sent."""
        return self._note(
            _ORDER,
            a.link, session, a.order_id, self._symbol, a.side, a.ticks, a.lots, int(a.tif), int(a.reduce_only), a.ns,
            int(OrderState.SUBMITTED),
        )  # fmt: skip

    def step(self, ns: int, link: str, what: str, **detail: Any) -> Note:
        """What is about to be done about an order, or came of it."""
        return self._note(_STEP, ns, link, what, json.dumps(detail))

    def stands(self, ns: int, stand: Stand, *, complete: bool) -> None:
        """How an order stands. It counts as working until it is complete: final, and all its fills are here."""
        said = {"state": stand.state.name, "ticks": stand.ticks, "lots": stand.lots, "filled": stand.filled}
        state = stand.state if complete or not stand.state.final else OrderState.PENDING_CANCEL
        self._note(_STAND, int(state), stand.venue_id, stand.link)
        self.step(ns, stand.link, "stands", **said, why=stand.why.name)

    def executed(self, ns: int, executions: Iterable[Execution]) -> list[Execution]:
        """Fills. Returns those that are new; twice is once."""
        fresh = []
        for e in executions:
            if e.exec_id in self._known:
                continue
            self._known.add(e.exec_id)
            self._held += e.side * e.lots
            self.last_ns = max(self.last_ns, e.venue_ns)
            self._note(
                _FILL,
                e.exec_id,
                e.link,
                self._symbol,
                e.side,
                e.ticks,
                e.lots,
                e.fee,
                int(e.maker),
                e.venue_ns,
                ns,
            )
            fresh.append(e)
        return fresh

    def adjusted(self, ns: int, lots: int, why: str) -> None:
        """The exchange holds `lots` more than our fills add up to, and that is so from here on."""
        self._held += lots
        self._note(_ADJUSTMENT, self._symbol, lots, why, ns)

    def _note(self, sql: str, *values: Any) -> Note:
        note = sql, values
        self._owed.append(note)
        return note

    def withdraw(self, notes: Iterable[Note]) -> None:
        """Take back what was noted and is not on disk."""
        gone = {id(note) for note in notes}
        self._owed = [note for note in self._owed if id(note) not in gone]

    def commit(self) -> bool:
        """Have everything noted on disk. Returns whether it is."""
        if not self._owed:
            return True
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for sql, values in self._owed:
                    self._db.execute(sql, values)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):  # of a full disk SQLite may have rolled back itself
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self.failure = f"{type(error).__name__}: {error}"
            return False
        self.failure = ""
        self._owed.clear()
        return True

    def tidy(self) -> None:
        """Bring the log of what was written into the file, when nobody waits for it."""
        with contextlib.suppress(
            sqlite3.Error
        ):  # it is whole without; a disk that is full says so at a commit
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    # ----------------------------------------------------------------------------------------------------- read

    @property
    def position(self) -> int:
        """Lots that our fills add up to, with what was found besides."""
        return int(self._held)

    @property
    def owed(self) -> int:
        """Notes that wait for the disk."""
        return len(self._owed)

    def has(self, exec_id: str) -> bool:
        """Whether a fill is known."""
        return exec_id in self._known

    def working(self) -> list[Known]:
        """Orders that are not final, oldest first."""
        return [
            Known(
                Asked(link, n, side, ticks, lots, TimeInForce(tif), bool(reduce_only), ns),
                session,
                venue_id,
                self.filled(link),
                OrderState(state),
            )
            for link, session, n, side, ticks, lots, tif, reduce_only, ns, venue_id, state in self._all(
                "SELECT link, session, order_id, side, ticks, lots, tif, reduce_only, ns, venue_id, state FROM orders "
                "WHERE symbol = ? AND (state < 4 OR state = 5) ORDER BY ns, order_id",
                self._symbol,
            )
        ]

    def elsewhere(self) -> dict[str, list[str]]:
        """Links of the account's orders that are not final, by the other market that they are on."""
        found: dict[str, list[str]] = {}
        for symbol, link in self._all(
            "SELECT symbol, link FROM orders WHERE symbol <> ? AND (state < 4 OR state = 5) ORDER BY ns",
            self._symbol,
        ):
            found.setdefault(symbol, []).append(link)
        return found

    def filled(self, link: str) -> int:
        """Lots of an order's fills."""
        return int(self._all("SELECT coalesce(sum(lots), 0) FROM fills WHERE link = ?", link)[0][0])

    def numbers(self, links: Iterable[str]) -> dict[str, int]:
        """The number that each order had in its session."""
        found = {}
        for link in set(links):
            for (n,) in self._all("SELECT order_id FROM orders WHERE link = ?", link):
                found[link] = int(n)
        return found

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()


@contextmanager
def journal_of(path: Path, symbol: str) -> Iterator[Journal]:
    """Open an account's journal, or begin it. Whoever does holds the account's lock.

    Raises
    ------
    StoreError
        If it cannot be opened or written, is damaged, or of another version.
    """
    try:
        # the venue's thread is the one that writes; it is opened in the thread that connects
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            _prepare(connection, path)
            journal = Journal(connection, symbol)
            yield journal
            journal.commit()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(
            f"the account's journal cannot be used: {error}",
            where=str(path),
            hint="Without it nothing is sent: what was sent could not be told after a crash.",
            next="Make room, or repair it: sqlite3 FILE .recover",
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # no order waits for that: `tidy` does it
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        path.chmod(0o600)
    elif version != VERSION:
        raise StoreError(
            f"the account's journal is of version {version}, this btcframe writes {VERSION}",
            where=str(path),
            next="Use the btcframe that wrote it, or another directory when nothing is open: venue.journal=…",
        )
