"""Policies, rules, sources, clocks and venues that break the contract, beside honest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from btcframe.api import Action, Intent, Veto, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.testing import markets
from btcframe.types import NS, OrderState, TimeInForce
from btcframe.venues.sim import Sim


@dataclass(frozen=True)
class HonestPolicy:
    """Buys one lot on a positive prediction."""

    wakes = Wakes()

    def decide(self, market, position) -> Sequence[Intent]:
        if market.usable and market.prediction["mean"][0] > 1.0 and not position.working:
            return (Intent(Action.SUBMIT, 1, 1, int(market.ask_ticks[0])),)
        return ()


@dataclass(frozen=True)
class MutatingPolicy(HonestPolicy):
    """Clears the features it has read."""

    def decide(self, market, position):
        market.x[:] = 0.0
        return super().decide(market, position)


CALLS = []


@dataclass(frozen=True)
class CountingPolicy(HonestPolicy):
    """Trades every second time it is asked."""

    def decide(self, market, position):
        CALLS.append(1)
        return super().decide(market, position) if len(CALLS) % 2 else ()


@dataclass(frozen=True)
class NothingToSend(HonestPolicy):
    """Asks for no lots."""

    def decide(self, market, position):
        return [i._replace(lots=0) for i in super().decide(market, position)]


@dataclass(frozen=True)
class BlindPolicy(HonestPolicy):
    """Buys whatever is known."""

    def decide(self, market, position):
        return () if position.working else (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC),)


@dataclass(frozen=True)
class RestlessPolicy(HonestPolicy):
    """Buys as long as the prediction is good, whatever is on its way."""

    def decide(self, market, position):
        return super().decide(market, position._replace(working=()))


@dataclass(frozen=True)
class CrossingPolicy(HonestPolicy):
    """Rests where it takes."""

    def decide(self, market, position):
        return [i._replace(tif=TimeInForce.POST_ONLY) for i in super().decide(market, position)]


@dataclass(frozen=True)
class CancelingPolicy(HonestPolicy):
    """Cancels everything, again and again."""

    def decide(self, market, position):
        return [Intent(Action.CANCEL, order_id=order.order_id) for order in position.working]


@dataclass(frozen=True)
class IdlePolicy(HonestPolicy):
    """Amends an order to what it is."""

    def decide(self, market, position):
        alive = [o for o in position.working if o.state != OrderState.PENDING_CANCEL]
        return [Intent(Action.AMEND, 0, o.lots, o.ticks, order_id=o.order_id) for o in alive[:1]]


@dataclass(frozen=True)
class UndecidedPolicy(HonestPolicy):
    """Makes an order larger and cancels it."""

    def decide(self, market, position):
        alive = [o for o in position.working if o.state != OrderState.PENDING_CANCEL]
        larger = [
            Intent(Action.AMEND, 0, o.lots + 1, o.ticks - o.side * 20, order_id=o.order_id) for o in alive
        ]
        return larger + [Intent(Action.CANCEL, order_id=o.order_id) for o in alive]


@dataclass(frozen=True)
class WrongWayPolicy(HonestPolicy):
    """Reduces a position by adding to it."""

    def decide(self, market, position):
        if position.working or not position.lots:
            return ()
        return (Intent(Action.SUBMIT, 1 if position.lots > 0 else -1, 1, 0, TimeInForce.IOC, True),)


@dataclass(frozen=True)
class DeepPolicy(HonestPolicy):
    """Looks at the second level of a book that may have one."""

    def decide(self, market, position):
        if market.usable and market.ask_ticks[1] - market.ask_ticks[0] > 1:
            return ()
        return super().decide(market, position)


@dataclass(frozen=True)
class HonestRisk:
    """At most ten lots in an opening order."""

    def check(self, intent, account, market):
        reducing = intent.reduce_only or intent.side * account.position.lots < 0
        if intent.action == Action.CANCEL or reducing or intent.lots <= 10:
            return intent
        return Veto("ten_lots")


@dataclass(frozen=True)
class DoublingRisk(HonestRisk):
    """Doubles small orders."""

    def check(self, intent, account, market):
        answer = super().check(intent, account, market)
        return answer._replace(lots=2 * intent.lots) if isinstance(answer, Intent) and intent.lots else answer


@dataclass(frozen=True)
class LockingRisk(HonestRisk):
    """Vetoes everything."""

    def check(self, intent, account, market):
        return Veto("no")


@dataclass(frozen=True)
class HonestSource:
    """A plain market."""

    instrument = markets.INSTRUMENT

    def open(self, *, seed):
        return Feed(markets.events(2000, seed))

    def fingerprint(self):
        return ""


class Feed:
    instrument = markets.INSTRUMENT

    def __init__(self, events):
        self.events = events

    def __iter__(self):
        from btcframe.api import Batch

        yield Batch(self.events[:700])
        yield Batch(self.events[700:])

    def close(self):
        pass


@dataclass(frozen=True)
class UnseededSource(HonestSource):
    """Another market each time."""

    def open(self, *, seed):
        return Feed(markets.events(2000, np.random.default_rng().integers(1 << 30)))


@dataclass(frozen=True)
class BackwardsSource(HonestSource):
    """Its clock goes back."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        events["local_ts"][1000:] -= NS
        return Feed(events)


@dataclass(frozen=True)
class EarlyClock(TimeClock):
    """Closes a row before anything told it to.

    Parameters
    ----------
    every : str   length of a row
    """

    def cuts(self, events, start, state, out):
        found, seen = super().cuts(events, start, state, out)
        out["row_ns"][:found] += self.period_ns
        return found, seen


class GenerousGateway:
    """Says it holds more than was filled."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def reconcile(self):
        position = self.inner.reconcile()
        return position._replace(lots=position.lots + 1)


@dataclass(frozen=True)
class GenerousVenue:
    """Adds a lot to every position.

    Parameters
    ----------
    latency : str    a duration
    """

    latency: str = "50ms"

    def open(self, instrument, *, seed):
        return GenerousGateway(Sim(latency=self.latency).open(instrument, seed=seed))
