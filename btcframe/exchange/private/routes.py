"""The private REST: a path, its account and what is asked for → a result, as Bybit gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from btcframe.exchange.listing import CATEGORIES, Listing
from btcframe.exchange.private import wire
from btcframe.exchange.private.account import MOST_LEVERAGE, RIGHTS, Account
from btcframe.exchange.private.codes import LEVERAGE_SAME, MODE_HELD, MODE_SAME, bad, refusal
from btcframe.exchange.private.engine import Engine
from btcframe.exchange.private.orders import Execution, Order, Refusal

Asked = Mapping[str, Any]
Result = dict[str, Any]
Route = Callable[[Engine, Account, Asked], Result]

_STATUS_UNIFIED = 6
_WEEK_MS, _EVER = 7 * 86_400_000, 1 << 63


# ------------------------------------------------------------------------------------------------------------- orders


def named(order: Order) -> Result:
    """What the reply to a request says of its order."""
    return {"orderId": order.order_id, "orderLinkId": order.link_id}


def _cancel_all(engine: Engine, account: Account, asked: Asked) -> Result:
    category, pair = _category(asked), str(asked.get("symbol") or "")
    base, settle = str(asked.get("baseCoin") or ""), str(asked.get("settleCoin") or "")
    if category != "spot" and not (pair or base or settle):
        raise bad("symbol, baseCoin or settleCoin is required")
    if pair:
        engine.market(category, pair)

    def chosen(listing: Listing) -> bool:
        return (
            listing.category == category
            and pair in ("", listing.pair)
            and base in ("", listing.base)
            and settle in ("", listing.settle)
        )

    return {"list": [named(order) for order in engine.cancel_all(account, chosen)], "success": "1"}


def _realtime(engine: Engine, account: Account, asked: Asked) -> Result:
    """Orders that work; with openOnly=1 the last 500 that do not, too."""
    category = _category(asked)
    if category == "linear" and not any(asked.get(name) for name in ("symbol", "baseCoin", "settleCoin")):
        raise bad("symbol, baseCoin or settleCoin is required")
    found = list(account.working.values())
    if str(asked.get("openOnly", "0")) == "1":
        found += account.recent()
    return _page(category, _of(engine, found, asked, category), asked, wire.order)


def _history(engine: Engine, account: Account, asked: Asked) -> Result:
    """Orders that are done."""
    category = _category(asked)
    done = [order for order in account.orders.values() if not order.open]
    begin, end = _span(engine, asked)
    found = [o for o in _of(engine, done, asked, category) if begin <= o.created_ms <= end]
    return _page(category, found, asked, wire.order)


def _of(engine: Engine, orders: Sequence[Order], asked: Asked, category: str) -> list[Order]:
    """Those that a query means, the newest first."""
    pair, settle, base = (str(asked.get(name) or "") for name in ("symbol", "settleCoin", "baseCoin"))
    order_id, link_id = str(asked.get("orderId") or ""), str(asked.get("orderLinkId") or "")
    if pair:
        engine.market(category, pair)
    return [
        o
        for o in sorted(orders, key=lambda o: o.number, reverse=True)
        if o.listing.category == category
        and pair in ("", o.listing.pair)
        and settle in ("", o.listing.settle)
        and base in ("", o.listing.base)
        and order_id in ("", o.order_id)
        and link_id in ("", o.link_id)
        and str(asked.get("orderStatus") or o.status) == o.status
    ]


def _executions(engine: Engine, account: Account, asked: Asked) -> Result:
    category, pair = _category(asked), str(asked.get("symbol") or "")
    order_id, link_id = str(asked.get("orderId") or ""), str(asked.get("orderLinkId") or "")
    begin, end = _span(engine, asked)
    if pair:
        engine.market(category, pair)

    def meant(one: Execution) -> bool:
        order = one.order
        return (
            order.listing.category == category
            and pair in ("", order.listing.pair)
            and order_id in ("", order.order_id)
            and link_id in ("", order.link_id)
            and str(asked.get("execType") or one.kind) == one.kind
            and begin <= one.ms <= end
        )

    found = [one for one in reversed(account.executions) if meant(one)]
    return _page(category, found, asked, wire.execution, most=100)


# ----------------------------------------------------------------------------------------------------------- positions


def _positions(engine: Engine, account: Account, asked: Asked) -> Result:
    """Of a symbol always, of a settle coin where something is held; two rows of a symbol in hedge mode."""
    category, pair = _category(asked), str(asked.get("symbol") or "")
    settle = str(asked.get("settleCoin") or "")
    if category == "spot":
        raise bad("Category is invalid")
    if category == "linear" and not (pair or settle):
        raise bad("symbol or settleCoin is required")
    if pair:
        found = [account.position(engine.market(category, pair).listing)]
    else:
        found = [
            p
            for p in account.positions.values()
            if p.lots and p.listing.category == category and settle in ("", p.listing.settle)
        ]
    indexes = (1, 2) if account.hedge else (0,)
    rows = [wire.position(p, engine.mark(p.listing), index=index) for p in found for index in indexes]
    return {"category": category, "list": rows, "nextPageCursor": ""}


def _set_leverage(engine: Engine, account: Account, asked: Asked) -> Result:
    listing = engine.market(_category(asked), str(asked.get("symbol") or "")).listing
    if listing.category == "spot":
        raise bad("Category is invalid")
    both = [str(asked.get(name) or "") for name in ("buyLeverage", "sellLeverage")]
    try:
        wanted = Decimal(both[0])
    except InvalidOperation:
        raise bad("buyLeverage invalid") from None
    if both[0] != both[1] or not wanted.is_finite() or not 1 <= wanted <= MOST_LEVERAGE:
        raise bad("buyLeverage must equal sellLeverage, from 1 to 100")
    position = account.position(listing)
    if position.leverage == wanted:
        raise Refusal(LEVERAGE_SAME, "leverage not modified")
    before, position.leverage = position.leverage, wanted
    if account.free(listing.settle) < 0:
        position.leverage = before
        raise refusal(listing.category, "funds")
    return {}


def _switch_mode(engine: Engine, account: Account, asked: Asked) -> Result:
    """Mode 0 is one-way, 3 holds both sides; of the whole account here."""
    _category(asked)
    if asked.get("mode") not in (0, 3):
        raise bad("mode invalid")
    hedge = asked["mode"] == 3
    if hedge == account.hedge:
        raise Refusal(MODE_SAME, "Position mode is not modified")
    if any(p.lots for p in account.positions.values()):
        raise Refusal(MODE_HELD, "You have an existing position, so position mode cannot be switched")
    account.hedge = hedge
    return {}


# ------------------------------------------------------------------------------------------------------------- account


def _wallet(engine: Engine, account: Account, asked: Asked) -> Result:
    if asked.get("accountType") != "UNIFIED":
        raise bad("accountType only support UNIFIED.")
    coins = [coin for coin in str(asked.get("coin") or "").split(",") if coin]
    return {"list": [wire.wallet(account, {coin: engine.worth(coin) for coin in coins or account.coins()})]}


def _fee_rate(engine: Engine, account: Account, asked: Asked) -> Result:
    category, pair = _category(asked), str(asked.get("symbol") or "")
    if pair:
        engine.market(category, pair)
    listings = [m.listing for m in engine.markets.values() if m.listing.category == category]
    rows = [
        {
            "symbol": listing.pair, "baseCoin": "",
            "takerFeeRate": str(account.rate(listing, maker=False)),
            "makerFeeRate": str(account.rate(listing, maker=True)),
        }
        for listing in listings
        if pair in ("", listing.pair)
    ]  # fmt: skip
    return {"category": category, "list": rows}


def _account_info(engine: Engine, account: Account, asked: Asked) -> Result:
    return {
        "marginMode": "REGULAR_MARGIN", "updatedTime": "0", "unifiedMarginStatus": _STATUS_UNIFIED,
        "dcpStatus": "OFF", "timeWindow": 10, "smpGroup": 0, "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }  # fmt: skip


def _key(engine: Engine, account: Account, asked: Asked) -> Result:
    """What the key may do, and whose it is."""
    holder = account.holder
    groups = dict.fromkeys(
        ("ContractTrade", "Spot", "Wallet", "Options", "Derivatives", "CopyTrading", "BlockTrade", "Exchange", "NFT")
    )  # fmt: skip
    permissions = {group: [right for right in holder.rights if RIGHTS[right] == group] for group in groups}
    return {
        "id": str(account.uid), "note": "local", "apiKey": holder.key, "readOnly": int(holder.read_only),
        "secret": "", "permissions": permissions, "ips": ["*"], "type": 1, "deadlineDay": 90,
        "expiredAt": "2100-01-01T00:00:00Z", "createdAt": "2000-01-01T00:00:00Z", "unified": 0, "uta": 1,
        "userID": account.uid, "inviterID": 0, "vipLevel": "No VIP", "mktMakerLevel": "0", "affiliateID": 0,
        "rsaPublicKey": "", "isMaster": True, "parentUid": "0",
    }  # fmt: skip


def _coins(engine: Engine, account: Account, asked: Asked) -> Result:
    """The coins of what is listed; nothing can be sent in or out."""
    listings = [m.listing for m in engine.markets.values()]
    coins = sorted({coin for x in listings for coin in (x.base, x.quote)})
    return {"rows": [{"name": coin, "coin": coin, "remainAmount": "0", "chains": []} for coin in coins]}


READS: dict[str, Route] = {
    "/v5/order/realtime": _realtime,
    "/v5/order/history": _history,
    "/v5/execution/list": _executions,
    "/v5/position/list": _positions,
    "/v5/account/wallet-balance": _wallet,
    "/v5/account/fee-rate": _fee_rate,
    "/v5/account/info": _account_info,
    "/v5/user/query-api": _key,
    "/v5/asset/coin/query-info": _coins,
}
"""Every path that is asked with GET."""

WRITES: dict[str, Route] = {
    "/v5/order/cancel-all": _cancel_all,
    "/v5/position/set-leverage": _set_leverage,
    "/v5/position/switch-mode": _switch_mode,
}
"""Every path that is asked with POST, beside those of single orders and of batches."""


# --------------------------------------------------------------------------------------------------------------- pages


def _page(
    category: str, found: Sequence[Any], asked: Asked, fields: Callable[[Any], Any], most: int = 50
) -> Result:
    """A page of what was found, and the cursor of the next one: where it ended, so that what is new does not shift it."""
    limit = _count(asked, "limit", 20 if most == 50 else 50)
    limit = max(1, min(limit, most))
    cursor = str(asked.get("cursor") or "")
    if cursor:
        names = [one.name for one in found]
        found = found[names.index(cursor) + 1 :] if cursor in names else []
    page = found[:limit]
    more = page[-1].name if len(found) > limit else ""
    return {"category": category, "list": [fields(one) for one in page], "nextPageCursor": more}


def _category(asked: Asked) -> str:
    category = str(asked.get("category", ""))
    if category not in CATEGORIES:
        raise bad("Category is invalid")
    return category


def _span(engine: Engine, asked: Asked) -> tuple[int, int]:
    """From when until when is asked for, ms: a week from where it begins or to where it ends, and the last one without
    either. Raises Refusal for more than a week.
    """
    begin, end = _count(asked, "startTime", 0), _count(asked, "endTime", 0)
    if begin and end:
        if not 0 <= end - begin <= _WEEK_MS:
            raise bad("startTime and endTime must be at most 7 days apart")
        return begin, end
    if begin:
        return begin, begin + _WEEK_MS
    return (end or engine.now_ms) - _WEEK_MS, end or _EVER


def _count(asked: Asked, name: str, default: int) -> int:
    text = str(asked.get(name) or default)
    if not text.isdecimal():
        raise bad(f"{name} invalid")
    return int(text)


class Right(NamedTuple):
    """What a route needs.

    Parameters
    ----------
    write : bool        not of a key that may only read
    future, spot : str  right it takes, "" none
    """

    write: bool
    future: str = ""
    spot: str = ""


def right(path: str) -> Right:
    """What a path needs of a key."""
    if path in READS:
        return Right(write=False)
    if path.startswith("/v5/order/"):
        return Right(True, "Order", "SpotTrade")
    return Right(True, "Position", "Position")
