"""Venue `ccxt` at the local exchange: ccxt unchanged, every fault, and the exchange's own truth at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_venue import FAR, SYMBOL, Local, Session, local, session

from btcframe.types import TimeInForce

pytest.importorskip("ccxt")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    with local() as made:
        yield made


@pytest.fixture(scope="module")
def open_session(exchange: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with session(exchange.at.port, tmp_path_factory.mktemp("journals")) as made:
        yield made


@pytest.fixture
def trading(exchange: Local, open_session: Session) -> Iterator[tuple[Local, Session]]:
    """A session, before and after which nothing works, and at whose end ours is theirs."""
    yield exchange, open_session
    exchange.at.call(exchange.exchange.heal)
    for n, states in open_session.states.items():
        if states[-1][0] in ("ACCEPTED", "PARTIALLY_FILLED"):
            open_session.gateway.cancel(n, 0)
    open_session.until(lambda: not exchange.truth()["open"])
    open_session.until(lambda: sum(open_session.filled.values()) == exchange.lots)
    links = [order["orderLinkId"] for order in exchange.truth()["orders"]]
    assert len(set(links)) == len(links), "an order was sent twice"
    assert open_session.stops == []


def test_an_order_is_placed_amended_and_canceled(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    n = s.submit(tif=TimeInForce.POST_ONLY)
    s.comes_to(n, "ACCEPTED")
    s.gateway.amend(n, FAR - 10, 25, 0)
    s.until(lambda: len(s.states[n]) == 2)
    (order,) = (o for o in exchange.truth()["orders"] if o["orderLinkId"] == f"bf0123456789ab-{n}")
    assert (order["price"], order["qty"], order["timeInForce"]) == ("58999.00", "0.025", "PostOnly")
    s.gateway.cancel(n, 0)
    s.comes_to(n, "CANCELED")
    assert s.last(n) == ("CANCELED", "ASKED")


def test_a_market_order_is_filled_and_the_position_reduced(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    n = s.market(1, 20)
    s.comes_to(n, "FILLED")
    assert s.filled[n] == 20 and s.gateway.reconcile().lots == exchange.lots
    out = s.submit(-1, 15, 0, TimeInForce.IOC, reduce_only=True)
    s.comes_to(out, "FILLED")


def test_a_post_only_order_that_would_take_is_canceled(trading: tuple[Local, Session]) -> None:
    _, s = trading
    n = s.submit(ticks=610_000, tif=TimeInForce.POST_ONLY)
    s.comes_to(n, "CANCELED")
    assert s.last(n) == ("CANCELED", "POST_ONLY")


@pytest.mark.parametrize(
    ("fault", "states"),
    [
        ("reply_lost:create", {"FILLED"}),
        ("request_lost:create", {"REJECTED"}),
        ("accepted_twice:create", {"FILLED"}),
        ("error_10000:create", {"FILLED"}),
        ("error_10016:create", {"FILLED"}),
        ("error_170007:create", {"FILLED"}),
        ("error_170146:create", {"FILLED"}),
        ("error_10016_before:create", {"REJECTED"}),
        ("reject:create", {"REJECTED"}),
        ("partial_cancel:create", {"CANCELED", "FILLED"}),
    ],
)
def test_a_market_order_under_a_fault(trading: tuple[Local, Session], fault: str, states: set[str]) -> None:
    exchange, s = trading
    exchange.inject(fault)
    n = s.market(1, 10)
    s.until(lambda: s.last(n)[0] in states)


@pytest.mark.parametrize("fault", ["reply_lost:create", "accepted_twice:create", "error_10016:create"])
def test_a_resting_order_under_a_fault(trading: tuple[Local, Session], fault: str) -> None:
    exchange, s = trading
    exchange.inject(fault)
    n = s.submit()
    s.comes_to(n, "ACCEPTED")
    assert f"bf0123456789ab-{n}" in [o["orderLinkId"] for o in exchange.truth()["orders"]]


@pytest.mark.parametrize(
    "fault", ["reply_lost:cancel", "request_lost:cancel", "error_10016:cancel", "error_10016_before:cancel"]
)
def test_a_cancel_under_a_fault(trading: tuple[Local, Session], fault: str) -> None:
    exchange, s = trading
    n = s.submit()
    s.comes_to(n, "ACCEPTED")
    exchange.inject(fault)
    s.gateway.cancel(n, 0)
    s.comes_to(n, "CANCELED")


def test_a_fill_beats_the_cancel(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    n = s.submit()
    s.comes_to(n, "ACCEPTED")
    exchange.inject("fill_in_cancel")
    s.gateway.cancel(n, 0)
    s.comes_to(n, "FILLED")
    assert s.filled[n] == 10


@pytest.mark.parametrize("fault", ["reply_lost:amend", "request_lost:amend", "error_10016_before:amend"])
def test_an_amendment_under_a_fault(trading: tuple[Local, Session], fault: str) -> None:
    exchange, s = trading
    n = s.submit()
    s.comes_to(n, "ACCEPTED")
    exchange.inject(fault)
    s.gateway.amend(n, FAR - 50, 30, 0)
    s.until(lambda: len(s.states[n]) >= 2)


def test_fills_while_the_stream_is_down_are_found(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    exchange.inject("stream_down+2s")
    s.until(lambda: any(kind == "venue_down" for kind, _ in s.told))
    n = s.market(-1, 5)
    s.comes_to(n, "FILLED")
    s.until(lambda: any(kind == "venue_up" for kind, _ in s.told))


def test_fills_while_the_stream_is_silent_are_found(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    exchange.inject("stream_silent+3s")
    n = s.market(1, 5)
    s.comes_to(n, "FILLED")


def test_a_slow_answer_changes_nothing(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    exchange.inject("reply_slow+1s*300")
    n = s.market(1, 5)
    s.comes_to(n, "FILLED")


def test_a_clock_that_jumps_is_asked_for(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    exchange.inject("skew*3000")
    n = s.market(1, 5)
    s.comes_to(n, "FILLED")


@settings(derandomize=True, max_examples=50, deadline=None)
@given(ticks=st.integers(1, 10**7), lots=st.integers(1, 100_000))
def test_ccxt_neither_cuts_nor_rounds_what_it_is_given(open_session: Session, ticks: int, lots: int) -> None:
    line = open_session.gateway._office.line
    ccxt, units = line._exchange, line.units
    assert ccxt.price_to_precision(SYMBOL, units.price(ticks)) == units.price(ticks)
    assert ccxt.amount_to_precision(SYMBOL, units.size(lots)) == units.size(lots)


def test_a_size_under_the_minimum_never_leaves(trading: tuple[Local, Session]) -> None:
    exchange, s = trading
    before = len(exchange.truth()["orders"])
    n = s.submit(lots=1, ticks=1000)
    s.comes_to(n, "REJECTED")
    assert s.last(n) == ("REJECTED", "LIMITS") and len(exchange.truth()["orders"]) == before


def test_more_requests_than_the_exchange_takes(trading: tuple[Local, Session]) -> None:
    _, s = trading
    numbers = [s.submit() for _ in range(15)]  # ten a second
    s.until(lambda: all(s.last(n)[0] in ("ACCEPTED", "REJECTED") for n in numbers))
    assert {s.last(n)[1] for n in numbers if s.last(n)[0] == "REJECTED"} <= {"RATE"}
    assert sum(s.last(n)[0] == "ACCEPTED" for n in numbers) >= 10
