"""From intents to orders and money: filters, rules, the venue's answers, the account, and what stops all that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from btcframe.api import Account, Action, Gateway, Intent, Market, Position, Reports, Risk, Stop, TraderState
from btcframe.errors import DataError, PluginError
from btcframe.models.mocks import MOCK
from btcframe.session_log import records_of
from btcframe.trading.account import Ledger
from btcframe.trading.audit import Audit, best_of, likeliest
from btcframe.trading.forecasts import Promotion
from btcframe.trading.onlookers import FUNDED, HELD, Log, Notify
from btcframe.trading.orders import Orders, whole
from btcframe.trading.ruling import Rules, Verdict
from btcframe.trading.stops import Stops
from btcframe.types import EVENT, NS, Floats, Instrument, OrderState, TimeInForce

SETTLE_NS = 60 * NS
"""How long the venue may take at the end to answer for every order."""

RECONCILE = "reconcile"
"""Code of the stop where the venue and we do not agree on what happened."""

_LOST = "A report was lost or made up: the result of this session cannot be trusted."

COUNTS = (
    "rows", "wakes", "intents", "denied", "submitted", "amended", "canceled", "maker_fills", "taker_fills", "raised",
)  # fmt: skip
"""What a session counts."""


class Desk:
    """What a trader trades with. The trader says when it is and on what row it decides.

    Parameters
    ----------
    instrument : Instrument
    gateway : Gateway
    rules : mapping of name to Risk
    columns : tuple of str      the features' columns, which rules may look at
    cash : float
    audit : Audit
    log, notify : optional
    contain : bool      see Trader

    Attributes
    ----------
    now_ns, row_ns : int       local time, and the last closed row
    model : int                PREDICTION.model of that row
    label : str                what stands before the reason of every intent; "" for nothing
    mid : float                the last one known, quote
    ledger : Ledger
    stops : Stops
    counts, vetoes : dict      COUNTS, and denials by code
    version : int              goes up whenever `save` would give something else
    """

    def __init__(
        self,
        instrument: Instrument,
        gateway: Gateway,
        rules: Mapping[str, Risk],
        columns: tuple[str, ...],
        *,
        cash: float,
        audit: Audit,
        log: Log | None,
        notify: Notify | None,
        contain: bool,
    ) -> None:
        self.now_ns = self.row_ns = self.version = 0
        self.model, self.mid, self.label = -1, float("nan"), ""
        self.ledger = Ledger(instrument, cash)
        self.stops = Stops(audit.stops, contain=contain, log=log, notify=notify)
        self.counts, self.vetoes = dict.fromkeys(COUNTS, 0), dict[str, int]()
        self.flattening = False  # whether the position is to be closed
        self._closing = 0  # the order that does it
        self.differs = ""  # how the venue's position differs from ours at the end
        self._unsure = False  # whether they have differed since this session began
        self._position: Position | None = None  # made anew when it was asked for after a change
        self._orders = Orders(audit.orders, instrument.symbol)
        self._rules = Rules(rules, self.failed, columns)
        self._gateway, self._audit, self._log, self._contain = gateway, audit, log, contain

    def promoted(self, promotion: Promotion) -> None:
        """Another model predicts, or none.

        Where the session's course made it so, what the one before it had raised is let go of with the stop that it
        brought about; and without a model nothing is opened any more.
        """
        self.model = promotion.number
        self.label = MOCK if promotion.mock else ""
        if promotion.why and promotion.model:
            self.version += self.stops.release("model", f"another model predicts: {promotion.why}")
        elif promotion.why:
            self.stop(self.stops.contain("model", promotion.why))

    # --------------------------------------------------------------------------------------------- what there is

    def position(self) -> Position:
        """What we hold and what is on its way."""
        if self._position is None:
            self._position = self.ledger.position(self._orders.working, self._orders.last)
        return self._position

    def account(self, mid: float) -> Account:
        """What rules see."""
        sent = self._orders.sent_within(self.now_ns)
        return self.ledger.view(self.position(), mid, self.stops.state, sent)

    def mark(self, ns: int, quality: float, age_ns: int, regime: Floats, *, fresh: bool) -> None:
        """Write down what the account is worth.

        Parameters
        ----------
        ns : int               when
        quality, age_ns        of the last row
        regime : float64[r]    its regime probabilities
        fresh : bool           whether `mid` is of that moment
        """
        ledger = self.ledger
        peak, day = ledger.peak_equity, ledger.day
        equity = ledger.mark(self.mid, ns)
        if peak != ledger.peak_equity or day != ledger.day:
            self.version += 1
        self._audit.equity.append(
            (
                ns, self.mid, ledger.position_lots, ledger.cash, equity, ledger.fees, ledger.funding,
                quality, age_ns, likeliest(regime), self.stops.state, fresh, 0,
            )
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- intents

    def handle(self, asked: Intent, market: Market) -> None:
        """One intent of a policy through filters and rules to the venue, or to a denial with its reason."""
        intent, veto = self._orders.complete(asked)
        verdict = Verdict(intent, veto)
        if not veto and intent.action != Action.CANCEL:
            verdict = self._judged(intent, market)
        self._place(asked, verdict, market)

    def _own(self, asked: Intent, market: Market) -> None:
        """An intent of ours: it only cancels or closes, so no rule is asked."""
        self._place(asked, Verdict(*self._orders.complete(asked)), market)

    def _judged(self, intent: Intent, market: Market) -> Verdict:
        """What the rules leave of an intent, and what the venue's limits and our own orders say to that."""
        mid = market.mid if market.usable else self.mid
        account = self.account(mid)
        verdict = self._rules.judge(intent, account, market)
        if verdict.veto:
            return verdict
        intent, instrument = verdict.intent, market.instrument
        if account.state != TraderState.ACTIVE and intent.action == Action.SUBMIT and not intent.reduce_only:
            # it reduces what we think we hold; only the venue knows whether that is so
            intent = intent._replace(reduce_only=True)
            verdict = verdict._replace(intent=intent)
        price = intent.ticks * float(instrument.tick) or mid
        if not intent.reduce_only and instrument.notional(intent.lots, price) < instrument.min_notional:
            return verdict._replace(veto="min_notional")
        for order in self._orders.meets(intent):
            if not account.position.reduces(intent):
                return verdict._replace(veto="own_order")
            self.cancel(order.order_id, "own_order", market)  # what goes in does not block the way out
        return verdict

    def _place(self, asked: Intent, verdict: Verdict, market: Market) -> None:
        self._position = None
        intent, veto, cut = verdict
        now_ns, order_id = self.now_ns, intent.order_id
        if intent.action == Action.SUBMIT:
            state = OrderState.DENIED if veto else OrderState.SUBMITTED
            order_id = self._orders.add(intent, now_ns, self.row_ns, self.model, state)
            self.version += 1
        self._audit.intents.append(
            (
                now_ns, self.row_ns, order_id, intent.ticks, whole(asked.lots), 0 if veto else intent.lots,
                intent.action, intent.side, intent.tif, intent.reduce_only, self.model,
                f"{self.label}{asked.reason}".encode(errors="replace")[:24], veto.encode()[:24], cut.encode()[:24], *best_of(market),
            )
        )  # fmt: skip
        self.counts["intents"] += 1
        if veto:
            self.counts["denied"] += 1
            self.vetoes[veto] = self.vetoes.get(veto, 0) + 1
            if intent.action == Action.AMEND:
                self._orders.denied(order_id, now_ns)
        elif intent.action == Action.SUBMIT:
            self.counts["submitted"] += 1
            self._gateway.submit(order_id, intent, now_ns)
        elif intent.action == Action.AMEND:
            self.counts["amended"] += 1
            self._orders.amending(order_id, intent.ticks, intent.lots, now_ns)
            self._gateway.amend(order_id, intent.ticks, intent.lots, now_ns)
        else:
            self.counts["canceled"] += 1
            self._orders.canceling(order_id, now_ns)
            self._gateway.cancel(order_id, now_ns)

    def hear(self, reports: Reports) -> None:
        """What the venue says.

        A session that must go on books what it cannot explain, for it happened, and only reduces from there on.

        Raises
        ------
        PluginError
            If it contradicts itself, and the session need not go on.
        """
        self._position = None
        orders, fills, funding = reports
        for table in reports:
            if len(table):
                self.now_ns = max(self.now_ns, int(table["ns"][-1]))
                self.version += 1
        if self._log:
            self._log.fills(fills)
            self._log.orders(orders)
            if len(funding):
                self._log.command(self.now_ns, FUNDED, records=records_of(funding))
        for order_id, _, _, ticks, lots, fee, side, maker, *_ in fills.tolist():
            if self._orders.get(order_id) is None:
                self._contradicted(f"the venue fills order {order_id}, which is not working")
            self.ledger.fill(side, ticks, lots, fee)
            self.counts["maker_fills" if maker else "taker_fills"] += 1
        self._audit.fills.extend(fills)
        for amount in funding["amount"].tolist():
            self.ledger.pay(amount)
        self._audit.funding.extend(funding)
        self._orders.report(orders, self._contradicted)

    def _contradicted(self, what: str, hint: str = "") -> None:
        """The venue has said what cannot be: raise, or trust neither side's numbers enough to open anything."""
        if not self._contain:
            raise PluginError(what, where="venue", hint=hint)
        self.stop(Stop(TraderState.REDUCING, RECONCILE, what))

    # ---------------------------------------------------------------------------------------------------- stops

    def ask_to_stop(self, market: Market) -> None:
        """Ask the rules, at a closed row, whether it is time to stop."""
        if self._rules.watching:
            for stop in self._rules.stops(self.account(self.mid), market):
                self.stop(stop)

    def failed(self, who: str, error: Exception) -> None:
        """A plugin raised: open nothing more, or raise; see `Stops.failed`."""
        stop = self.stops.failed(who, error)
        self.counts["raised"] += 1
        self.stop(stop)

    def stop(self, stop: Stop | None) -> None:
        """Open nothing more, or do nothing at all."""
        self._unsure |= stop is not None and stop.code == RECONCILE
        if stop is not None and self.stops.add(stop, self.now_ns, self.row_ns):
            self.version += 1

    def expire(self) -> None:
        """Let go of the causes whose time is over."""
        self.version += self.stops.expire(self.now_ns)

    def resume(self, why: str) -> None:
        """All causes are over, but that our position may be wrong; the limits on losses measure from here on."""
        self.flattening = False
        self.stops.clear(why, keep=(RECONCILE,) if self._unsure else ())
        self.ledger.start_anew(self.mid)

    def enforce(self, market: Market) -> None:
        """REDUCING: cancel what could open. HALTED: cancel everything, then close the position where that was asked.

        Where venue and we do not agree, everything could open that is not reduce-only.
        """
        position, cause = self.position(), self.stops.gravest
        halted, unsure = self.stops.state == TraderState.HALTED, self.stops.holds(RECONCILE)
        for order in position.working:
            as_it_is = Intent(
                Action.AMEND, order.side, order.lots, reduce_only=order.reduce_only, order_id=order.order_id
            )
            could_open = unsure and not order.reduce_only
            if (halted and order.order_id != self._closing) or could_open or not position.reduces(as_it_is):
                self.cancel(order.order_id, cause.code if cause else "", market)
        if not self.flattening or self._orders.working:
            return
        if not position.lots:
            self.flattening = False
            self.version += 1
            self.stops.tell("flat")
        elif market.usable and not self._refused_just_now():
            self.close_position("flatten", market)

    def _refused_just_now(self) -> bool:
        """Whether nothing came of the last order to close, less than a second ago: at every wake would be too often."""
        last = self._orders.last
        return (
            last is not None
            and last.order_id == self._closing
            and not last.filled_lots
            and self.now_ns - last.ended_ns < NS
        )

    def cancel(self, order_id: int, reason: str, market: Market) -> None:
        """Cancel a working order, once."""
        order = self._orders.get(order_id)
        if order is not None and order.state != OrderState.PENDING_CANCEL:
            self._own(Intent(Action.CANCEL, order_id=order_id, reason=reason), market)

    def close_position(self, reason: str, market: Market) -> None:
        """Close what is held, at the market."""
        held = self.ledger.position_lots
        side = -1 if held > 0 else 1
        self._closing = self._orders.count + 1
        out = Intent(Action.SUBMIT, side, abs(held), 0, TimeInForce.IOC, reduce_only=True, reason=reason)
        self._own(out, market)

    # ------------------------------------------------------------------------------------- restart and the end

    def save(self) -> dict[str, Any]:
        """What a restart must know, as plain values: the ledger, how many orders there were, why it is stopped."""
        return {
            "ledger": self.ledger.save(),
            "orders": self._orders.count,
            "stops": self.stops.save(),
            "flattening": self.flattening,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with what `save` gave, before the first event. Orders that worked then are gone.

        Raises
        ------
        DataError
            If something is missing in it, or it is something else.
        PluginError
            If the venue holds another position.
        """
        try:
            self.ledger.restore(saved["ledger"])
            self._orders.count = int(saved["orders"])
            self.stops.restore(saved["stops"])
            self.flattening = bool(saved["flattening"])
            self._position = None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the saved account cannot be used: {type(error).__name__}: {error}",
                hint="It is what Trader.save gave: ledger, orders, stops, flattening.",
            ) from error
        if told := self._difference(self._gateway.reconcile().lots):
            raise PluginError(told, where="venue", hint=_LOST)

    def settle(self) -> None:
        """Let time pass without events until the venue has answered for every order.

        Raises
        ------
        PluginError
            If it leaves one without a final state, and the session need not go on from there.
        """
        nothing = np.empty(0, EVENT)
        deadline = self.now_ns + SETTLE_NS
        while self._orders.working and self.now_ns < deadline:
            self.now_ns += NS
            _, reports = self._gateway.advance(nothing, self.now_ns)
            self.hear(reports)
        if left := self._orders.working:
            self._contradicted(
                f"the venue leaves {len(left)} orders without a final state, first number {left[0].order_id}",
            )

    def compare_with_venue(self) -> None:
        """Look whether the venue holds another position than we do.

        Raises
        ------
        PluginError
            If it does, or does not answer, and the session need not go on.
        """
        try:
            theirs = self._gateway.reconcile().lots
        except DataError as error:
            if self._log and self._contain:
                self._log.command(self.now_ns, HELD, why=error.what)
            self._contradicted(error.what)
            return
        if self._log and self._contain:
            self._log.command(self.now_ns, HELD, lots=theirs)
        if told := self._difference(theirs):
            self.differs = told
            self._contradicted(told, _LOST)

    def _difference(self, theirs: int) -> str:
        ours = self.ledger.position_lots
        return f"the venue holds {theirs} lots for us, our fills add up to {ours}" if theirs != ours else ""
