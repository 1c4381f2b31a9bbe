"""What the tests of the spool share: a clock, a store in memory that fails as told, entries, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from stores.every_row import START, rows

from btcframe.errors import StoreError
from btcframe.sections import Spool as Section
from btcframe.spool import RECORD, ROWS, Entry
from btcframe.spool.directory import Journal
from btcframe.spool.drain import Drain
from btcframe.spool.settings import Settings, settings_of
from btcframe.types import NS


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.ns = START

    def __call__(self) -> int:
        return self.ns

    def on(self, seconds: float) -> None:
        self.ns += int(seconds * NS)


class MemoryStore:
    """Keeps calls in order, rows once by their key; `fails` may raise before anything is kept."""

    def __init__(self, fails: Callable[[str, pa.Table], None] = lambda table, rows: None) -> None:
        self.fails = fails
        self.calls: list[tuple[str, str, str, list[int]]] = []
        self.there: dict[tuple[Any, ...], float] = {}

    def address(self) -> str:
        return "memory"

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        self._take("rows", build, table, batch, "row_ns")

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        self._take("record", run, table, rows, "n")

    def _take(self, kind: str, owner: str, table: str, batch: pa.Table, key: str) -> None:
        self.fails(table, batch)
        self.calls.append((kind, owner, table, batch[key].to_pylist()))
        for row in batch.to_pylist():
            self.there.setdefault((kind, owner, table, row[key]), row["f"])

    def stamps(self, table: str = "t") -> list[int]:
        """Keys of a table in the order in which they came."""
        return [key[3] for key in self.there if key[2] == table]


def down(table: str, batch: pa.Table) -> None:
    """Fails as a server that is not there."""
    raise StoreError("the server is not there")


def entry(first: int, n: int = 1, table: str = "t", **columns: object) -> Entry:
    """n rows of build b from row `first` on."""
    return Entry(ROWS, "b", table, rows(first, n, **columns))


def records(first: int, n: int, table: str = "fills") -> Entry:
    """n records of run r from number `first` on."""
    return Entry(RECORD, "r", table, pa.table({"n": range(first, first + n), "f": [0.5] * n}))


def stamps(first: int, n: int) -> list[int]:
    """row_ns of such rows."""
    return [START + i * NS + 123 for i in range(first, first + n)]


def section(path: Path, **changes: Any) -> dict[str, Any]:
    """The section `spool` of a config."""
    return dataclasses.asdict(Section(path=str(path), every="0s")) | changes


def settings(path: Path, **changes: Any) -> Settings:
    """The same, as a spool takes it."""
    return settings_of(section(path, **changes))


def drain_of(
    journal: Journal, store: Any, clock: Clock, **changes: Any
) -> tuple[Drain, list[tuple[str, dict]]]:
    """A drain without threads, and what it tells observers."""
    told: list[tuple[str, dict]] = []
    how = {"every_ns": 0, "batch": 1000, "uniform": lambda: 0.0} | changes
    return Drain(
        journal, store, now_ns=clock, tell=lambda kind, **data: told.append((kind, data)), **how
    ), told
