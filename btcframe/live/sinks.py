"""Where the slow lane brings a session: its log, its tables, its memory, and the store by way of the spool."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.learning.stored_rows import TABLE as ROW_TABLE
from btcframe.learning.stored_rows import to_table
from btcframe.live.lanes import Item
from btcframe.live.slow_lane import ACCOUNT, BATCH, COMMAND, FILLS, MODEL, ORDERS, ROW, SCORED, STATE, TABLE
from btcframe.models.drift import ModelWatch
from btcframe.models.production import Candidate
from btcframe.run import write_json
from btcframe.session_log import Later, SessionWriter
from btcframe.sessions.records import table_of
from btcframe.sessions.saved_state import SavedState, write_state
from btcframe.spool.frames import RECORD, ROWS, Entry
from btcframe.spool.writer import Spool
from btcframe.trading.audit import Audit
from btcframe.types import Instrument, StateArray


class LogSink:
    """The session log.

    Parameters
    ----------
    log : SessionWriter     on `files`
    files : Later
    """

    kinds = (BATCH, COMMAND, ORDERS, FILLS)

    def __init__(self, log: SessionWriter, files: Later) -> None:
        self._log, self._files = log, files
        self._open = 0  # bytes in the log's own memory, at most

    @property
    def held(self) -> int:
        return self._files.bytes + self._open

    def take(self, item: Item) -> None:
        if item.kind == BATCH:
            self._log.batch(item.what)
        elif item.kind == COMMAND:
            self._log.add(item.what)
        elif item.kind == ORDERS:
            self._log.orders(item.what)
        else:
            self._log.fills(item.what)
        self._open += item.size

    def write(self, everything: bool) -> None:
        self._open = 0  # it is among the files' now
        self._log.flush()


class TableSink:
    """The tables of the session, one file each.

    Parameters
    ----------
    audit : Audit       that puts nothing into its files by itself
    """

    kinds = (TABLE,)

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @property
    def held(self) -> int:
        return self._audit.held

    def take(self, item: Item) -> None:
        name, records = item.what
        getattr(self._audit, name).extend(records)

    def write(self, everything: bool) -> None:
        self._audit.flush()


class MemorySink:
    """What a later session starts from: the memory of the pipeline and that of the trader, each the last one alone.

    Parameters
    ----------
    state, account : Path
    """

    kinds = (STATE, ACCOUNT)

    def __init__(self, state: Path, account: Path) -> None:
        self._paths = {STATE: state, ACCOUNT: account}
        self._kept: dict[str, Item] = {}

    @property
    def held(self) -> int:
        return sum(item.size for item in self._kept.values())

    def take(self, item: Item) -> None:
        self._kept[item.kind] = item

    def write(self, everything: bool) -> None:
        for kind, item in list(self._kept.items()):
            if isinstance(item.what, SavedState):
                write_state(self._paths[kind], item.what)
            else:
                write_json(self._paths[kind], item.what)
            del self._kept[kind]


class WatchSink:
    """Who watches the model. What it raises ends the watch, and nothing else: no decision rests on it.

    Parameters
    ----------
    watch : ModelWatch
    tell : callable         ``tell(kind, **data)``: model_unwatched
    """

    kinds = (MODEL, SCORED)

    def __init__(self, watch: ModelWatch, tell: Callable[..., None] = lambda kind, **data: None) -> None:
        self._watch, self._tell = watch, tell
        self.held = 0

    def take(self, item: Item) -> None:
        if item.kind == SCORED:
            self._watch.scored(*item.what)
            self.held += item.size
        else:
            model: Candidate | None = item.what
            told = (None, ()) if model is None else (model.profile, model.model.horizons_ns)
            self._work(lambda: self._watch.promoted(*told))

    def write(self, everything: bool) -> None:
        self._work(lambda: self._watch.catch_up(everything=everything))
        self.held = 0

    def _work(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - a label of somebody else's must not hold up the log
            why = f"{type(error).__name__}: {error}"
            self._watch.give_up(why)
            self._tell("model_unwatched", why=why)


class StoreSink:
    """The store: rows of an open build, and records of the run. A spool that has no room makes it keep them.

    Parameters
    ----------
    spool : Spool
    run, build : str        owners of the records and of the rows
    instrument : Instrument
    every_ns : int          between two portions; each is written as a whole, and many small ones cost much
    most : int              rows of a portion
    now_ns : callable       a clock that is never stepped, ns
    """

    kinds = (ROW, TABLE)

    def __init__(
        self,
        spool: Spool,
        run: str,
        build: str,
        instrument: Instrument,
        *,
        every_ns: int,
        most: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._spool, self._run, self._build, self._instrument = spool, run, build, instrument
        self._every_ns, self._most, self._now_ns = every_ns, most, now_ns
        self._kept: dict[str, list[StateArray]] = {}
        self._due_ns = 0
        self.held = 0
        self.rows: dict[str, int] = {}
        """Rows that the spool has taken, by table."""
        self.first_ns = 0

    def take(self, item: Item) -> None:
        name, records = (ROW_TABLE, item.what) if item.kind == ROW else item.what
        self._kept.setdefault(name, []).append(records)
        self.held += item.size
        if item.kind == ROW and not self.first_ns:
            self.first_ns = item.what["row_ns"].item()

    def write(self, everything: bool) -> None:
        now_ns = self._now_ns()
        if not everything and now_ns < self._due_ns:
            return
        self._due_ns = now_ns + self._every_ns
        for name, kept in self._kept.items():
            if not kept:
                continue
            records = kept[0] if len(kept) == 1 else np.concatenate(kept)
            at = 0
            while at < len(records) and self._spool.room(len(part := records[at : at + self._most])):
                self._spool.put(self._entry(name, part))
                self.rows[name] = self.rows.get(name, 0) + len(part)
                at += len(part)
            self._kept[name] = [records[at:]] if at < len(records) else []
        self.held = sum(part.nbytes for kept in self._kept.values() for part in kept)

    def _entry(self, name: str, part: StateArray) -> Entry:
        if name == ROW_TABLE:
            return Entry(ROWS, self._build, name, to_table(part, self._instrument.symbol))
        rows: Any = table_of(name, part, self._instrument, self.rows.get(name, 0))
        return Entry(RECORD, self._run, name, rows)
