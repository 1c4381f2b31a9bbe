from __future__ import annotations

import numpy as np
from event_streams import ladder, snapshot, streams, to_events
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.book import CAPACITY, apply, copy_book, lots_at, new_book, set_level, top
from btcframe.types import EventArray, Kind


def levels(book: np.ndarray, side: int) -> dict[int, int]:
    n = book["n"][0, side]
    sign = 1 if side == 0 else -1
    return dict(
        zip((sign * book["key"][0, side, :n]).tolist(), book["lots"][0, side, :n].tolist(), strict=True)
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-30, 30), st.integers(0, 3)), max_size=120))
def test_levels_are_those_of_a_dictionary(changes: list[tuple[int, int, int]]) -> None:
    book, want = new_book(), ({}, {})
    for side, key, lots in changes:
        old = want[side].pop(key, 0)
        if lots:
            want[side][key] = lots
        assert set_level(book[0], side, key, lots) == old
        n = book["n"][0, side]
        assert book["key"][0, side, :n].tolist() == sorted(want[side])
        assert book["lots"][0, side, :n].tolist() == [want[side][k] for k in sorted(want[side])]
        assert lots_at(book[0], side, key) == lots


@settings(max_examples=60, deadline=None, derandomize=True)
@given(streams())
def test_apply_keeps_the_book_of_the_events(events: EventArray) -> None:
    book = new_book()
    sides, usable, loading = {1: {}, -1: {}}, False, False
    for i, e in enumerate(events):
        apply(book, events, i, i + 1)
        if e["kind"] == Kind.CLEAR:
            sides, loading = {1: {}, -1: {}}, True
        elif e["kind"] == Kind.GAP:
            usable = loading = False
        elif e["kind"] == Kind.DEPTH and (usable or loading):
            sides[int(e["side"])][int(e["ticks"])] = int(e["lots"])
        if loading and e["flags"] & 1 and e["kind"] in (Kind.DEPTH, Kind.CLEAR, Kind.EMPTY):
            usable, loading = True, False
        assert (bool(book["usable"][0]), bool(book["loading"][0])) == (usable, loading)
        for side, sign in ((0, 1), (1, -1)):
            assert levels(book, side) == {p: q for p, q in sides[sign].items() if q}


def test_a_full_side_drops_its_deepest_level_and_counts_it() -> None:
    book = new_book()
    for k in range(CAPACITY):
        set_level(book[0], 0, 10 + 2 * k, 1)
    assert book["dropped"][0] == 0
    set_level(book[0], 0, 13, 5)  # pushes 10 out
    set_level(book[0], 0, 3, 5)  # is itself the deepest
    held = levels(book, 0)
    assert len(held) == CAPACITY
    assert book["dropped"][0] == 2
    assert (held.get(3), held.get(10), held[12], held[13], held[14]) == (None, None, 1, 5, 1)
    assert list(held) == sorted(held)


def test_top_is_best_first_and_sound_only_for_a_whole_uncrossed_two_sided_book() -> None:
    book = new_book()
    out = [np.zeros(3, np.int64) for _ in range(4)]
    events = to_events(snapshot(0, *ladder(n=3)))
    apply(book, events, 0, len(events) - 1)
    assert not top(book, *out)[0]  # the snapshot is not whole
    apply(book, events, len(events) - 1, len(events))
    assert top(book, *out) == (True, 3, 3)
    assert out[0].tolist() == [1000, 999, 998]
    assert out[2].tolist() == [1001, 1002, 1003]
    set_level(book[0], 0, 1001, 1)
    assert not top(book, *out)[0]  # locked
    for key in (998, 999, 1000, 1001):
        set_level(book[0], 0, key, 0)
    assert top(book, *out) == (False, 0, 3)


def test_a_copy_stands_on_its_own() -> None:
    book, other = new_book(), new_book()
    events = to_events(snapshot(0, *ladder()))
    apply(book, events, 0, len(events))
    copy_book(book, other)
    set_level(book[0], 0, 1000, 77)
    assert lots_at(other[0], 0, 1000) == 10
    assert levels(other, 1) == levels(book, 1)
