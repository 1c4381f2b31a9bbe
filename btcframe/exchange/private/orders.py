"""Orders and executions as the exchange keeps them, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from btcframe.exchange.listing import Listing

OPEN = ("New", "PartiallyFilled")
"""States in which an order works."""


class Refusal(Exception):
    """A request that the exchange does not carry out.

    Parameters
    ----------
    code : int      Bybit's retCode
    said : str      its retMsg
    """

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


@dataclass(eq=False)
class Order:
    """One order, from its acceptance on.

    Attributes
    ----------
    listing : Listing
    uid : int               whose it is
    number : int            counts the exchange's orders
    order_id, link_id : str the exchange's name and the client's
    side : int              +1 buys
    ticks : int             its limit; of a market order the end of its price band
    lots : int              asked for
    market, reduce_only : bool
    tif : str               GTC, IOC, FOK or PostOnly
    created_ms, updated_ms : int
    asked : str             quantity as it was asked for, where that was quote coin; else ""
    by : str                who made it, as Bybit names it: CreateByUser, or the exchange itself
    filled : int            lots
    value : Decimal         Σ price · size, of an inverse contract Σ size / price
    fees : dict             paid so far, by coin
    status, cancel_type, reject_reason : str    as Bybit names them
    ahead : int             lots of the order flow before it in the queue at its price
    """

    listing: Listing
    uid: int
    number: int
    order_id: str
    link_id: str
    side: int
    ticks: int
    lots: int
    market: bool
    reduce_only: bool
    tif: str
    created_ms: int
    asked: str = ""
    by: str = "CreateByUser"
    updated_ms: int = 0
    filled: int = 0
    value: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)
    status: str = "New"
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    ahead: int = 0

    @property
    def left(self) -> int:
        """Lots that still work; 0 where the order is done."""
        return self.lots - self.filled if self.status in OPEN else 0

    @property
    def name(self) -> str:
        """What a page's cursor calls it."""
        return self.order_id

    @property
    def open(self) -> bool:
        """Whether it works."""
        return self.status in OPEN


@dataclass(frozen=True)
class Execution:
    """One fill of one order.

    Parameters
    ----------
    exec_id : str
    order : Order           whose
    ticks, lots : int
    value : Decimal         price · size, of an inverse contract size / price
    fee : Decimal           paid, positive
    coin : str              in which the fee is paid
    rate : Decimal          of the fee
    maker : bool
    left : int              lots of the order that still work after it
    closed : int            lots by which it reduced the position
    ms : int
    seq : int               the market's sequence number
    kind : str              Trade, or what else changes a position
    """

    exec_id: str
    order: Order
    ticks: int
    lots: int
    value: Decimal
    fee: Decimal
    coin: str
    rate: Decimal
    maker: bool
    left: int
    closed: int
    ms: int
    seq: int
    kind: str = "Trade"

    @property
    def name(self) -> str:
        """What a page's cursor calls it."""
        return self.exec_id

    @property
    def listing(self) -> Listing:
        """Of what."""
        return self.order.listing
