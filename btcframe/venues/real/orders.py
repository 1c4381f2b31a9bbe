"""The orders of a session at the exchange: what is known of each, and what the trader is to be told. It asks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from btcframe.types import FILL, FUNDING, ORDER, OrderReason, OrderState, StateArray
from btcframe.venues.real.records import Asked, Execution, Known, Payment, Stand

Report = Callable[[StateArray | None, StateArray | None, StateArray | None], None]
"""ORDER[a], FILL[b] or FUNDING[c] for the trader; `ns` is written where they are put."""


@dataclass(eq=False)
class Order:
    """One order, until it is final and all its fills are there.

    Parameters
    ----------
    asked : Asked
    told : bool         whether the trader knows of it; an earlier session's it does not
    venue_id : str      the exchange's
    ticks, lots : int   as the exchange last confirmed them
    past : tuple        prices and sizes that it had before amendments that the exchange has said yes to, and not told of
                        since: what is told of those is of before
    filled : int        lots, of the fills known
    stand : Stand       the last one heard, None before
    shown : tuple       state, ticks, lots and lots filled as the trader was told last
    sent_ns : int       when a request about it last left
    answered_ns : int   when the exchange last answered one and has not told since how it stands; 0: nothing is due
    owed_ns : int       since when fills are missing that it tells of; 0: none is
    turn : Lock         requests about one order go one after the other
    ended : Event       set when it is final
    """

    asked: Asked
    told: bool = True
    venue_id: str = ""
    ticks: int = 0
    lots: int = 0
    past: tuple[tuple[int, int], ...] = ()
    filled: int = 0
    stand: Stand | None = None
    shown: tuple[int, int, int, int] | None = None
    sent_ns: int = 0
    answered_ns: int = 0
    owed_ns: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def final(self) -> bool:
        """Whether nothing can happen to it any more, but for fills that have not been told."""
        return self.stand is not None and self.stand.state.final

    @property
    def complete(self) -> bool:
        """Whether it is final, and all fills that it tells of are known."""
        return self.stand is not None and self.stand.state.final and self.filled >= self.stand.filled


class Orders:
    """All orders that are not complete, by link.

    Parameters
    ----------
    report : Report
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._orders: dict[str, Order] = {}
        self._links: dict[str, str] = {}  # by the exchange's id

    def __iter__(self) -> Iterator[Order]:
        return iter(list(self._orders.values()))

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, link: str, venue_id: str = "") -> Order | None:
        """An order by our id, or by the exchange's."""
        return self._orders.get(link or self._links.get(venue_id, ""))

    def add(self, asked: Asked) -> Order:
        """An order that is about to be sent."""
        order = Order(asked, ticks=asked.ticks, lots=asked.lots)
        self._orders[asked.link] = order
        return order

    def take_over(self, known: Known) -> Order:
        """An order of an earlier session, of which the trader is told nothing."""
        order = self.add(known.asked)
        order.told, order.filled = False, known.filled
        self._named(order, known.venue_id)
        return order

    def accepted(self, order: Order, venue_id: str) -> Stand:
        """The exchange has taken it for processing: it may work, or be over already. Returns how it stands as far as that."""
        self._named(order, venue_id)
        if order.shown is None:
            self._tell(order, OrderState.ACCEPTED, OrderReason.NONE, 0, 0)
        asked, state = order.asked, OrderState.ACCEPTED
        return Stand(asked.link, venue_id, asked.side, order.ticks, order.lots, 0, state, OrderReason.NONE, 0)

    def ended(self, order: Order, state: OrderState, why: OrderReason) -> Stand:
        """It is over without a word of the exchange about how it stands: refused, never sent, lost."""
        asked = order.asked
        stand = Stand(
            asked.link, order.venue_id, asked.side, order.ticks, order.lots, order.filled, state, why, 0
        )
        self.stood(order, stand)
        return stand

    def stood(self, order: Order, stand: Stand) -> bool:
        """How an order stands, from whichever way. Returns whether that was news.

        What is older than what is known is left out, and so is what follows a final state: a cancel that lost the race
        is answered twice.
        """
        before = order.stand
        if order.final or (before is not None and _older(stand, before)):
            return False
        self._named(order, stand.venue_id)
        order.stand = stand
        place = stand.ticks or order.ticks, stand.lots or order.lots
        if stand.state.final or place == (order.ticks, order.lots) or place not in order.past:
            order.ticks, order.lots = place
            order.past, order.answered_ns = (), 0
        self._tell(order, stand.state, stand.why, stand.filled, stand.venue_ns)
        if stand.state.final:
            order.ended.set()
            self._dropped(order)
        return before is None or before._replace(venue_ns=stand.venue_ns) != stand

    def amended(self, order: Order, ticks: int, lots: int) -> None:
        """The exchange has said yes to another price and size: that is how it stands, whatever is still told of before."""
        if order.final or (order.ticks, order.lots) == (ticks, lots):
            return
        order.past = (*order.past, (order.ticks, order.lots))
        order.ticks, order.lots = ticks, lots
        self.as_it_is(order)

    def as_it_is(self, order: Order) -> None:
        """Tell the trader how an order stands, as the exchange said last, though it may have heard that: an amendment of it
        has been answered.

        Fills that are known beyond that do not count here: the size that allowed them may not have been told yet.
        """
        if not order.final:
            state, filled = (
                (order.stand.state, order.stand.filled) if order.stand else (OrderState.ACCEPTED, 0)
            )
            self._tell(order, state, OrderReason.NONE, filled, 0, again=True)

    def executed(self, order: Order, execution: Execution) -> None:
        """A fill of it that was not known."""
        order.filled += execution.lots
        if order.stand is None or order.filled >= order.stand.filled:
            order.owed_ns = 0
        self._named(order, execution.venue_id)
        if order.told:
            fill = np.zeros(1, FILL)
            fill["order_id"], fill["venue_ns"] = order.asked.order_id, execution.venue_ns
            fill["ticks"], fill["lots"], fill["fee"] = execution.ticks, execution.lots, execution.fee
            fill["side"], fill["maker"] = execution.side, execution.maker
            self._report(None, fill, None)
        self._dropped(order)

    def paid(self, payment: Payment, lots: int) -> None:
        """Funding was settled on `lots`, signed."""
        record = np.zeros(1, FUNDING)
        record["venue_ns"], record["rate"] = payment.venue_ns, payment.rate
        record["position_lots"], record["amount"] = lots, payment.amount
        self._report(None, None, record)

    def _named(self, order: Order, venue_id: str) -> None:
        if venue_id and not order.venue_id:
            order.venue_id = venue_id
            self._links[venue_id] = order.asked.link

    def _dropped(self, order: Order) -> None:
        if order.complete:
            self._orders.pop(order.asked.link, None)
            self._links.pop(order.venue_id, None)

    def _tell(
        self,
        order: Order,
        state: OrderState,
        why: OrderReason,
        filled: int,
        venue_ns: int,
        *,
        again: bool = False,
    ) -> None:
        """Report how it stands, unless that is what was reported last."""
        filled = max(filled, order.shown[3] if order.shown else 0)
        shown = (int(state), order.ticks, order.lots, filled)
        if not order.told or (shown == order.shown and not again):
            return
        order.shown = shown
        asked, record = order.asked, np.zeros(1, ORDER)
        record["order_id"], record["venue_ns"] = asked.order_id, venue_ns
        record["ticks"], record["lots"], record["filled_lots"] = order.ticks, order.lots, filled
        record["state"], record["side"], record["why"] = state, asked.side, why
        record["tif"], record["reduce_only"] = asked.tif, asked.reduce_only
        self._report(record, None, None)


def _older(stand: Stand, known: Stand) -> bool:
    """Whether a stand is from before another one: fills never shrink, and the exchange's stamps never go back."""
    if stand.state.final:
        return False
    return stand.filled < known.filled or stand.venue_ns < known.venue_ns
