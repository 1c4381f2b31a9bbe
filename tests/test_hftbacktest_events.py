"""Events for hftbacktest: what each becomes, in which order, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from event_streams import SNAPSHOT, depth, gap, snapshot, to_events, trade
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import DataError
from btcframe.hftbacktest_events import HFTBACKTEST_EVENT, to_hftbacktest
from btcframe.types import EventArray, Instrument, Kind

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
VENUE, TRADER, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
WHAT = {1: "depth", 2: "trade", 3: "clear", 4: "snapshot"}


def plain(row: Any) -> tuple[str, int, float, float]:
    """(what, side, price, size) of a row, read as hftbacktest's documentation says."""
    ev = int(row["ev"])
    side = 1 if ev & BUY else -1 if ev & SELL else 0
    return WHAT[ev & 0xFF], side, float(row["px"]), float(row["qty"])


def test_each_event_becomes_its_counterpart() -> None:
    events = to_events(
        snapshot(10, (1, 1000, 5), (-1, 1001, 7)),
        depth(20, (1, 1000, 0), (-1, 1002, 3)),
        trade(30, -1, 1000, 2),
    )
    rows = to_hftbacktest(events, INSTRUMENT)
    assert rows.dtype == HFTBACKTEST_EVENT
    assert [plain(row) for row in rows] == [
        ("clear", 0, 0.0, 0.0),
        ("snapshot", 1, 100.0, 0.005),
        ("snapshot", -1, 100.1, 0.007),
        ("depth", 1, 100.0, 0.0),
        ("depth", -1, 100.2, 0.003),
        ("trade", -1, 100.0, 0.002),
    ]
    assert rows["local_ts"].tolist() == [10, 10, 10, 20, 20, 30] == rows["exch_ts"].tolist()
    assert all(int(ev) & VENUE and int(ev) & TRADER for ev in rows["ev"])


def test_prices_and_sizes_are_what_their_decimal_text_parses_to() -> None:
    instrument = Instrument("BTC/USDT", Decimal("0.01"), Decimal("0.00001"))
    ticks, lots = 6_511_423, 123_457
    rows = to_hftbacktest(to_events(trade(1, 1, ticks, lots)), instrument)
    assert (rows["px"][0], rows["qty"][0]) == (float("65114.23"), float("1.23457"))


def test_what_our_book_does_not_take_is_left_out() -> None:
    events = to_events(
        depth(1, (1, 999, 1)),  # before the first snapshot
        trade(2, 1, 1001, 1),
        snapshot(3, (1, 1000, 5)),
        gap(4),
        depth(5, (1, 1000, 6)),  # lost until the next snapshot
        trade(6, -1, 1000, 1),
        snapshot(7, (1, 1000, 8)),
        depth(8, (1, 1000, 9)),
    )
    what = [(plain(row)[0], int(row["local_ts"])) for row in to_hftbacktest(events, INSTRUMENT)]
    assert what == [
        ("trade", 2), ("clear", 3), ("snapshot", 3), ("clear", 4), ("trade", 6), ("clear", 7), ("snapshot", 7),
        ("depth", 8),
    ]  # fmt: skip


def test_heartbeats_and_messages_that_changed_nothing_are_left_out() -> None:
    events = to_events(snapshot(1, (1, 1000, 5)), trade(2, 1, 1001, 1), trade(3, 1, 1001, 1))
    events["kind"][2:] = Kind.HEARTBEAT, Kind.EMPTY
    assert [plain(row)[0] for row in to_hftbacktest(events, INSTRUMENT)] == ["clear", "snapshot"]


def test_no_events_are_no_rows() -> None:
    assert len(to_hftbacktest(to_events(), INSTRUMENT)) == 0


def stamped(stamps: list[tuple[int, int]]) -> EventArray:
    """Trades with (exch_ts, local_ts), of 1, 2, 3 … lots."""
    events = to_events(*(trade(local, 1, 1000, k + 1) for k, (_, local) in enumerate(stamps)))
    events["exch_ts"] = [exch for exch, _ in stamps]
    return events


def test_two_orders_of_time_are_both_kept() -> None:
    rows = to_hftbacktest(stamped([(5, 10), (3, 11), (9, 12)]), INSTRUMENT, stamps="exchange")
    lots = np.round(rows["qty"] * 1000).astype(int)
    ev = rows["ev"].astype(int)
    assert lots[(ev & TRADER) > 0].tolist() == [1, 2, 3]
    assert lots[(ev & VENUE) > 0].tolist() == [2, 1, 3]
    assert len(rows) == 5  # only the one that both see in its place is a single row


@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5)), max_size=30))
def test_each_side_sees_every_event_once_and_in_its_order(steps: list[tuple[int, int]]) -> None:
    local = np.cumsum([step for _, step in steps]) + 100
    events = stamped([(exch, int(ns)) for (exch, _), ns in zip(steps, local, strict=True)])
    rows = to_hftbacktest(events, INSTRUMENT, stamps="exchange")
    lots = np.round(rows["qty"] * 1000).astype(int)
    trader, venue = (rows["ev"] & TRADER) > 0, (rows["ev"] & VENUE) > 0
    assert lots[trader].tolist() == list(range(1, len(events) + 1))
    by_exchange = sorted(range(len(events)), key=lambda k: int(events["exch_ts"][k]))
    assert lots[venue].tolist() == [k + 1 for k in by_exchange]
    assert (np.diff(rows["exch_ts"][venue]) >= 0).all()
    assert (np.diff(rows["local_ts"][trader]) >= 0).all()


def test_unknown_stamps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stamps: 'exchanges' are unknown\. Did you mean exchange\?"):
        to_hftbacktest(to_events(), INSTRUMENT, stamps="exchanges")


def test_a_feed_without_exchange_stamps_is_refused() -> None:
    with pytest.raises(DataError, match=r"1 of 2 events have no exchange stamp \(the first of local_ts 11\)"):
        to_hftbacktest(stamped([(5, 10), (0, 11)]), INSTRUMENT, stamps="exchange")


def test_events_out_of_order_are_refused() -> None:
    with pytest.raises(DataError, match=r"local_ts goes back from 11 to 10 \(event 1\)"):
        to_hftbacktest(stamped([(1, 11), (2, 10)]), INSTRUMENT)


def test_snapshot_flag_is_not_the_book_s() -> None:
    """A level flagged SNAPSHOT is one, whatever its message: hftbacktest treats both alike."""
    events = to_events(snapshot(1, (1, 1000, 5)), depth(2, (1, 1000, 6), flags=SNAPSHOT))
    assert [plain(row)[0] for row in to_hftbacktest(events, INSTRUMENT)] == ["clear", "snapshot", "snapshot"]
