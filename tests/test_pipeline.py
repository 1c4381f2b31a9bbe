from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from event_streams import (
    INSTRUMENT,
    NO_FLOW,
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
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_rows import NaiveRows

from btcframe.api import Column, Wake, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import ROW, EventArray, Kind, RowArray, RowFlag

CLOCK = TimeClock(f"{PERIOD}ns")
property_test = settings(max_examples=80, deadline=None, derandomize=True)


class Running:
    """A feature with memory: the number of rows and the sum of valid mids so far."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def columns(self) -> tuple[Column, ...]:
        return Column(f"{self.prefix}count"), Column(f"{self.prefix}mid_sum")

    def state(self, instrument: object) -> np.ndarray:
        return np.zeros(1, [("count", "f8"), ("sum", "f8")])

    def update(self, rows: RowArray, state: np.ndarray, out: np.ndarray) -> None:
        assert np.isnan(out).all()
        assert out.flags.c_contiguous
        for i, row in enumerate(rows):
            state["count"] += 1
            if not np.isnan(row["mid"]):
                state["sum"] += row["mid"]
                out[i, 1] = state["sum"][0]
            out[i, 0] = state["count"][0]


def pipeline(wakes: Wakes | None = None, clock: TimeClock = CLOCK, **kwargs: int) -> Pipeline:
    return Pipeline(INSTRUMENT, clock, {"running": Running()}, Running("regime_"), wakes=wakes, **kwargs)


class Collected:
    """Everything a pipeline put out."""

    def __init__(self) -> None:
        self.rows, self.x, self.descriptors = [], [], []

    def take(self, p: Pipeline) -> None:
        self.rows.append(p.rows.copy())
        self.x.append(p.x.copy())
        self.descriptors.append(p.descriptors.copy())

    def bits(self) -> tuple[bytes, ...]:
        return tuple(b"".join(a.tobytes() for a in part) for part in (self.rows, self.x, self.descriptors))

    @property
    def all_rows(self) -> RowArray:
        return np.concatenate([np.empty(0, ROW), *self.rows])


def drive(p: Pipeline, events: EventArray, into: Collected, gate: Callable | None = None) -> list[tuple]:
    """Push until everything is consumed; returns the wakes as (consumed, wake, now, rows)."""
    wakes = []
    at = 0
    while True:
        at, wake = p.push(events, at, gate)
        into.take(p)
        if wake:
            wakes.append((at, wake, p.now_ns, [int(ns) for ns in p.rows["row_ns"]]))
        elif at == len(events):
            return wakes


def rows_of(*messages: list[tuple]) -> RowArray:
    out = Collected()
    drive(pipeline(), to_events(*messages), out)
    return out.all_rows


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
        if consumed > 8_000:
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


# ------------------------------------------------------------------------------------------------- definitions


def flags(row: np.void) -> RowFlag:
    return RowFlag(int(row["flags"]))


def test_a_price_twice_in_a_message_is_its_net_change() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, (1, 1000, 50), (1, 1000, 7), (-1, 1001, 0), (-1, 1001, 10)),
        message(Kind.HEARTBEAT, START + 101),
    )
    row = rows[1]
    assert (row["rem_bid"], row["rem1_bid"], row["add_bid"], row["changes"]) == (0.003, 0.003, 0.0, 1.0)
    assert row["ofi"][0] == -0.003


def test_a_level_that_only_slides_into_the_ten_is_neither_added_nor_removed() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, (1, 1000, 0)),
        message(Kind.HEARTBEAT, START + 101),
    )
    assert (rows[1]["rem_bid"], rows[1]["add_bid"], rows[1]["changes"]) == (0.01, 0.0, 1.0)


def test_snapshot_over_a_valid_book_makes_no_flow() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        snapshot(START + 1, *ladder(bid=990, ask=995, lots=77)),
        message(Kind.HEARTBEAT, START + 101),
    )
    assert flags(rows[1]) == RowFlag.RESNAPSHOT
    assert not rows[1]["ofi"].any()
    assert (rows[1]["changes"], rows[1]["mid_moves"], rows[1]["messages"]) == (0, 0, 1)
    assert rows[1]["mid"] == 99.25
    assert (rows[1]["mid_low"], rows[1]["mid_high"]) == (99.25, 100.05)


def test_buffered_diffs_make_no_flow() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, (1, 1000, 3), flags=NO_FLOW),
        message(Kind.HEARTBEAT, START + 101),
    )
    assert (rows[1]["rem_bid"], rows[1]["bid_sz"][0]) == (0.0, 0.003)


def test_gap_rows_and_the_row_in_which_the_book_comes_back() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        gap(START + 150),
        depth(START + 250, (1, 1000, 9)),
        trade(START + 260, 1, 1001, 5),
        snapshot(START + 350, *ladder()),
        message(Kind.HEARTBEAT, START + 501),
    )
    assert [flags(r) for r in rows] == [
        RowFlag.PARTIAL,
        RowFlag.NO_EVENTS,
        RowFlag.GAP,
        RowFlag.GAP,
        RowFlag.PARTIAL,
        RowFlag.NO_EVENTS,
    ]
    assert np.isnan(rows["mid"][2:4]).all()
    assert np.isnan(rows["buy_volume"][[2, 3, 4]]).all()
    assert rows["bid_sz"][4, 0] == 0.01


def test_a_snapshot_is_no_book_before_its_end() -> None:
    half = snapshot(START, *ladder())[:-1]
    rows = rows_of(half, message(Kind.HEARTBEAT, START + 500))
    assert len(rows) == 0


def test_a_level_that_rises_into_the_ten_counts_from_what_it_was_before_the_message() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, (1, 988, 2), (1, 1000, 0), (1, 999, 0), (1, 998, 0), (1, 988, 14), (1, 987, 99)),
        message(Kind.HEARTBEAT, START + 101),
    )
    # 988 is the tenth now and went from 10 to 14 in all; 987 is outside of the ten before and after
    assert (rows[1]["add_bid"], rows[1]["rem_bid"], rows[1]["changes"]) == (0.004, 0.03, 4.0)


def test_a_snapshot_begins_the_history_of_the_mid_anew() -> None:
    up, down = (-1, 1001, 0), (-1, 1001, 10)
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, up),
        depth(START + 2, down),
        message(Kind.HEARTBEAT, START + 101),
        depth(START + 102, up),
        snapshot(START + 103, *ladder()),
        depth(START + 104, up),
        depth(START + 105, down),
        message(Kind.HEARTBEAT, START + 201),
    )
    assert rows["mid_moves"][1:].tolist() == [2.0, 3.0]
    # up after down (over the row's edge); after the snapshot only down after up
    assert rows["mid_reversals"][1:].tolist() == [1.0, 2.0]
    fell = rows_of(
        snapshot(START, *ladder(), (-1, 1050, 1)),
        depth(START + 1, up),
        gap(START + 2),
        snapshot(START + 3, *ladder()),
        message(Kind.HEARTBEAT, START + 101),
        depth(START + 102, (1, 1000, 0)),  # down, as the first change
        message(Kind.HEARTBEAT, START + 201),
    )
    assert (fell["mid_moves"][2], fell["mid_reversals"][2]) == (1.0, 0.0)


def test_after_a_gap_there_is_no_mid_until_the_book_has_one() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        gap(START + 1),
        snapshot(START + 2, (1, 1000, 5)),
        message(Kind.HEARTBEAT, START + 101),
        trade(START + 102, 1, 1001, 2),
        message(Kind.HEARTBEAT, START + 201),
    )
    assert flags(rows[2]) == RowFlag.ONE_SIDED | RowFlag.THIN
    assert rows[2]["buy_volume"] == 0.002
    assert np.isnan([rows[2]["signed_cost"], rows[2]["mid_high"], rows[2]["mid_low"]]).all()


def test_crossed_and_one_sided_books_are_flagged() -> None:
    rows = rows_of(
        snapshot(START, *ladder(n=20)),
        depth(START + 1, (1, 1001, 4)),
        trade(START + 2, -1, 1000, 6),
        message(Kind.HEARTBEAT, START + 101),
        depth(START + 102, (1, 1001, 0), *((-1, 1001 + k, 0) for k in range(20))),
        message(Kind.HEARTBEAT, START + 201),
    )
    assert flags(rows[1]) == RowFlag.CROSSED
    assert np.isnan(rows[1]["bid_px"]).all()
    assert rows[1]["sell_volume"] == 0.006
    assert rows[1]["add_bid"] == 0.004
    # the mid is the last one there was: 1000.5 ticks
    assert rows[1]["signed_cost"] == pytest.approx(0.006 * 0.05)
    assert flags(rows[2]) == RowFlag.ONE_SIDED | RowFlag.THIN
    assert rows[2]["bid_px"][0] == 100.0
    assert np.isnan(rows[2]["mid"])


def test_a_message_with_more_changes_than_are_tracked_says_so() -> None:
    # the ten best go and what rises in their place had changed behind more changes than are kept
    deep = [(1, 500 - k, 1) for k in range(1100)]
    big = [(1, 1000 - k, 0) for k in range(10)]
    change = [(1, 985, 99)]
    rows = rows_of(
        snapshot(START, *ladder()),
        depth(START + 1, *deep, *change, *big),
        message(Kind.HEARTBEAT, START + 101),
        depth(START + 102, (1, 990, 3)),
        message(Kind.HEARTBEAT, START + 201),
    )
    assert flags(rows[1]) == RowFlag.FLOW_CUT
    assert np.isnan([rows[1][c] for c in ("add_bid", "add_ask", "rem_bid", "rem1_bid", "changes")]).all()
    assert rows[1]["ofi"][0] == -0.01
    assert flags(rows[2]) == RowFlag(0)
    assert rows[2]["rem_bid"] == 0.007


def test_a_stamp_that_goes_back_belongs_to_the_running_row() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        message(Kind.HEARTBEAT, START + 150),
        trade(START + 50, 1, 1001, 2),
        message(Kind.HEARTBEAT, START + 201),
    )
    assert rows["row_ns"].tolist() == [START, START + 100, START + 200]
    assert rows["buy_volume"][1:].tolist() == [0.0, 0.002]


def test_trades_are_valued_at_the_mid_before_them() -> None:
    rows = rows_of(
        snapshot(START, *ladder()),
        trade(START + 1, 1, 1001, 4),
        depth(START + 1, (-1, 1001, 0)),  # mid 1000.5 → 1001
        trade(START + 2, -1, 1000, 6),
        message(Kind.HEARTBEAT, START + 101),
    )
    row = rows[1]
    assert row["signed_cost"] == pytest.approx(0.004 * 0.05 + 0.006 * 0.1)
    assert (row["buy_notional"], row["sell_notional"]) == (0.004 * 100.1, 0.6)
    assert (row["max_trade"], row["mid_moves"], row["messages"]) == (0.006, 1.0, 3)


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
