"""`btcframe trade` against the local exchange, in one process: what happens while it lasts is put in by the test."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from answering_venue import Elsewhere
from jobs.small import Said, make_run

from btcframe import jobs
from btcframe.api import Action, Column, Intent, Market, Position, Wakes
from btcframe.errors import StoreError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.listed import made
from btcframe.exchange.server import Served, served
from btcframe.hookspecs import hookimpl
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.sections import Lane, Record, Trade
from btcframe.stores.delta import Delta
from btcframe.types import OrderState, TimeInForce
from btcframe.venues.sim import Sim

SYMBOL = "BTC/USDT:USDT"
SETTINGS = {"features": {"book": {"plugin": "book"}}}
"""Of a session that need not know much."""

SPEED = 5.0
"""Of the exchange: some 40 messages of the book a second."""


@dataclass(frozen=True)
class Nervous:
    """Buys a little and sells it again, every few rows.

    Parameters
    ----------
    every : int
    """

    every: int = 4

    @property
    def wakes(self) -> Wakes:
        return Wakes()

    def decide(self, market: Market, position: Position) -> list[Intent]:
        if not market.usable or position.working or (market.now_ns // 100_000_000) % self.every:
            return []
        side = -1 if position.lots > 0 else 1
        return [Intent(Action.SUBMIT, side, 10, 0, TimeInForce.IOC, reason="nervous")]


@dataclass(frozen=True)
class Restless:
    """Joins, amends, cancels and takes at every row, and never holds much.

    Parameters
    ----------
    most : int      lots held, about
    """

    most: int = 60

    @property
    def wakes(self) -> Wakes:
        return Wakes()

    def decide(self, market: Market, position: Position) -> list[Intent]:
        if not market.usable:
            return []
        n, out = market.now_ns // 100_000_000, list[Intent]()
        best = {1: int(market.bid_ticks[0]), -1: int(market.ask_ticks[0])}
        for order in position.working:
            if order.state == OrderState.PENDING_CANCEL:
                continue
            if n % 3 == order.order_id % 3:
                out.append(Intent(Action.CANCEL, order_id=order.order_id))
            elif n % 2 and order.ticks != best[order.side]:
                out.append(
                    Intent(Action.AMEND, lots=order.lots + 1, ticks=best[order.side], order_id=order.order_id)
                )
        side = 1 if n % 2 else -1
        if abs(position.lots) >= self.most:
            side = -1 if position.lots > 0 else 1
        if len(position.working) < 4:
            out.append(Intent(Action.SUBMIT, side, 10 + n % 7, best[side], TimeInForce.GTC))
        if not n % 3:
            out.append(Intent(Action.SUBMIT, side, 10, 0, TimeInForce.IOC))
        return out


@dataclass(frozen=True)
class Moody:
    """A column that counts rows; what befalls it before a row is `MOODS[name]`'s.

    Parameters
    ----------
    mood : str
    """

    mood: str = "calm"

    def columns(self) -> tuple[Column, ...]:
        return (Column("moody", "rows"),)

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        MOODS[self.mood](int(state["rows"][0]))
        out[:, 0] = state["rows"][0] + np.arange(len(rows))
        state["rows"] += len(rows)


MOODS: dict[str, Callable[[int], None]] = {"calm": lambda row: None}


@dataclass(frozen=True)
class Flaky:
    """A lake that does what `HAPPENS` says before it takes anything.

    Parameters
    ----------
    path : str
    """

    path: str = "lake"
    HAPPENS: ClassVar[list[Callable[[], None]]] = []

    def _inner(self) -> Delta:
        return Delta(self.path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner(), name)

    def _before(self) -> None:
        for happens in self.HAPPENS:
            happens()

    def write(self, build: str, table: str, batch: Any) -> None:
        self._before()
        self._inner().write(build, table, batch)

    def record(self, run: str, table: str, rows: Any) -> None:
        self._before()
        self._inner().record(run, table, rows)

    def claim(self, build: str, waiting: Any) -> Any:
        return self._inner().claim(build, waiting)

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        self._before()
        self._inner().seal(build, manifest)

    def scan(self, *given: Any, **named: Any) -> Any:
        return self._inner().scan(*given, **named)

    def builds(self) -> Any:
        return self._inner().builds()

    def discard(self, build: str) -> None:
        self._inner().discard(build)

    def records(self, table: str, run: str | None = None) -> Any:
        return self._inner().records(table, run)


def down() -> None:
    raise StoreError("the store is away")


def catalog() -> Catalog:
    components = {
        "policy": {"nervous": Nervous, "restless": Restless},
        "features": {"moody": Moody},
        "store": {"flaky": Flaky},
        "venue": {"elsewhere": Sim, "real": Elsewhere},
    }
    plugin = SimpleNamespace(__name__="sessions", btcframe_components=hookimpl(lambda: components))
    return discover([("sessions", plugin)])


class Told(Said):
    """A console that lets a test look at the session, and meddle, after every batch."""

    def __init__(self, then: Callable[[str], None]) -> None:
        super().__init__()
        self.then, self.shown = then, ""

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[Callable[[], str]], None]]:
        def show(make: Callable[[], str]) -> None:
            self.shown = make()
            self.then(self.shown)

        yield show


@dataclass
class Place:
    """An exchange of its own, and sessions on it."""

    folder: Path
    catalog: Catalog
    at: Served
    count: int = 0
    runs: list[Run] = field(default_factory=list)

    def inject(self, text: str) -> None:
        """Let a fault of the exchange happen now."""
        self.at.call(self.at.exchange.inject, parse(text))

    def market_passes(self, seconds: float) -> None:
        """Do nothing until so much market time has passed."""
        until = self.at.exchange.ns + seconds * 1e9
        while self.at.exchange.ns < until:
            threading.Event().wait(0.01)

    def until_up(self, seconds: float = 60.0) -> None:
        """Wait until the exchange answers again."""
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.at.http}/v5/market/time"):
                return
            assert time.monotonic() < until, "it does not come back"
            threading.Event().wait(0.05)

    def session(
        self, seconds: float = 2.0, then: Callable[[Run, float], None] = lambda run, at: None, **changes: Any
    ) -> Run:
        """Trade for so long; `then` is told after every batch how long ago the first was. Returns the run, which ended."""
        self.count += 1
        source = {
            "plugin": "bybit", "symbol": SYMBOL, "depth": 50, "ws": self.at.ws, "rest": self.at.http,
            "heartbeat": "50ms", "silence": "1s", "connect_timeout": "2s", "clock_every": "500ms",
        }  # fmt: skip
        config = {
            "verb": "trade",
            "source": changes.pop("instead", None) or source | changes.pop("source", {}),
            "clock": {"plugin": "time", "every": "100ms"},
            "policy": {"plugin": "nervous"},
            "risk": {},
            "trade": vars(Trade(duration=f"{round(seconds * 1000)}ms")) | changes.pop("trade", {}),
            "lane": vars(Lane(latest="200ms")) | changes.pop("lane", {}),
            "record": vars(Record()) | {"sync": False},
            "venue": {"plugin": "sim", "latency": "5ms", "report_latency": "5ms"},
        }
        run = make_run(self.folder, self.catalog, f"session{self.count}", **config | changes)
        run.config["spool"]["every"] = "0s"
        began: list[float] = []

        def meddle(line: str) -> None:
            now = time.monotonic()
            began[:] = began or [now]
            then(run, now - began[0])

        run.console = Told(meddle)
        self.runs.append(run)
        with run.recorded():
            jobs.start(run)
        return run

    def said(self, run: Run) -> str:
        """All that a run said."""
        return "\n".join(run.console.lines)  # type: ignore[attr-defined]


@contextlib.contextmanager
def place(folder: Path, catalog: Catalog, speed: float = SPEED) -> Iterator[Place]:
    """An exchange with one market."""
    exchange = Exchange(made([SYMBOL]), start_ns=time.time_ns(), speed=speed, history=10_000, limited=False)
    with served(exchange) as at:
        yield Place(folder, catalog, at)


def busy(seconds: float) -> None:
    """Compute for so long, as slow code does."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def once(at: float, do: Callable[[], None]) -> Callable[[Run, float], None]:
    """Do something once, so many seconds after the first batch."""
    done: list[bool] = []

    def then(run: Run, now: float) -> None:
        if now >= at and not done:
            done.append(True)
            do()

    return then
