"""The trader: the same decisions however the market arrives, everything accounted for, and a clean end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trader import (
    CASH,
    CHASE,
    EVENTS,
    HORIZONS,
    SCHEDULE,
    START,
    Script,
    first_intents,
    play,
    trader,
)

from btcframe.api import Action, Intent, Market, Position, Reports, Wakes
from btcframe.errors import PluginError
from btcframe.session_log import SessionLog, SessionWriter
from btcframe.trading.audit import fingerprint
from btcframe.trading.differences import first_difference
from btcframe.types import FILL, NS, ORDER, EventArray, OrderState, TimeInForce


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The tables of a session over all events at once."""
    return play(trader(CHASE)).audit.tables()


def test_a_session_trades_and_adds_up() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    subject = play(trader(CHASE, notify=lambda kind, **data: told.append((kind, data))))
    tables = subject.audit.tables()
    intents, orders, fills, equity = (tables[t] for t in ("intents", "orders", "fills", "equity"))
    assert len(fills) > 50
    assert set(fills["maker"]) == {0, 1}
    # every submission has an order, every order ends, and its fills are those reported
    submitted = intents[intents["action"] == Action.SUBMIT]
    assert submitted["order_id"].tolist() == list(range(1, len(submitted) + 1))
    for order_id in submitted["order_id"]:
        states = orders[orders["order_id"] == order_id]
        assert [OrderState(s).final for s in states["state"]] == [False] * (len(states) - 1) + [True]
        assert states["filled_lots"][-1] == fills["lots"][fills["order_id"] == order_id].sum()
        assert len(set(states["row_ns"])) == 1
        assert len(set(states["model"])) == 1
        assert (np.diff(states["ns"]) >= 0).all()
    # money: what the fills say, in exact whole numbers
    flow = -sum(int(f["side"]) * int(f["ticks"]) * int(f["lots"]) for f in fills)
    held = int((fills["side"] * fills["lots"]).sum())
    last = equity[-1]
    unit = 0.1 * 0.001
    assert last["position_lots"] == held == subject.ledger.position_lots
    assert last["cash"] == pytest.approx(CASH + flow * unit - fills["fee"].sum(), rel=1e-12)
    assert last["equity"] == pytest.approx(last["cash"] + held * 0.001 * last["mid"], rel=1e-12)
    assert last["fees"] == pytest.approx(fills["fee"].sum(), rel=1e-12)
    assert [kind for kind, _ in told] == ["promotion"] * 3
    assert [data["index"] for _, data in told] == [0, 1, -1]
    assert [data["model"] for _, data in told] == ["models/fold-0", "models/fold-1", ""]
    for (_, data), promotion in zip(told, SCHEDULE, strict=True):
        assert 0 <= data["row_ns"] - promotion.row_ns < NS // 10


def test_predictions_are_made_in_their_windows_only() -> None:
    tables = play(trader(CHASE)).audit.tables()
    predictions, intents = tables["predictions"], tables["intents"]
    for index, (since, until) in enumerate(((5, 20), (20, 33))):
        mine = predictions[predictions["model"] == index]
        assert (mine["row_ns"] >= START + since * NS).all()
        assert (mine["row_ns"] < START + until * NS).all()
        assert len(mine) == 2 * (until - since) * 10
    assert set(predictions["model"]) == {0, 1}
    asked = intents[intents["reason"] != b"finish"]
    submitted = asked[asked["action"] == Action.SUBMIT]
    assert (submitted["ns"] > START + 5 * NS).all()
    assert (submitted["row_ns"] < START + 33 * NS).all()
    known = {
        (p["row_ns"], p["model"]): p["mean"] for p in predictions[predictions["horizon_ns"] == HORIZONS[-1]]
    }
    for intent in submitted:  # each rests on the prediction of its row
        assert intent["side"] == np.sign(known[intent["row_ns"], intent["model"]])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, len(EVENTS)), max_size=30))
def test_any_split_of_the_events_gives_the_same_bits(whole: dict[str, Any], cuts: list[int]) -> None:
    split = play(trader(CHASE), cuts).audit.tables()
    assert first_difference(whole, split) == ""
    assert all(whole[name].tobytes() == split[name].tobytes() for name in whole)


def test_how_late_the_market_was_is_known_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders take longer where messages do: the venue has seen the last one, however many came at a time."""
    late = EVENTS.copy()
    late["exch_ts"] = late["local_ts"] - np.random.default_rng(5).integers(1_000_000, 60_000_000, len(late))
    monkeypatch.setattr("small_trader.EVENTS", late)
    at_once, single = (play(trader(CHASE), cuts).audit.tables() for cuts in ((), range(len(late))))
    assert first_difference(at_once, single) == ""
    answered = at_once["orders"][at_once["orders"]["venue_ns"] > 0]
    assert len(np.unique((answered["ns"] - answered["venue_ns"]) // 1_000_000)) > 10


def test_event_by_event_gives_the_same_bits(whole: dict[str, Any]) -> None:
    single = play(trader(CHASE), range(len(EVENTS)))
    assert first_difference(whole, single.audit.tables()) == ""
    assert single.audit.fingerprint() == fingerprint(whole)


def test_a_decision_sees_nothing_of_the_future(whole: dict[str, Any]) -> None:
    """Another future from some event on leaves every earlier intent as it was."""
    at = len(EVENTS) // 2
    other = EVENTS.copy()
    other["lots"][at:] = np.where(other["lots"][at:] > 0, 1, 0)
    subject = trader(CHASE)
    subject.consume(other)
    now = int(EVENTS["local_ts"][at])
    for name in ("intents", "orders", "fills"):
        mine, theirs = (t[name] for t in (subject.audit.tables(), whole))
        assert mine[mine["ns"] < now].tobytes() == theirs[theirs["ns"] < now].tobytes()
        assert len(mine[mine["ns"] < now]) > 10


def test_what_is_known_at_a_decision() -> None:
    seen: list[Market] = []

    def look(market: Market, position: Position) -> Sequence[Intent]:
        seen.append(market)
        return ()

    play(trader(Script(look, Wakes(best=True))))
    assert all(m.row["row_ns"] <= m.now_ns for m in seen)
    assert (np.diff([m.now_ns for m in seen]) >= 0).all()
    assert all(
        (np.diff(m.bid_ticks) < 0).all() and (np.diff(m.ask_ticks) > 0).all() for m in seen if m.usable
    )
    before = [m for m in seen if m.row["row_ns"] < START + 5 * NS]
    assert before
    assert all(np.isnan(m.prediction["mean"]).all() and (m.prediction["model"] == -1).all() for m in before)
    assert all(m.prediction["horizon_ns"].tolist() == list(HORIZONS) for m in seen)
    later = [m for m in seen if START + 6 * NS < m.row["row_ns"] < START + 19 * NS]
    assert all(m.prediction["row_ns"][0] == m.row["row_ns"] for m in later)
    assert all(m.regime.sum() == pytest.approx(1) for m in later)
    assert all(m.x[1] == m.row["mid"] for m in later)


def test_reports_wake_the_trader_when_they_are_known() -> None:
    """An order is answered 50 ms after it was sent, however long the market is silent."""
    woken: list[int] = []

    def once(market: Market, position: Position) -> Sequence[Intent]:
        woken.append(market.now_ns)
        if len(woken) == 1:
            return (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC),)
        return ()

    subject = play(trader(Script(once)))
    (sent,), fill = subject.audit.intents.records["ns"], subject.audit.fills.records[0]
    assert fill["ns"] == sent + 50_000_000
    assert fill["ns"] in woken


def test_the_end_cancels_what_works_and_values_what_is_held() -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        if position.working or position.lots:
            return ()
        far = int(market.bid_ticks[0]) - 5000
        return (Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC), Intent(Action.SUBMIT, 1, 5, far))

    kept = play(trader(Script(decide)))
    assert kept.audit.orders.records["state"][-1] == OrderState.CANCELED
    assert kept.ledger.position_lots == 5
    assert kept.audit.intents.records["reason"][-1] == b"finish"

    sold = play(trader(Script(decide)), finish=False)
    sold.finish(flatten=True)
    assert sold.ledger.position_lots == 0
    assert sold.audit.equity.records[-1]["equity"] == pytest.approx(sold.ledger.cash)
    assert sold.ledger.realised - sold.ledger.fees == pytest.approx(sold.ledger.cash - CASH)


def test_a_session_without_a_row_ends_quietly() -> None:
    subject = trader(CHASE)
    subject.finish()
    assert all(len(table) == 0 for table in subject.audit.tables().values())


class Liar:
    """A gateway that tells something else."""

    def __init__(self, inner: Any, lie: str) -> None:
        self.inner, self.lie, self.told = inner, lie, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        taken, reports = self.inner.advance(events, until_ns)
        if len(reports.orders) and not self.told:
            self.told = True
            if self.lie == "loses a fill":
                reports = Reports(reports.orders, np.empty(0, FILL))
            else:
                strange = np.zeros(1, ORDER)
                strange["order_id"], strange["state"], strange["lots"] = 99, OrderState.FILLED, 1
                strange["ns"] = reports.orders["ns"][-1]
                reports = Reports(np.concatenate([reports.orders, strange]), reports.fills)
        return taken, reports


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ("loses a fill", r"the venue holds \d+ lots for us, our fills add up to \d+"),
        ("invents an order", "order 99"),
    ],
)
def test_a_venue_that_contradicts_itself_is_found_out(lie: str, message: str) -> None:
    once = first_intents(Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC))

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return once.decide(market, position) if market.now_ns < START + NS // 4 else ()

    subject = trader(Script(decide), wrap=lambda gateway: Liar(gateway, lie))
    with pytest.raises(PluginError, match=message) as error:
        play(subject)
    if lie == "loses a fill":
        theirs, ours = (int(text) for text in re.findall(r"\d+", error.value.what))
        assert theirs - ours == 5


def test_the_session_log_gets_promotions_and_reports(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "session.jsonl.zst", {"seed": 3}) as log:
        subject = play(trader(CHASE, log=log))
    items = list(SessionLog(tmp_path / "session.jsonl.zst"))
    commands = [item for item in items if hasattr(item, "name")]
    assert [(c.name, c.data["index"], c.data["model"]) for c in commands] == [
        ("promote", 0, "models/fold-0"),
        ("promote", 1, "models/fold-1"),
        ("promote", -1, ""),
    ]
    fills = np.concatenate([item.array() for item in items if type(item).__name__ == "FillsItem"])
    assert fills.tobytes() == subject.audit.fills.records.tobytes()
