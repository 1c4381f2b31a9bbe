"""Orders and fills in our units, as the parts of a real venue hand them to each other."""

from __future__ import annotations

from typing import NamedTuple

from btcframe.types import OrderReason, OrderState, TimeInForce

PREFIX = "bf"
"""What the id of every order of ours begins with."""


def link_of(session: str, order_id: int) -> str:
    """The id under which the exchange knows an order: at most 36 letters, digits, `-` and `_`.

    Of a run's id it has the last part, 12 random digits: bf9f86d081884c-17. The journal has the whole.

    Parameters
    ----------
    session : str     unique among all sessions on the account
    order_id : int    within the session

    Raises
    ------
    ValueError
        If that is no id that an exchange takes.
    """
    link = f"{PREFIX}{session.rpartition('-')[2]}-{order_id}"
    if len(link) > 36 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in link):
        raise ValueError(
            f"{link!r} is no order id that an exchange takes: 36 letters, digits, - and _ at most"
        )
    return link


class Asked(NamedTuple):
    """An order as we asked for it."""

    link: str
    order_id: int
    side: int  # +1 buy, -1 sell
    ticks: int  # 0 for a market order
    lots: int
    tif: TimeInForce
    reduce_only: bool
    ns: int  # when


class Stand(NamedTuple):
    """How an order stands at the exchange."""

    link: str
    venue_id: str
    side: int
    ticks: int
    lots: int
    filled: int  # lots
    state: OrderState
    why: OrderReason
    venue_ns: int


class Execution(NamedTuple):
    """One fill, ours or not."""

    exec_id: str
    link: str  # "" where the order has no id of its owner's
    venue_id: str  # of the order
    side: int
    ticks: int
    lots: int
    fee: float  # settle coin, positive is paid
    maker: bool
    venue_ns: int


class Holding(NamedTuple):
    """A position at the exchange."""

    lots: int  # signed
    average_price: float  # quote, 0 when flat


class Payment(NamedTuple):
    """Funding that was paid, or received."""

    pay_id: str
    amount: float  # settle coin, positive is paid
    rate: float
    venue_ns: int


class Known(NamedTuple):
    """An order as the journal has it."""

    asked: Asked
    session: str
    venue_id: str  # "" before the exchange has answered
    filled: int  # lots, of the executions known
    state: OrderState
