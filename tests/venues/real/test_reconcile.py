"""Ours against theirs: whatever was missed, taking the comparison in makes them equal, and once is enough."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_venue import START_NS, asked

from btcframe.types import OrderReason, OrderState
from btcframe.venues.real.reconcile import Ours, Theirs, compared
from btcframe.venues.real.records import Asked, Execution, Stand


class History(NamedTuple):
    """What happened at the exchange, and how much of it we had heard when we died."""

    asked: list[Asked]
    arrived: list[bool]
    fills: list[list[int]]  # lots of each order's fills
    final: list[bool]
    heard: list[bool]  # of all fills, in their order
    knew_end: list[bool]
    by_hand: list[int]  # signed lots of a person's trades
    unexplained: int


@st.composite
def histories(draw: st.DrawFn) -> History:
    n = draw(st.integers(0, 5))
    sides = draw(st.lists(st.sampled_from((1, -1)), min_size=n, max_size=n))
    lots = draw(st.lists(st.integers(1, 20), min_size=n, max_size=n))
    orders = [asked(k + 1, sides[k], lots=lots[k]) for k in range(n)]
    arrived = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    fills, final = [], []
    for k in range(n):
        left, parts = lots[k] if arrived[k] else 0, []
        while left and draw(st.booleans()):
            parts.append(draw(st.integers(1, left)))
            left -= parts[-1]
        fills.append(parts)
        final.append(bool(arrived[k]) and (sum(parts) == lots[k] or draw(st.booleans())))
    by_hand = draw(st.lists(st.integers(-9, 9).filter(bool), max_size=3))
    total = sum(map(len, fills)) + len(by_hand)
    heard = draw(st.lists(st.booleans(), min_size=total, max_size=total))
    knew_end = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    unexplained = draw(st.sampled_from((0, 0, 3, -2)))
    return History(orders, arrived, fills, final, heard, knew_end, by_hand, unexplained)


def executions_of(history: History) -> list[Execution]:
    found = []
    for order, parts in zip(history.asked, history.fills, strict=True):
        found += [
            Execution(
                f"{order.link}/{k}",
                order.link,
                "v" + order.link,
                order.side,
                600_000,
                part,
                0.1,
                True,
                START_NS + k,
            )
            for k, part in enumerate(parts)
        ]
    found += [
        Execution(f"hand/{k}", "", "vh", 1 if lots > 0 else -1, 600_000, abs(lots), 0.1, False, START_NS + k)
        for k, lots in enumerate(history.by_hand)
    ]
    return found


@settings(derandomize=True, max_examples=60, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_after_it_ours_is_theirs(history: History, shuffle: object) -> None:
    everything = executions_of(history)
    known = {e.exec_id for e, heard in zip(everything, history.heard, strict=True) if heard}
    signed = {e.exec_id: e.side * e.lots for e in everything}
    stands = {}
    for order, parts, arrived, final in zip(
        history.asked, history.fills, history.arrived, history.final, strict=True
    ):
        if arrived:
            filled = sum(parts)
            state = (
                (OrderState.FILLED if filled == order.lots else OrderState.CANCELED)
                if final
                else (OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED)
            )
            stands[order.link] = Stand(
                order.link,
                "v" + order.link,
                order.side,
                order.ticks,
                order.lots,
                filled,
                state,
                OrderReason.NONE,
                1,
            )
    working = {
        order.link: order
        for order, knew, final in zip(history.asked, history.knew_end, history.final, strict=True)
        if not (knew and final)
    }
    lots = sum(signed.values()) + history.unexplained
    told = [*everything, *everything[:2]]
    shuffle.shuffle(told)  # type: ignore[attr-defined]
    theirs = Theirs(
        tuple(s for s in stands.values() if not s.state.final),
        {link: s for link, s in stands.items() if s.state.final},
        tuple(told),
        lots,
    )
    ours = Ours(working, sum(signed[k] for k in known), known.__contains__)
    plan = compared(ours, theirs)

    taken = [e.exec_id for e in plan.executions]
    assert len(set(taken)) == len(taken) and not known & set(taken)
    assert known | set(taken) == set(signed)  # no fill is missed
    assert ours.position + sum(signed[k] for k in taken) + plan.difference == lots
    assert plan.difference == history.unexplained
    assert [e.venue_ns for e in plan.executions] == sorted(e.venue_ns for e in plan.executions)
    told_of = [s.link for s in plan.stands] + list(plan.unfound)
    assert sorted(told_of) == sorted(working)  # every order of ours is answered for, once
    assert all(stands[s.link] == s for s in plan.stands)
    assert not set(plan.unfound) & set(stands)
    assert plan.others == tuple(s for s in theirs.open if s.link not in working) and plan.persons == ()

    ended = {s.link for s in plan.stands if s.state.final}
    again = compared(
        Ours({k: v for k, v in working.items() if k not in ended}, lots, set(signed).__contains__), theirs
    )
    assert again.executions == () and again.difference == 0  # twice is once


def test_orders_of_others_and_of_persons_are_told_apart() -> None:
    def rests(link: str) -> Stand:
        return Stand(link, "v", 1, 1, 1, 0, OrderState.ACCEPTED, OrderReason.NONE, 0)

    theirs = Theirs((rests("bfother-1"), rests("web-7"), rests("")), {}, (), 0)
    plan = compared(Ours({}, 0, lambda _: False), theirs)
    assert [s.link for s in plan.others] == ["bfother-1"]
    assert [s.link for s in plan.persons] == ["web-7", ""]
