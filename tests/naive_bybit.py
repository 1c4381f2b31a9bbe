"""Bybit's messages and its book the obvious way: `json`, `Decimal` and two dictionaries."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from btcframe.types import Instrument

_NUMBER = re.compile(r"([0-9]{1,18})(\.[0-9]{1,18})?")


class Malformed(ValueError):
    """No message."""


class OffGrid(ValueError):
    """A number between two steps."""


def _need(condition: bool) -> None:
    if not condition:
        raise Malformed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    _need(len(keys) == len(set(keys)))
    return dict(pairs)


def _whole(value: Any, below: int = 10**18) -> int:
    _need(type(value) is int and 0 <= value < below)
    return value


def _units(text: Any, step: Decimal) -> int:
    _need(isinstance(text, str))
    match = _NUMBER.fullmatch(text)
    _need(match is not None)
    _need(len(match[1]) + max(0, -step.normalize().as_tuple().exponent) <= 18)
    scale = 10**18
    value, grid = (
        int(Decimal(match[1]) * scale) + int((match[2] or ".0")[1:].ljust(18, "0")),
        int(step * scale),
    )
    if value % grid:
        raise OffGrid
    return value // grid


class Naive:
    """One market's frames, one at a time.

    Attributes
    ----------
    usable : bool
    u, bids, asks        the book
    trades : list        (side, ticks, lots, id) of all trades so far, each once
    """

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self.instrument, self.depth = instrument, depth
        self.topics = (f"orderbook.{depth}.BTCUSDT", "publicTrade.BTCUSDT")
        self.usable = False
        self.doubt_until = 0
        self.now = 0
        self.u = self.seq = self.ts = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.trades: list[tuple[int, int, int, str]] = []

    def push(self, local_ts: int, data: bytes) -> None:
        self.now = max(self.now, local_ts)
        if self.now > self.doubt_until:
            self.doubt_until = 0
        try:
            message = self.read(data)
        except (Malformed, OffGrid):
            if self.usable:
                self.doubt_until = self.now + 10**9
            self.usable = False
            return
        if message is None:
            return
        if message[0] == "trades":
            known = {ident for *_, ident in self.trades}
            for trade in message[1]:
                if trade[-1] not in known:
                    known.add(trade[-1])
                    self.trades.append(trade)
        else:
            self._book(*message[1:])

    def interrupt(self, stream: str) -> None:
        self.usable, self.doubt_until = False, 0
        if stream != "~resync":
            self.seq = self.ts = 0

    def _book(self, snapshot: bool, u: int, seq: int, ts: int, bids: Any, asks: Any) -> None:
        snapshot = snapshot or u == 1
        known = self.usable or self.doubt_until
        if seq < self.seq and ts < self.ts:
            return
        if known and u <= self.u and seq <= self.seq and ts <= self.ts:
            return
        if snapshot and self.usable and u == self.u and seq == self.seq:
            return
        follows = known and u == self.u + 1 and seq >= self.seq
        self.doubt_until = 0
        self.seq, self.ts = seq, ts
        if not snapshot and not follows:
            self.usable = False
            return
        if snapshot:
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for ticks, lots in levels:
                side.pop(ticks, None)
                if lots:
                    side[ticks] = lots
        self.bids = {t: self.bids[t] for t in sorted(self.bids, reverse=True)[: self.depth]}
        self.asks = {t: self.asks[t] for t in sorted(self.asks)[: self.depth]}
        self.usable = not (self.bids and self.asks and max(self.bids) >= min(self.asks))
        if self.usable:
            self.u = u

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """What a frame says; None for what is not of this market."""
        try:
            frame = json.loads(data.decode(), object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise Malformed from error
        _need(isinstance(frame, dict))
        topic = frame.get("topic", "")
        _need(isinstance(topic, str) and isinstance(frame.get("op", ""), str))
        _need(frame.get("success") in (None, True, False))
        if topic not in self.topics:
            _need(bool(topic or frame.get("op") or frame.get("success") is not None))
            return None
        ts = _whole(frame.get("ts"), 4 * 10**12 + 1)
        kind, body = frame.get("type"), frame.get("data")
        if topic == self.topics[0]:
            _whole(frame.get("cts", 0), 4 * 10**12 + 1)
            _need(kind in ("snapshot", "delta") and isinstance(body, dict))
            sides = [body.get("b"), body.get("a")]
            for side in sides:
                _need(isinstance(side, list))
                _need(all(isinstance(p, list) and len(p) == 2 for p in side))
                _need(all(isinstance(x, str) and _NUMBER.fullmatch(x) for p in side for x in p))
            u, seq = _whole(body.get("u")), _whole(body.get("seq", 0))
            _need(body.get("s") == "BTCUSDT")
            return (
                "book",
                kind == "snapshot",
                u,
                seq,
                ts,
                *([self._level(p) for p in side] for side in sides),
            )
        _need(kind == "snapshot" and isinstance(body, list) and len(body) > 0)
        for t in body:
            _need(isinstance(t, dict) and t.get("S") in ("Buy", "Sell"))
            _need(isinstance(t.get("i"), str) and t["i"] != "" and isinstance(t.get("s"), str))
            _need(type(t.get("BT", False)) is bool and type(t.get("RPI", False)) is bool)
            _need(all(isinstance(t.get(k), str) and _NUMBER.fullmatch(t[k]) for k in "pv"))
            _whole(t.get("T"), 4 * 10**12 + 1)
            _whole(t.get("seq", 0))
        trades = []
        for t in body:
            _need(t["s"] == "BTCUSDT")
            ticks, lots = self._level((t["p"], t["v"]))
            if not t.get("BT"):
                trades.append((1 if t["S"] == "Buy" else -1, ticks, lots, t["i"]))
        return "trades", trades

    def _level(self, pair: Any) -> tuple[int, int]:
        ticks = _units(pair[0], self.instrument.tick)
        _need(ticks > 0)
        return ticks, _units(pair[1], self.instrument.lot)
