"""One trader for backtest, paper, live and replay: X → prediction → policy → risk → venue.

It is woken by closed rows, by what the policy asks for, and by the venue's reports; between wakes everything runs
in kernels. Source and venue are all that differs from one use to another.

*Architecture Invariant*: nothing here reads a clock, a file or a random number. What goes in is events, promotions
and the venue's reports, so a session log replayed gives the same intents to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from btcframe.account import Ledger
from btcframe.api import Action, Gateway, Intent, Market, Policy, Position, Reports, Risk, Veto
from btcframe.artefacts import FittedModel, Scorer
from btcframe.audit import Audit
from btcframe.errors import BtcframeError, PluginError
from btcframe.orders import Orders, whole
from btcframe.pipeline import Pipeline
from btcframe.types import EVENT, NS, PREDICTION, ROW, EventArray, Floats, OrderState, StateArray, TimeInForce

SETTLE_NS = 60 * NS
"""How long the venue may take at the end to answer for every order."""

PROMOTE = "promote"
"""Name of the session log's command for a promotion: its data are row_ns, index and model (where it lies, or "")."""


class Promotion(NamedTuple):
    """A model takes over at the first row with `row_ns` or later."""

    row_ns: int
    model: FittedModel | None  # None: from here on there is no prediction
    name: str = ""  # where its artefact lies, for the session log


class Log(Protocol):
    """Where the session's inputs beside the market are written, see `session_log.SessionWriter`."""

    def command(self, ts: int, name: str, **data: Any) -> None:
        """Something the trader was told: a promotion."""

    def orders(self, orders: StateArray) -> None:
        """What the venue said about orders."""

    def fills(self, fills: StateArray) -> None:
        """What the venue said about fills."""


class Trader:
    """A trading session in one instrument.

    Parameters
    ----------
    pipeline : Pipeline               made with the policy's wakes
    gateway : Gateway                 an open venue
    policy : Policy
    rules : mapping of name to Risk   asked in this order
    cash : float                      at the start, quote
    schedule : iterable of Promotion  by time; a walk-forward backtest puts each fold's model at the start of its
                                      test window. Before the first there is no prediction (PREDICTION.model −1, NaN),
                                      and from one without model on there is none again: what to do with a position
                                      then is the policy's choice.
    horizons_ns : tuple of int        of the predictions before the first promotion
    audit : Audit, optional           where the tables go; made here, in memory, if there is none
    log : Log, optional
    notify : callable, optional       observers: ``notify(kind, **data)``

    Attributes
    ----------
    audit : Audit       everything seen, decided and answered
    ledger : Ledger
    now_ns : int        local time of the last wake
    """

    def __init__(
        self,
        pipeline: Pipeline,
        gateway: Gateway,
        policy: Policy,
        rules: Mapping[str, Risk],
        *,
        cash: float,
        schedule: Iterable[Promotion] = (),
        horizons_ns: tuple[int, ...] = (),
        audit: Audit | None = None,
        log: Log | None = None,
        notify: Callable[..., None] | None = None,
    ) -> None:
        self.audit = audit or Audit()
        self.ledger = Ledger(pipeline.instrument, cash)
        self.now_ns = 0
        self._pipeline, self._gateway = pipeline, gateway
        self._policy, self._rules = policy, dict(rules)
        self._schedule = sorted(schedule, key=lambda p: p.row_ns)
        self._log, self._notify = log, notify
        self._orders = Orders(self.audit.orders)
        self._columns = tuple(column.name for column in pipeline.columns)
        self._reports: Reports | None = None
        self._mid = float("nan")
        self._row: Any = None  # the last closed row, its features, and what was predicted on it
        self._row_ns = 0
        self._x = np.empty(0)
        self._scorer: Scorer | None = None
        self._model = -1
        self._no_regime: Floats = np.empty((1, 0))
        self._regime = self._no_regime
        self._horizons_ns = horizons_ns
        self._blank = _blank(horizons_ns, -1)
        self._prediction: StateArray = np.frombuffer(self._blank, PREDICTION)

    # -------------------------------------------------------------------------------------------------- models

    def promote(self, model: FittedModel | None, name: str = "") -> None:
        """Predict with another model from the next row on; None: with none.

        Raises
        ------
        ModelError
            When that row closes, if the model was fitted on other columns than the pipeline makes.
        """
        self._schedule.insert(0, Promotion(self._row_ns + 1, model, name))

    def _take_over(self, promotion: Promotion) -> None:
        model = promotion.model
        if model is None:
            self._scorer, self._model, self._no_regime = None, -1, np.empty((1, 0))
            self._blank = _blank(self._horizons_ns, -1)
        else:
            model.check_columns(self._columns, [c.name for c in self._pipeline.regime_columns])
            self._scorer, self._model = model.scorer(), model.index
            self._no_regime = np.full((1, len(model.regimes)), np.nan)
            self._horizons_ns = model.horizons_ns
            self._blank = _blank(model.horizons_ns, model.index)
        told = {"row_ns": self._row_ns, "index": self._model, "model": promotion.name}
        if self._log:
            self._log.command(self.now_ns, PROMOTE, **told)
        if self._notify:
            self._notify("promotion", **told)

    # ------------------------------------------------------------------------------------------------- the loop

    def consume(self, events: EventArray) -> None:
        """Let the market move: push events to each wake, hear the venue, decide, send.

        Parameters
        ----------
        events : EVENT[n]     what arrived: one message live, 65k events from a recording; the bits are the same

        Raises
        ------
        PluginError
            If a policy or a rule raises, naming it, or the venue contradicts itself.
        """
        pipeline, gateway = self._pipeline, self._gateway
        at = 0
        while True:
            start, working = at, gateway.busy
            at, wake = pipeline.push(events, start, self._gate if working else None)
            if not working:
                # nothing of ours is at the venue, so there is nothing to hear and no need to rewind
                gateway.advance(events[start:at], pipeline.now_ns)
            if not wake:
                if at == len(events):
                    return
                continue
            self.now_ns = pipeline.now_ns
            if self._reports is not None:
                self._hear(self._reports)  # may be later than the last event: it is known before the next
            if len(pipeline.rows):
                self._close_row()
            if self._row is not None:
                self._decide()

    def _gate(self, events: EventArray, until_ns: int) -> tuple[int, bool]:
        taken, reports = self._gateway.advance(events, until_ns)
        self._reports = reports
        return taken, any(map(len, reports))

    def _hear(self, reports: Reports) -> None:
        self._reports = None
        for table in reports:
            if len(table):
                self.now_ns = max(self.now_ns, int(table["ns"][-1]))
        if self._log:
            self._log.fills(reports.fills)
            self._log.orders(reports.orders)
        for order_id, _, _, ticks, lots, fee, side, *_ in reports.fills.tolist():
            if self._orders.get(order_id) is None:
                raise PluginError(f"the venue fills order {order_id}, which is not working", where="venue")
            self.ledger.fill(side, ticks, lots, fee)
        self.audit.fills.extend(reports.fills)
        self._orders.report(reports.orders)

    def _close_row(self) -> None:
        pipeline = self._pipeline
        # the pipeline's own row is gone at the next push; as bytes, since numpy copies records field by field
        row = np.frombuffer(pipeline.rows.tobytes(), ROW)
        self._row = row[0]
        self._x = pipeline.x[0].copy()
        self._row_ns = row_ns = row["row_ns"].item()
        due = None
        while self._schedule and self._schedule[0].row_ns <= row_ns:
            due = self._schedule.pop(0)
        if due is not None:
            self._take_over(due)
        prediction = np.frombuffer(bytearray(self._blank), PREDICTION)
        prediction["row_ns"] = row_ns
        self._regime = self._no_regime.copy()
        if self._scorer is not None:
            self._scorer.update(
                pipeline.x, pipeline.descriptors, row["row_ns"], self._regime, prediction[None]
            )
            self.audit.predictions.extend(prediction)
        self._prediction = prediction
        mid = row["mid"].item()
        if mid == mid:
            self._mid = mid
        self._mark(row_ns)

    def _mark(self, ns: int) -> None:
        ledger, mid = self.ledger, self._mid
        self.audit.equity.append((ns, mid, ledger.position_lots, ledger.cash, ledger.mark(mid), ledger.fees))

    # ----------------------------------------------------------------------------------------------- decisions

    def _market(self) -> Market:
        usable, bid_ticks, bid_lots, ask_ticks, ask_lots = self._pipeline.top()
        return Market(
            self.now_ns, self._pipeline.instrument, usable, bid_ticks, bid_lots, ask_ticks, ask_lots,
            self._row, self._x, self._columns, self._regime[0], self._prediction,
        )  # fmt: skip

    def _decide(self) -> None:
        market = self._market()
        position = Position(self.ledger.position_lots, self.ledger.average_price, self._orders.working)
        try:
            intents: Sequence[Intent] = self._policy.decide(market, position)
        except BtcframeError as error:
            error.where = error.where or f"policy {type(self._policy).__name__}"
            raise
        except Exception as error:
            raise _raised(f"policy {type(self._policy).__name__}", error) from error
        for intent in intents:
            self._handle(intent, market)

    def _handle(self, asked: Intent, market: Market) -> None:
        """One intent through filters and rules to the venue, or to a denial with its reason."""
        intent, denial = self._orders.complete(asked)
        if not denial and intent.action != Action.CANCEL:
            intent, denial = self._ruled(intent, market)
        now_ns, order_id = self.now_ns, intent.order_id
        if intent.action == Action.SUBMIT:
            state = OrderState.DENIED if denial else OrderState.SUBMITTED
            order_id = self._orders.add(intent, now_ns, self._row_ns, self._model, state)
        self.audit.intents.append(
            (
                now_ns, self._row_ns, order_id, intent.ticks, whole(asked.lots), 0 if denial else intent.lots,
                intent.action, intent.side, intent.tif, intent.reduce_only, self._model,
                asked.reason.encode()[:24], denial.encode()[:24],
            )
        )  # fmt: skip
        if denial:
            return
        if intent.action == Action.SUBMIT:
            self._gateway.submit(order_id, intent, now_ns)
        elif intent.action == Action.AMEND:
            self._orders.amending(order_id, intent.ticks, intent.lots)
            self._gateway.amend(order_id, intent.ticks, intent.lots, now_ns)
        else:
            self._orders.canceling(order_id, now_ns)
            self._gateway.cancel(order_id, now_ns)

    def _ruled(self, intent: Intent, market: Market) -> tuple[Intent, str]:
        """What the rules leave of an intent, and the code of the one that vetoed it, if so."""
        mid = market.mid if market.usable else self._mid
        account = self.ledger.view(self._orders.working, mid)
        for name, rule in self._rules.items():
            try:
                verdict = rule.check(intent, account, market)
            except BtcframeError as error:
                error.where = error.where or f"risk.{name}"
                raise
            except Exception as error:
                raise _raised(f"risk rule {name}", error) from error
            if isinstance(verdict, Veto):
                return intent, verdict.code or name
            same = intent._replace(lots=verdict.lots, reduce_only=verdict.reduce_only, reason=verdict.reason)
            if verdict != same or verdict.lots > intent.lots or verdict.reduce_only < intent.reduce_only:
                raise PluginError(
                    f"risk rule {name} made {verdict} of {intent}",
                    where=f"risk.{name}",
                    hint="A rule returns the intent, the same with fewer lots or reduce-only, or a Veto.",
                )
            if verdict.lots <= 0:
                return intent, name
            intent = verdict
        price = intent.ticks * float(market.instrument.tick) or mid
        if (
            not intent.reduce_only
            and market.instrument.size(intent.lots) * price < market.instrument.min_notional
        ):
            return intent, "min_notional"
        return intent, ""

    # ------------------------------------------------------------------------------------------------ the end

    def finish(self, *, flatten: bool = False) -> None:
        """End the session: cancel what works, hear the last reports, mark, and compare with the venue.

        Parameters
        ----------
        flatten : bool
            Sell what is held at the market first. Otherwise the open position is valued at the last mid; what
            closing it would cost is not in the result.

        Raises
        ------
        PluginError
            If the venue leaves an order without a final state, or holds another position than we do.
        """
        if self._row is not None:
            market = self._market()
            for order in self._orders.working:
                if order.state != OrderState.PENDING_CANCEL:
                    self._handle(Intent(Action.CANCEL, order_id=order.order_id, reason="finish"), market)
            self._settle()
            if flatten and (held := self.ledger.position_lots):
                side = -1 if held > 0 else 1
                intent = Intent(
                    Action.SUBMIT, side, abs(held), 0, TimeInForce.IOC, reduce_only=True, reason="finish"
                )
                self._handle(intent, market)
                self._settle()
            self._mark(self.now_ns)
        theirs, ours = self._gateway.reconcile().lots, self.ledger.position_lots
        if theirs != ours:
            raise PluginError(
                f"the venue holds {theirs} lots for us, our fills add up to {ours}",
                where="venue",
                hint="A report was lost or made up: the result of this session cannot be trusted.",
            )

    def close(self) -> None:
        """Close the venue and write down the last records; after an error, too."""
        try:
            self._gateway.close()
        finally:
            self.audit.flush()

    def _settle(self) -> None:
        """Let time pass without events until the venue has answered for every order."""
        nothing = np.empty(0, EVENT)
        deadline = self.now_ns + SETTLE_NS
        while self._gateway.busy and self.now_ns < deadline:
            self.now_ns += NS
            _, reports = self._gateway.advance(nothing, self.now_ns)
            self._hear(reports)
        if left := self._orders.working:
            raise PluginError(
                f"the venue leaves {len(left)} orders without a final state, first {left[0]}", where="venue"
            )


def _blank(horizons_ns: tuple[int, ...], model: int) -> bytes:
    """PREDICTION[h] that predicts nothing, as bytes."""
    blank = np.zeros(len(horizons_ns), PREDICTION)
    blank["horizon_ns"] = horizons_ns
    blank["model"] = model
    for name in ("mean", "p_up", "low", "high"):
        blank[name] = np.nan
    return blank.tobytes()


def _raised(who: str, error: Exception) -> PluginError:
    return PluginError(
        f"{who} raised {type(error).__name__}: {error}",
        where=type(error).__module__,
        next="Its traceback: hydra.verbose=true",
    )
