"""The exchange's control endpoint: what goes wrong, what went wrong, and what the book really was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from btcframe.errors import ConfigError
from btcframe.exchange import faults
from btcframe.exchange.core import Exchange
from btcframe.exchange.messages import levels
from btcframe.exchange.streams import DEPTHS
from btcframe.types import NS

Value = dict[str, Any]


def status(exchange: Exchange) -> Value:
    """Counts, clients and markets."""
    return {
        "ms": exchange.now_ms,
        "market_s": exchange.ns / NS,
        "counts": dict(sorted(exchange.counts.items())),
        "clients": [
            {
                "conn": s.conn_id, "category": s.category, "topics": sorted(s.topics), "sent": s.sent,
                "received": s.received,
            }
            for s in exchange.sessions
        ],
        "markets": [
            {
                "symbol": m.listing.instrument.symbol, "pair": m.listing.pair, "category": m.listing.category,
                "trades": m.traded, "bids": len(m.book.bids), "asks": len(m.book.asks), "ended": m.ended,
            }
            for m in exchange.markets.values()
        ],
    }  # fmt: skip


def log(exchange: Exchange, query: Mapping[str, str]) -> Value:
    """What happened, the oldest first; `what=fault` for one kind of it."""
    what = query.get("what", "")
    return {"log": [entry for entry in exchange.log if what in ("", entry["what"])]}


def account(exchange: Exchange, query: Mapping[str, str]) -> Value:
    """Everything of an account as it is, whatever its clients were told: the first one, or that of `key`.

    Raises
    ------
    ConfigError
        If nobody has the key.
    """
    found = exchange.private.account(query.get("key", ""))
    if found is None:
        raise ConfigError("no account has this key")
    return {"ms": exchange.now_ms, **exchange.private.service.truth(found)}


def listed_faults(exchange: Exchange) -> Value:
    """Every fault there is, and those that are planned."""
    return {
        "faults": {name: {"what": what, "defaults": defaults} for name, what, defaults in faults.table()},
        "planned": [{"market_s": at / NS, "fault": str(fault)} for at, fault in exchange.planned],
    }


def inject(exchange: Exchange, body: bytes) -> Value:
    """Let faults happen: one, or a list of them; at once, or when they say.

    Raises
    ------
    ConfigError
        If the body is none of that.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ConfigError(
            f"the request is no JSON: {error}", hint='Send {"fault": "gap", "amount": 3}.'
        ) from error
    asked = [faults.of_json(one) for one in (value if isinstance(value, list) else [value])]
    for fault in asked:
        if fault.at_ns or fault.every_ns:
            exchange.plan(fault)
        else:
            exchange.inject(fault)
    return {"done": [str(fault) for fault in asked], "ms": exchange.now_ms}


def book(exchange: Exchange, query: Mapping[str, str]) -> Value:
    """A book as it was published: of an update id, or the last.

    Raises
    ------
    ConfigError
        If the query names no market, no depth of a topic, or a `u` that is forgotten or never was.
    """
    market = exchange.market(query.get("symbol", ""))
    depth, wanted = query.get("depth", "50"), query.get("u", "")
    if depth not in map(str, DEPTHS):
        raise ConfigError(f"depth: {depth!r} is none of {', '.join(map(str, DEPTHS))}")
    if wanted and not wanted.isdecimal():
        raise ConfigError(f"u: {wanted!r} is not an update id")
    listing = market.listing
    stream = exchange.book_stream(listing.category, listing.pair, int(depth))
    oldest, last = stream.history[0].u, stream.history[-1].u
    u = int(wanted) if wanted else last
    view = stream.published(u)
    if view is None:
        raise ConfigError(
            f"u: {u} is not known", hint=f"Remembered are {oldest} to {last}, of {stream.topic}."
        )
    bids, asks = levels(listing, view[0]), levels(listing, view[1])
    digest = hashlib.sha256(json.dumps([bids, asks], separators=(",", ":")).encode()).hexdigest()
    return {
        "topic": stream.topic, "u": u, "oldest": oldest, "last": last, "b": bids, "a": asks, "sha256": digest,
    }  # fmt: skip
