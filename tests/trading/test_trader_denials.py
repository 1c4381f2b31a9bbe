"""What the trader refuses: intents without sense, vetoes, plugins that raise, models that do not fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, INSTRUMENT, START, Script, first_intents, model, play, trader

from btcframe.api import Account, Action, Intent, Market, Position, Veto
from btcframe.errors import ConfigError, ModelError, PluginError
from btcframe.trading.forecasts import Promotion
from btcframe.trading.orders import LARGEST
from btcframe.types import NS, OrderState, TimeInForce
from btcframe.venues.sim import Sim
from btcframe_execution import OrderRate, VolTarget


@pytest.mark.parametrize(
    ("intent", "code"),
    [
        (Intent(Action.SUBMIT, 1, 0, 0, TimeInForce.IOC), b"no_size"),
        (Intent(Action.SUBMIT, 1, -3, 0, TimeInForce.IOC), b"no_size"),
        (Intent(Action.SUBMIT, 1, float("nan"), 0, TimeInForce.IOC), b"not_whole"),  # type: ignore[arg-type]
        (Intent(Action.SUBMIT, 1, 1, 200_000.5), b"not_whole"),  # type: ignore[arg-type]
        (Intent(Action.SUBMIT, 1, 10**30, 200_000), b"not_whole"),
        (Intent(Action.SUBMIT, 1, LARGEST + 1, 200_000), b"not_whole"),
        (Intent(Action.SUBMIT, 1, 1, 1 << 60), b"not_whole"),
        (Intent(Action.SUBMIT, 0, 1, 200_000), b"no_side"),
        (Intent(Action.SUBMIT, 300, 1, 200_000), b"no_side"),
        (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.GTC), b"no_price"),
        (Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.POST_ONLY), b"no_price"),
        (Intent(Action.SUBMIT, 1, 1, -5, TimeInForce.IOC), b"no_price"),
        (Intent(Action.SUBMIT, 1, 1, 200_000, 9), b"no_tif"),  # type: ignore[arg-type]
        (Intent(Action.SUBMIT, 1, 1, 200_000, symbol="ETH/USDT:USDT"), b"other_symbol"),
        (Intent(Action.CANCEL, order_id=float("nan")), b"not_whole"),  # type: ignore[arg-type]
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


def test_sizes_that_are_too_large_to_add_up_do_not_get_that_far() -> None:
    """At a venue where everything that touches an order fills it whole."""
    most = [Intent(Action.SUBMIT, 1, LARGEST, 300_000)] * 20
    subject = play(trader(first_intents(*most), venue=Sim(bounded=False, impact=False)))
    assert subject.ledger.position_lots == subject.counts["submitted"] * LARGEST > 0


@pytest.mark.parametrize(
    "field", ["lots", "ticks", "side", "tif", "reduce_only", "order_id", "symbol", "reason"]
)
@pytest.mark.parametrize("value", [[1], np.ones(2), "one", None, {}, float("inf"), "\ud800"])
def test_rubbish_in_an_intent_is_denied_or_named(field: str, value: Any) -> None:
    """Whatever stands in whatever field: never an error without a name, and live the session goes on."""
    asked = first_intents(Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC)._replace(**{field: value}))
    subject = play(trader(asked, contain=True))
    sent = subject.audit.intents.records["veto"] == b""
    assert (
        subject.cause.startswith("contained.policy Script") or subject.vetoes or field in ("reason", "symbol")
    )
    assert subject.ledger.position_lots == 0 or (sent.any() and field in ("reason", "symbol"))
    with contextlib.suppress(PluginError):
        play(trader(asked))


@pytest.mark.parametrize(
    "name", ["bid_ticks", "bid_lots", "ask_ticks", "ask_lots", "x", "regime", "prediction", "row"]
)
def test_who_decides_cannot_change_what_it_is_decided_on(name: str) -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        seen = getattr(market, name)
        if name == "row":
            seen["mid"] = 1.0
        elif len(seen):
            seen[0] = seen[-1]
        return ()

    with pytest.raises(
        PluginError, match="policy Script raised ValueError: assignment destination is read-only"
    ):
        play(trader(Script(decide)))


def test_an_order_being_canceled_is_not_changed_again() -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        if not position.working:
            return (Intent(Action.SUBMIT, 1, 1, int(market.bid_ticks[0]) - 50),)
        order_id = position.working[0].order_id
        return (Intent(Action.CANCEL, order_id=order_id), Intent(Action.AMEND, 1, 2, 5, order_id=order_id))

    intents = play(trader(Script(decide))).audit.intents.records
    assert set(intents["veto"][intents["action"] == Action.AMEND]) == {b"canceling"}


def test_an_amendment_that_changes_nothing_is_not_sent() -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        if not position.working:
            return (Intent(Action.SUBMIT, 1, 3, int(market.bid_ticks[0]) - 50, symbol=INSTRUMENT.symbol),)
        order = position.working[0]
        return (Intent(Action.AMEND, lots=order.lots, ticks=order.ticks, order_id=order.order_id),)

    subject = play(trader(Script(decide)))
    intents = subject.audit.intents.records
    assert set(intents["veto"][intents["action"] == Action.AMEND]) == {b"no_change"}
    assert subject.counts["amended"] == 0


def test_a_thousand_orders_a_second_are_denied_but_for_ten() -> None:
    """Each is written down with its reason, and none of what was sent is lost."""

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        far = int(market.bid_ticks[0]) - 3000
        return [Intent(Action.SUBMIT, 1, 1, far - n, TimeInForce.POST_ONLY) for n in range(100)]

    subject = trader(Script(decide), {"order_rate": OrderRate(second=10, minute=50)})
    play(subject)
    intents = subject.audit.intents.records
    sent = intents[(intents["action"] == Action.SUBMIT) & (intents["veto"] == b"")]
    assert set(intents["veto"]) == {b"", b"order_rate"}
    for window, most in ((NS, 10), (60 * NS, 50)):
        assert max(((sent["ns"] > ns - window) & (sent["ns"] <= ns)).sum() for ns in sent["ns"]) == most
    assert subject.vetoes["order_rate"] == (intents["veto"] == b"order_rate").sum() > 30_000
    assert subject.counts["submitted"] == len(sent) == subject.counts["canceled"]


def test_orders_that_run_away_halt_the_trader() -> None:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return [Intent(Action.SUBMIT, 1, 1, 100_000, reduce_only=True)] * 20

    subject = play(trader(Script(decide), {"order_rate": OrderRate(runaway=100)}), finish=False)
    assert subject.cause.startswith("order_rate: 120 orders within a second")
    assert subject.counts["submitted"] == 120


def test_a_rule_that_looks_at_a_column_nobody_makes_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"(?s)it looks at rv_60.*risk.vol"):
        trader(CHASE, {"vol": VolTarget()})


def test_orders_below_the_minimum_are_denied_unless_they_reduce() -> None:
    small = first_intents(Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC))
    subject = trader(small, instrument=INSTRUMENT._replace(min_notional=25.0))
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


@pytest.mark.parametrize(
    "answer",
    [None, True, (1, 2), Veto(5), Veto(None), "lots=2.5", "lots=nan", "lots=two", "reduce_only=yes"],  # type: ignore[arg-type]
)
def test_a_rule_that_answers_rubbish_is_named(answer: Any) -> None:
    values = {"2.5": 2.5, "nan": float("nan")}

    def check(intent: Intent, account: Account, market: Market) -> Any:
        if not isinstance(answer, str):
            return answer
        field, value = answer.split("=")
        return intent._replace(**{field: values.get(value, value)})

    policy = first_intents(Intent(Action.SUBMIT, 1, 8, 0, TimeInForce.IOC))
    with pytest.raises(PluginError, match=r"^risk rule cheat (made|raised)"):
        play(trader(policy, {"cheat": Rule(check)}))
    subject = play(trader(policy, {"cheat": Rule(check)}, contain=True))
    assert set(subject.vetoes) == {"contained", "reducing"} and subject.cause.startswith(
        "contained.risk.cheat"
    )


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
