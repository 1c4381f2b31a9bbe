from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from driven import CLOCK, Collected, Running, drive, pipeline, property_test, rows_of
from event_streams import (
    INSTRUMENT,
    PERIOD,
    START,
    chunkings,
    depth,
    gap,
    ladder,
    message,
    snapshot,
    streams,
    to_events,
    trade,
)
from hypothesis import given
from hypothesis import strategies as st
from naive_rows import NaiveRows

from btcframe.api import Wake, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import ROW, EventArray, Kind, RowArray, RowFlag


def assert_rows_equal_naive(rows: RowArray, naive: NaiveRows) -> None:
    assert len(rows) == len(naive.rows)
    for got, want in zip(rows, naive.rows, strict=True):
        for field in ROW.names:
            np.testing.assert_array_equal(got[field], want[field], err_msg=f"{field} of row {want['row_ns']}")


# ------------------------------------------------------------------------------------- against the reference


@property_test
@given(streams())
def test_rows_are_those_of_the_naive_reference(events: EventArray) -> None:
    naive = NaiveRows(INSTRUMENT, PERIOD)
    for event in events:
        naive.feed(event)
    out = Collected()
    drive(pipeline(), events, out)
    assert_rows_equal_naive(out.all_rows, naive)


def test_random_walk_against_the_naive_reference() -> None:
    feed = RandomWalk(duration="3m", rate=20.0, volatility=1.0).open(seed=7)
    naive = NaiveRows(feed.instrument, 10**9)
    p = Pipeline(feed.instrument, TimeClock("1s"), {}, Running("regime_"))
    out = Collected()
    for batch in feed:
        drive(p, batch.events, out)
        for event in batch.events:
            naive.feed(event)
    assert 178 <= len(out.all_rows) <= 180
    assert not (out.all_rows["flags"][1:] & (RowFlag.CROSSED | RowFlag.GAP | RowFlag.THIN)).any()
    assert_rows_equal_naive(out.all_rows, naive)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["usdm_btcusdt_20240718.gz", "usdm_btcusdt_20230404.dat.gz", "spot_btcusdt_20240808.gz"])  # fmt: skip
def test_recorded_session_against_the_naive_reference(name: str, market_data: Path) -> None:
    feed = BinanceRaw(paths=(str(market_data / "raw-binance" / name),), batch=500).open(seed=0)
    naive = NaiveRows(feed.instrument, 10**8)
    p = Pipeline(feed.instrument, TimeClock("100ms"), {}, Running("regime_"))
    out = Collected()
    consumed = 0
    for batch in feed:
        drive(p, batch.events, out)
        for event in batch.events:
            naive.feed(event)
        consumed += len(batch.events)
        if consumed > 4_000:
            break
    assert len(out.all_rows) > 10
    assert_rows_equal_naive(out.all_rows, naive)


# ------------------------------------------------------------------------------------------ one path, any size


@property_test
@given(st.data(), streams(), st.sampled_from([1, 3, 65536]))
def test_any_chunking_gives_the_same_bits(data: st.DataObject, events: EventArray, capacity: int) -> None:
    whole, parts = Collected(), Collected()
    drive(pipeline(), events, whole)
    p = pipeline(capacity=capacity)
    for chunk in data.draw(chunkings(len(events))):
        drive(p, events[chunk], parts)
    assert parts.bits() == whole.bits()


@property_test
@given(st.data(), streams(), st.booleans(), st.sampled_from([0, 70]))
def test_wakes_do_not_change_the_rows(
    data: st.DataObject, events: EventArray, best: bool, timer_ns: int
) -> None:
    whole, parts = Collected(), Collected()
    drive(pipeline(), events, whole)
    p = pipeline(Wakes(best=best, timer_ns=timer_ns))
    for chunk in data.draw(chunkings(len(events))):
        drive(p, events[chunk], parts)
    assert all(len(rows) <= 1 for rows in parts.rows)
    assert parts.bits() == whole.bits()


@property_test
@given(st.data(), streams(), st.booleans(), st.sampled_from([None, Wakes(), Wakes(best=True, timer_ns=70)]))
def test_restart_from_saved_memory_gives_the_same_bits(
    data: st.DataObject, events: EventArray, in_the_middle: bool, wakes: Wakes | None
) -> None:
    whole, parts = Collected(), Collected()
    drive(pipeline(wakes), events, whole)
    at = data.draw(st.integers(0, len(events)))
    first = pipeline(wakes)
    if in_the_middle:  # saved at a wake, part of the array not consumed
        at, _ = first.push(events, 0)
        parts.take(first)
    else:
        drive(first, events[:at], parts)
    memory = first.save()
    second = pipeline(wakes)
    second.restore(memory)
    assert second.now_ns == first.now_ns
    drive(second, events[at:], parts)
    assert parts.bits() == whole.bits()


@property_test
@given(st.data(), streams(), st.booleans())
def test_what_a_gate_takes_back_was_never_seen(data: st.DataObject, events: EventArray, best: bool) -> None:
    wakes = Wakes(best=best, timer_ns=70)
    free, gated = Collected(), Collected()
    plain = drive(pipeline(wakes), events, free)
    p = pipeline(wakes)
    seen: list[EventArray] = []

    def gate(part: EventArray, until_ns: int) -> tuple[int, bool]:
        assert until_ns == p.now_ns
        taken = data.draw(st.integers(0, len(part))) if data.draw(st.booleans()) else len(part)
        if taken == 0 and len(part):
            taken = 1  # a venue that reports has consumed something: no standing still
        seen.append(part[:taken].copy())
        return taken, data.draw(st.booleans()) if taken else False

    with_gate = drive(p, events, gated, gate)
    assert gated.bits() == free.bits()
    assert np.concatenate([np.empty(0, events.dtype), *seen]).tobytes() == events.tobytes()
    others = [(at, wake & ~Wake.ORDER, now, rows) for at, wake, now, rows in with_gate]
    assert [w for w in others if w[1]] == plain


def test_a_gate_that_stops_short_leaves_the_book_of_that_moment() -> None:
    events = to_events(
        snapshot(START + 1, *ladder()),
        depth(START + 1, (1, 1000, 5)),
        depth(START + 2, (1, 1000, 7)),
        gap(START + 3),
    )
    p = pipeline(Wakes())
    stop = 52  # snapshot (51 events) and the first depth message

    assert p.push(events, 0, lambda part, until: (stop, False)) == (stop, Wake.ORDER)
    usable, bid_ticks, bid_lots, ask_ticks, _ = p.top()
    assert usable
    assert p.now_ns == START + 1
    assert (bid_ticks[0], bid_lots[0], ask_ticks[0]) == (1000, 5, 1001)
    assert len(bid_ticks) == 20
    assert p.push(events, stop, lambda part, until: (len(part), False)) == (54, Wake.NONE)
    assert not p.top()[0]


# ------------------------------------------------------------------------------------------------------ wakes


def test_a_row_wakes_before_the_item_that_closes_it() -> None:
    events = to_events(
        snapshot(START, *ladder()), depth(START + 250, (1, 1000, 5)), trade(START + 300, 1, 1001, 1)
    )
    p = pipeline(Wakes())
    out = Collected()
    assert drive(p, events, out) == [
        (51, Wake.ROW, START + 250, [START]),
        (51, Wake.ROW, START + 250, [START + 100]),
        (51, Wake.ROW, START + 250, [START + 200]),
    ]
    assert out.all_rows["bid_sz"][:, 0].tolist() == [0.01, 0.01, 0.01]
    assert out.all_rows["flags"].tolist() == [RowFlag.PARTIAL, RowFlag.NO_EVENTS, RowFlag.NO_EVENTS]
    # the trade at +300 stands exactly on the edge: it belongs to the row that ends there
    p.push(to_events(message(Kind.HEARTBEAT, START + 301)))
    assert p.rows["buy_count"].tolist() == [1.0]


def test_best_wakes_after_the_message_and_only_for_prices() -> None:
    events = to_events(
        snapshot(START, *ladder()),
        depth(START, (1, 1000, 5)),  # a size
        depth(START, (1, 1000, 0), (-1, 1001, 0)),  # both bests, one message
        depth(START, (1, 900, 1)),  # far away
        gap(START),
    )
    wakes = drive(pipeline(Wakes(best=True)), events, Collected())
    assert [(at, wake) for at, wake, *_ in wakes] == [(51, Wake.BEST), (54, Wake.BEST), (56, Wake.BEST)]


def test_timer_wakes_once_per_period_however_long_nothing_happened() -> None:
    beats = [message(Kind.HEARTBEAT, START + ns) for ns in (1, 30, 30, 31, 300, 301)]
    p = pipeline(Wakes(timer_ns=30), TimeClock("1s"))
    wakes = drive(p, to_events(*beats), Collected())
    # 1,000,000 = 30 * 33333 + 10: due at +20, +50, …; +300 passes both +20's successors, +320 is not reached
    assert [(at, wake, now - START) for at, wake, now, _ in wakes] == [
        (1, Wake.TIMER, 30),
        (4, Wake.TIMER, 300),
    ]


def test_row_and_timer_at_one_item_are_one_wake() -> None:
    events = to_events(snapshot(START, *ladder()), message(Kind.HEARTBEAT, START + 500))
    wakes = drive(pipeline(Wakes(timer_ns=3000)), events, Collected())
    assert wakes[0][1] == Wake.ROW
    assert not wakes[1][1] & Wake.TIMER
    events = to_events(snapshot(START, *ladder()), message(Kind.HEARTBEAT, START + 1))
    assert drive(pipeline(Wakes(timer_ns=PERIOD)), events, Collected())[0][1] == Wake.ROW | Wake.TIMER


def test_a_full_row_buffer_stops_the_batch() -> None:
    events = to_events(snapshot(START, *ladder()), message(Kind.HEARTBEAT, START + 100 * PERIOD))
    p = pipeline(capacity=30)
    out = Collected()
    wakes = drive(p, events, out)
    assert {wake for _, wake, *_ in wakes} == {Wake.FULL}
    assert np.diff(out.all_rows["row_ns"]).tolist() == [PERIOD] * 99


# ---------------------------------------------------------------------------------------------------- set-up


def test_two_components_with_one_column_are_refused() -> None:
    with pytest.raises(ConfigError, match="features first and second both write a column 'count'"):
        Pipeline(INSTRUMENT, CLOCK, {"first": Running(), "second": Running()}, Running("regime_"))


def test_columns_are_in_the_order_of_the_features() -> None:
    p = Pipeline(INSTRUMENT, CLOCK, {"b": Running("b_"), "a": Running("a_")}, Running("regime_"))
    assert [c.name for c in p.columns] == ["b_count", "b_mid_sum", "a_count", "a_mid_sum"]
    assert [c.name for c in p.regime_columns] == ["regime_count", "regime_mid_sum"]


def test_memory_of_another_pipeline_is_refused() -> None:
    memory = Pipeline(INSTRUMENT, CLOCK, {}, Running("regime_")).save()
    with pytest.raises(ConfigError, match=r"features\.running"):
        pipeline().restore(memory)


def test_a_gate_without_wakes_is_refused() -> None:
    with pytest.raises(ValueError, match="wakes"):
        pipeline().push(to_events(gap(START)), 0, lambda part, until: (0, False))


def test_input_is_untouched() -> None:
    events = RandomWalk(duration="30s").open(seed=1)
    for batch in events:
        before = batch.events.tobytes()
        drive(pipeline(Wakes(best=True), TimeClock("1s")), batch.events, Collected())
        assert batch.events.tobytes() == before


def test_row_edges_are_evenly_spaced_over_a_hole() -> None:
    rows = rows_of(snapshot(START, *ladder()), message(Kind.HEARTBEAT, START + 70_001 * PERIOD))
    assert len(rows) == 70_001
    assert all(b - a == PERIOD for a, b in pairwise(rows["row_ns"].tolist()))
