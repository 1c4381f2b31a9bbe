"""The verdict on two simulators' fills: what is identical, and the evidence for each cause."""

from __future__ import annotations

import numpy as np
import pytest
from event_streams import depth, gap, ladder, snapshot, to_events

from btcframe.api import Action
from btcframe.types import FILL, EventArray, TimeInForce
from judge import script, verdict
from judge.verdict import Deal

ENTRY, ANSWER = 10, 10
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC


def market(*more: list[tuple]) -> EventArray:
    """25 levels of 10 lots a side, best 1000 and 1001, and what comes then."""
    return to_events(snapshot(100, *ladder()), *more)


def commands(*asked: tuple[int, Action, int, int, int, int]) -> np.ndarray:
    """(ns, action, side, ticks, lots, tif) of order 1."""
    rows = [(ns, 1, ticks, lots, action, side, tif, 0, 0) for ns, action, side, ticks, lots, tif in asked]
    return np.array(rows, script.COMMAND)


def deal(venue_ns: int, ticks: int, lots: int, *, maker: bool = True, order_id: int = 1) -> Deal:
    return Deal(order_id, venue_ns, venue_ns + ANSWER, ticks, lots, 0 if maker else lots, maker)


def judged(
    events: EventArray, asked: np.ndarray, theirs: list[Deal], ours: list[Deal]
) -> tuple[int, list[str]]:
    found = verdict.judge(events, asked, theirs, ours, ENTRY)
    return found.identical, [difference.cause for difference in found.differences]


REST = commands((200, Action.SUBMIT, 1, 1000, 5, GTC))


def test_fills_of_one_moment_are_one_deal() -> None:
    fills = np.zeros(4, FILL)
    fills["order_id"] = 1, 1, 1, 2
    fills["venue_ns"] = 50, 50, 60, 50
    fills["ns"] = fills["venue_ns"] + ANSWER
    fills["ticks"] = 1001, 1002, 1002, 999
    fills["lots"] = 10, 3, 4, 7
    fills["maker"] = 0, 0, 1, 1
    assert verdict.deals(fills) == [
        Deal(1, 50, 60, 1002, 13, 3, False), Deal(1, 60, 70, 1002, 4, 0, True), Deal(2, 50, 60, 999, 7, 0, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("side", "last_lots"), [(1, 7), (-1, 3)])
def test_the_last_level_is_told_as_hftbacktest_tells_it(side: int, last_lots: int) -> None:
    """A buyer's level at the limit and the rest that nobody offers are one fill there, a seller's are two."""
    fills = np.zeros(3, FILL)
    fills["order_id"], fills["venue_ns"], fills["side"] = 1, 50, side
    fills["ticks"], fills["lots"] = (1001, 1002, 1002), (10, 4, 3)
    assert verdict.deals(fills)[0].last_lots == last_lots


def test_equal_deals_are_identical_whatever_their_order() -> None:
    theirs = [deal(300, 1000, 2), deal(400, 1000, 3)]
    assert judged(market(), REST, theirs, theirs[::-1]) == (2, [])


@pytest.mark.parametrize(
    "other",
    [deal(301, 1000, 5), deal(300, 999, 5), deal(300, 1000, 4), deal(300, 1000, 5, maker=False)],
    ids=["time", "price", "quantity", "maker"],
)
def test_what_differs_in_anything_differs(other: Deal) -> None:
    found = verdict.judge(market(), REST, [deal(300, 1000, 5)], [other], ENTRY)
    assert found.identical == 0
    assert set(found.causes) == {""}
    assert found.share == 0.0


def test_a_fill_that_only_one_has_differs() -> None:
    assert judged(market(), REST, [deal(300, 1000, 5)], []) == (0, [""])
    assert judged(market(), REST, [], [deal(300, 1000, 5)]) == (0, [""])


def test_the_share_is_of_all_that_either_has() -> None:
    both = [deal(300, 1000, 1), deal(310, 1000, 1), deal(320, 1000, 1)]
    found = verdict.judge(market(), REST, both, [*both, deal(330, 1000, 1)], ENTRY)
    assert (found.theirs, found.ours, found.identical, found.share) == (3, 4, 3, 0.75)
    assert found.makers == 3


def test_cause_market_order_beyond_a_hundred_ticks() -> None:
    far = market(depth(150, *((-1, ticks, 0) for ticks in range(1002, 1026)), (-1, 1101, 10), (-1, 1102, 10)))
    asked = commands((200, Action.SUBMIT, 1, 0, 15, IOC))
    theirs, ours = [deal(210, 1001, 10, maker=False)], [deal(210, 1101, 15, maker=False)]
    assert judged(far, asked, theirs, ours) == (0, ["market"])
    near = commands((200, Action.SUBMIT, 1, 0, 10, IOC))
    assert judged(far, near, theirs, ours) == (0, [""])  # the first level is enough: no excuse


def test_no_excuse_for_the_rest_of_a_crossing_order() -> None:
    crossing = commands((200, Action.SUBMIT, 1, 1002, 50, GTC))
    theirs, ours = [deal(210, 1002, 50, maker=False)], [deal(210, 1002, 20, maker=False)]
    assert judged(market(), crossing, theirs, ours) == (0, [""])


def test_cause_amendment_that_met_a_fill() -> None:
    asked = commands((200, Action.SUBMIT, 1, 1000, 5, GTC), (300, Action.AMEND, 1, 999, 5, 0))
    met = deal(305, 1000, 2)
    assert judged(market(), asked, [met, deal(400, 999, 5)], [met, deal(400, 999, 3)]) == (1, ["raced"])
    known = deal(285, 1000, 2)  # told of at 295, before the amendment was sent
    assert judged(market(), asked, [known, deal(400, 999, 5)], [known, deal(400, 999, 3)]) == (1, [""])


def test_cause_below_the_deepest_level_known() -> None:
    deep = commands((200, Action.SUBMIT, 1, 975, 5, GTC))
    assert judged(market(), deep, [deal(300, 975, 5)], []) == (0, ["deep"])
    last = commands((200, Action.SUBMIT, 1, 976, 5, GTC))
    assert judged(market(), last, [deal(300, 976, 5)], []) == (0, [""])


def test_cause_no_book() -> None:
    asked = commands((200, Action.SUBMIT, 1, 1000, 5, GTC))
    refused, missed, later = market(gap(205)), market(gap(240), snapshot(260, *ladder())), market(gap(301))
    assert judged(refused, asked, [deal(300, 1000, 5)], []) == (0, ["book"])
    assert judged(missed, asked, [deal(300, 1000, 5)], []) == (0, ["book"])  # a print may have been missed
    assert judged(later, asked, [deal(300, 1000, 5)], []) == (0, [""])
    crossed = market(depth(300, (1, 1001, 3)))
    assert judged(crossed, asked, [deal(300, 1000, 5)], []) == (0, ["book"])


def test_what_follows_in_an_order_has_the_cause_of_its_first_difference() -> None:
    deep = commands((200, Action.SUBMIT, 1, 975, 50, GTC), (600, Action.AMEND, 1, 1000, 50, 0))
    theirs = [deal(300, 975, 20)]
    ours = [deal(500, 975, 20), deal(700, 1000, 30)]
    assert judged(market(), deep, theirs, ours) == (0, ["deep", "deep", "deep"])


def test_the_market_is_looked_at_with_all_that_has_happened() -> None:
    events = market(depth(200, (1, 1000, 4)), depth(200, (-1, 1001, 0)), depth(300, (1, 1000, 0)))
    seen = verdict.look_at(events, {99, 199, 200, 300})
    assert not seen[99].sound
    assert (seen[199].levels[1][1000], seen[200].levels[1][1000]) == (10, 4)
    assert 1000 not in seen[300].levels[1]
    assert (seen[199].offered(1, 1002), seen[200].offered(1, 1002), seen[199].offered(-1, 0)) == (20, 10, 250)
    assert (seen[199].offered(1, 0, 5), seen[199].offered(-1, 0, 5)) == (50, 50)
    assert seen[99].is_below(1, 1000)
