"""The market REST: a path and its query → a reply, as Bybit gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from btcframe.exchange import messages
from btcframe.exchange.core import Exchange
from btcframe.exchange.listing import CATEGORIES, plain
from btcframe.exchange.market import Market
from btcframe.exchange.tape import INTERVALS

OK, BAD_PARAMETER, FORBIDDEN, TOO_OFTEN = 0, 10001, 10005, 10006
"""Codes of replies."""

_DEEPEST = 1000
_MOST = 1000
_MOST_SPOT_TRADES = 60

Query = Mapping[str, str]
Reply = dict[str, Any]


class BadRequest(Exception):
    """A parameter that the exchange does not take: its reply has the code 10001."""


def answer(exchange: Exchange, path: str, query: Query) -> Reply:
    """The reply to a request of market data.

    Raises
    ------
    KeyError
        If there is no such path.
    """
    route = ROUTES[path]
    try:
        return said(exchange, route(exchange, query))
    except BadRequest as error:
        return said(exchange, {}, BAD_PARAMETER, f"params error: {error}")


def said(exchange: Exchange, result: Any, code: int = OK, message: str = "OK") -> Reply:
    """The envelope of every reply."""
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": exchange.now_ms}


def _time(exchange: Exchange, query: Query) -> Reply:
    ms = exchange.now_ms
    return {"timeSecond": str(ms // 1000), "timeNano": str(ms * 1_000_000)}


def _instruments(exchange: Exchange, query: Query) -> Reply:
    """Pages as the exchange has them: the cursor is opaque to the client."""
    category = _category(query, also=("option",))
    wanted, base = query.get("symbol", ""), query.get("baseCoin", "")
    listings = [
        m.listing
        for m in exchange.markets.values()
        if m.listing.category == category
        and wanted in ("", m.listing.pair)
        and base in ("", m.listing.base)
        and query.get("status", "Trading") == "Trading"
    ]
    if wanted and not listings and query.get("status", "Trading") == "Trading":
        raise BadRequest("symbol invalid")
    limit, start = _limit(query, 500, _MOST), _number(query, "cursor", 0)
    entries = [listing.info() for listing in listings[start : start + limit]]
    more = start + limit < len(listings)
    return {"category": category, "list": entries, "nextPageCursor": str(start + limit) if more else ""}


def _orderbook(exchange: Exchange, query: Query) -> Reply:
    """The state that the stream of 1,000 levels was in last."""
    market = _market(exchange, query)
    listing = market.listing
    limit = _limit(query, 1 if listing.category == "spot" else 25, _DEEPEST)
    stream = exchange.book_stream(listing.category, listing.pair, _DEEPEST)
    state = stream.history[-1]
    bids, asks = (dict(list(side.items())[:limit]) for side in state.view)
    return {
        "s": listing.pair, "b": messages.levels(listing, bids), "a": messages.levels(listing, asks),
        "ts": exchange.now_ms, "u": state.u, "seq": stream.seq, "cts": exchange.stamp(market.now_ns),
    }  # fmt: skip


def _kline(exchange: Exchange, query: Query) -> Reply:
    market = _market(exchange, query)
    interval = query.get("interval", "")
    if interval not in INTERVALS:
        raise BadRequest("interval invalid")
    start, end = _number(query, "start", 0), _number(query, "end", 2**63)
    bars = [b for b in market.candles(interval, exchange.now_ms) if start <= b.start_ms <= end]
    listing, rows = market.listing, []
    for bar in reversed(bars[-_limit(query, 200, _MOST) :]):
        prices = map(listing.price, (bar.open, bar.high, bar.low, bar.close))
        rows.append([str(bar.start_ms), *prices, listing.size(bar.lots), plain(bar.turnover)])
    return {"category": listing.category, "symbol": listing.pair, "list": rows}


def _trades(exchange: Exchange, query: Query) -> Reply:
    market = _market(exchange, query)
    listing = market.listing
    spot = listing.category == "spot"
    limit = _limit(query, _MOST_SPOT_TRADES if spot else 500, _MOST_SPOT_TRADES if spot else _MOST)
    newest = list(market.tape.trades)[-limit:][::-1]
    return {
        "category": listing.category,
        "list": [
            {
                "execId": t.ident, "symbol": listing.pair, "price": listing.price(t.ticks),
                "size": listing.size(t.lots), "side": "Buy" if t.side > 0 else "Sell", "time": str(t.ms),
                "isBlockTrade": False, "isRPITrade": False, "seq": str(t.seq),
            }
            for t in newest
        ],
    }  # fmt: skip


def _tickers(exchange: Exchange, query: Query) -> Reply:
    category = _category(query)
    if query.get("symbol"):
        chosen = [_market(exchange, query)]
    else:
        chosen = [m for m in exchange.markets.values() if m.listing.category == category]
    return {"category": category, "list": [_ticker(exchange, market) for market in chosen]}


def _ticker(exchange: Exchange, market: Market) -> dict[str, str]:
    fields = {"symbol": market.listing.pair, **market.ticker(exchange.now_ms)}
    if market.listing.category == "spot":  # the reply has them, the stream has not
        for name, side in zip(("bid1", "ask1"), market.book.view(1), strict=True):
            for ticks, lots in side.items():
                fields[f"{name}Price"], fields[f"{name}Size"] = (
                    market.listing.price(ticks),
                    market.listing.size(lots),
                )
    return fields


ROUTES: dict[str, Callable[[Exchange, Query], Reply]] = {
    "/v5/market/time": _time,
    "/v5/market/instruments-info": _instruments,
    "/v5/market/orderbook": _orderbook,
    "/v5/market/kline": _kline,
    "/v5/market/recent-trade": _trades,
    "/v5/market/tickers": _tickers,
}
"""Every path of market data that there is."""


def _category(query: Query, also: tuple[str, ...] = ()) -> str:
    category = query.get("category", "")
    if category not in (*CATEGORIES, *also):
        raise BadRequest("Category is invalid")
    return category


def _market(exchange: Exchange, query: Query) -> Market:
    market = exchange.markets.get((_category(query), query.get("symbol", "")))
    if market is None:
        raise BadRequest("symbol invalid")
    return market


def _limit(query: Query, default: int, most: int) -> int:
    return max(1, min(_number(query, "limit", default), most))


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isdecimal():
        raise BadRequest(f"{name} invalid")
    return int(text)
