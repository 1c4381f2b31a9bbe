"""One trader for backtest, paper, live and replay: X → prediction → policy → risk → venue.

It is woken by closed rows, by what the policy asks for, and by the venue's reports; between wakes everything runs
in kernels. Source and venue are all that differs from one use to another.

*Architecture Invariant*: nothing here reads a clock, a file or a random number. What goes in is events, promotions,
commands and the venue's reports, so a session log replayed gives the same intents to the bit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from btcframe.api import Account, Gateway, Intent, Market, Policy, Reports, Risk, Stop, TraderState
from btcframe.errors import ConfigError, did_you_mean
from btcframe.models.artefacts import FittedModel
from btcframe.pipeline import Pipeline
from btcframe.trading.account import Ledger
from btcframe.trading.audit import Audit
from btcframe.trading.desk import RECONCILE, Desk
from btcframe.trading.forecasts import Forecasts, Promotion
from btcframe.trading.onlookers import COMMANDS, PROMOTE, STOPPED, Log, Notify, Watch
from btcframe.trading.orders import check_intents
from btcframe.trading.stops import Cause
from btcframe.trading.venue_line import VenueLine
from btcframe.types import ROW, EventArray, RowArray

_MID, _AGE, _QUALITY = (ROW.fields[name][1] for name in ("mid", "age_ns", "quality"))  # type: ignore[index]
_FACTS = struct.Struct(f"<q{_MID - 8}xd{_AGE - _MID - 8}xq{_QUALITY - _AGE - 8}xd")
"""row_ns, mid, age_ns and quality of a ROW's bytes."""


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
    watch : Watch, optional
    contain : bool                    whether it goes on, REDUCING, without a policy, rule or model that raised. Live
                                      it must; a backtest ends, naming it, for its result would be that of a fault.

    Raises
    ------
    ConfigError
        If a rule looks at a feature column that the pipeline does not make.

    Attributes
    ----------
    audit : Audit       everything seen, decided and answered
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
        notify: Notify | None = None,
        watch: Watch | None = None,
        contain: bool = False,
    ) -> None:
        self.audit = audit or Audit()
        self._pipeline, self._gateway, self._policy = pipeline, VenueLine(gateway), policy
        self._log, self._watch = log, watch
        self._columns = tuple(column.name for column in pipeline.columns)
        self._desk = Desk(
            pipeline.instrument, self._gateway, rules, self._columns,
            cash=cash, audit=self.audit, log=log, notify=notify, contain=contain,
        )  # fmt: skip
        regime_columns = tuple(column.name for column in pipeline.regime_columns)
        self._forecasts = Forecasts(self._columns, regime_columns, schedule, horizons_ns)
        self._reports: Reports | None = None
        self._row: Any = None  # the last closed row, and its features
        self._x = np.empty(0)

    def promote(self, model: FittedModel | None, name: str = "", fitted_ns: int = 0, why: str = "") -> None:
        """Predict with another model from the next row on; None: with none. For `why` see `Desk.promoted`.

        Raises
        ------
        ModelError
            When that row closes, if the model was fitted on other columns than the pipeline makes.
        """
        self._forecasts.promote(Promotion(self._desk.row_ns + 1, model, name, fitted_ns, why))

    def command(self, name: str, /, **data: Any) -> None:
        """Do what somebody outside asks for, now: between two calls of `consume`.

        It is logged, so that a replay does it in the same place.

        Parameters
        ----------
        name : str
            reduce: open nothing more; a venue that asks for it gives a `code`. halt: cancel everything, and do nothing
            more. flatten: halt, and close the position. resume: all causes are over; the peak and the day of limits on
            losses start here. contain: switch off a feature or the regime, data `name`, and open nothing more.
        data
            `why`, and `who` asked; `ns`, when, where nothing has been consumed yet

        Raises
        ------
        ConfigError
            If there is no such command, or no such part to switch off.
        """
        if name == STOPPED:
            return  # of a log: the trader's own doing, and it comes to it again
        if name not in COMMANDS:
            raise ConfigError(f"the trader knows no command {name}", hint=did_you_mean(name, COMMANDS))
        desk = self._desk
        desk.now_ns = max(desk.now_ns, self._pipeline.now_ns, data.get("ns", 0))
        desk.version += 1
        if self._log:
            self._log.command(desk.now_ns, name, **data)
        why = " ".join(filter(None, (data.get("why", ""), f"({data['who']})" if data.get("who") else "")))
        if name == "contain":
            self._pipeline.switch_off(data["name"], data.get("why", ""))
            self._check_parts()
        elif name == "resume":
            desk.resume(why)
        elif name == "reduce":
            desk.stop(Stop(TraderState.REDUCING, data.get("code", name), why))
        else:
            desk.flattening = name == "flatten"
            desk.stop(Stop(TraderState.HALTED, "halt", why))
        if self._row is not None:
            desk.enforce(self._market())

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with what `save` gave, before the first event; see `Desk.restore`."""
        self._desk.restore(saved)

    @property
    def now_ns(self) -> int:
        """Local time of the last wake."""
        return self._desk.now_ns

    @property
    def ledger(self) -> Ledger:
        """What is held and what it cost."""
        return self._desk.ledger

    @property
    def state(self) -> TraderState:
        """What it may do."""
        return self._desk.stops.state

    @property
    def stopped(self) -> Cause | None:
        """Why it may not do more, None while it is ACTIVE."""
        return self._desk.stops.gravest

    @property
    def cause(self) -> str:
        """`stopped` in words, "" while it is ACTIVE."""
        return str(self.stopped or "")

    @property
    def position_known(self) -> bool:
        """Whether the venue has not contradicted what our fills add up to."""
        return not self._desk.stops.holds(RECONCILE)

    @property
    def contained(self) -> dict[str, str]:
        """Plugins it goes on without, and why: a feature or the regime by its name, policy, model, risk.NAME."""
        return {**self._pipeline.contained, **self._desk.stops.contained}

    @property
    def counts(self) -> dict[str, int]:
        """What happened how often, see `desk.COUNTS`; the numbers only grow."""
        return self._desk.counts

    @property
    def vetoes(self) -> dict[str, int]:
        """Denials by code."""
        return self._desk.vetoes

    @property
    def differs(self) -> str:
        """How what the venue holds at the end differs from what we do; "" where it does not."""
        return self._desk.differs

    @property
    def version(self) -> int:
        """Goes up whenever `save` would give something else."""
        return self._desk.version

    def save(self) -> dict[str, Any]:
        """What a restart must know, as plain values."""
        return self._desk.save()

    def market(self) -> Market | None:
        """What a policy would see now; None before the first row."""
        return None if self._row is None else self._market()

    def account(self) -> Account:
        """What a rule would see now."""
        return self._desk.account(self._desk.mid)

    def consume(self, events: EventArray) -> None:
        """Let the market move: push events to each wake, hear the venue, decide, send.

        Parameters
        ----------
        events : EVENT[n]     what arrived: one message live, 65k events from a recording; the bits are the same

        Raises
        ------
        PluginError
            If a policy, a rule or a model raises and is not contained, naming it, or the venue contradicts itself.
        """
        pipeline, gateway, desk, watch = self._pipeline, self._gateway, self._desk, self._watch
        at = passed = 0  # events that the pipeline, and the venue, have seen
        while True:
            start, working = at, gateway.busy
            if working and passed < start:
                self._pass_by(events[passed:start])
            at, wake = pipeline.push(events, start, self._gate if working else None)
            if working:
                passed = at
            elif at == len(events) or desk.ledger.position_lots:
                # with nothing there the venue has nothing to say, and sees the market when something is sent to it
                self._pass_by(events[passed:at])
                passed = at
            rows = pipeline.rows
            closed = len(rows) > 0
            if watch:
                if closed:
                    watch.closed()
                else:
                    watch.booked(events, start, at)
            if not wake:
                if at == len(events):
                    return
                continue
            desk.now_ns = pipeline.now_ns
            if self._reports is not None:
                reports, self._reports = self._reports, None
                desk.hear(reports)  # may be later than the last event: it is known before the next
            if closed:
                self._close_row(rows)
            if self._row is not None:
                if self._decide(closed, events[passed:at]):
                    passed = at
                if watch:
                    watch.signalled()

    def _pass_by(self, events: EventArray) -> None:
        """Let the venue see events while no order of ours is there: it can only tell of funding, which wakes nobody."""
        while True:
            taken, reports = self._gateway.advance(events, self._pipeline.now_ns)
            if any(map(len, reports)):
                self._desk.hear(reports)
            if taken == len(events):
                return
            events = events[taken:]

    def _gate(self, events: EventArray, until_ns: int) -> tuple[int, bool]:
        taken, reports = self._gateway.advance(events, until_ns)
        self._reports = reports
        return taken, any(map(len, reports))

    def _close_row(self, rows: RowArray) -> None:
        pipeline, desk, forecasts = self._pipeline, self._desk, self._forecasts
        # the pipeline's own row is gone at the next push; as bytes, since numpy copies and reads records field by field
        raw, x = rows.tobytes(), pipeline.x
        row_ns, mid, age_ns, quality = _FACTS.unpack_from(raw)
        row = np.frombuffer(raw, ROW)
        self._row, self._x = row[0], x[0].copy()
        self._x.setflags(write=False)
        desk.row_ns = row_ns
        desk.counts["rows"] += 1
        if (due := forecasts.due(row_ns)) is not None:
            self._promoted(due)
        failure = ""
        try:
            predicted = forecasts.update(x, pipeline.descriptors, row["row_ns"])
        except Exception as error:  # noqa: BLE001 - whether the session goes on is decided there
            desk.failed("model", error)
            failure = f"{type(error).__name__}: {error}"
        else:
            if predicted:
                self.audit.predictions.extend(forecasts.prediction)
        if self._watch:
            self._watch.predicted(raw, self._x, pipeline.descriptors, forecasts.prediction, failure)
        if fresh := mid == mid:
            desk.mid = mid
        desk.mark(row_ns, quality, age_ns, forecasts.regime, fresh=fresh)

    def _promoted(self, promotion: Promotion) -> None:
        desk, told = self._desk, promotion.told(self._desk.row_ns)
        self.audit.promotions.append(promotion.record(desk.row_ns, desk.now_ns))
        if self._log:
            self._log.command(desk.now_ns, PROMOTE, **told, fitted_ns=promotion.fitted_ns)
        desk.stops.tell("promotion", **told)
        desk.promoted(promotion)

    def _market(self) -> Market:
        pipeline, forecasts = self._pipeline, self._forecasts
        return Market(
            self._desk.now_ns, pipeline.instrument, *pipeline.top(), self._row, self._x, self._columns,
            forecasts.regime, forecasts.prediction, forecasts.regimes, forecasts.fitted_ns,
        )  # fmt: skip

    def _decide(self, closed: bool, unseen: EventArray) -> bool:
        """Ask the policy, and do what it asks for. Returns whether the venue was shown the events it had not seen.

        It is before anything is sent to it: how long that takes may depend on them.
        """
        desk, market = self._desk, self._market()
        desk.counts["wakes"] += 1
        if desk.stops.state:
            desk.expire()
        if closed:
            if self._pipeline.contained:
                self._check_parts()
            desk.ask_to_stop(market)
        intents = self._asked(market) if desk.stops.state != TraderState.HALTED else ()
        shown = len(intents) > 0 and len(unseen) > 0
        if shown:
            self._pass_by(unseen)
        for intent in intents:
            desk.handle(intent, market)
        if desk.stops.state:
            desk.enforce(market)
        return shown

    def _asked(self, market: Market) -> Sequence[Intent]:
        """What the policy wants; nothing where it raised."""
        try:
            intents = self._policy.decide(market, self._desk.position())
            if intents != ():
                check_intents(intents)
        except Exception as error:  # noqa: BLE001 - whether the session goes on is decided there
            self._desk.failed(f"policy {type(self._policy).__name__}", error)
            return ()
        return intents

    def _check_parts(self) -> None:
        """Open nothing on features that are switched off."""
        for name, why in self._pipeline.contained.items():
            self._desk.stop(self._desk.stops.contain(name, why))

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
        desk = self._desk
        if self._row is not None:
            market = self._market()
            for order in desk.position().working:
                desk.cancel(order.order_id, "finish", market)
            desk.settle()
            if flatten and desk.ledger.position_lots:
                desk.close_position("finish", market)
                desk.settle()
            row = self._row
            desk.mark(desk.now_ns, row["quality"], row["age_ns"], self._forecasts.regime, fresh=False)
        desk.compare_with_venue()

    def close(self) -> None:
        """Close the venue and write down the last records; after an error, too."""
        try:
            self._gateway.close()
        finally:
            self.audit.flush()
