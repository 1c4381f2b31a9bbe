"""A venue that raises or answers what it may not: the session ends or only reduces, and says that it was the venue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, Script, play, trader

from btcframe.api import Action, Intent, Market, Position, Reports, TraderState
from btcframe.errors import ConfigError, PluginError
from btcframe.types import FILL, ORDER


class Around:
    """A gateway of which one method is another's."""

    def __init__(self, gateway: Any, name: str, function: Callable[..., Any]) -> None:
        self._gateway = gateway
        setattr(self, name, lambda *arguments: function(gateway, *arguments))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


def boom(gateway: Any, *arguments: Any) -> None:
    raise RuntimeError("no line")


def ours(gateway: Any, *arguments: Any) -> None:
    raise ConfigError("an error of ours")


def changed(change: Callable[[Reports], Reports]) -> Callable[..., Any]:
    def advance(gateway: Any, *arguments: Any) -> tuple[int, Reports]:
        taken, reports = gateway.advance(*arguments)
        return taken, change(reports)

    return advance


def of_state(state: int) -> Callable[[Reports], Reports]:
    def change(reports: Reports) -> Reports:
        orders = reports.orders.copy()
        orders["state"] = state
        return reports._replace(orders=orders)

    return change


def of_order(order_id: int) -> Callable[[Any], Any]:
    def change(fills: Any) -> Any:
        fills = fills.copy()
        fills["order_id"] = order_id
        return fills

    return change


NOTHING = Reports(np.empty(0, ORDER), np.empty(0, FILL))


@pytest.mark.parametrize("contain", [False, True])
@pytest.mark.parametrize(
    ("name", "function", "says"),
    [
        ("submit", boom, r"^the venue raised RuntimeError in submit: no line \(venue\)"),
        ("amend", boom, "in amend: no line"),
        ("cancel", boom, "in cancel: no line"),
        ("advance", boom, "in advance: no line"),
        ("reconcile", boom, "in reconcile: no line"),
        ("advance", lambda gateway, *_: None, "the venue raised TypeError in advance"),
        ("advance", lambda gateway, events, _: (len(events) + 1, NOTHING), r"took (\d+) of \d+ events, and reports"),
        ("advance", lambda gateway, *_: (0, NOTHING), "the venue took 0 of .* events, and reports nothing"),
        ("advance", lambda gateway, *_: (-1, NOTHING), "the venue took -1 of"),
        ("advance", lambda gateway, *_: (0, Reports(np.zeros(1, FILL), np.empty(0, FILL))), "reports no tables of"),
        ("advance", changed(lambda reports: reports._replace(orders=reports.orders[:0])), "reports nothing"),
    ],
)  # fmt: skip
def test_a_venue_that_is_wrong_is_named(
    name: str, function: Callable[..., Any], says: str, contain: bool
) -> None:
    """Nothing can be gone on with where it is not known what is held."""
    with pytest.raises(PluginError, match=says):
        play(trader(CHASE, wrap=lambda gateway: Around(gateway, name, function), contain=contain))


CONTRADICTIONS = [
    (changed(lambda reports: reports._replace(fills=reports.fills[:0])), "our fills add up to 0"),
    (changed(of_state(77)), r"reports order 1 as state 77, 0 of 5 lots filled"),
    (changed(lambda reports: reports._replace(fills=of_order(9)(reports.fills))), "fills order 9, which is not working"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "says"), CONTRADICTIONS)
def test_a_venue_that_contradicts_itself_ends_a_backtest(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        play(trader(CHASE, wrap=lambda gateway: Around(gateway, "advance", function)))


@pytest.mark.parametrize(("function", "says"), CONTRADICTIONS)
def test_a_session_that_must_go_on_only_reduces_and_says_why(function: Callable[..., Any], says: str) -> None:
    told: list[dict[str, Any]] = []
    session = trader(
        CHASE, wrap=lambda gateway: Around(gateway, "advance", function), contain=True,
        notify=lambda kind, **data: told.append({"kind": kind, **data}),
    )  # fmt: skip
    play(session)
    assert (session.state, session.stopped.code) == (TraderState.REDUCING, "reconcile")
    assert re.search(says, session.cause)
    assert [data["code"] for data in told if data["kind"] == "reducing"] == ["reconcile"]
    assert session.audit.stops.records["code"].tolist() == [b"reconcile"]


def test_a_fill_of_an_order_that_nobody_knows_is_booked_for_it_happened() -> None:
    extra = np.zeros(1, FILL)
    extra["order_id"], extra["side"], extra["lots"], extra["ticks"] = 99, 1, 7, 600_000
    added = [extra]

    def advance(gateway: Any, *arguments: Any) -> tuple[int, Reports]:
        taken, reports = gateway.advance(*arguments)
        if len(reports.orders) and added:
            told = added.pop()
            told["ns"] = reports.orders["ns"][-1]
            reports = reports._replace(fills=np.concatenate([reports.fills, told]))
        return taken, reports

    def idle(market: Market, position: Position) -> list[Intent]:
        return (
            [] if position.last or position.working else [Intent(Action.SUBMIT, 1, 5, 1, reason="far away")]
        )

    session = trader(Script(idle), wrap=lambda gateway: Around(gateway, "advance", advance), contain=True)
    play(session)
    assert session.ledger.position_lots == 7
    assert session.stopped.code == "reconcile"


def test_errors_of_ours_go_through() -> None:
    with pytest.raises(ConfigError, match=r"^an error of ours$"):
        play(trader(CHASE, wrap=lambda gateway: Around(gateway, "submit", ours)))
