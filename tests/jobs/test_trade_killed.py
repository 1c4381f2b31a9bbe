"""`btcframe trade venue=ccxt` on the local exchange, killed in the middle of an order's life, and with faults.

A sample: every step and 200 random kills are tests/drills/test_kill.py, every fault tests/drills/test_exchange_faults.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from killed_sessions import Killing, killing

from btcframe import explain
from btcframe.jobs import replay as replay_job
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.session import RESTORE, SESSION, TABLES
from btcframe.trading.audit import load_tables
from btcframe.types import OrderState

from jobs.small import make_run  # isort: skip

FAULTS = ("reply_lost:create", "accepted_twice:create", "partial_cancel:create", "fill_in_cancel:cancel", "stream_down+300ms")  # fmt: skip


def test_both_sides_have_the_same_books_after_kills_and_faults(tmp_path: Path) -> None:
    with killing(tmp_path) as there:
        for step in ("submit.journaled:4", "cancel.replied:8"):
            assert there.session(30.0, kill_at=step) == -9, there.said()
            held, _ = there.recovered()
        replays(there, whole=False)
        assert there.session(2.5, then=lambda pid: with_faults(there, pid)) == 0, there.said()
        it_went_on_with_what_was_held(there, held)
        replays(there, whole=True)
        assert there.recovered()[0] == int(tables_of(there)["equity"]["position_lots"][-1])
        an_order_is_told_with_what_the_exchange_said(there)


def with_faults(there: Killing, pid: int) -> None:
    """From the first order on everything goes wrong once."""
    there.until_it_orders(pid)
    for fault in FAULTS:
        there.place.inject(fault)


def tables_of(there: Killing) -> Any:
    assert there.last is not None
    return load_tables(there.last / TABLES)


def replays(there: Killing, *, whole: bool) -> None:
    """What a session left gives the same intents, order states and fills again."""
    again = make_run(
        there.place.folder, there.place.catalog, f"again{there.count}", verb="replay", session=str(there.last)
    )
    result = replay_job.main(again)
    assert result.whole is whole and result.intents == len(tables_of(there)["intents"])


def it_went_on_with_what_was_held(there: Killing, held: int) -> None:
    assert there.last is not None
    log = SessionLog(there.last / SESSION)
    first = next(item for item in log if isinstance(item, CommandItem) and item.name == RESTORE)
    assert first.data["ledger"]["position_lots"] == held
    manifest, tables = json.loads((there.last / "manifest.json").read_text()), tables_of(there)
    assert manifest["results"]["trade"]["state"] == "active", manifest["results"]["trade"]["cause"]
    assert manifest["results"]["recovered"]["position_lots"] == held
    states = tables["orders"][["order_id", "state"]].tolist()
    ends = {int(order): OrderState(state) for order, state in states}
    assert all(state.final for state in ends.values()) and len(ends) > 5 and len(tables["fills"])
    assert "Session of BTC/USDT:USDT: source bybit, policy restless, venue ccxt bybit local" in there.said()


def an_order_is_told_with_what_the_exchange_said(there: Killing) -> None:
    assert there.last is not None
    filled = dict.fromkeys(tables_of(there)["fills"]["order_id"].tolist())
    stories = [explain.explain(there.last, order) for order in filled]
    # of some the stream was down
    told = next(
        t for t in stories if {"answer", "order", "execution"} <= {h.text.split()[0] for h in t.heard}
    )
    assert (np.diff([heard.ns for heard in told.heard]) >= 0).all()
    text = explain.describe(told)
    assert "Exchange" in text and "answer to submit" in text
    assert max(map(len, text.splitlines())) <= 80
    assert explain.plain(told)["heard"][0]["raw"]
