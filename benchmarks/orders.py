"""Claim: from a frame on the wire to the order request on the wire: 1 ms at the median, 5 ms for 99 of 100.

Ours: everything that `btcframe trade venue=ccxt` does: socket thread, decoder with its verified book, all features, the
regime, the ensemble, policy, risk, the hand-over to the venue's thread, the order in the journal on the disk itself, the
request, signed, on a connection that stands. Five orders a second. One process sends a depth-200 book at 200 messages a
second, another one is the local exchange: the end is where its server has the request. Peer: ccxt's own `create_order`
on a standing connection to the same exchange, from the call on: it has neither market nor decision nor journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import orjson

from benchmarks.frame import table
from benchmarks.live import DEPTH, PACED, STREAM
from benchmarks.live import exchange as player
from benchmarks.main import BTCFRAME, process
from btcframe.api import Action, Intent, Market, Position, Wakes
from btcframe.endpoints import LOCAL_KEY, LOCAL_SECRET
from btcframe.hookspecs import hookimpl
from btcframe.live.opening import opened
from btcframe.plugins import Catalog, discover
from btcframe.run import Run, describe
from btcframe.sections import Trade
from btcframe.sources.bybit.market import Market as Listed
from btcframe.sources.bybit.protocol import BybitAdapter
from btcframe.sources.bybit.source import Bybit
from btcframe.sources.live.adapter import Topic
from btcframe.sources.live.feed import LiveFeed, Settings
from btcframe.types import Frame, TimeInForce
from btcframe.venues.real import gateway

PACE = 200
"""Messages a second."""

SYMBOL = "BTC/USDT:USDT"
SETTINGS = ("clock.every=100ms", "state.every=5s", "model=ensemble")
STEPS = ("submit.asked", "submit.journaled")


class Quiet:
    """An adapter whose exchange wants to hear nothing, for the player answers no ping."""

    ping_every = 1e6

    def __init__(self, adapter: BybitAdapter) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class Wired(NamedTuple):
    """The source bybit, with the benchmark's player behind it."""

    url: str

    def open(self, *, seed: int) -> LiveFeed:
        topics = (Topic(f"orderbook.{DEPTH}.BTCUSDT", 5.0, book=True),)
        instrument = STREAM.instrument._replace(min_notional=5.0)
        adapter = BybitAdapter(Listed(instrument, "BTCUSDT", DEPTH), self.url, "", topics, clock_every=0.0)
        return LiveFeed(Quiet(adapter), Settings())  # type: ignore[arg-type]

    def decode(self, frames: Iterable[list[Frame]]) -> Any:
        return Bybit().decode(frames)


@dataclass(frozen=True)
class Asks:
    """An order at every other row, too far away to be filled: 5 a second, half of what the exchange allows. When it was
    asked, and at which row, is kept: its order's end wakes it, too.
    """

    CALLED: ClassVar[list[tuple[int, int, int]]] = []

    @property
    def wakes(self) -> Wakes:
        return Wakes()

    def decide(self, market: Market, position: Position) -> list[Intent]:
        row_ns = int(market.row["row_ns"])
        if not market.usable or row_ns // 100_000_000 % 2 or (self.CALLED and self.CALLED[-1][2] == row_ns):
            return []
        self.CALLED.append((market.now_ns, time.monotonic_ns(), row_ns))
        ticks = int(market.bid_ticks[0]) * 98 // 100
        return [Intent(Action.SUBMIT, 1, 10, ticks, TimeInForce.IOC)]


# -------------------------------------------------------------------------------------------------- the exchange


def serve(control: Connection) -> None:
    """The local exchange, which notes when it has a request to create an order, by the order's id."""
    from aiohttp import web

    from btcframe.exchange.core import Exchange
    from btcframe.exchange.listed import made
    from btcframe.exchange.server import Server

    server, arrived = Server(Exchange(made([SYMBOL]), start_ns=time.time_ns(), limited=False)), []

    @web.middleware
    async def noted(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/v5/order/create":
            now = time.monotonic_ns()
            arrived.append((json.loads(await request.read())["orderLinkId"], now))
        return await handler(request)

    async def main() -> None:
        stop = asyncio.Event()
        server._app.middlewares.append(noted)
        asyncio.get_running_loop().add_reader(control.fileno(), stop.set)
        await server.run(lambda: control.send(server.port), stop)

    asyncio.run(main())
    control.send(arrived)


@contextlib.contextmanager
def exchange(arrived: dict[str, int]) -> Iterator[int]:
    """Its port; when it ends it says what arrived."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    child.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        arrived.update(here.recv())
        child.join()


# --------------------------------------------------------------------------------------------------- the clients


def catalog() -> Catalog:
    components = {"policy": {"asks": Asks}}
    plugin = SimpleNamespace(__name__="orders", btcframe_components=hookimpl(lambda: components))
    return discover([("orders", plugin)])


def trained(folder: Path, port: int) -> dict[str, Any]:
    """Train an ensemble of all features on a synthetic market; the config of a session that predicts with it."""
    place = folder / "train"
    options = ("source.duration=15m", "validation.folds=2", *SETTINGS, f"store.path={folder / 'lake'}")
    process(*BTCFRAME, "train", *options, f"hydra.run.dir={place}")
    config: dict[str, Any] = json.loads((place / "manifest.json").read_text())["config"]
    config["spool"] |= {"path": str(folder / "spool"), "every": "10s", "batch": 8192, "queue": 16384}
    return config | {
        "verb": "trade", "trained": str(place), "trade": vars(Trade(lag="1m", stall="10s")), "risk": {},
        "policy": {"plugin": "asks"},
        "venue": {"plugin": "ccxt", "port": port, "journal": str(folder / "journals")},
    }  # fmt: skip


class Taken(NamedTuple):
    """What a session noted, ns by the machine's clock; one line for each order."""

    id: str
    sent: np.ndarray[Any, Any]  # the frame that it answers, by the player
    received: np.ndarray[Any, Any]
    decided: np.ndarray[Any, Any]
    steps: np.ndarray[Any, Any]  # at the venue's thread, and on disk
    order: np.ndarray[Any, Any]  # its number


def session(url: str, control: Connection, folder: Path, config: dict[str, Any]) -> Taken:
    """A session for as long as the player sends."""
    found = catalog()
    run = Run(folder, config, found, manifest=describe(config, found))
    noted: dict[str, list[int]] = {step: [] for step in STEPS}
    gateway.step_of_environment = lambda: (  # type: ignore[assignment]
        lambda name: noted[name].append(time.monotonic_ns()) if name in noted else None
    )
    last = int(orjson.loads(STREAM.frames[PACED].data)["data"]["u"])
    received: dict[int, tuple[int, int]] = {}  # by local time: which message, and when it was received
    count = 0
    control.send(PACE)
    with opened(run, Wired(url)) as ready:
        Asks.CALLED.clear()  # it was asked while kernels were loaded
        for batch in ready.batches:
            stamps = dict(
                zip(batch.events["local_ts"].tolist(), batch.events["mono_ts"].tolist(), strict=True)
            )
            for frame in batch.frames:
                if frame.stream[:9] == "orderbook":
                    received[frame.local_ts] = (count, stamps.get(frame.local_ts, 0))
                    count += 1
            ready.session.take(batch)
            if ready.feed.decoder.update_id == last:  # type: ignore[attr-defined]
                break
        ready.feed.close()  # the player serves one connection: none is to be made again while orders end
        ready.session.end(flatten=False)
    sent = np.array(control.recv())
    lines = []
    for n, (now_ns, called, _) in enumerate(Asks.CALLED):
        if now_ns in received and n < len(noted[STEPS[-1]]):  # a heartbeat closes a row, too
            at, mono = received[now_ns]
            lines.append((sent[at], mono, called, *(noted[step][n] for step in STEPS), n + 1))
    columns = np.array(lines, np.int64)
    return Taken(run.manifest["id"], *columns[:, :3].T, columns[:, 3:5], columns[:, 5])


async def bare(port: int, count: int, called: dict[str, int]) -> None:
    """ccxt alone: orders one after the other on a connection that stands; when each was asked for."""
    import ccxt.async_support as ccxt

    client = ccxt.bybit({"apiKey": LOCAL_KEY, "secret": LOCAL_SECRET, "enableRateLimit": False})
    base = f"http://127.0.0.1:{port}"
    client.urls["api"] = dict.fromkeys(("public", "private", "spot", "futures", "v2"), base)
    client.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "fetchCurrencies": False}
    client.has["fetchCurrencies"] = False
    try:
        await client.load_markets()
        for n in range(count):
            link = f"bare-{n}"
            called[link] = time.monotonic_ns()
            params = {"clientOrderId": link, "timeInForce": "IOC"}
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 58_000, params)
            await asyncio.sleep(0.02)
    finally:
        await client.close()


def main() -> None:
    arrived: dict[str, int] = {}
    called: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        exchange(arrived) as port,
        player() as (url, control),
        contextlib.chdir(name),
    ):
        folder = Path(name)
        config = trained(folder, port)
        for run in ("first", "second"):  # the first loads what is compiled
            (folder / run).mkdir()
            taken = session(url, control, folder / run, config)
        asyncio.run(bare(port, 500, called))
    links = [f"bf{taken.id.rpartition('-')[2]}-{n}" for n in taken.order.tolist()]
    came = np.array([arrived.get(link, 0) for link in links])
    times = np.stack([taken.sent, taken.received, taken.decided, *taken.steps.T, came])[:, came > 0]
    stages = ("to our socket", "decoded, features, ensemble: the policy is asked", "rules, to the venue's thread",
              "in the journal, on disk", "signed, sent, at the exchange")  # fmt: skip
    rows = [
        (stage, f"{len(took):,}", *_percentiles(took))
        for stage, took in zip(stages, np.diff(times, axis=0), strict=True)
    ]
    theirs = np.array([arrived[link] - ns for link, ns in called.items()])
    total = times[-1] - times[0]
    missing = f"; {(came == 0).sum()} orders never came" if (came == 0).any() else ""
    rows.append(("from the frame to the order", f"{len(total):,}", *_percentiles(total)))
    rows.append(("ccxt alone: from the call to the exchange", f"{len(theirs):,}", *_percentiles(theirs)))
    table(
        f"From a frame on the wire to the order on the wire, {PACE} messages/s, 100 ms rows, all features, the ensemble",
        "", "orders", "p50", "p99", "most",
        rows=rows,
        note=f"{np.median(total) / np.median(theirs):.1f}× ccxt's own call at the median; {os.cpu_count()} cores for all three{missing}.",
    )  # fmt: skip


def _percentiles(took: np.ndarray[Any, Any]) -> list[str]:
    return [f"{t / 1e3:,.0f} µs" for t in (*np.percentile(took, [50, 99]), took.max())]


if __name__ == "__main__":
    main()
