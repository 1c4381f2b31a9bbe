"""A trader in the middle of a market, with something to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from small_trader import EVENTS, Script, trader

from btcframe.api import Account, Action, Intent, Market, Position, Stop, Veto
from btcframe.trading.trader import Trader
from btcframe.types import EventArray, TimeInForce

HALF = len(EVENTS) // 2
FAR = 5000


def rest_and_hold(market: Market, position: Position) -> Sequence[Intent]:
    """Long 5 lots, with an order far below that would add, and a reduce-only one far above."""
    out = []
    if not position.lots and not position.working:
        out.append(Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC, reason="take"))
    if position.lots and not any(o.side > 0 for o in position.working):
        out.append(Intent(Action.SUBMIT, 1, 5, int(market.bid_ticks[0]) - FAR, reason="add"))
    if position.lots and not any(o.side < 0 for o in position.working):
        out.append(
            Intent(Action.SUBMIT, -1, 5, int(market.ask_ticks[0]) + FAR, reduce_only=True, reason="out")
        )
    return out


HOLD = Script(rest_and_hold)


@dataclass(frozen=True)
class Limit:
    """A rule that calls functions."""

    stops: Callable[[Account, Market], Stop | None] = lambda account, market: None
    checks: Callable[[Intent, Account, Market], Intent | Veto] = lambda intent, account, market: intent

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        return self.checks(intent, account, market)

    def stop(self, account: Account, market: Market) -> Stop | None:
        return self.stops(account, market)


def later(subject: Trader, since: int = HALF) -> Trader:
    """Let the rest of the market come."""
    subject.consume(EVENTS[since:])
    return subject


def begun(policy: Any = HOLD, *, events: EventArray = EVENTS, **settings: Any) -> Trader:
    """A trader in the middle of the market."""
    subject = trader(policy, **settings)
    subject.consume(events[:HALF])
    return subject


def after(subject: Trader, name: str, ns: int) -> Any:
    table = getattr(subject.audit, name).records
    return table[table["ns"] > ns]
