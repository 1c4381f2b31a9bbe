"""Between our whole ticks and lots and the exchange's texts, and what an order must keep to before it is sent.

Nothing is rounded, in either direction: what is no whole number of steps is an error, ours or the exchange's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from btcframe.types import Instrument, OrderReason, OrderState, TimeInForce
from btcframe.venues.real.dialects import Dialect
from btcframe.venues.real.records import Execution, Holding, Payment, Stand

_MS = 1_000_000


class ForeignError(ValueError):
    """The exchange says something that is no whole number of our steps, or lacks what must be there."""


@dataclass(frozen=True)
class Units:
    """Steps and limits of one market.

    Parameters
    ----------
    instrument : Instrument
    dialect : Dialect
    contract : Decimal      base coin of one contract, where the exchange counts in contracts; else 1
    least, most : Decimal   size of an order, in the exchange's unit; 0 for no limit
    settle : str            the coin that fees are paid in
    """

    instrument: Instrument
    dialect: Dialect
    contract: Decimal = Decimal(1)
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    settle: str = ""

    def price(self, ticks: int) -> str:
        """A price as a request has it."""
        return _plain(ticks * self.instrument.tick)

    def size(self, lots: int) -> str:
        """A size as a request has it."""
        return _plain(lots * self.instrument.lot / self.contract)

    def ticks(self, price: Any) -> int:
        """Whole ticks of a price that the exchange told. Raises ForeignError."""
        return _whole(price, self.instrument.tick, "price")

    def lots(self, size: Any) -> int:
        """Whole lots of a size that the exchange told. Raises ForeignError."""
        return _whole(size, self.instrument.lot / self.contract, "size")

    def refusal(self, ticks: int, lots: int, *, reduce_only: bool, tif: TimeInForce = TimeInForce.GTC) -> str:
        """Why an order must not be sent; "" where it may.

        A market order has no price to value it at: whoever asks for it has valued it at the mid. And it is filled as far as
        may be, whatever is asked for: none of it or all is had with a price only.
        """
        if not ticks and tif is TimeInForce.FOK:
            return "a market order cannot be fill-or-kill at an exchange: it needs a price"
        size = Decimal(lots) * self.instrument.lot / self.contract
        if size < self.least:
            return f"{_plain(size)} is less than the exchange's least, {_plain(self.least)}"
        if self.most and size > self.most:
            return f"{_plain(size)} is more than the exchange's most, {_plain(self.most)}"
        value = self.instrument.notional(lots, self.instrument.price(ticks))
        if ticks and not reduce_only and value < self.instrument.min_notional:
            return f"{value:g} is less than the least value of an order, {self.instrument.min_notional:g}"
        return ""

    def stand(self, order: Mapping[str, Any]) -> Stand:
        """An order of ccxt's. Raises ForeignError."""
        raw = order.get("info") or {}
        lots, filled = self.lots(order["amount"]), self.lots(order["filled"] or 0)
        state = _state(str(order["status"]), lots, filled)
        market = order.get("type") == "market"
        return Stand(
            link=str(order.get("clientOrderId") or ""),
            venue_id=str(order["id"] or ""),
            side=_side(order["side"]),
            ticks=0 if market or not order.get("price") else self.ticks(order["price"]),
            lots=lots,
            filled=filled,
            state=state,
            why=self._why(raw, state),
            venue_ns=_ns(order.get("lastUpdateTimestamp") or order.get("timestamp")),
        )

    def _why(self, raw: Mapping[str, Any], state: OrderState) -> OrderReason:
        if state not in (OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED):
            return OrderReason.NONE
        return self.dialect.why(raw) or OrderReason.VENUE

    def execution(self, trade: Mapping[str, Any]) -> Execution:
        """A trade of ccxt's. Raises ForeignError."""
        raw, fee = trade.get("info") or {}, trade.get("fee") or {}
        if fee.get("cost") and fee.get("currency") != self.settle:
            raise ForeignError(f"a fee is paid in {fee.get('currency')}, the market settles in {self.settle}")
        if not trade.get("id"):
            raise ForeignError("a fill has no id")
        return Execution(
            exec_id=str(trade["id"]),
            link=str(trade.get("clientOrderId") or raw.get(self.dialect.link) or ""),
            venue_id=str(trade.get("order") or ""),
            side=_side(trade["side"]),
            ticks=self.ticks(trade["price"]),
            lots=self.lots(trade["amount"]),
            fee=float(fee.get("cost") or 0.0),
            maker=trade.get("takerOrMaker") == "maker",
            venue_ns=_ns(trade.get("timestamp")),
        )

    def payment(self, told: Mapping[str, Any]) -> Payment:
        """A funding payment of ccxt's. Raises ForeignError."""
        if not told.get("id"):
            raise ForeignError("a payment has no id")
        amount = self.dialect.funding * float(told.get("amount") or 0.0)
        return Payment(str(told["id"]), amount, float(told.get("rate") or 0.0), _ns(told.get("timestamp")))

    def holding(self, position: Mapping[str, Any]) -> Holding:
        """A position of ccxt's; nothing held where it has no size. Raises ForeignError."""
        lots = self.lots(position.get("contracts") or 0)
        side = {"long": 1, "short": -1}.get(str(position.get("side")), 0)
        if lots and not side:
            raise ForeignError("a position has a size and no side")
        return Holding(side * lots, float(position.get("entryPrice") or 0.0) if lots else 0.0)


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _whole(value: Any, step: Decimal, what: str) -> int:
    try:
        steps = Decimal(str(value)) / step
        whole = int(steps)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ForeignError(f"the exchange tells a {what} that is no number: {value!r}") from error
    if steps != whole:
        raise ForeignError(f"the exchange tells a {what} of {value}, which is no multiple of {step}")
    return whole


def _side(side: Any) -> int:
    if side not in ("buy", "sell"):
        raise ForeignError(f"the exchange tells a side {side!r}")
    return 1 if side == "buy" else -1


def _ns(ms: Any) -> int:
    return int(ms or 0) * _MS


def _state(status: str, lots: int, filled: int) -> OrderState:
    if status == "open":
        return OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED
    if status in ("closed", "canceled", "expired", "rejected"):
        if lots and filled >= lots:
            return OrderState.FILLED
        return {
            "expired": OrderState.EXPIRED,
            "rejected": OrderState.REJECTED if not filled else OrderState.CANCELED,
        }.get(status, OrderState.CANCELED)
    raise ForeignError(f"the exchange tells a status {status!r}")
