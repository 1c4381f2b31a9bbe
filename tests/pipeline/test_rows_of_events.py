"""What a row of events is, case by case."""

from __future__ import annotations

import numpy as np
import pytest
from driven import rows_of
from event_streams import (
    NO_FLOW,
    START,
    depth,
    gap,
    ladder,
    message,
    snapshot,
    trade,
)

from btcframe.types import Kind, RowFlag


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
