"""A venue that says again what a log has, however it stands there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from btcframe.api import Intent
from btcframe.errors import DataError
from btcframe.session_log import SessionLog, SessionWriter, records_of
from btcframe.sessions.recorded_venue import Recorded
from btcframe.trading.onlookers import FUNDED, HELD
from btcframe.types import EVENT, FILL, FUNDING, ORDER, EventArray, OrderState, StateArray


def orders(*stamps: int) -> StateArray:
    table = np.zeros(len(stamps), ORDER)
    table["ns"], table["order_id"], table["state"] = stamps, 1, OrderState.ACCEPTED
    return table


def fills(*stamps: int) -> StateArray:
    table = np.zeros(len(stamps), FILL)
    table["ns"], table["order_id"], table["side"], table["lots"] = stamps, 1, 1, 2
    return table


def events(*stamps: int) -> EventArray:
    table = np.zeros(len(stamps), EVENT)
    table["local_ts"] = stamps
    return table


@pytest.fixture
def log(tmp_path: Path) -> SessionLog:
    """Three times something was heard: two moments at once, a payment, and a state; then what is held."""
    path = tmp_path / "session.jsonl.zst"
    with SessionWriter(path, {}) as writer:
        writer.command(0, "venue", told=1)
        writer.fills(fills(10, 20))
        writer.orders(orders(10, 20, 20))
        payment = np.zeros(1, FUNDING)
        payment["ns"], payment["amount"] = 30, 0.1
        writer.command(30, FUNDED, records=records_of(payment))
        writer.orders(orders(40))
        writer.command(50, HELD, lots=9)
    return SessionLog(path)


def test_every_moment_comes_in_its_place_and_whole(log: SessionLog) -> None:
    venue = Recorded(log, 5)
    assert venue.reconcile().lots == 5
    venue.submit(1, Intent(action=1), 0)  # type: ignore[arg-type]
    told = []
    market = events(5, 15, 20, 25, 45)
    at = 0
    while at < len(market):
        taken, reports = venue.advance(market[at:], 45)
        at += taken
        told.append((at, *(table["ns"].tolist() for table in reports)))
    assert told[:4] == [(1, [10], [10], []), (2, [20, 20], [20], []), (4, [], [], [30]), (4, [40], [], [])]
    assert venue.reconcile().lots == 9  # what the venue said then, not 5 + 4
    venue.close()


def test_of_a_session_that_died_its_fills_count(log: SessionLog) -> None:
    venue = Recorded(log, 5)
    venue.advance(events(5, 12), 12)
    assert venue._lots == 7


def test_what_was_not_answered_is_not_answered_again(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "session.jsonl.zst", {}) as writer:
        writer.command(50, HELD, why="the line is down")
    venue = Recorded(SessionLog(tmp_path / "session.jsonl.zst"), 0)
    venue.advance(events(1), 1)
    with pytest.raises(DataError, match="the line is down"):
        venue.reconcile()
