"""The messages of the public socket, byte by byte as Bybit writes them: spot and futures order their keys differently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from btcframe.exchange.book import Side
from btcframe.exchange.listing import Listing, plain
from btcframe.exchange.tape import Bar, Tape, Trade

encode = msgspec.json.Encoder().encode

FUNDING_RATE = "0.0001"
_OPEN_INTEREST = 50_000_000  # lots: nobody holds anything here, but the field is never missing


def levels(listing: Listing, side: Side) -> list[tuple[str, str]]:
    """Price and size of each level, in the order of the side."""
    return [(listing.price(ticks), listing.size(lots)) for ticks, lots in side.items()]


def book(
    listing: Listing, topic: str, kind: str, sides: tuple[Side, Side], *, u: int, seq: int, ts: int, cts: int
) -> bytes:
    """A snapshot of a book, or a delta; stamps in ms."""
    bids, asks = sides
    data = {
        "s": listing.pair, "b": levels(listing, bids), "a": levels(listing, asks), "u": u, "seq": seq,
    }  # fmt: skip
    return encode({**_head(listing, topic, kind, ts), "data": data, "cts": cts})


def _head(listing: Listing, topic: str, kind: str, ts: int) -> dict[str, Any]:
    if listing.category == "spot":
        return {"topic": topic, "ts": ts, "type": kind}
    return {"topic": topic, "type": kind, "ts": ts}


def trades(listing: Listing, topic: str, made: Iterable[Trade], ts: int) -> bytes:
    """Some prints in one message."""
    data = [_trade(listing, trade) for trade in made]
    return encode({"topic": topic, "type": "snapshot", "ts": ts, "data": data})


def _trade(listing: Listing, trade: Trade) -> dict[str, Any]:
    side = "Buy" if trade.side > 0 else "Sell"
    price, size = listing.price(trade.ticks), listing.size(trade.lots)
    if listing.category == "spot":
        return {
            "i": trade.ident, "T": trade.ms, "p": price, "v": size, "S": side, "seq": trade.seq, "s": listing.pair,
            "BT": False, "RPI": False,
        }  # fmt: skip
    return {
        "T": trade.ms, "s": listing.pair, "S": side, "v": size, "p": price, "L": trade.tick_direction,
        "i": trade.ident, "BT": False, "RPI": False, "seq": trade.seq,
    }  # fmt: skip


def ticker(listing: Listing, topic: str, kind: str, fields: dict[str, str], *, seq: int, ts: int) -> bytes:
    """A ticker: of futures first a snapshot, then deltas of what changed; of spot snapshots."""
    data = {"symbol": listing.pair, **fields}
    if listing.category == "spot":
        return encode({"topic": topic, "ts": ts, "type": kind, "cs": seq, "data": data})
    return encode({"topic": topic, "type": kind, "data": data, "cs": seq, "ts": ts})


def ticker_fields(listing: Listing, tape: Tape, best: tuple[Side, Side], ms: int) -> dict[str, str]:
    """What a ticker says, by name; mark and index are the mid."""
    day = tape.day()
    shared = {
        "price24hPcnt": f"{(tape.last - day.first) / day.first:.6f}",
        "lastPrice": listing.price(tape.last),
        "prevPrice24h": listing.price(day.first),
        "highPrice24h": listing.price(day.high),
        "lowPrice24h": listing.price(day.low),
        "turnover24h": plain(day.turnover),
        "volume24h": listing.size(day.lots),
    }
    if listing.category == "spot":
        return shared
    bids, asks = best
    mid = listing.price((next(iter(bids)) + next(iter(asks))) // 2 if bids and asks else tape.last)
    funding_ms = listing.instrument.funding_ns // 1_000_000
    sides = {}
    for name, side in (("bid1", bids), ("ask1", asks)):
        ticks, lots = next(iter(side.items()), (0, 0))
        sides[f"{name}Price"] = listing.price(ticks) if lots else ""
        sides[f"{name}Size"] = listing.size(lots) if lots else ""
    return {
        "tickDirection": tape.direction,
        **shared,
        "prevPrice1h": listing.price(tape.hour_ago()),
        "markPrice": mid,
        "indexPrice": mid,
        "openInterest": listing.size(_OPEN_INTEREST),
        "openInterestValue": plain(listing.turnover(tape.last, _OPEN_INTEREST)),
        "fundingIntervalHour": str(funding_ms // 3_600_000),
        "fundingCap": "0.005",
        "nextFundingTime": str((ms // funding_ms + 1) * funding_ms),
        "fundingRate": FUNDING_RATE,
        **sides,
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
    }


def kline(listing: Listing, topic: str, bars: Sequence[tuple[Bar, bool]], length_ms: int, ts: int) -> bytes:
    """Bars, each with whether it is final."""
    interval = topic.split(".")[1]
    data = [
        {
            "start": bar.start_ms, "end": bar.start_ms + length_ms - 1, "interval": interval,
            "open": listing.price(bar.open), "close": listing.price(bar.close), "high": listing.price(bar.high),
            "low": listing.price(bar.low), "volume": listing.size(bar.lots), "turnover": plain(bar.turnover),
            "confirm": final, "timestamp": ts,
        }
        for bar, final in bars
    ]  # fmt: skip
    if listing.category == "spot":
        return encode({"type": "snapshot", "topic": topic, "data": data, "ts": ts})
    return encode({"topic": topic, "data": data, "ts": ts, "type": "snapshot"})


def ack(
    category: str, conn_id: str, op: str, *, success: bool, said: str = "", req_id: str | None = None
) -> bytes:
    """A reply to an op. Spot repeats the op as its message, and has no req_id where none was given."""
    reply: dict[str, Any] = {"success": success, "ret_msg": said, "conn_id": conn_id}
    if category == "spot":
        reply["ret_msg"] = said or op
    if req_id is not None or category != "spot":
        reply["req_id"] = req_id or ""
    return encode({**reply, "op": op})
