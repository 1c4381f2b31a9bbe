"""Plugins that raise, answer rubbish or are switched off: contained, named, and nothing more is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, START, Linear, Script, model, play, trader
from stoppable import HOLD, Limit, begun, later, rest_and_hold

from btcframe.api import Account, Action, Intent, Market, Position, Stop, TraderState
from btcframe.errors import ConfigError, PluginError
from btcframe.trading.forecasts import Promotion
from btcframe.types import NS, TimeInForce


def broken(*_: Any) -> Any:
    raise ZeroDivisionError("division by zero")


def sometimes(market: Market, position: Position) -> Sequence[Intent]:
    """Raises for a second, in the middle."""
    if 10 * NS < market.now_ns - START < 11 * NS:
        broken()
    return rest_and_hold(market, position)


def test_a_policy_that_raises_is_contained_and_named() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    subject = play(
        trader(Script(sometimes), contain=True, notify=lambda kind, **data: told.append((kind, data))),
        finish=False,
    )
    assert subject.contained == {"policy Script": "ZeroDivisionError: division by zero"}
    assert subject.cause == "contained.policy Script: ZeroDivisionError: division by zero"
    assert subject.state == TraderState.REDUCING
    assert subject.counts["raised"] >= 10
    assert [kind for kind, _ in told].count("reducing") == 1
    assert len(subject.audit.stops.records) == 1
    assert [o.side for o in subject.account().position.working] == [
        -1
    ]  # it still gets out, and opens nothing more
    subject.command("resume", why="mended")
    assert (subject.contained, subject.state) == ({}, TraderState.ACTIVE)


def test_a_rule_that_raises_denies_what_opens_and_holds_up_nothing_else() -> None:
    def check(intent: Intent, account: Account, market: Market) -> Intent:
        return broken() if market.now_ns - START > 10 * NS else intent

    rules = {"fine": Limit(), "bad": Limit(checks=check)}

    def churn(market: Market, position: Position) -> Sequence[Intent]:
        if not position.lots and not position.working:
            return (Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC),)
        if position.lots and not position.working:
            return (
                Intent(Action.SUBMIT, -1, 5, 0, TimeInForce.IOC),
            )  # it reduces, though it does not say so
        return ()

    subject = play(trader(Script(churn), rules, contain=True), finish=False)
    assert subject.contained == {"risk.bad": "ZeroDivisionError: division by zero"}
    assert subject.ledger.position_lots == 0
    asked = subject.audit.intents.records
    late = asked[asked["ns"] > START + 10 * NS]
    assert set(late["veto"][late["side"] > 0]) <= {b"contained", b"reducing"}
    assert set(late["veto"][late["side"] < 0]) <= {b""}


def test_a_rule_that_raises_at_a_row_is_contained() -> None:
    subject = play(trader(HOLD, {"bad": Limit(stops=broken)}, contain=True), finish=False)
    assert subject.contained == {"risk.bad": "ZeroDivisionError: division by zero"}
    assert len(subject.audit.fills.records) == 0


@pytest.mark.parametrize(
    "stop",
    [
        True,
        Stop(TraderState.ACTIVE, "code"),
        Stop(7, "code"),  # type: ignore[arg-type]
        Stop(TraderState.HALTED, ""),
        Stop(TraderState.HALTED, None),  # type: ignore[arg-type]
        Stop(TraderState.HALTED, "\ud800"),
        Stop(TraderState.HALTED, "code", None),  # type: ignore[arg-type]
        Stop(TraderState.HALTED, "code", "\ud800"),
        Stop(TraderState.REDUCING, "code", "", float("nan")),  # type: ignore[arg-type]
    ],
)
def test_a_stop_that_is_none_is_the_rules_fault(stop: Any) -> None:
    rules = {"limit": Limit(lambda account, market: stop)}
    with pytest.raises(PluginError, match=r"^risk rule limit made .*, which is no stop"):
        play(trader(CHASE, rules))
    assert play(trader(CHASE, rules, contain=True)).cause.startswith("contained.risk.limit: PluginError")


def test_a_rule_that_adds_risk_is_contained() -> None:
    def more(intent: Intent, account: Account, market: Market) -> Intent:
        return intent._replace(lots=intent.lots + 1)

    subject = play(trader(HOLD, {"bad": Limit(checks=more)}, contain=True), finish=False)
    assert "risk rule bad made" in subject.contained["risk.bad"]
    assert len(subject.audit.fills.records) == 0


class Failing(Linear):
    """A predictor that fails on some rows, half way through."""

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        super().predict(x, regime, out)
        if int(1e3 * abs(x[0, 0])) % 2:
            raise FloatingPointError("overflow")


def test_a_model_that_raises_leaves_no_prediction_and_opens_nothing_more() -> None:
    seen: list[float] = []

    def look(market: Market, position: Position) -> Sequence[Intent]:
        seen.append(float(market.prediction["mean"][0]))
        return ()

    fitted = model()
    bad = type(fitted)(fitted.labeler, Failing(10.0), fitted.regime_columns, 0)
    subject = play(trader(Script(look), contain=True, schedule=[Promotion(START, bad)]), finish=False)
    assert subject.contained == {"model": "FloatingPointError: overflow"}
    assert 0 < subject.counts["raised"] == sum(np.isnan(seen)) < len(seen)
    assert len(subject.audit.predictions.records) == 2 * (len(seen) - sum(np.isnan(seen)))
    with pytest.raises(PluginError, match="model raised FloatingPointError: overflow"):
        play(trader(Script(look), schedule=[Promotion(START, bad)]))


def test_a_part_that_is_switched_off_gates_the_trading_and_resuming_does_not_help() -> None:
    subject = begun()
    subject.command("contain", name="features.book", why="took 80 ms")
    assert subject.contained == {"features.book": "took 80 ms"}
    assert subject.cause == "contained.features.book: took 80 ms"
    subject.command("resume")
    later(subject)
    assert subject.state == TraderState.REDUCING  # its columns are NaN for good
    with pytest.raises(ConfigError, match="boook"):
        subject.command("contain", name="boook", why="")


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (lambda *_: None, "TypeError"),
        (lambda *_: (Intent(Action.SUBMIT, 1, 1) for _ in range(3)), "TypeError"),
        (lambda *_: ["buy"], "'buy', which is no intent"),
        (lambda *_: [Intent(9, 1, 1)], "which is no intent"),  # type: ignore[arg-type]
        (lambda *_: [Intent(Action.SUBMIT, 1, 1, reason=b"x")], "which is no intent"),  # type: ignore[arg-type]
        (
            lambda *_: [Intent(Action.SUBMIT, 1, 1)] * 1001,
            "asks for 1,001 intents at once, 1,000 are the most",
        ),
    ],
)
def test_what_is_no_list_of_intents_is_the_policys_fault(asked: Any, what: str) -> None:
    subject = play(trader(Script(asked), contain=True), finish=False)
    assert what in subject.contained["policy Script"]
    assert len(subject.audit.orders.records) == 0
    with pytest.raises(PluginError):
        play(trader(Script(asked)))


# --------------------------------------------------------------------------------------------------- restart
