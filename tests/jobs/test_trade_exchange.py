"""`btcframe trade venue=ccxt` on the local exchange with faults: both sides' books, the replay, and the story of an order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from killed_sessions import Killing
from live_sessions import SETTINGS, catalog, place

from btcframe import explain
from btcframe.jobs import replay as replay_job
from btcframe.run import Run
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.types import OrderState

from jobs.small import make_run  # isort: skip

FAULTS = ("reply_lost:create", "accepted_twice:create", "partial_cancel:create", "fill_in_cancel:cancel", "stream_down+300ms")  # fmt: skip


def test_a_session_with_faults_replays_and_both_sides_have_the_same_books(tmp_path: Path) -> None:
    with place(tmp_path, catalog()) as here:
        there = Killing(here, process=None)  # type: ignore[arg-type]
        faults = list(FAULTS)

        def meddle(run: Run, at: float) -> None:
            if faults and at > 0.4 * (len(FAULTS) - len(faults) + 1):
                here.inject(faults.pop(0))

        run = here.session(
            3.5,
            meddle,
            venue=there.venue_node(),
            source={"endpoint": "local"},
            policy={"plugin": "restless"},
            **SETTINGS,
        )
        assert not faults
        recovered = there.recovered()
        said = here.said(run)
    tables = load_tables(run.dir / TABLES)
    results = json.loads((run.dir / "manifest.json").read_text())["results"]["trade"]
    assert results["state"] == "active", results["cause"]
    assert recovered.position.lots == int(tables["equity"]["position_lots"][-1])
    ends = {
        int(order): OrderState(state) for order, state in tables["orders"][["order_id", "state"]].tolist()
    }
    assert all(state.final for state in ends.values()) and len(ends) > 10
    assert len(tables["fills"]) > 3
    assert "Session of BTC/USDT:USDT: source bybit, policy restless, venue ccxt bybit local" in said
    again = make_run(tmp_path, run.catalog, "again", verb="replay", session=str(run.dir))
    assert replay_job.main(again).intents == len(tables["intents"])
    an_order_is_told_with_what_the_exchange_said(run, int(tables["fills"]["order_id"][0]))


def an_order_is_told_with_what_the_exchange_said(run: Run, order: int) -> None:
    told = explain.explain(run.dir, order)
    kinds = [heard.text.split()[0] for heard in told.heard]
    assert {"answer", "order", "execution"} <= set(kinds)
    assert (np.diff([heard.ns for heard in told.heard]) >= 0).all()
    text = explain.describe(told)
    assert "Exchange" in text and "answer to submit" in text
    assert max(map(len, text.splitlines())) <= 80
    assert explain.plain(told)["heard"][0]["raw"]
