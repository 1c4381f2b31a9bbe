"""Each check of a venue catches the venue that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from btcframe.api import Gateway, Intent, Reports
from btcframe.testing import ContractError, venues
from btcframe.types import EventArray, Instrument, Kind, TimeInForce
from btcframe.venues.sim import Sim


class Bent:
    """The simulated venue, and one thing about it that is not right."""

    def __init__(self, inner: Gateway, bend: Any) -> None:
        self.inner, self.bend = inner, bend

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        bend = getattr(self.bend, "intent", lambda intent: intent)
        self.inner.submit(order_id, bend(intent), now_ns)

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        if not hasattr(self.bend, "deaf"):
            self.inner.amend(order_id, ticks, lots, now_ns)

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        bend = getattr(self.bend, "events", lambda events: events)
        taken, reports = self.inner.advance(bend(events.copy()), until_ns)
        return taken, getattr(self.bend, "reports", lambda reports: reports)(reports)


@dataclass(frozen=True)
class BentVenue:
    """Opens the simulated venue, bent."""

    bend: Any

    def open(self, instrument: Instrument, *, seed: int, held: int = 0) -> Gateway:
        return Bent(Sim(latency="10ms").open(instrument, seed=seed), self.bend)  # type: ignore[return-value]


class PassesLimits:
    def intent(self, intent: Intent) -> Intent:
        return intent._replace(ticks=intent.ticks + 3) if intent.tif != TimeInForce.FOK else intent


class KeepsIoc:
    def intent(self, intent: Intent) -> Intent:
        return intent._replace(tif=TimeInForce.GTC) if intent.tif == TimeInForce.IOC else intent


class FillsSomeOfFok:
    def intent(self, intent: Intent) -> Intent:
        return intent._replace(tif=TimeInForce.IOC) if intent.tif == TimeInForce.FOK else intent


class TakesPostOnly:
    def intent(self, intent: Intent) -> Intent:
        return intent._replace(tif=TimeInForce.GTC)


class Opens:
    def intent(self, intent: Intent) -> Intent:
        return intent._replace(reduce_only=False)


class Deaf:
    deaf = True


class FillsAtTheTouch:
    def events(self, events: EventArray) -> EventArray:
        trades = events["kind"] == Kind.TRADE
        events["ticks"][trades] += events["side"][trades]
        return events


class BlindToGaps:
    def events(self, events: EventArray) -> EventArray:
        events["kind"][events["kind"] == Kind.GAP] = Kind.EMPTY
        return events


class Clairvoyant:
    def reports(self, reports: Reports) -> Reports:
        for table in reports:
            table["ns"] += 10**9
        return reports


@pytest.mark.parametrize(
    ("bend", "check", "message"),
    [
        (PassesLimits(), venues.check_limits, "an order to buy at 600002 at most is filled at"),
        (KeepsIoc(), venues.check_limits, "an IOC order that is not filled in whole"),
        (FillsSomeOfFok(), venues.check_limits, "a FOK order larger than the book"),
        (TakesPostOnly(), venues.check_post_only, "a post-only order that crosses"),
        (Opens(), venues.check_reduce_only, "reduce-only orders filled 100 lots with nothing held"),
        (Deaf(), venues.check_amend, "amended to 150 at 600301, is reported as"),
        (FillsAtTheTouch(), venues.check_queue, "1000 lots were bid where ours joined, 836 were sold"),
        (BlindToGaps(), venues.check_gap, "fills after the book was lost"),
        (Deaf(), venues.check_goes_on, r"open\(held=-7\) holds 0 lots"),
        (Clairvoyant(), venues.check_market_order, "of what is known at"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__) if not isinstance(value, str) else "",
)
def test_what_is_bent_is_caught(bend: Any, check: Callable[[Any], None], message: str) -> None:
    check(Sim(latency="10ms"))
    with pytest.raises(ContractError, match=message):
        check(BentVenue(bend))


def test_a_venue_need_not_take_what_was_held() -> None:
    class Simple:
        def open(self, instrument: Instrument, *, seed: int) -> Gateway:
            raise AssertionError("it is not opened")

    venues.check_goes_on(Simple())
