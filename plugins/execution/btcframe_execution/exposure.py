"""How much an intent can add to what is held: shared by the rules that limit the position."""

from __future__ import annotations

from btcframe.api import Action, Intent, Market, Position, Veto
from btcframe.types import Instrument, TimeInForce


def within(intent: Intent, position: Position, limit: int, code: str) -> Intent | Veto:
    """The intent, cut so that its side holds no more than `limit` lots even if everything that works fills.

    Without room, or where the order asks for all or nothing, it is vetoed.

    Parameters
    ----------
    intent : Intent        that may open
    position : Position
    limit : int            lots, either side
    code : str             of the veto
    """
    reach = intent.side * position.lots  # the most there can be on this side without the intent
    opening = closing = filled = 0
    for order in position.working:
        if intent.action == Action.AMEND and order.order_id == intent.order_id:
            filled = order.filled_lots
        elif order.side == intent.side and order.reduce_only:
            closing += order.lots - order.filled_lots
        elif order.side == intent.side:
            opening += order.lots - order.filled_lots
    if reach < 0:
        reach = min(
            0, reach + closing
        )  # what only reduces may fill first, and takes the position to 0 at most
    reach += opening
    room = limit - reach + filled  # an amendment's lots are the new total
    if intent.lots <= room:
        return intent
    if room - filled <= 0 or intent.tif == TimeInForce.FOK:
        return Veto(code, f"{reach} lots held or on their way, limit {limit}")
    return intent._replace(lots=room)


def price_of(intent: Intent, market: Market) -> float:
    """What a lot of an order may cost, quote: its limit, the mid where that is higher or there is none.

    NaN where the order has no limit and the book is not usable.
    """
    mid = market.mid
    if not intent.ticks:
        return mid
    limit = market.instrument.price(intent.ticks)
    return mid if mid > limit else limit


def lots_for(instrument: Instrument, value: float, price: float) -> int:
    """Whole lots that are worth no more than a value, quote, at `price`; 0 where one of them is not known."""
    lot = instrument.notional(1, price)
    return int(value / lot) if value > 0 and lot > 0 else 0
