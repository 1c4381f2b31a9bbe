"""What passed between a session and an exchange, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from btcframe.explain.venue import heard, summary
from btcframe.session_log import SessionWriter
from btcframe.sessions.session import SESSION
from btcframe.trading.onlookers import VENUE

FILLED = {"orderStatus": "Filled", "cumExecQty": "0.01", "qty": "0.010", "rejectReason": "EC_NoError", "cancelType": "UNKNOWN"}  # fmt: skip
LATE = FILLED | {
    "orderStatus": "Cancelled",
    "rejectReason": "EC_PostOnlyWillTakeLiquidity",
    "cancelType": "CancelByUser",
}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"what": "reply", "answer": "submit", "outcome": "accepted", "code": "", "said": "", "venue_id": "ab"}, "answer to submit: accepted, its order ab"),
        ({"what": "reply", "answer": "cancel", "outcome": "gone", "code": "110001", "said": "not there"}, "answer to cancel: gone (110001 not there)"),
        ({"what": "refused", "why": "2 USDT are less than 5"}, "not sent: 2 USDT are less than 5"),
        ({"what": "execution", "told": {"execId": "x-1", "execQty": "0.1", "execPrice": "60000"}}, "execution x-1: 0.1 at 60000"),
        ({"what": "order", "told": FILLED}, "order Filled, 0.01 of 0.010 filled"),
        ({"what": "order", "told": LATE}, "order Cancelled, 0.01 of 0.010 filled, EC_PostOnlyWillTakeLiquidity, CancelByUser"),
        ({"what": "executions", "failed": "no line"}, "executions failed: no line"),
        ({"what": "wallet", "told": {"of": "an exchange that we do not know"}}, "wallet"),
        ({}, "a message"),
    ],
)  # fmt: skip
def test_in_a_few_words(said: Mapping[str, Any], told: str) -> None:
    assert summary(said) == told


def test_of_one_order_oldest_first(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / SESSION, {}) as log:
        log.command(3, VENUE, what="refused", order=1, why="too small")
        log.command(4, VENUE, what="refused", order=11, why="too large")
        log.command(5, "reduce", order=1, why="not the venue's")
        log.command(6, VENUE, what="position", told={"size": "1"})
        log.command(7, VENUE, what="executions", order=1, failed="no line")
    told = heard(tmp_path, 1)
    assert [(one.ns, one.text) for one in told] == [
        (3, "not sent: too small"),
        (7, "executions failed: no line"),
    ]
    assert told[0].raw == {"what": "refused", "order": 1, "why": "too small"}
    assert heard(tmp_path, 2) == ()
