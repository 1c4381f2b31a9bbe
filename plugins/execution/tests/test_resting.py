"""The value of a place in the queue, as docs/policies.md defines it."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe_execution.resting import ahead_of, book_of, chance, value

from .books import resting, view


def test_the_chance_of_a_fill() -> None:
    book = book_of(view(lots=30, far_lots=10), 1)
    assert chance(book, 30, 10) == 10 / 50  # a long queue against a thin one: the price will rise
    assert chance(book_of(view(lots=30, far_lots=10), -1), 10, 10) == 30 / 50
    assert chance(book, 0, 10) == 0.5


def test_the_value_of_a_place_as_worked_out_by_hand() -> None:
    # bid 100_000 and 99_998, ask 100_004: mid 100_002, a tick is 1/10.0002 bps
    book = book_of(view(lots=30, far_lots=10, spread=4, gap=2), 1)
    tick = 1e4 / 100_002
    joined = 0.2 * (2 * tick + 5 - 1 * tick - 1.5) - 0.8 * 0.25 * (4 * tick + 5 + 1.5)
    assert math.isclose(value(book, 100_000, 30, 10, 5.0, 1.5, 0.25), joined)
    alone = 0.5 * (1 * tick + 5 - 1.5) - 0.5 * 0.25 * (4 * tick + 5 + 1.5)
    assert math.isclose(value(book, 100_001, 0, 10, 5.0, 1.5, 0.25), alone)
    behind = 10 / 80 * (4 * tick + 5 - 3 * tick - 1.5) - 70 / 80 * 0.25 * (4 * tick + 5 + 1.5)
    assert math.isclose(value(book, 99_998, 60, 10, 5.0, 1.5, 0.25), behind)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    lots=st.integers(1, 500), far=st.integers(1, 500), spread=st.integers(1, 50), gap=st.integers(1, 9),
    mean=st.floats(-20, 20), urgency=st.floats(0, 1), side=st.sampled_from([1, -1]), ahead=st.integers(0, 500),
)  # fmt: skip
def test_the_value_has_the_right_signs(
    lots: int, far: int, spread: int, gap: int, mean: float, urgency: float, side: int, ahead: int
) -> None:
    book = book_of(view(lots=lots, far_lots=far, spread=spread, gap=gap), side)
    mirror = book_of(view(lots=far, far_lots=lots, spread=spread, gap=gap), -side)

    def worth(ahead: int, urgency: float, mean: float = mean) -> float:
        return value(book, book.best, ahead, 10, mean, 2.0, urgency)

    assert math.isclose(
        worth(ahead, urgency), value(mirror, mirror.best, ahead, 10, mean, 2.0, urgency), rel_tol=1e-3, abs_tol=1e-3
    )  # fmt: skip
    assert worth(ahead, 1.0) <= worth(ahead, 0.0)  # what is missed is never a gain
    assert worth(ahead, 1.0, 10.0) <= worth(0, 1.0, 10.0)  # nor is a longer queue


def test_what_is_ahead() -> None:
    market = view(lots=30, far_lots=10, spread=4, gap=2)
    book = book_of(market, 1)
    assert ahead_of(market, book, resting(1, 100_001)) == 0
    assert ahead_of(market, book, resting(1, 100_000, 10)) == 20  # ours may be among the thirty
    assert ahead_of(market, book, resting(1, 99_998, 10, filled=4)) == 54
    assert ahead_of(market, book, resting(1, 90_000, 10)) == 590
