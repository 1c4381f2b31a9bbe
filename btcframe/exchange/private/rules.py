"""What an order must keep to, given a market and an account: each rule with the code of who breaks it."""

from __future__ import annotations

from decimal import Decimal

from btcframe.exchange.listing import Listing
from btcframe.exchange.private.account import Account, value_at
from btcframe.exchange.private.asking import Asked
from btcframe.exchange.private.codes import refusal
from btcframe.exchange.private.matching import Matching
from btcframe.exchange.private.orders import Order

MOST_ORDERS = 500
"""Of an account that may work in one market at a time; of spot in all."""

_ZERO = Decimal(0)


def band(listing: Listing, matching: Matching, side: int, mark: Decimal) -> int:
    """The furthest price at which a side may trade now, ticks: some percent from the best it can have."""
    best = matching.best(-side)
    if best is None:
        best = int(mark / listing.instrument.tick)
    return best + side * int(best * listing.price_band)


def in_band(listing: Listing, matching: Matching, side: int, ticks: int, mark: Decimal) -> None:
    """Refuse a limit that is beyond the band."""
    if (ticks - band(listing, matching, side, mark)) * side > 0:
        raise refusal(listing.category, "price_high" if side > 0 else "price_low")


def bought(matching: Matching, listing: Listing, limit: int, quote: Decimal) -> int:
    """Lots that an amount of quote coin buys now; at least one."""
    lots, left = 0, quote
    for offer in matching.offered(1, limit, listing.most_lots(market=True)):
        here = min(offer.lots, int(left / listing.turnover(offer.ticks, 1)))
        lots, left = lots + here, left - listing.turnover(offer.ticks, here)
        if here < offer.lots:
            break
    return max(1, lots)


def reducing(account: Account, listing: Listing, side: int, lots: int) -> int:
    """The lots of a reduce-only order: no more than is held on the other side. Refuses where that is nothing."""
    room = -side * account.position(listing).lots
    if room <= 0:
        raise refusal(listing.category, "reduce_only")
    return min(lots, room)


def acceptable(account: Account, listing: Listing, wanted: Asked) -> None:
    """Refuse a second order of one orderLinkId, one for another position mode, and one too many."""
    category = listing.category
    if wanted.link_id and wanted.link_id in account.links:
        raise refusal(category, "duplicate")
    if category != "spot" and (account.hedge or wanted.mode):
        raise refusal(category, "mode")
    together = [o for o in account.working.values() if o.listing.category == category]
    if category != "spot":
        together = [o for o in together if o.listing is listing]
    if len(together) >= MOST_ORDERS:
        raise refusal(category, "many")


def large_enough(order: Order, mark: Decimal, quote: Decimal = _ZERO) -> None:
    """Refuse what is worth less than the least notional; what only reduces may be."""
    listing = order.listing
    least = Decimal(repr(listing.instrument.min_notional))
    price = mark if order.market else order.ticks * listing.instrument.tick
    size = order.lots * listing.instrument.lot
    worth = quote or size * (1 if listing.category == "inverse" else price)
    if worth < least and not order.reduce_only:
        raise refusal(listing.category, "notional", f", {least} {listing.quote}")


def affordable(
    account: Account, matching: Matching, order: Order, mark: Decimal, quote: Decimal = _ZERO
) -> None:
    """Refuse what there is no money for: margin and fee of a future, the whole of spot.

    Parameters
    ----------
    account : Account       which the order does not work in yet
    matching : Matching
    order : Order
    mark : Decimal
    quote : Decimal         to be spent, of a spot market order that says so
    """
    listing = order.listing
    if listing.category != "spot":
        needed = account.margin(listing, order) - account.margin(listing)
        fee = value_at(listing, order.left, mark) * account.rate(listing, maker=False)
        short = needed > 0 and needed + fee > account.free(listing.settle)
    elif order.side < 0:
        short = order.left * listing.instrument.lot > account.free(listing.base)
    else:
        short = (quote or _cost(matching, order)) > account.free(listing.quote)
    if short:
        raise refusal(listing.category, "funds")


def _cost(matching: Matching, order: Order) -> Decimal:
    """Quote coin that a spot order to buy may need."""
    if not order.market:
        return order.listing.turnover(order.ticks, order.left)
    offers = matching.offered(order.side, order.ticks, order.left)
    return sum((order.listing.turnover(offer.ticks, offer.lots) for offer in offers), _ZERO)
