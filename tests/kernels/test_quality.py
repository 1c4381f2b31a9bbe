"""The quality of rows against its plain reference, and what must hold of any such number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from event_streams import INSTRUMENT
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_quality import MS, NaiveQuality

from btcframe.kernels.flow import new_state
from btcframe.kernels.quality import ENOUGH, MEMORY
from btcframe.kernels.rows import take_rows
from btcframe.types import NS, ROW, RowArray, RowFlag

PERIOD = 100 * MS
BOOKLESS = (RowFlag.GAP, RowFlag.CROSSED, RowFlag.ONE_SIDED)
SAID = int(RowFlag.STALE | RowFlag.LATE)
checked = settings(max_examples=60, deadline=None, derandomize=True)


def rows_of(
    n: int, *, age: Any = 10 * MS, latency: Any = 20 * MS, flags: Any = 0, mid: Any = 100.0, stamp: Any = 1
) -> RowArray:
    rows = np.zeros(n, ROW)
    rows["row_ns"] = 1_700_000_000 * NS + PERIOD * np.arange(n)
    rows["age_ns"], rows["latency_ns"], rows["flags"], rows["mid"] = age, latency, flags, mid
    rows["last_exch_ts"] = stamp
    return rows


def scored(rows: RowArray, *sizes: int) -> RowArray:
    """A copy with quality, the rows taken so many at a time."""
    state, done, at = new_state(INSTRUMENT), rows.copy(), 0
    for size in (*sizes, len(rows)):
        take_rows(state, done[at : at + size])
        at += size
    return done


@st.composite
def markets(draw: st.DrawFn) -> RowArray:
    """Rows with bad stretches of every kind, some longer than what is needed to know the usual."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 150))
    age = np.where(rng.random(n) < 0.2, rng.integers(0, 3 * NS, n), rng.integers(0, PERIOD, n))
    skew = draw(st.sampled_from([0, -1_500 * MS, 3_600 * NS]))
    latency = skew + rng.integers(0, draw(st.sampled_from([1, MS, 40 * MS])), n)
    latency[rng.random(n) < 0.1] += rng.integers(0, 5 * NS)
    rows = rows_of(n, age=age, latency=latency, stamp=rng.random(n) < 0.8)
    for flag in (*BOOKLESS, RowFlag.PARTIAL, RowFlag.RESNAPSHOT, RowFlag.THIN, RowFlag.NO_EVENTS):
        rows["flags"][rng.random(n) < draw(st.sampled_from([0.0, 0.02]))] |= int(flag)
    bars = rng.random(n) < draw(st.sampled_from([0.0, 0.1]))
    rows["flags"][bars] |= int(RowFlag.BAR)
    bookless = rows["flags"] & int(sum(BOOKLESS)) != 0
    rows["mid"][bookless] = np.nan
    for at in range(1, n):  # a book message is not forgotten again
        before = rows["row_ns"][at - 1] - rows["age_ns"][at - 1]
        rows["age_ns"][at] = min(rows["age_ns"][at], rows["row_ns"][at] - before)
    return rows


# ---------------------------------------------------------------------------------------------- what always holds


@checked
@given(markets())
def test_it_is_that_of_the_plain_reference_to_the_bit(rows: RowArray) -> None:
    naive = NaiveQuality()
    for row, got in zip(rows, scored(rows), strict=True):
        flags = {flag for flag in RowFlag if row["flags"] & flag}
        plain = {name: row[name].item() for name in ("row_ns", "age_ns", "latency_ns", "last_exch_ts", "mid")}
        quality, added = naive.feed(plain, flags)
        assert (got["quality"], got["flags"]) == (quality, sum(flags | added))


@checked
@given(markets(), st.data())
def test_it_lies_from_0_to_1_is_0_where_there_is_no_mid_and_knows_the_past_only(
    rows: RowArray, data: st.DataObject
) -> None:
    got = scored(rows)
    assert ((got["quality"] >= 0) & (got["quality"] <= 1)).all()
    np.testing.assert_array_equal(got["quality"] == 0, np.isnan(rows["mid"]))
    cuts = data.draw(st.lists(st.integers(0, 60), max_size=4))
    assert scored(rows, *cuts).tobytes() == got.tobytes()
    at = data.draw(st.integers(0, len(rows)))
    later = rows.copy()
    later["latency_ns"][at:] += 7 * NS
    later["flags"][at:] ^= int(RowFlag.RESNAPSHOT)
    assert scored(later)[:at].tobytes() == got[:at].tobytes()


@checked
@given(markets(), st.sampled_from(["age_ns", "latency_ns"]), st.integers(0, 10 * NS))
def test_what_is_older_or_later_is_never_better(rows: RowArray, field: str, more: int) -> None:
    got = scored(rows)
    worse = rows.copy()
    worse[field][-1] += more
    assert scored(worse)["quality"][-1] <= got["quality"][-1]


@checked
@given(markets(), st.integers(-100 * NS, 100 * NS))
def test_a_wrong_clock_costs_nothing(rows: RowArray, skew: int) -> None:
    """Stamps of two clocks: their distance is in every latency."""
    other = rows.copy()
    other["latency_ns"] += skew
    np.testing.assert_allclose(scored(other)["quality"], scored(rows)["quality"], rtol=1e-6)


@checked
@given(markets())
def test_rows_that_were_scored_before_are_scored_the_same(rows: RowArray) -> None:
    once = scored(rows)
    assert scored(once).tobytes() == once.tobytes()


# ------------------------------------------------------------------------------------------------ what lowers it


def test_an_ordinary_market_is_1_throughout() -> None:
    rng = np.random.default_rng(3)
    n = 3000
    got = scored(rows_of(n, age=rng.integers(0, PERIOD, n), latency=5 * MS + rng.exponential(MS, n)))
    assert (got["quality"] == 1).all() and not got["flags"].any()


def test_a_snapshot_costs_half_and_half_as_much_in_every_row_after_it() -> None:
    for flag in (RowFlag.PARTIAL, RowFlag.RESNAPSHOT):
        flags = np.zeros(20, int)
        flags[[4, 12]] = flag
        calm = [1 / 2, 3 / 4, 7 / 8, 15 / 16, 31 / 32, 63 / 64]
        assert (
            scored(rows_of(20, flags=flags))["quality"].tolist() == [1] * 4 + calm + [1] * 2 + calm + [1] * 2
        )


def test_a_book_that_stands_still_is_worth_less_and_less_and_never_becomes_usual() -> None:
    n = 2000
    age = np.where(np.arange(n) < 200, 5 * MS, 5 * MS + PERIOD * (np.arange(n) - 199))
    got = scored(rows_of(n, age=age, latency=0, stamp=0))
    falling = got["quality"][200:]
    assert (np.diff(falling) <= 0).all() and falling[0] == 1  # 105 ms old, where news come every 100 ms
    expected = 80 * MS / (age[200:] - PERIOD)
    np.testing.assert_allclose(falling, np.minimum(expected, 1), rtol=1e-12)
    np.testing.assert_array_equal(got["flags"][200:] == RowFlag.STALE, falling < 1)


def test_one_late_row_tells_and_changes_nothing_a_lasting_delay_becomes_usual() -> None:
    rng = np.random.default_rng(5)
    latency = 10 * MS + rng.exponential(MS, 4000)
    latency[1000] += NS
    latency[2000:] += NS
    got = scored(rows_of(4000, latency=latency))
    late = got["flags"] & int(RowFlag.LATE) != 0
    assert np.flatnonzero(late[:2000]).tolist() == [1000]
    assert got["quality"][1000] == pytest.approx(0.04, rel=0.1)
    assert late[2000:2200].all() and not late[2000 + 2 * MEMORY - 500 :].any()


def test_200_ms_more_are_usual_after_some_750_rows() -> None:
    latency = 10 * MS + np.random.default_rng(6).exponential(MS, 4000)
    latency[2000:] += 200 * MS
    late = np.flatnonzero(scored(rows_of(4000, latency=latency))["flags"] & int(RowFlag.LATE))
    assert late[0] == 2000 and 700 < late[-1] - 2000 < 800


def test_what_came_first_may_have_been_an_exception() -> None:
    """A session's first messages are late: kernels are compiled meanwhile."""
    latency = np.full(200, 10 * MS)
    latency[:7] = 5 * NS
    latency[100] = 200 * MS
    got = scored(rows_of(200, latency=latency))
    assert np.flatnonzero(got["flags"]).tolist() == [100]
    assert got["quality"][100] == 40 / 190


def test_nothing_is_unusual_before_there_is_a_usual() -> None:
    latency = np.full(80, 10 * MS)
    latency[::2] = 9 * NS
    assert (scored(rows_of(80, latency=latency))["quality"][: ENOUGH + 1] == 1).all()


def test_a_row_without_stamps_says_nothing_of_latency() -> None:
    stamp = np.ones(100, int)
    stamp[50] = 0
    latency = np.full(100, 20 * MS)
    latency[50] = 0
    assert (scored(rows_of(100, latency=latency, stamp=stamp))["quality"] == 1).all()


def test_a_bar_has_a_rule_of_its_own() -> None:
    flags = np.full(60, int(RowFlag.BAR))
    flags[40:50] |= int(RowFlag.NO_EVENTS)
    flags[50:52] = int(RowFlag.GAP | RowFlag.NO_EVENTS)
    mid = np.full(60, 100.0)
    mid[50:52] = np.nan
    got = scored(rows_of(60, age=np.arange(60) * 60 * NS, latency=0, stamp=0, flags=flags, mid=mid))
    assert got["quality"].tolist() == [1.0] * 40 + [0.5] * 10 + [0.0] * 2 + [1.0] * 8
    assert not (got["flags"] & SAID).any()
