"""`btcframe trade` at a venue that is not ours: reports from another thread, what they do, and that a replay repeats it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answering_venue import Elsewhere, Scripted, filled
from live_sessions import SETTINGS, Place, catalog, once, place

from btcframe.api import Action, Intent, Position, Recovered
from btcframe.errors import DataError
from btcframe.jobs import replay as replay_job
from btcframe.plugins import Catalog
from btcframe.run import Run, load_manifest
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.session import RESTORE, SESSION, TABLES
from btcframe.trading.audit import load_tables
from btcframe.types import FILL, OrderState

from jobs.small import make_run  # isort: skip


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture
def here(tmp_path: Path, found: Catalog) -> Iterator[Place]:
    with place(tmp_path, found) as at:
        yield at
    Elsewhere.NOW.clear()


def at_it(here: Place, seconds: float = 1.5, **changes: Any) -> Run:
    """A session at the scripted venue."""
    return here.session(seconds, venue={"plugin": "real"}, **SETTINGS, **changes)


def replayed(run: Run) -> int:
    """Replay a session; how many intents it had. Raises where anything differs."""
    again = make_run(
        run.dir.parent, run.catalog, f"{run.dir.name}-again", verb="replay", session=str(run.dir)
    )
    return replay_job.main(again).intents


def commands(run: Run, name: str) -> list[dict[str, Any]]:
    log = SessionLog(run.dir / SESSION)
    return [item.data for item in log if isinstance(item, CommandItem) and item.name == name]


def now() -> Scripted:
    return Elsewhere.NOW["gateways"][-1]


def test_a_session_trades_there_and_replays_without_it(here: Place) -> None:
    """States come before their fills, funding while nothing works; the account is the exchange's."""
    held = Position(20, 59_000.0)
    Elsewhere.NOW["recovered"] = Recovered(
        held, 50_000.0, np.zeros(1, FILL), ("1 fill was missed: it is 20 lots",)
    )
    run = at_it(here, then=once(0.6, lambda: now().pay(1.25)))
    tables, results = load_tables(run.dir / TABLES), load_manifest(run.dir)["results"]
    assert len(tables["fills"]) >= 3
    assert tables["funding"]["amount"].tolist() == [1.25]
    assert tables["stops"][["code", "why"]].tolist() == []
    states = [
        OrderState(state) for state in tables["orders"]["state"][tables["orders"]["order_id"] == 1].tolist()
    ]
    assert states == [OrderState.SUBMITTED, OrderState.ACCEPTED, OrderState.FILLED]
    assert tables["equity"]["position_lots"][0] == 20
    [restored] = commands(run, RESTORE)
    assert restored["ledger"]["average_ticks"] == 590_000
    assert results["recovered"]["notes"] == ["1 fill was missed: it is 20 lots"]
    assert commands(run, "venue")[0]["what"] == "recovered"
    assert commands(run, "held") == [{"lots": now().held}]
    said = here.said(run)
    assert "Session of BTC/USDT:USDT" in said and "Paper" not in said
    assert "the exchange's, +20 lots held, worth 51,180.00" in said
    assert replayed(run) == len(tables["intents"]) > 3
    assert len(Elsewhere.NOW["gateways"]) == 1, "a replay asked the venue"


def test_what_nobody_knows_of_only_reduces_and_survives_the_end(here: Place) -> None:
    """A fill of a stranger's order, a stop that the venue asks for, and a position that differs at the end."""

    def strange() -> None:
        gateway = now()
        gateway.fill(99_999, 3, side=1)
        gateway.host.stop("journal", "the disk is full")
        gateway.host.log({"what": "said", "order": 99_999})
        gateway.held += 5  # somebody else trades

    run = at_it(here, then=once(0.6, strange))
    tables = load_tables(run.dir / TABLES)
    codes = [code.decode() for code in tables["stops"]["code"].tolist()]
    assert sorted(codes) == ["journal", "reconcile"]
    assert tables["fills"]["order_id"].tolist().count(99_999) == 1
    told = load_manifest(run.dir)["results"]["trade"]
    assert told["state"] == "reducing"
    assert {"what": "said", "order": 99_999} in commands(run, "venue")
    assert replayed(run) > 0


def test_an_order_that_is_never_answered_is_left_to_the_next_session(here: Place, monkeypatch: Any) -> None:
    """Nor does the exchange say at the end what it holds."""

    def away(gateway: Scripted) -> Position:
        if silent.is_set():
            raise DataError("the exchange does not tell what it holds")
        return Position(gateway.held)

    monkeypatch.setattr(Scripted, "reconcile", away)
    monkeypatch.setattr("btcframe.trading.desk.SETTLE_NS", 1)
    silent = threading.Event()

    def answer(gateway: Scripted, action: Action, order_id: int, intent: Intent | None) -> None:
        if not silent.is_set():
            filled(gateway, action, order_id, intent)

    Elsewhere.NOW["answer"] = answer
    run = at_it(here, then=once(0.4, silent.set))
    told = load_manifest(run.dir)["results"]["trade"]
    assert "without a final state" in told["cause"] and told["state"] == "reducing"
    assert commands(run, "held") == [{"why": "the exchange does not tell what it holds"}]
    assert replayed(run) > 0
