"""Orders, executions, positions and balances as Bybit writes them, in replies and on the private streams."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from btcframe.exchange.listing import Listing, plain
from btcframe.exchange.private.account import Account, Position, value_at
from btcframe.exchange.private.orders import Execution, Order

_SIDES = {1: "Buy", -1: "Sell", 0: ""}
_PLACES = Decimal("0.00000001")
_MAINTENANCE = Decimal("0.005")  # share of a position's value, of every market

Fields = dict[str, Any]


def number(value: Decimal) -> str:
    """An amount of money: at most eight digits after the point, none that say nothing."""
    return plain(value.quantize(_PLACES)) if value else "0"


def order(one: Order) -> Fields:
    """An order; of futures with the fields that spot has not."""
    listing = one.listing
    size = listing.instrument.lot
    average = _average(listing, one.filled, one.value)
    shared = {
        "category": listing.category, "symbol": listing.pair, "orderId": one.order_id, "orderLinkId": one.link_id,
        "blockTradeId": "", "createType": one.by, "side": _SIDES[one.side], "positionIdx": 0, "orderStatus": one.status,
        "cancelType": one.cancel_type, "rejectReason": one.reject_reason, "timeInForce": one.tif,
        "isLeverage": "0" if listing.category == "spot" else "", "price": listing.price(one.ticks),
        "qty": one.asked or listing.size(one.lots), "avgPrice": number(average) if one.filled else "",
        "leavesQty": listing.size(one.left), "leavesValue": number(listing.turnover(one.ticks, one.left)),
        "cumExecQty": plain(one.filled * size), "cumExecValue": number(one.value),
        "cumExecFee": number(sum(one.fees.values(), Decimal(0))),
        "cumFeeDetail": {coin: number(fee) for coin, fee in one.fees.items()},
        "orderType": "Market" if one.market else "Limit", "stopOrderType": "", "orderIv": "",
        "marketUnit": ("quoteCoin" if one.asked else "baseCoin") if listing.category == "spot" and one.market else "",
        "triggerPrice": "", "takeProfit": "", "stopLoss": "", "triggerDirection": 0, "triggerBy": "",
        "tpTriggerBy": "", "slTriggerBy": "", "lastPriceOnCreated": "", "reduceOnly": one.reduce_only,
        "closeOnTrigger": False, "placeType": "", "smpType": "None", "smpGroup": 0, "smpOrderId": "",
        "createdTime": str(one.created_ms), "updatedTime": str(one.updated_ms),
    }  # fmt: skip
    # clients tell spot from futures by this key, where there is no other sign
    return shared if listing.category == "spot" else {**shared, "tpslMode": "UNKNOWN"}


def execution(one: Execution) -> Fields:
    """A fill."""
    listing, of = one.order.listing, one.order
    return {
        "category": listing.category, "symbol": listing.pair, "execId": one.exec_id, "orderId": of.order_id,
        "orderLinkId": of.link_id, "side": _SIDES[of.side], "orderPrice": listing.price(of.ticks),
        "orderQty": of.asked or listing.size(of.lots), "leavesQty": listing.size(one.left),
        "createType": of.by, "orderType": "Market" if of.market else "Limit", "stopOrderType": "UNKNOWN",
        "execFee": number(one.fee), "feeCurrency": one.coin, "execPrice": listing.price(one.ticks),
        "execQty": listing.size(one.lots), "execType": one.kind, "execValue": number(one.value),
        "execTime": str(one.ms), "isMaker": one.maker, "feeRate": plain(one.rate), "tradeIv": "", "markIv": "",
        "markPrice": listing.price(one.ticks), "indexPrice": "", "underlyingPrice": "", "blockTradeId": "",
        "closedSize": listing.size(one.closed), "isLeverage": "0", "seq": one.seq,
    }  # fmt: skip


def position(one: Position, mark: Decimal, *, index: int = 0, streamed: bool = False) -> Fields:
    """A position of a future; on the stream its price has another name."""
    listing = one.listing
    value = value_at(listing, abs(one.lots), mark)
    side = (one.lots > 0) - (one.lots < 0)
    entry = number(one.entry)
    return {
        "category": listing.category, "positionIdx": index, "tradeMode": 0, "riskId": 1,
        "riskLimitValue": "2000000", "symbol": listing.pair, "side": _SIDES[side],
        "size": listing.size(abs(one.lots)), ("entryPrice" if streamed else "avgPrice"): entry,
        "sessionAvgPrice": "", "leverage": plain(one.leverage) if one.leverage else "", "positionValue": number(one.cost),
        "positionBalance": "0", "markPrice": number(mark), "positionIM": number(value / (one.leverage or 1)),
        "positionMM": number(value * _MAINTENANCE), "liqPrice": "", "bustPrice": "", "takeProfit": "",
        "stopLoss": "", "trailingStop": "0", "tpslMode": "Full", "unrealisedPnl": number(one.profit(mark)),
        "curRealisedPnl": number(one.realised), "cumRealisedPnl": number(one.ever), "positionStatus": "Normal",
        "adlRankIndicator": 0, "autoAddMargin": 0, "isReduceOnly": False, "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "", "createdTime": str(one.created_ms), "updatedTime": str(one.updated_ms),
        "seq": one.seq,
    }  # fmt: skip


def wallet(account: Account, coins: dict[str, Decimal]) -> Fields:
    """The unified account: every coin, and all of them in dollars.

    Parameters
    ----------
    account : Account
    coins : dict        dollars a coin is worth, by the coins that are told of
    """
    told = [_coin(account, coin, price) for coin, price in coins.items()]
    every = {coin: price for coin, price in coins.items() if price}

    def total(amount: Any) -> Decimal:
        return sum((amount(coin) * price for coin, price in every.items()), Decimal(0))

    equity = total(account.equity)
    margin = total(account.bound)
    maintained = total(account.bound_by_positions) * _MAINTENANCE
    return {
        "accountType": "UNIFIED", "accountIMRate": _share(margin, equity),
        "accountMMRate": _share(maintained, equity), "accountLTV": "0", "totalEquity": number(equity),
        "totalWalletBalance": number(total(lambda coin: account.wallet.get(coin, Decimal(0)))),
        "totalMarginBalance": number(equity), "totalAvailableBalance": number(total(account.free)),
        "totalPerpUPL": number(total(account.profit)), "totalInitialMargin": number(margin),
        "totalMaintenanceMargin": number(maintained), "coin": told,
    }  # fmt: skip


def _coin(account: Account, coin: str, price: Decimal) -> Fields:
    equity, positions, bound = account.equity(coin), account.bound_by_positions(coin), account.bound(coin)
    return {
        "coin": coin, "equity": number(equity), "usdValue": number(equity * price),
        "walletBalance": number(account.wallet.get(coin, Decimal(0))), "locked": number(account.locked(coin)),
        "spotHedgingQty": "0", "borrowAmount": "0", "availableToBorrow": "", "availableToWithdraw": "",
        "accruedInterest": "0", "totalOrderIM": number(bound - positions), "totalPositionIM": number(positions),
        "totalPositionMM": number(positions * _MAINTENANCE), "unrealisedPnl": number(account.profit(coin)),
        "cumRealisedPnl": number(account.gained.get(coin, Decimal(0))), "bonus": "0", "collateralSwitch": True,
        "marginCollateral": True,
    }  # fmt: skip


def _share(part: Decimal, whole: Decimal) -> str:
    return plain((part / whole).quantize(Decimal("0.0001"))) if whole > 0 else "0"


def _average(listing: Listing, lots: int, value: Decimal) -> Decimal:
    """The average price of some lots that are worth so much."""
    if not lots:
        return Decimal(0)
    size = lots * listing.instrument.lot
    return size / value if listing.category == "inverse" else value / size
