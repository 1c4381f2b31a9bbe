"""Fees, funding, the smallest order, inverse contracts, and a session that goes on with what it held."""

from __future__ import annotations

from decimal import Decimal

import pytest
from venue_by_hand import END, INSTRUMENT, MS, NOTHING, Session, depth, events, snapshot, trade

from btcframe.types import Instrument, Kind, OrderReason, OrderState, TimeInForce

A, F, R = OrderState.ACCEPTED, OrderState.FILLED, OrderState.REJECTED
IOC = TimeInForce.IOC
FUNDED = INSTRUMENT._replace(funding_ns=100 * MS)
INVERSE = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal("1"), "inverse")


def ticking(*stamps: int) -> list[object]:
    return [depth(at, 1, 900, at) for at in stamps]


@pytest.mark.parametrize(
    ("side", "bps", "receives", "amount"),
    [
        # 6 lots of 0.001 at a mid of 1001 ticks of 0.1: 0.6006 quote
        (1, 1.0, False, 0.6006e-4),
        (-1, 1.0, False, 0.0),  # what would be paid to us is not, unless it is asked for
        (-1, 1.0, True, -0.6006e-4),
        (-1, -2.0, False, 1.2012e-4),
        (1, -2.0, True, -1.2012e-4),
    ],
)
def test_funding_is_paid_by_the_position(side: int, bps: float, receives: bool, amount: float) -> None:
    session = Session(FUNDED, funding_bps=bps, receive_funding=receives)
    session.submit(1, side, 6, tif=IOC)
    session.go(220, *ticking(50, 101, 150, 220))
    settled = [
        (100, 6 * side, pytest.approx(amount, rel=1e-12)),
        (200, 6 * side, pytest.approx(amount, rel=1e-12)),
    ]
    assert session.funding == settled


def test_funding_is_of_what_is_held_at_that_moment() -> None:
    session = Session(FUNDED)
    session.submit(1, 1, 6, tif=IOC)
    session.submit(89, -1, 2, tif=IOC, order_id=2)  # there at 99
    session.submit(90, -1, 2, tif=IOC, order_id=3)  # at 100: requests are first
    session.submit(91, -1, 1, tif=IOC, order_id=4)
    session.go(220, *ticking(99, 101, 180))
    assert [f[:2] for f in session.funding] == [(100, 2), (200, 1)]
    assert session.gateway.reconcile().lots == 1


def test_funding_is_known_after_the_market_data_of_its_moment() -> None:
    """It is settled at 100; what we receive at 120 happened at 90, at 140 at 110."""
    session = Session(FUNDED, feed_latency="30ms")
    session.submit(1, 1, 6, tif=IOC)
    session.go(120, *ticking(120))
    taken, reports = session.gateway.advance(depth(140, 1, 900, 1), 140 * MS)
    assert (taken, reports.funding["ns"].tolist()) == (0, [120 * MS + 1])


def test_nobody_pays_funding_while_flat_or_on_a_spot_market() -> None:
    session = Session(FUNDED)
    session.go(420, *ticking(101, 201))
    spot = Session(FUNDED._replace(contract="spot"))
    spot.submit(1, 1, 6, tif=IOC)
    spot.go(420, *ticking(101, 201))
    assert session.funding == spot.funding == []


def test_funding_alone_does_not_make_the_venue_busy() -> None:
    """A wake for it would come at another place where events come in other chunks."""
    session = Session(FUNDED)
    session.submit(1, 1, 6, tif=IOC)
    session.go(30)
    session.gateway.advance(depth(101, 1, 900, 1), 101 * MS)
    assert not session.gateway.busy


def test_funding_waits_for_a_price() -> None:
    session = Session(FUNDED)
    session.submit(1, 1, 6, tif=IOC)
    session.go(90, *ticking(50))
    gap = events((95, Kind.GAP, 0, 0, 0, END))
    session.go(149, gap, *ticking(110, 149))
    assert session.funding == []
    session.go(200, snapshot(150, {2000: 1}, {2002: 1}), *ticking(151))
    assert session.funding == [(100, 6, pytest.approx(6 * 0.001 * 200.1 * 1e-4))]


def test_the_intervals_of_a_day_without_data_are_all_paid() -> None:
    session = Session(FUNDED)
    session.submit(1, 1, 6, tif=IOC)
    session.go(90, *ticking(50))
    session.go(1_000, *ticking(560))
    assert [f[0] for f in session.funding] == [100, 200, 300, 400, 500, *range(600, 1000, 100)]


# ---------------------------------------------------------------------------------------------------- the limits


def test_an_order_below_the_smallest_value_is_rejected_unless_it_reduces() -> None:
    session = Session(INSTRUMENT._replace(min_notional=0.5))  # 5 lots at 1000 ticks are worth 0.5
    session.submit(1, 1, 4, 1000, order_id=1)
    session.submit(2, 1, 6, 998, order_id=2)
    session.submit(3, 1, 4, tif=IOC, order_id=3)  # at the market: 0.4008
    session.submit(4, 1, 5, tif=IOC, order_id=4)
    session.submit(5, -1, 1, tif=IOC, order_id=5, reduce_only=True)
    assert [(o[0], o[3]) for o in session.go(60)[0]] == [(1, R), (2, A), (3, R), (4, F), (5, F)]
    assert session.why == [OrderReason.LIMITS, OrderReason.NONE, OrderReason.LIMITS, *2 * [OrderReason.NONE]]
    session.gateway.amend(2, 998, 5, 60 * MS)  # 0.499
    assert session.go(100)[0] == [(2, 80, 0, A)], "the order stands as it was"
    assert session.why == [OrderReason.LIMITS]


# --------------------------------------------------------------------------------------------- inverse contracts


def test_an_inverse_contract_pays_fees_in_base_coin() -> None:
    session = Session(INVERSE, taker_fee_bps=5.0, maker_fee_bps=2.0)
    session.submit(1, 1, 8, tif=IOC)
    _, reports = session.gateway.advance(NOTHING, 50 * MS)
    # 8 contracts of 1 USD at 501: 8/501 coins
    assert reports.fills["fee"].tolist() == pytest.approx([8 / 501 * 5e-4], rel=1e-12)
    session.submit(50, 1, 5, 1000, order_id=2)
    session.go(70)
    _, reports = session.gateway.advance(trade(80, -1, 999, 5), 100 * MS)
    assert reports.fills["fee"].tolist() == pytest.approx([5 / 500 * 2e-4], rel=1e-12)


def test_an_inverse_contract_pays_funding_in_base_coin() -> None:
    session = Session(INVERSE._replace(funding_ns=100 * MS), funding_bps=1.0)
    session.submit(1, 1, 8, tif=IOC)
    session.go(120, *ticking(101))
    assert session.funding == [(100, 8, pytest.approx(8 / 500.5 * 1e-4, rel=1e-12))]


def test_the_smallest_value_of_an_inverse_contract_is_in_contracts() -> None:
    session = Session(INVERSE._replace(min_notional=5.0))
    session.submit(1, 1, 4, 1000, order_id=1)
    session.submit(2, 1, 5, 1000, order_id=2)
    assert [(o[0], o[3]) for o in session.go(60)[0]] == [(1, R), (2, A)]


# -------------------------------------------------------------------------------------------------- it goes on


def test_a_session_goes_on_with_what_it_held() -> None:
    session = Session(FUNDED, held=-6)
    assert session.gateway.reconcile().lots == -6
    session.submit(1, 1, 9, tif=IOC, reduce_only=True)
    orders, _ = session.go(60)
    assert orders[0][2] == 6
    assert session.gateway.reconcile().lots == 0
