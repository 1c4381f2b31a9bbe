"""The exchange that market data come from: its REST, its clock, its socket; nothing is asked that needs a key."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from btcframe.doctor.finding import Finding, Level
from btcframe.errors import BtcframeError
from btcframe.live_sources import is_live
from btcframe.plugins import Catalog
from btcframe.sources.bybit.market import category_of, chosen
from btcframe.sources.bybit.source import Bybit

TIMEOUT = 5.0
"""Seconds that anything is waited for."""

TRIPS = 3
"""Round trips to the exchange's clock; the shortest tells most."""

MOST_MS, MUCH_MS = 500.0, 100.0
"""Milliseconds that our clock may be off by before orders are refused (BAPI's rule: ahead by 1 s, behind by recv_window),
and before somebody should know."""

_EXTRA = "pip install 'btcframe[live]'"


class Trip(NamedTuple):
    """A round trip to the exchange's clock: how long it took, and ours less theirs, ns; it is off by half at most."""

    took_ns: int
    offset_ns: int


def market(config: Mapping[str, Any], catalog: Catalog) -> Iterator[Finding]:
    """Whether the configured source's exchange can be reached, and what its clock says of ours."""
    name = config["source"]["plugin"]
    source = catalog.build("source", config["source"])
    if not isinstance(source, Bybit):
        said = (
            f"source {name} is live, and does not say where it connects"
            if is_live(source)
            else f"source {name} asks no exchange"
        )
        yield Finding("exchange", Level.SKIPPED, said)
        return
    try:
        yield _listed(source)
    except BtcframeError as error:
        yield Finding("exchange", Level.FAIL, error.what, error.hint or error.next or source.hint)
        yield Finding("clock", Level.SKIPPED, "the exchange's clock was not asked: its REST does not answer")
        return
    except ModuleNotFoundError as error:
        yield Finding("exchange", Level.FAIL, f"a package is not installed: {error.name}", _EXTRA)
        return
    yield offset(asked(source.hosts().rest))
    yield _socket(source)


def _listed(source: Bybit) -> Finding:
    """Its REST lists the symbol, with the steps it is traded in.

    Raises
    ------
    ConfigError, DataError
    """
    from btcframe.sources.bybit.rest import instruments

    rest = source.hosts().rest
    found = chosen(source.symbol, instruments(rest, category_of(source.symbol), TIMEOUT), rest)[1]
    steps = f"price in steps of {found.tick}, size of {found.lot}, worth {found.min_notional:g} at least"
    return Finding("exchange", Level.OK, f"{rest} lists {found.symbol}: {steps}")


def asked(rest: str) -> list[Trip]:
    """A few round trips to the exchange's clock; empty where it does not answer."""

    async def trips() -> list[Trip]:
        from btcframe.sources.bybit.rest import clock_of

        found, asking = [], clock_of(rest, 0.05, time.time_ns, TIMEOUT)
        for _ in range(TRIPS):
            said = json.loads((await anext(asking))[1])
            if not said.get("error"):
                took, server = said["took_ns"], said["server_ns"]
                found.append(Trip(took, said["sent_ns"] + took // 2 - server))
        return found

    with ThreadPoolExecutor(1) as apart:  # the caller's thread may have a loop that runs
        return apart.submit(asyncio.run, trips()).result()


def offset(trips: list[Trip]) -> Finding:
    """What round trips say of our clock: of the shortest, half of which is how far it may be wrong."""
    if not trips:
        return Finding("clock", Level.WARN, "the exchange does not tell its time: ours cannot be compared")
    best = min(trips)
    off, half = best.offset_ns / 1e6, best.took_ns / 2e6
    way = "ahead of" if off > 0 else "behind"
    said = f"{math.fabs(off):,.0f} ms {way} the exchange's, give or take {half:,.0f} ms"
    do = "Let NTP set this machine's clock (systemd-timesyncd, chrony): the exchange refuses orders stamped wrong"
    certain = math.fabs(off) - half  # by so much at least
    if certain > MOST_MS:
        return Finding("clock", Level.FAIL, said, do)
    return Finding("clock", Level.WARN, said, do) if certain > MUCH_MS else Finding("clock", Level.OK, said)


def _socket(source: Bybit) -> Finding:
    """Its public socket opens and answers a ping."""
    try:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
    except ModuleNotFoundError as error:
        return Finding("exchange", Level.FAIL, f"a package is not installed: {error.name}", _EXTRA)
    url = f"{source.hosts().ws}/v5/public/{category_of(source.symbol).value}"
    try:
        with connect(url, open_timeout=TIMEOUT, close_timeout=1.0) as line:
            begun = time.monotonic()
            line.send(json.dumps({"op": "ping", "req_id": "doctor"}))
            said = json.loads(line.recv(TIMEOUT))
        took = 1e3 * (time.monotonic() - begun)
    except (OSError, TimeoutError, WebSocketException, ValueError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        return Finding(
            "exchange",
            Level.FAIL,
            f"{url} does not open: {what}",
            "Is there a proxy that lets no socket through?",
        )
    if "pong" not in (said.get("ret_msg"), said.get("op")):
        return Finding("exchange", Level.FAIL, f"{url} answers a ping with something else", "Is it Bybit's?")
    return Finding("exchange", Level.OK, f"{url} answers within {took:,.0f} ms")
