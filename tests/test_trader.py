"""The trader: the same decisions however the market arrives, everything accounted for, nothing silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Account, Action, Column, Intent, Market, Position, Reports, Veto, Wakes
from btcframe.artefacts import FittedModel
from btcframe.audit import fingerprint, first_difference
from btcframe.clocks.time import TimeClock
from btcframe.errors import ModelError, PluginError
from btcframe.pipeline import Pipeline
from btcframe.session_log import SessionLog, SessionWriter
from btcframe.sources.random_walk import RandomWalk
from btcframe.trader import Promotion, Trader
from btcframe.types import FILL, NS, ORDER, EventArray, OrderState, TimeInForce
from btcframe.venues.sim import Sim

HORIZONS = (NS, 5 * NS)
CASH = 100_000.0


@dataclass(frozen=True)
class Book:
    """Two columns of the last row."""

    def columns(self) -> tuple[Column, ...]:
        return (Column("imbalance"), Column("mid"))

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        bid, ask = rows["bid_sz"][:, 0], rows["ask_sz"][:, 0]
        out[:, 0] = (bid - ask) / (bid + ask)
        out[:, 1] = rows["mid"]


@dataclass(frozen=True)
class Flat:
    """A regime with one descriptor."""

    def columns(self) -> tuple[Column, ...]:
        return (Column("regime_rows"),)

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        out[:, 0] = state["rows"][0] + np.arange(len(rows))
        state["rows"] += len(rows)

    def fit(self, descriptors: Any, *, seed: int) -> Any: ...

    def load(self, directory: Path) -> Any: ...


class Counter:
    """A labeler that counts the rows it has seen: its memory is fresh with every scorer."""

    labels = ("a", "b")

    def state(self) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, descriptors: Any, state: Any, out: Any) -> None:
        for i in range(len(descriptors)):
            state["rows"] += 1
            out[i] = (1 / state["rows"][0], 1 - 1 / state["rows"][0])

    def save(self, directory: Path) -> None: ...


class Linear:
    """Predicts `scale` times the imbalance."""

    def __init__(self, scale: float, columns: tuple[str, ...] = ("imbalance", "mid")) -> None:
        self.columns, self.horizons_ns, self.scale = columns, HORIZONS, scale

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        for h, horizon in enumerate(HORIZONS):
            out["horizon_ns"][:, h] = horizon
            out["mean"][:, h] = self.scale * x[:, 0] * (h + 1)
            for name in ("p_up", "low", "high"):
                out[name][:, h] = np.nan

    def save(self, directory: Path) -> None: ...


def model(
    scale: float = 10.0, index: int = 0, columns: tuple[str, ...] = ("imbalance", "mid")
) -> FittedModel:
    return FittedModel(Counter(), Linear(scale, columns), ("regime_rows",), index)


@dataclass(frozen=True)
class Script:
    """A policy that calls a function."""

    function: Callable[[Market, Position], Sequence[Intent]]
    wakes: Wakes = field(default_factory=Wakes)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        return self.function(market, position)


def chase(market: Market, position: Position) -> Sequence[Intent]:
    """Everything a policy can do: takes, rests, amends, cancels, closes."""
    now, out = market.prediction[-1], []
    side = int(np.sign(now["mean"])) if now["mean"] == now["mean"] else 0
    for order in position.working:
        if order.state == OrderState.PENDING_CANCEL:
            continue
        best = int((market.bid_ticks if order.side > 0 else market.ask_ticks)[0])
        if order.side != side or market.now_ns - order.ns > 2 * NS:
            out.append(Intent(Action.CANCEL, order_id=order.order_id))
        elif order.ticks != best:
            out.append(Intent(Action.AMEND, lots=order.lots + 1, ticks=best, order_id=order.order_id))
    if side and not position.working and abs(position.lots + side) < 40:
        best = int((market.bid_ticks if side > 0 else market.ask_ticks)[0])
        out.append(Intent(Action.SUBMIT, side, 5, best, TimeInForce.POST_ONLY, reason="join"))
        if abs(now["mean"]) > 12:
            out.append(Intent(Action.SUBMIT, side, 3, 0, TimeInForce.IOC, reason="take"))
        if position.lots * side < 0:
            out.append(Intent(Action.SUBMIT, side, 100, 0, TimeInForce.IOC, True, reason="close"))
    return out


def walk(duration: str = "40s", rate: float = 40.0) -> EventArray:
    feed = RandomWalk(duration=duration, rate=rate, volatility=1.0).open(seed=3)
    return np.concatenate([batch.events for batch in feed])


EVENTS = walk()
INSTRUMENT = RandomWalk().open(seed=3).instrument
START = int(EVENTS["local_ts"][0])
SCHEDULE = (
    Promotion(START + 5 * NS, model(10.0, 0), "models/fold-0"),
    Promotion(START + 20 * NS, model(-15.0, 1), "models/fold-1"),
    Promotion(START + 33 * NS, None),
)


def trader(policy: Any, rules: Any = (), venue: Sim | None = None, **settings: Any) -> Trader:
    pipeline = Pipeline(INSTRUMENT, TimeClock("100ms"), {"book": Book()}, Flat(), wakes=policy.wakes)
    gateway = (venue or Sim(latency="30ms", report_latency="20ms")).open(INSTRUMENT, seed=0)
    options = {"cash": CASH, "schedule": SCHEDULE, "horizons_ns": HORIZONS} | settings
    return Trader(pipeline, gateway, policy, dict(rules), **options)


def play(subject: Trader, cuts: Sequence[int] = (), *, finish: bool = True) -> Trader:
    for part in np.split(EVENTS, sorted(cuts)):
        subject.consume(part)
    if finish:
        subject.finish()
    return subject


CHASE = Script(chase, Wakes(best=True, timer_ns=NS // 3))


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


# ------------------------------------------------------------------------------------------ denials and rules


def first_intents(*intents: Intent) -> Script:
    """A policy that asks for these on its first decision, and for nothing after."""

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return () if position.lots or market.now_ns > START + 2 * NS else intents

    return Script(decide)


@pytest.mark.parametrize(
    ("intent", "code"),
    [
        (Intent(Action.SUBMIT, 1, 0, 0, TimeInForce.IOC), b"no_size"),
        (Intent(Action.SUBMIT, 1, -3, 0, TimeInForce.IOC), b"no_size"),
        (Intent(Action.SUBMIT, 1, float("nan"), 0, TimeInForce.IOC), b"not_whole"),  # type: ignore[arg-type]
        (Intent(Action.SUBMIT, 1, 1, 200_000.5), b"not_whole"),  # type: ignore[arg-type]
        (Intent(Action.SUBMIT, 1, 10**30, 200_000), b"not_whole"),
        (Intent(Action.SUBMIT, 0, 1, 200_000), b"no_side"),
        (Intent(Action.SUBMIT, 300, 1, 200_000), b"no_side"),
        (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.GTC), b"no_price"),
        (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.POST_ONLY), b"no_price"),
        (Intent(Action.SUBMIT, 1, 1, -5, TimeInForce.IOC), b"no_price"),
        (Intent(Action.CANCEL, order_id=7), b"not_working"),
        (Intent(Action.AMEND, lots=1, ticks=5, order_id=7), b"not_working"),
    ],
)
def test_intents_that_make_no_sense_are_denied_with_a_reason(intent: Intent, code: bytes) -> None:
    subject = play(trader(first_intents(intent)))
    intents, orders = subject.audit.intents.records, subject.audit.orders.records
    assert set(intents["veto"]) == {code}
    assert (intents["sent_lots"] == 0).all()
    assert len(orders) == (len(intents) if intent.action == Action.SUBMIT else 0)
    assert (orders["state"] == OrderState.DENIED).all()
    assert len(subject.audit.fills.records) == 0


def test_an_order_being_canceled_is_not_changed_again() -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        if not position.working:
            return (Intent(Action.SUBMIT, 1, 1, int(market.bid_ticks[0]) - 50),)
        order_id = position.working[0].order_id
        return (Intent(Action.CANCEL, order_id=order_id), Intent(Action.AMEND, 1, 2, 5, order_id=order_id))

    intents = play(trader(Script(decide))).audit.intents.records
    assert set(intents["veto"][intents["action"] == Action.AMEND]) == {b"canceling"}


def test_orders_below_the_minimum_are_denied_unless_they_reduce() -> None:
    small = first_intents(Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC))
    subject = trader(small)
    subject.ledger.instrument = subject._pipeline.instrument = INSTRUMENT._replace(min_notional=25.0)
    assert set(play(subject).audit.intents.records["veto"]) == {b"min_notional"}  # 0.001 at 20,000


@dataclass(frozen=True)
class Rule:
    """A rule that calls a function."""

    function: Callable[[Intent, Account, Market], Intent | Veto]

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        return self.function(intent, account, market)


def test_rules_are_asked_in_order_and_the_first_veto_counts() -> None:
    asked: list[str] = []

    def halve(intent: Intent, account: Account, market: Market) -> Intent:
        asked.append("halve")
        return intent._replace(lots=intent.lots // 2)

    def few(intent: Intent, account: Account, market: Market) -> Intent | Veto:
        asked.append("few")
        return intent if intent.lots <= 4 else Veto("few", f"{intent.lots} lots")

    policy = first_intents(
        Intent(Action.SUBMIT, 1, 8, 0, TimeInForce.IOC), Intent(Action.SUBMIT, 1, 10, 0, TimeInForce.IOC),
        Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC),
    )  # fmt: skip
    subject = play(trader(policy, {"halve": Rule(halve), "few": Rule(few)}))
    three = subject.audit.intents.records[:3]
    assert three["lots"].tolist() == [8, 10, 1]
    assert three["sent_lots"].tolist() == [4, 0, 0]
    assert three["veto"].tolist() == [b"", b"few", b"halve"]
    assert asked[:5] == ["halve", "few", "halve", "few", "halve"]


def test_a_rule_sees_what_earlier_intents_put_on_the_way() -> None:
    seen: list[int] = []

    def count(intent: Intent, account: Account, market: Market) -> Intent:
        seen.append(sum(order.lots for order in account.position.working))
        return intent

    order = Intent(Action.SUBMIT, 1, 2, 0, TimeInForce.IOC)
    play(trader(first_intents(order, order, order), {"count": Rule(count)}))
    assert seen[:3] == [0, 2, 4]


@pytest.mark.parametrize(
    "answer",
    [
        lambda intent: intent._replace(lots=intent.lots + 1),
        lambda intent: intent._replace(side=-intent.side),
        lambda intent: intent._replace(ticks=1),
    ],
)
def test_a_rule_may_only_make_orders_smaller(answer: Any) -> None:
    rule = Rule(lambda intent, account, market: answer(intent))
    policy = first_intents(Intent(Action.SUBMIT, 1, 8, 0, TimeInForce.IOC))
    with pytest.raises(PluginError, match="risk rule cheat made"):
        play(trader(policy, {"cheat": rule}))


def test_plugins_that_raise_are_named() -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(PluginError, match="policy Script raised ZeroDivisionError: division by zero"):
        play(trader(Script(broken)))
    policy = first_intents(Intent(Action.SUBMIT, 1, 8, 0, TimeInForce.IOC))
    with pytest.raises(PluginError, match="risk rule broken raised ZeroDivisionError"):
        play(trader(policy, {"broken": Rule(broken)}))


def test_a_model_of_other_columns_is_refused() -> None:
    schedule = [Promotion(START, model(columns=("imbalance", "spread")))]
    with pytest.raises(ModelError, match="spread"):
        play(trader(CHASE, schedule=schedule))


def test_promotion_from_outside_takes_effect_at_the_next_row() -> None:
    subject = trader(CHASE, schedule=())
    half = len(EVENTS) // 2
    subject.consume(EVENTS[:half])
    last_row = int(subject.audit.equity.records["row_ns"][-1])
    subject.promote(model(index=4), "models/new")
    subject.consume(EVENTS[half:])
    predictions = subject.audit.predictions.records
    assert set(predictions["model"]) == {4}
    assert predictions["row_ns"][0] == last_row + NS // 10


# --------------------------------------------------------------------------------------------------- the end


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
        ("loses a fill", "the venue holds 10 lots for us, our fills add up to 5"),
        ("invents an order", "order 99"),
    ],
)
def test_a_venue_that_contradicts_itself_is_found_out(lie: str, message: str) -> None:
    once = first_intents(Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC))

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return once.decide(market, position) if market.now_ns < START + NS // 4 else ()

    subject = trader(Script(decide))
    subject._gateway = Liar(subject._gateway, lie)
    with pytest.raises(PluginError, match=message):
        play(subject)


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
