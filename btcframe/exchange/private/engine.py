"""What happens to orders: accepted, matched, amended, canceled; and to the accounts that they belong to."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btcframe.exchange.listing import CATEGORIES, Listing
from btcframe.exchange.market import Market
from btcframe.exchange.messages import FUNDING_RATE
from btcframe.exchange.private import asking, rules
from btcframe.exchange.private.account import Account, Holder, Position, value_at
from btcframe.exchange.private.asking import Asked, asked
from btcframe.exchange.private.codes import bad, refusal
from btcframe.exchange.private.matching import Matching
from btcframe.exchange.private.orders import Execution, Order
from btcframe.exchange.private.telling import Telling

_FIRST_UID = 100_001
_DOLLARS = ("USD", "USDT", "USDC")

Body = Mapping[str, Any]
Key = tuple[str, str]


class Engine:
    """Accounts, their orders, and the matching of every market.

    Parameters
    ----------
    markets : mapping       by category and pair
    holders : sequence      of accounts
    clock : callable        the exchange's clock, ms
    telling : Telling       told of everything that clients are to hear
    seed : int              of ids
    """

    def __init__(
        self,
        markets: Mapping[Key, Market],
        holders: Sequence[Holder],
        clock: Callable[[], int],
        telling: Telling,
        seed: int,
    ) -> None:
        self.accounts = {
            holder.key: Account(holder, self.mark, uid) for uid, holder in enumerate(holders, _FIRST_UID)
        }
        self.markets = markets
        self._uids = {account.uid: account for account in self.accounts.values()}
        self._clock, self._telling = clock, telling
        self._random = random.Random(f"{seed} private")
        self._numbers = itertools.count(1)
        self._matching: dict[Key, Matching] = {}
        self._funded: dict[Key, int] = {}

    # -------------------------------------------------------------------------------------------------- what there is

    def market(self, category: str, pair: str) -> Market:
        """A market by the exchange's names. Raises Refusal without it."""
        if category not in CATEGORIES:
            raise bad("Category is invalid")
        market = self.markets.get((category, pair))
        if market is None:
            raise bad("symbol invalid")
        return market

    def mark(self, listing: Listing) -> Decimal:
        """The mid of a market, or its last price where it has none."""
        market = self.markets[listing.category, listing.pair]
        bids, asks = market.book.bids, market.book.asks
        if not (bids and asks):
            return market.tape.last * listing.instrument.tick
        return (max(bids) + min(asks)) * listing.instrument.tick / 2

    @property
    def now_ms(self) -> int:
        """The exchange's clock, ms."""
        return self._clock()

    def tell(self) -> None:
        """Tell what happened since without a request: the order flow filled orders, funding was paid."""
        self.fund()
        self._telling.flush()

    def worth(self, coin: str) -> Decimal:
        """What a coin is worth in dollars: by a market that prices it in one; 0 where there is none."""
        if coin in _DOLLARS:
            return Decimal(1)
        priced = (m.listing for m in self.markets.values() if m.listing.base == coin)
        return next((self.mark(listing) for listing in priced if listing.quote in _DOLLARS), Decimal(0))

    def find(self, account: Account, listing: Listing, body: Body) -> Order:
        """The order that a request means: by the exchange's id, else by the client's. Raises Refusal."""
        order_id, link_id = str(body.get("orderId") or ""), asking.link(body)
        if not (order_id or link_id):
            raise bad("orderId or orderLinkId is required")
        order = account.orders.get(order_id) if order_id else account.links.get(link_id)
        if order is None or order.listing is not listing:
            raise refusal(listing.category, "unknown")
        return order

    def _at(self, market: Market) -> Matching:
        """The matching of a market, begun with its first order: a market without any costs nothing."""
        listing = market.listing
        key = (listing.category, listing.pair)
        if key not in self._matching:
            self._matching[key] = Matching(market.book, self._fill, market.trade(self._clock))
            market.matching = self._matching[key]
        return self._matching[key]

    # ---------------------------------------------------------------------------------------------------------- create

    def create(self, account: Account, body: Body, *, fate: str = "") -> Order:
        """Accept an order, and match it.

        Parameters
        ----------
        account : Account
        body : mapping      of the request
        fate : str          what befalls it: "reject" once it is accepted, or "partial_cancel"

        Raises
        ------
        Refusal
            With the exchange's code of the rule that it breaks.
        """
        market = self.market(str(body.get("category", "")), str(body.get("symbol", "")))
        wanted = asked(body, market.listing)
        order = self._checked(account, market, wanted, str(body.get("qty", "")))
        account.orders[order.order_id] = account.working[order.order_id] = order
        if order.link_id:
            account.links[order.link_id] = order
        self._telling.order(order)
        if fate == "reject":
            self._end(order, "Rejected", "UNKNOWN", "EC_Others")
        elif fate == "partial_cancel":
            self._house(order, order.lots // 2)
            self._cancel(order, "CancelByAdmin", "EC_Others")
        else:
            self._match(order)
        self._telling.flush()
        return order

    def _checked(self, account: Account, market: Market, wanted: Asked, text: str) -> Order:
        listing, matching, side = market.listing, self._at(market), wanted.side
        mark, spot = self.mark(listing), listing.category == "spot"
        rules.acceptable(account, listing, wanted)
        limit = wanted.ticks or rules.band(listing, matching, side, mark)
        rules.in_band(listing, matching, side, limit, mark)
        lots = wanted.lots or rules.bought(matching, listing, limit, wanted.quote)
        if wanted.reduce_only and not spot:
            lots = rules.reducing(account, listing, side, lots)
        ms = self._clock()
        order = Order(
            listing, account.uid, next(self._numbers), self._ident(), wanted.link_id, side, limit, lots,
            wanted.market, wanted.reduce_only, wanted.tif, ms, updated_ms=ms, asked=text if wanted.quote else "",
        )  # fmt: skip
        rules.large_enough(order, mark, wanted.quote)
        rules.affordable(account, matching, order, mark, wanted.quote)
        return order

    # ------------------------------------------------------------------------------------------------- amend, cancel

    def amend(self, account: Account, body: Body) -> Order:
        """Change price or quantity of an order; it keeps its place in the queue only where it gets smaller.

        Raises
        ------
        Refusal
        """
        market = self.market(str(body.get("category", "")), str(body.get("symbol", "")))
        listing, matching = market.listing, self._at(market)
        order = self._working(account, listing, body)
        ticks = asking.price(body["price"], listing) if body.get("price") else order.ticks
        lots = asking.quantity(body["qty"], listing, market=False) if body.get("qty") else order.lots
        if (ticks, lots) == (order.ticks, order.lots):
            raise bad("The order remains unchanged as the parameters entered match the existing ones.")
        if lots <= order.filled:
            raise refusal(listing.category, "amended_small")
        rules.in_band(listing, matching, order.side, ticks, self.mark(listing))
        if order.reduce_only and listing.category != "spot":
            lots = order.filled + rules.reducing(account, listing, order.side, lots - order.filled)
        self._amendable(account, matching, order, ticks, lots)
        kept = ticks == order.ticks and lots < order.lots
        if not kept:
            matching.drop(order)
        order.ticks, order.lots, order.updated_ms = ticks, lots, self._clock()
        self._telling.order(order)
        if kept:
            matching.shrunk(order)
        else:
            self._match(order)
        self._telling.flush()
        return order

    def _amendable(self, account: Account, matching: Matching, order: Order, ticks: int, lots: int) -> None:
        """Refuse what would be refused of an order in its place."""
        asked, mark = replace(order, ticks=ticks, lots=lots), self.mark(order.listing)
        rules.large_enough(asked, mark)
        del account.working[order.order_id]
        try:
            rules.affordable(account, matching, asked, mark)
        finally:
            account.working[order.order_id] = order

    def cancel(self, account: Account, body: Body, *, fate: str = "") -> Order:
        """Cancel an order; with the fate "fill_in_cancel" it is filled before the cancel gets there.

        Raises
        ------
        Refusal
        """
        market = self.market(str(body.get("category", "")), str(body.get("symbol", "")))
        order = self._working(account, market.listing, body)
        if fate == "fill_in_cancel":
            self._house(order, order.left)
            self._telling.flush()
            order.reject_reason = "EC_OrigClOrdIDDoesNotExist"
            self._telling.order(order)
        else:
            self._cancel(order, "CancelByUser", "EC_PerCancelRequest")
        self._telling.flush()
        return order

    def cancel_all(self, account: Account, chosen: Callable[[Listing], bool]) -> list[Order]:
        """Cancel every order of some markets."""
        orders = [order for order in account.working.values() if chosen(order.listing)]
        for order in orders:
            self._cancel(order, "CancelByUser", "EC_PerCancelRequest")
        self._telling.flush()
        return orders

    def _working(self, account: Account, listing: Listing, body: Body) -> Order:
        order = self.find(account, listing, body)
        if not order.open:
            raise refusal(listing.category, "filled" if order.status == "Filled" else "canceled")
        return order

    # -------------------------------------------------------------------------------------------------------- matching

    def _match(self, order: Order) -> None:
        matching = self._at(self.markets[order.listing.category, order.listing.pair])
        if order.tif == "PostOnly" and matching.crosses(order):
            self._cancel(order, "UNKNOWN", "EC_PostOnlyWillTakeLiquidity")
            return
        if order.tif == "FOK":
            offers = matching.offered(order.side, order.ticks, order.left)
            if sum(offer.lots for offer in offers) < order.left:
                self._cancel(order, "UNKNOWN", "EC_NoEnoughQtyToFill")
                return
        matching.take(order)
        if order.left and order.tif in ("IOC", "FOK"):
            self._cancel(order, "UNKNOWN", "EC_NoImmediateQtyToFill")
        elif order.left:
            matching.rest(order)

    def _fill(self, order: Order, ticks: int, lots: int, maker: bool, kind: str = "Trade") -> None:
        account, listing, ms = self._uids[order.uid], order.listing, self._clock()
        seq = self.markets[listing.category, listing.pair].seq
        value = listing.turnover(ticks, lots)
        fee, coin = account.fee(order, lots, value, maker=maker)
        order.filled, order.value = order.filled + lots, order.value + value
        order.fees[coin] = order.fees.get(coin, Decimal(0)) + fee
        order.status = "Filled" if order.filled == order.lots else "PartiallyFilled"
        order.updated_ms = ms
        closed = account.settle(order, lots, value, fee, ms, seq)
        execution = Execution(
            self._ident(), order, ticks, lots, value, fee, coin, account.rate(listing, maker=maker), maker,
            order.left, closed, ms, seq, kind,
        )  # fmt: skip
        account.executions.append(execution)
        if not order.open:
            account.done(order)
        self._telling.execution(execution)
        self._trim(account, listing)

    def _trim(self, account: Account, listing: Listing) -> None:
        """No reduce-only order may do more than close what is held."""
        if listing.category == "spot":
            return
        held = account.position(listing).lots
        matching = self._at(self.markets[listing.category, listing.pair])
        for order in [o for o in account.working.values() if o.reduce_only and o.listing is listing]:
            room = max(0, -order.side * held)
            if not room:
                self._cancel(order, "CancelByReduceOnly", "EC_NoError")
            elif order.left > room:
                order.lots = order.filled + room
                matching.shrunk(order)
                self._telling.order(order)

    def _cancel(self, order: Order, kind: str, reason: str) -> None:
        partly = order.filled and order.listing.category == "spot"
        self._end(order, "PartiallyFilledCanceled" if partly else "Cancelled", kind, reason)

    def _end(self, order: Order, status: str, kind: str, reason: str) -> None:
        self._at(self.markets[order.listing.category, order.listing.pair]).drop(order)
        order.status, order.cancel_type, order.reject_reason = status, kind, reason
        order.updated_ms = self._clock()
        self._uids[order.uid].done(order)
        self._telling.order(order)

    # ------------------------------------------------------------------------------------------- what nobody asked for

    def _house(self, order: Order, lots: int) -> None:
        """Fill an order at its limit, or at the mark where it is a market order, from nowhere: a fault does that."""
        if lots:
            listing = order.listing
            ticks = int(self.mark(listing) / listing.instrument.tick) if order.market else order.ticks
            self._fill(order, ticks, lots, not order.market)
            self._at(self.markets[listing.category, listing.pair]).shrunk(order)

    def deleverage(self) -> None:
        """Take half of every position away, at the mark: auto-deleveraging, which a fault calls for."""
        for account in self.accounts.values():
            for position in [p for p in account.positions.values() if p.lots]:
                order = self._own(account, position, (abs(position.lots) + 1) // 2, "CreateByAdl_PassThrough")
                account.orders[order.order_id] = order
                self._fill(order, order.ticks, order.lots, False, "AdlTrade")
        self._telling.flush()

    def fund(self) -> None:
        """Let positions pay funding, or be paid, where a market's time for it has come since it was asked last."""
        ms = self._clock()
        for key in [key for key in self._matching if key[0] != "spot"]:
            listing = self.markets[key].listing
            interval = ms // (listing.instrument.funding_ns // 1_000_000)
            due = interval > self._funded.setdefault(key, interval)
            self._funded[key] = max(interval, self._funded[key])
            for account in self.accounts.values() if due else ():
                if account.position(listing).lots:
                    self._pay(account, account.position(listing), ms)

    def _pay(self, account: Account, position: Position, ms: int) -> None:
        listing, lots, rate = position.listing, position.lots, Decimal(FUNDING_RATE)
        value = value_at(listing, abs(lots), self.mark(listing))
        amount = (value * rate).copy_sign(lots)
        account.charge(listing, amount, ms)
        order, seq = (
            self._own(account, position, abs(lots), ""),
            self.markets[listing.category, listing.pair].seq,
        )
        paid = Execution(
            self._ident(), order, order.ticks, abs(lots), value, amount, listing.settle, rate, False, 0, 0, ms, seq,
            "Funding",
        )  # fmt: skip
        account.executions.append(paid)
        self._telling.event(paid)

    def _own(self, account: Account, position: Position, lots: int, by: str) -> Order:
        """An order of the exchange's own against a position, at the mark."""
        listing, side, ms = position.listing, -1 if position.lots > 0 else 1, self._clock()
        ticks = int(self.mark(listing) / listing.instrument.tick)
        return Order(
            listing, account.uid, next(self._numbers), self._ident(), "", side, ticks, lots, True, True, "IOC",
            ms, updated_ms=ms, by=by,
        )  # fmt: skip

    def _ident(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
