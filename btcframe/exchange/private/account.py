"""One client's money: balances, positions, fees, and what is free to trade with. No sockets, no orders of others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal

from btcframe.exchange.listing import Listing
from btcframe.exchange.private.orders import Execution, Order

RIGHTS = {
    "Order": "ContractTrade",
    "Position": "ContractTrade",
    "SpotTrade": "Spot",
    "AccountTransfer": "Wallet",
    "Withdraw": "Wallet",
    "DerivativesTrade": "Derivatives",
}
"""What a key may be allowed, and the group under which Bybit lists it."""

MOST_LEVERAGE = 100
"""Of any future."""

RECENT = 500
"""Orders that are done, and still at hand without the history."""

_FEE_PLACES = Decimal("0.00000001")
_ZERO = Decimal(0)

Mark = Callable[[Listing], Decimal]
"""The mark price of a market."""


@dataclass(frozen=True)
class Holder:
    """What an account begins with, and what its key may do.

    Parameters
    ----------
    key, secret : str
    uid : int               of the account; 0 takes one
    balances : dict         coins
    leverage : Decimal      of every future, until it is set; 0: it is not told, as with portfolio margin
    maker, taker : Decimal  fee rates of futures
    spot : Decimal          fee rate of spot, of makers and takers
    rights : tuple of str   of RIGHTS
    read_only : bool
    hedge : bool            positions of both sides side by side; such an account is refused orders: one-way is what is
                            matched here
    """

    key: str
    secret: str
    uid: int = 0
    balances: dict[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(100_000)})
    leverage: Decimal = Decimal(10)
    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.00055")
    spot: Decimal = Decimal("0.001")
    rights: tuple[str, ...] = ("Order", "Position", "SpotTrade")
    read_only: bool = False
    hedge: bool = False


@dataclass
class Position:
    """What is held of one future.

    Attributes
    ----------
    listing : Listing
    leverage : Decimal
    lots : int              positive is long
    cost : Decimal          Σ price · size of what is held; of an inverse contract Σ size / price
    realised, ever : Decimal    profit of this holding and of all time, fees included, settle coin
    created_ms, updated_ms, seq : int
    """

    listing: Listing
    leverage: Decimal
    lots: int = 0
    cost: Decimal = _ZERO
    realised: Decimal = _ZERO
    ever: Decimal = _ZERO
    created_ms: int = 0
    updated_ms: int = 0
    seq: int = -1

    @property
    def entry(self) -> Decimal:
        """The average price of what is held; 0 of nothing."""
        if not self.lots:
            return _ZERO
        size = abs(self.lots) * self.listing.instrument.lot
        return size / self.cost if self.listing.category == "inverse" else self.cost / size

    def profit(self, mark: Decimal) -> Decimal:
        """Unrealised, settle coin."""
        return self._gain(value_at(self.listing, abs(self.lots), mark), self.cost) if self.lots else _ZERO

    def add(self, lots: int, value: Decimal) -> tuple[Decimal, int]:
        """Take in a fill of signed lots, worth so much; returns what was gained, and how many lots were closed."""
        gained, closed = _ZERO, 0
        if self.lots * lots < 0:
            closed = min(abs(lots), abs(self.lots))
            part = value * closed / abs(lots)
            out = self.cost if closed == abs(self.lots) else self.cost * closed / abs(self.lots)
            gained = self._gain(part, out)
            self.cost -= out
            value -= part
            self.lots += closed if lots > 0 else -closed
            lots += -closed if lots > 0 else closed
        if lots:
            if not self.lots:
                self.cost = _ZERO
            self.lots += lots
            self.cost += value
        return gained, closed

    def _gain(self, now: Decimal, before: Decimal) -> Decimal:
        long = self.lots > 0
        return now - before if long != (self.listing.category == "inverse") else before - now


class Account:
    """An account.

    Parameters
    ----------
    holder : Holder
    mark : callable     mark price of a market
    uid : int           where the holder has none
    """

    def __init__(self, holder: Holder, mark: Mark, uid: int = 1) -> None:
        self.holder, self.uid = holder, holder.uid or uid
        self.hedge = holder.hedge
        self.wallet: dict[str, Decimal] = dict(holder.balances)
        self.gained: dict[str, Decimal] = {}  # by coin, of all time, fees included
        self.positions: dict[tuple[str, str], Position] = {}
        self.orders: dict[str, Order] = {}
        self.links: dict[str, Order] = {}
        self.working: dict[str, Order] = {}
        self.executions: list[Execution] = []
        self._closed: deque[Order] = deque(maxlen=RECENT)
        self._mark = mark

    def done(self, order: Order) -> None:
        """An order works no longer."""
        self.working.pop(order.order_id, None)
        self._closed.append(order)

    def recent(self) -> list[Order]:
        """The orders that were done last, as far as they are still at hand."""
        return list(self._closed)

    def forget(self) -> None:
        """The exchange starts anew: which orders were done last is in the history only."""
        self._closed.clear()

    def position(self, listing: Listing) -> Position:
        """What is held of a future."""
        key = (listing.category, listing.pair)
        if key not in self.positions:
            self.positions[key] = Position(listing, self.holder.leverage)
        return self.positions[key]

    def held(self, listing: Listing) -> int:
        """Lots of a future, signed; of spot whole lots of the base coin."""
        if listing.category == "spot":
            return int(self.wallet.get(listing.base, _ZERO) / listing.instrument.lot)
        return self.position(listing).lots

    def rate(self, listing: Listing, *, maker: bool) -> Decimal:
        """The fee rate of a market."""
        if listing.category == "spot":
            return self.holder.spot
        return self.holder.maker if maker else self.holder.taker

    def fee(self, order: Order, lots: int, value: Decimal, *, maker: bool) -> tuple[Decimal, str]:
        """What a fill costs, and in which coin: of futures the settle coin, of spot what is received."""
        listing, rate = order.listing, self.rate(order.listing, maker=maker)
        if listing.category != "spot":
            fee, coin = value * rate, listing.settle
        elif order.side > 0:
            fee, coin = lots * listing.instrument.lot * rate, listing.base
        else:
            fee, coin = value * rate, listing.quote
        return fee.quantize(_FEE_PLACES, rounding=ROUND_UP), coin

    def settle(self, order: Order, lots: int, value: Decimal, fee: Decimal, ms: int, seq: int) -> int:
        """Book a fill of an order; returns the lots that it closed."""
        listing = order.listing
        if listing.category == "spot":
            size = lots * listing.instrument.lot
            self._move(listing.base, order.side * size - (fee if order.side > 0 else _ZERO))
            self._move(listing.quote, -order.side * value - (fee if order.side < 0 else _ZERO))
            return 0
        position = self.position(listing)
        before = position.lots
        gained, closed = position.add(order.side * lots, value)
        opened = not before or before * position.lots < 0
        position.created_ms = ms if opened else position.created_ms
        position.realised = (_ZERO if opened else position.realised) + gained - fee
        position.ever += gained - fee
        position.updated_ms, position.seq = ms, seq
        self.gained[listing.settle] = self.gained.get(listing.settle, _ZERO) + gained - fee
        self._move(listing.settle, gained - fee)
        return closed

    def charge(self, listing: Listing, amount: Decimal, ms: int) -> None:
        """Let a future's position pay an amount: funding."""
        position = self.position(listing)
        position.realised -= amount
        position.ever -= amount
        position.updated_ms = ms
        self.gained[listing.settle] = self.gained.get(listing.settle, _ZERO) - amount
        self._move(listing.settle, -amount)

    def _move(self, coin: str, amount: Decimal) -> None:
        self.wallet[coin] = self.wallet.get(coin, _ZERO) + amount

    # -------------------------------------------------------------------------------------------------- what is free

    def coins(self) -> list[str]:
        """Every coin that there is something of, or that something is settled in."""
        return sorted({*self.wallet, *(p.listing.settle for p in self.positions.values() if p.lots)})

    def profit(self, coin: str) -> Decimal:
        """Unrealised profit of the positions that are settled in a coin."""
        held = [p for p in self.positions.values() if p.lots and p.listing.settle == coin]
        return sum((p.profit(self._mark(p.listing)) for p in held), _ZERO)

    def margin(self, listing: Listing, more: Order | None = None) -> Decimal:
        """What a future's position and orders bind, with one more order: the larger of both sides, over the leverage."""
        position = self.position(listing)
        working = [o for o in self.working.values() if o.listing is listing and not o.reduce_only]
        if more is not None and not more.reduce_only:
            working.append(more)
        buys = sum(o.left for o in working if o.side > 0)
        sells = sum(o.left for o in working if o.side < 0)
        lots = max(abs(position.lots + buys), abs(position.lots - sells), abs(position.lots))
        return value_at(listing, lots, self._mark(listing)) / (position.leverage or 1)

    def bound_by_positions(self, coin: str) -> Decimal:
        """The positions' own margin, without their orders'."""
        held = [p for p in self.positions.values() if p.lots and p.listing.settle == coin]
        return sum(
            (value_at(p.listing, abs(p.lots), self._mark(p.listing)) / (p.leverage or 1) for p in held), _ZERO
        )

    def bound(self, coin: str) -> Decimal:
        """Margin of all futures that are settled in a coin, positions and orders."""
        listings = {p.listing for p in self.positions.values() if p.listing.settle == coin}
        return sum((self.margin(listing) for listing in listings), _ZERO)

    def locked(self, coin: str) -> Decimal:
        """What spot orders hold back: quote coin of those that buy, base coin of those that sell."""
        total = _ZERO
        for order in self.working.values():
            listing = order.listing
            if listing.category != "spot":
                continue
            if order.side > 0 and listing.quote == coin:
                total += listing.turnover(order.ticks, order.left)
            elif order.side < 0 and listing.base == coin:
                total += order.left * listing.instrument.lot
        return total

    def equity(self, coin: str) -> Decimal:
        """Balance and unrealised profit."""
        return self.wallet.get(coin, _ZERO) + self.profit(coin)

    def free(self, coin: str) -> Decimal:
        """What can be traded with."""
        return self.equity(coin) - self.bound(coin) - self.locked(coin)


def value_at(listing: Listing, lots: int, price: Decimal) -> Decimal:
    """What so many lots are worth: quote, of an inverse contract base coin."""
    size = lots * listing.instrument.lot
    return size / price if listing.category == "inverse" else size * price
