"""The first order at an exchange: one that rests far from the market, seen, asked for, amended, canceled, and gone.

It goes the way of a session's orders: the venue's journal, its lock, its streams. Beside it a line of its own asks the
exchange, so that what a stream told and what the exchange answers are two things.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from btcframe.api import Action, Gateway, Host, Intent, Reports
from btcframe.doctor.beside import Asking, Seen, beside
from btcframe.doctor.finding import Finding, Level
from btcframe.errors import BtcframeError, ConfigError, DoctorError
from btcframe.plugins import Catalog
from btcframe.types import EVENT, NS, Instrument, OrderReason, OrderState, TimeInForce
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.real.records import link_of

AWAY = 0.05
"""By how much of the best bid the order rests below it: no market of ours moves so far while it stands."""

FURTHER = 0.06
"""By how much it does after the amendment."""

PATIENCE = 15.0
"""Seconds that any step is waited for."""

LOOK = 0.05
"""Seconds between two looks."""

_CLEAN = (
    "Cancel and close it at the exchange itself, or do this again: its start cancels what is ours and works"
)

T = TypeVar("T")


@dataclass
class _Heard:
    """What the venue says while the order lives; from any thread."""

    orders: dict[int, Any] = field(default_factory=dict)
    filled: int = 0
    told: list[str] = field(default_factory=list)  # raw words of the streams
    stops: list[str] = field(default_factory=list)

    def log(self, said: Mapping[str, Any]) -> None:
        if "told" in said:
            self.told.append(str(said["told"]))

    def stop(self, code: str, why: str) -> None:
        self.stops.append(f"{code}: {why}")


def smoke_order(config: Mapping[str, Any], catalog: Catalog) -> Iterator[Finding]:
    """Place the order and look at it in every way there is; a finding for each step, the last says whether anything is left.

    Raises
    ------
    ConfigError
        If the venue sends nothing to anybody, or it is real money and `trade.confirm_live` does not say that it is meant.
    BtcframeError
        If source or venue do not open.
    """
    venue = catalog.build("venue", config["venue"])
    name = config["venue"]["plugin"]
    if not isinstance(venue, Ccxt):
        raise ConfigError(
            f"a smoke order needs a venue that sends orders to an exchange; {name} sends none",
            where="venue",
            next="btcframe doctor --smoke-order venue=ccxt venue.endpoint=testnet source.endpoint=testnet",
        )
    if venue.real and not config["trade"]["confirm_live"]:
        raise ConfigError(
            "this is real money, and nobody has said that it is meant",
            where="trade.confirm_live",
            hint="The order rests far from the market and is canceled at once; it can be filled all the same.",
            next="First the testnet: venue.endpoint=testnet. If it is meant: trade.confirm_live=true",
        )
    with contextlib.closing(catalog.build("source", config["source"]).open(seed=0)) as feed:
        instrument = feed.instrument
    session = f"smoke-{os.urandom(6).hex()}"
    heard = _Heard()
    host = Host(session, time.time_ns, lambda: None, lambda kind, **data: None, heard.log, heard.stop)
    gateway, recovered = venue.connect(instrument, host)
    with contextlib.closing(gateway), asyncio.Runner() as runner:
        line = beside(venue.settings(opening=True), instrument)
        asking = runner.run(line.__aenter__())
        try:
            for note in recovered.notes:
                yield _ok(note)
            held, link = recovered.position.lots, link_of(session, 1)
            smoke = _Smoke(gateway, asking, runner.run, heard, instrument, held, link)
            yield _ok(f"the account is ours: {held:+,} lots of {instrument.symbol} are held")
            yield from smoke.steps()
        finally:
            runner.run(line.__aexit__(None, None, None))


def _ok(said: str) -> Finding:
    return Finding("smoke", Level.OK, said)


@dataclass
class _Smoke:
    """One order's life.

    Parameters
    ----------
    gateway : Gateway
    asking : Asking
    run : callable      an awaitable's result
    heard : _Heard
    instrument : Instrument
    held : int          lots before
    link : str          our id of the order
    """

    gateway: Gateway
    asking: Asking
    run: Callable[[Any], Any]
    heard: _Heard
    instrument: Instrument
    held: int
    link: str

    def steps(self) -> Iterator[Finding]:
        """Everything; where a step fails the rest is to leave nothing behind."""
        try:
            yield from self._life()
        except (BtcframeError, TimeoutError) as error:
            what = error.what if isinstance(error, BtcframeError) else str(error)
            yield Finding(
                "smoke",
                Level.FAIL,
                what,
                "The order is canceled now; then see below whether anything is left",
            )
            yield from self._away()
        yield self._left()

    def _life(self) -> Iterator[Finding]:
        bid = self._ask(self.asking.best_bid())
        if not math.isfinite(bid):
            raise DoctorError("the market has no bid to rest below")
        ticks, further = (
            math.floor(bid * (1 - part) / float(self.instrument.tick)) for part in (AWAY, FURTHER)
        )
        lots = smallest(self.asking, further)
        size, price = self.instrument.size(lots), self.instrument.price(ticks)
        intent = Intent(Action.SUBMIT, 1, lots, ticks, TimeInForce.POST_ONLY, reason="smoke")
        self.gateway.submit(1, intent, time.time_ns())
        self._until(lambda: 1 in self.heard.orders, "the order was sent, and nothing came back")
        yield _ok(
            f"placed: buy {size:g} at {price:g}, post-only, {100 * AWAY:g} % below the bid, as {self.link}"
        )
        self._until(
            lambda: any(self.link in text for text in self.heard.told), "no stream tells of the order"
        )
        yield _ok("seen on the private stream")
        self._must_stand(ticks, lots)
        yield _ok("seen by asking: it works, at the price and of the size that were sent")
        self.gateway.amend(1, further, lots, time.time_ns())
        self._until(lambda: self.heard.orders[1]["ticks"] == further, "the amendment is not heard of")
        self._must_stand(further, lots)
        yield _ok(f"amended to {self.instrument.price(further):g}, heard and seen by asking")
        self.gateway.cancel(1, time.time_ns())
        self._until(
            lambda: OrderState(int(self.heard.orders[1]["state"])).final,
            "the cancel is not heard of",
            ends=True,
        )
        state = OrderState(int(self.heard.orders[1]["state"]))
        if state is not OrderState.CANCELED:
            raise DoctorError(f"the order was to be canceled, and is {state.name.lower()}")
        yield _ok("canceled, and heard of")

    def _away(self) -> Iterator[Finding]:
        """Cancel what may still work, by the other line, too."""
        try:
            self._ask(self.asking.cancel(self.link))
        except BtcframeError as error:  # it may be gone already: what is left is asked for next
            yield Finding("smoke", Level.SKIPPED, f"the cancel was answered: {error.what}")

    def _left(self) -> Finding:
        """Whether anything of it is left, as the exchange answers."""
        try:
            working, held = self._ask(self.asking.working("bf")), self._ask(self.asking.held())
        except BtcframeError as error:
            return Finding("smoke", Level.FAIL, f"what is left cannot be told: {error.what}", _CLEAN)
        if working or held != self.held:
            orders = f"{len(working)} orders work ({', '.join(working)})" if working else "no order works"
            said = f"something is left: {orders}; {held:+,} lots are held, {self.held:+,} were before"
            return Finding("smoke", Level.FAIL, said, _CLEAN)
        return _ok(f"nothing is left: no order of ours works, {held:+,} lots are held as before")

    def _must_stand(self, ticks: int, lots: int) -> None:
        """The exchange answers that the order works so. What it has just confirmed may take it a moment to tell."""
        until = time.monotonic() + PATIENCE
        while (seen := self._ask(self.asking.find(self.link))) != Seen(ticks, lots, 0, True):
            self._listen()
            if time.monotonic() > until:
                raise DoctorError(
                    f"asked for it, the exchange says {seen}; it should be {ticks} ticks, {lots} lots"
                )

    def _until(self, done: Callable[[], bool], otherwise: str, *, ends: bool = False) -> None:
        """Hear what the venue tells until it is so; the order works meanwhile, unless it is to end."""
        until = time.monotonic() + PATIENCE
        while True:
            self._listen(ends=ends)
            if done():
                return
            if self.heard.stops or time.monotonic() > until:
                raise DoctorError("; ".join([otherwise, *self.heard.stops]))

    def _listen(self, *, ends: bool = False) -> None:
        """Hear for a moment. Raises DoctorError where the order was filled, or is over and nobody has canceled it."""
        _, reports = self.gateway.advance(np.empty(0, EVENT), time.time_ns() + int(LOOK * NS))
        self._hear(reports)
        if self.heard.filled:
            raise DoctorError(f"the order was filled: {self.heard.filled} lots")
        order = self.heard.orders.get(1)
        if order is not None and not ends and OrderState(int(order["state"])).final:
            state, why = OrderState(int(order["state"])), OrderReason(int(order["why"]))
            told = "; ".join(
                [f"the order is {state.name.lower()}, reason {why.name.lower()}", *self.heard.stops]
            )
            raise DoctorError(told)

    def _hear(self, reports: Reports) -> None:
        for order in reports.orders:
            self.heard.orders[int(order["order_id"])] = order.copy()
        self.heard.filled += int(reports.fills["lots"].sum())

    def _ask(self, question: Awaitable[T]) -> T:
        answer: T = self.run(question)
        return answer


def smallest(asking: Asking, ticks: int) -> int:
    """The fewest lots of which the exchange takes an order at that price.

    Raises
    ------
    DoctorError
        If it takes none, however large.
    """
    most = 1
    while asking.refusal(ticks, most):
        most *= 2
        if most > 1 << 40:
            raise DoctorError(f"the exchange takes no order at that price: {asking.refusal(ticks, 1)}")
    least = most // 2  # refused, or 0
    while most - least > 1:
        middle = (most + least) // 2
        least, most = (middle, most) if asking.refusal(ticks, middle) else (least, middle)
    return most
