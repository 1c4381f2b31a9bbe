"""How often the slow lane writes: between its bounds, sooner and more where the market does more."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.live.pace import Bounds, Pace
from btcframe.types import NS

BOUNDS = Bounds(soonest_ns=NS // 20, latest_ns=NS, least=200, most=4000)


def at_rate(rate: float, pace: Pace | None = None, seconds: int = 60) -> Pace:
    """A pace after a minute of so many items a second, written ten times a second."""
    pace = pace or Pace(BOUNDS)
    for _ in range(10 * seconds):
        pace.wrote(round(rate / 10), NS // 10)
    return pace


def moving(pace: Pace, bps: float, rows: int, seed: int = 1) -> None:
    """Rows of 100 ms whose mid moves by so much either way."""
    draw, start = random.Random(seed), pace._row_ns
    mid = pace._mid if start else 60_000.0
    for n in range(1, rows + 1):
        mid *= 1 + draw.choice((-1, 1)) * bps / 1e4
        pace.row(start + n * NS // 10, mid)


def test_a_quiet_market_waits_for_the_latest_and_a_busy_one_does_not() -> None:
    assert (at_rate(0).flush_ns, at_rate(0).batch) == (BOUNDS.latest_ns, BOUNDS.least)
    assert at_rate(1000).flush_ns == pytest.approx(NS / 5, rel=0.01)
    assert at_rate(1000).batch == pytest.approx(400, rel=0.01), "twice what comes by then"
    assert at_rate(100_000).flush_ns == BOUNDS.soonest_ns
    assert at_rate(100_000).batch == BOUNDS.most


def test_a_wild_market_is_written_sooner_and_a_calm_one_later() -> None:
    usual, wild, calm = (at_rate(500) for _ in range(3))
    for pace, bps in ((usual, 1.0), (wild, 5.0), (calm, 0.2)):
        moving(pace, 1.0, 6000)
        moving(pace, bps, 300, seed=2)
        at_rate(500, pace, 1)
    assert usual.unrest == pytest.approx(1.0, abs=0.1)
    assert wild.unrest > 3 and calm.unrest < 0.5
    assert wild.flush_ns < usual.flush_ns < calm.flush_ns


def test_unrest_is_not_guessed_from_a_few_rows_or_from_none() -> None:
    pace = Pace(BOUNDS)
    moving(pace, 50.0, 100)
    assert pace.unrest == 1.0
    pace.row(11 * NS, float("nan"))
    pace.row(11 * NS, 60_000.0)
    assert pace.unrest == 1.0


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-1, 10**11)), max_size=20))
def test_it_never_leaves_its_bounds(writes: list[tuple[int, int]]) -> None:
    pace = Pace(BOUNDS)
    for items, took_ns in writes:
        pace.wrote(items, took_ns)
        assert BOUNDS.soonest_ns <= pace.flush_ns <= BOUNDS.latest_ns
        assert BOUNDS.least <= pace.batch <= BOUNDS.most
