"""What stops a trader: commands, losses, plugins that raise; and that it stays stopped over a restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, SCHEDULE, START, Linear, Script, first_intents, model, play, trader

from btcframe.api import Account, Action, Intent, Market, Position, Stop, TraderState, Veto
from btcframe.differences import first_difference
from btcframe.errors import ConfigError, DataError, PluginError
from btcframe.forecasts import Promotion
from btcframe.session_log import CommandItem, SessionLog, SessionWriter
from btcframe.trader import Trader
from btcframe.types import DAY, NS, OrderState, TimeInForce

HALF = len(EVENTS) // 2
FAR = 5000


def rest_and_hold(market: Market, position: Position) -> Sequence[Intent]:
    """Long 5 lots, with an order far below that would add, and a reduce-only one far above."""
    out = []
    if not position.lots and not position.working:
        out.append(Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC, reason="take"))
    if position.lots and not any(o.side > 0 for o in position.working):
        out.append(Intent(Action.SUBMIT, 1, 5, int(market.bid_ticks[0]) - FAR, reason="add"))
    if position.lots and not any(o.side < 0 for o in position.working):
        out.append(
            Intent(Action.SUBMIT, -1, 5, int(market.ask_ticks[0]) + FAR, reduce_only=True, reason="out")
        )
    return out


HOLD = Script(rest_and_hold)


@dataclass(frozen=True)
class Limit:
    """A rule that calls functions."""

    stops: Callable[[Account, Market], Stop | None] = lambda account, market: None
    checks: Callable[[Intent, Account, Market], Intent | Veto] = lambda intent, account, market: intent

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        return self.checks(intent, account, market)

    def stop(self, account: Account, market: Market) -> Stop | None:
        return self.stops(account, market)


def later(subject: Trader, since: int = HALF) -> Trader:
    """Let the rest of the market come."""
    subject.consume(EVENTS[since:])
    return subject


def begun(policy: Any = HOLD, **settings: Any) -> Trader:
    """A trader in the middle of the market."""
    subject = trader(policy, **settings)
    subject.consume(EVENTS[:HALF])
    return subject


def after(subject: Trader, name: str, ns: int) -> Any:
    table = getattr(subject.audit, name).records
    return table[table["ns"] > ns]


# -------------------------------------------------------------------------------------------------- commands


def test_halt_cancels_everything_at_once_and_asks_nobody_again() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    subject = begun(notify=lambda kind, **data: told.append((kind, data)))
    assert len(subject.account().position.working) == 2
    subject.command("halt", why="the news", who="anna")
    asked = subject.audit.intents.records[-2:]
    assert set(asked["action"]) == {Action.CANCEL}
    assert set(asked["reason"]) == {b"halt"}
    halted_ns = subject.now_ns
    later(subject)
    assert not subject.account().position.working
    assert len(after(subject, "intents", halted_ns)) == 0
    assert subject.ledger.position_lots == 5  # only an explicit flatten closes it
    assert (subject.state, subject.cause) == (TraderState.HALTED, "halt: the news (anna)")
    assert subject.stopped is not None
    assert subject.stopped.since_ns == halted_ns
    assert ("halt", {"state": "HALTED", "code": "halt", "why": "the news (anna)"}) in told
    (stop,) = subject.audit.stops.records
    assert (stop["ns"], stop["state"], stop["code"]) == (halted_ns, TraderState.HALTED, b"halt")
    assert subject.audit.equity.records["state"][-1] == TraderState.HALTED


def test_flatten_closes_what_is_held_and_stays_halted() -> None:
    told: list[str] = []
    subject = begun(notify=lambda kind, **data: told.append(kind))
    subject.command("flatten", why="home")
    later(subject)
    assert subject.ledger.position_lots == 0
    assert subject.state == TraderState.HALTED
    assert [kind for kind in told if kind != "promotion"] == ["halt", "flat"]
    last = subject.audit.intents.records[-1]
    assert (last["reason"], last["reduce_only"], last["side"], last["veto"]) == (b"flatten", 1, -1, b"")
    assert not subject.save()["flattening"]


def test_reducing_denies_what_opens_and_lets_pass_what_reduces() -> None:
    subject = begun()
    subject.command("reduce", why="lunch")
    kept = subject.account().position.working
    assert [(o.side, o.state == OrderState.PENDING_CANCEL) for o in kept] == [(1, True), (-1, False)]
    stopped_ns = subject.now_ns
    later(subject)
    asked = after(subject, "intents", stopped_ns)
    assert set(asked["veto"][asked["side"] > 0]) == {b"reducing"}
    assert subject.vetoes["reducing"] == len(asked[asked["side"] > 0]) > 50
    assert [o.side for o in subject.account().position.working] == [-1]  # the way out still stands
    assert subject.ledger.position_lots == 5


def test_resume_starts_the_limits_anew() -> None:
    subject = begun()
    subject.ledger.peak_equity = 2e6
    subject.command("halt")
    subject.command("resume", why="checked", who="anna")
    account = subject.account()
    assert (subject.state, subject.cause) == (TraderState.ACTIVE, "")
    assert account.peak_equity == account.day_equity == account.equity
    resumed_ns = subject.now_ns
    later(subject)
    assert b"add" in after(subject, "intents", resumed_ns)["reason"]


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"(?s)knows no command halted.*Did you mean halt"):
        begun().command("halted")


def test_commands_before_the_first_row_hold() -> None:
    subject = trader(HOLD)
    subject.command("halt")
    play(subject)
    assert len(subject.audit.orders.records) == 0
    assert subject.state == TraderState.HALTED


def test_a_replay_obeys_the_commands_in_their_places(tmp_path: Path) -> None:
    cuts = [HALF // 2, HALF, HALF + HALF // 2]
    with SessionWriter(tmp_path / "session.jsonl.zst", {"seed": 3}) as log:
        first = trader(CHASE, log=log)
        first.consume(EVENTS[: cuts[0]])
        first.command("reduce", why="a")
        first.consume(EVENTS[cuts[0] : cuts[1]])
        first.command("resume")
        first.consume(EVENTS[cuts[1] : cuts[2]])
        first.command("flatten", why="b")
        first.consume(EVENTS[cuts[2] :])
        first.finish()
    commands = [item for item in SessionLog(tmp_path / "session.jsonl.zst") if isinstance(item, CommandItem)]
    given = [item for item in commands if item.name != "promote"]
    assert [item.name for item in given] == ["reduce", "stopped", "resume", "flatten", "stopped"]
    assert given[1].data == {"state": "REDUCING", "code": "reduce", "why": "a"}
    again = trader(CHASE)
    again.consume(EVENTS[: cuts[0]])
    places = dict(zip(("reduce", "resume", "flatten"), (cuts[0], cuts[1], cuts[2]), strict=True))
    at = cuts[0]
    for item in given:
        since, at = at, places.get(item.name, at)
        again.consume(EVENTS[since:at])
        again.command(item.name, **item.data)  # stopped is the trader's own, and changes nothing
    again.consume(EVENTS[at:])
    again.finish()
    assert first_difference(first.audit.tables(), again.audit.tables()) == ""
    assert len(first.audit.fills.records) > 20


# ---------------------------------------------------------------------------------------------------- losses


def test_a_rule_stops_the_trader_without_being_asked_about_an_order() -> None:
    at_ns = START + 10 * NS

    def halting(account: Account, market: Market) -> Stop | None:
        return Stop(TraderState.HALTED, "drawdown", "too deep") if market.now_ns > at_ns else None

    subject = play(trader(HOLD, {"drawdown": Limit(halting)}), finish=False)
    assert subject.cause == "drawdown: too deep"
    assert subject.stopped is not None
    assert at_ns < subject.stopped.since_ns <= at_ns + NS // 10
    assert len(subject.audit.stops.records) == 1  # told once, though it is true at every row
    assert not subject.account().position.working


def test_a_stop_ends_with_its_day_and_a_halt_does_not() -> None:
    at_ns, until_ns = START + 10 * NS, START + 20 * NS

    def stopping(state: TraderState) -> Limit:
        return Limit(
            lambda account, market: (
                Stop(state, "daily_loss", "", until_ns) if at_ns < market.now_ns < at_ns + NS else None
            )
        )

    told: list[tuple[str, dict[str, Any]]] = []
    reduced = play(
        trader(
            HOLD, {"day": stopping(TraderState.REDUCING)}, notify=lambda kind, **d: told.append((kind, d))
        ),
        finish=False,
    )
    assert reduced.state == TraderState.ACTIVE
    assert (
        told[-1] == ("resume", {"state": "ACTIVE", "why": "daily_loss is over"}) or told[-1][0] == "promotion"
    )
    denied = reduced.audit.intents.records
    denied = denied[denied["veto"] == b"reducing"]
    assert len(denied) > 50
    assert (at_ns < denied["ns"]).all()
    assert (denied["ns"] < until_ns).all()
    assert play(trader(HOLD, {"day": stopping(TraderState.HALTED)}), finish=False).state == TraderState.HALTED


def test_reducing_gets_graver_and_never_lighter_by_itself() -> None:
    def losing(account: Account, market: Market) -> Stop | None:
        seconds = (market.now_ns - START) / NS
        if seconds < 10 or seconds > 30:
            return None
        return Stop(TraderState.HALTED if seconds > 20 else TraderState.REDUCING, "drawdown")

    subject = play(trader(HOLD, {"drawdown": Limit(losing)}), finish=False)
    states = subject.audit.equity.records["state"]
    assert (np.diff(states.astype(int)) >= 0).all()
    assert set(states) == {TraderState.ACTIVE, TraderState.REDUCING, TraderState.HALTED}
    assert subject.audit.stops.records["state"].tolist() == [TraderState.REDUCING, TraderState.HALTED]


def test_the_day_begins_at_its_first_mark() -> None:
    subject = begun()
    first = subject.audit.equity.records["equity"][0]
    assert subject.account().day_equity == first == 100_000.0
    tomorrow = (int(EVENTS["local_ts"][HALF]) // DAY + 1) * DAY
    moved = EVENTS[HALF:].copy()
    moved["local_ts"] += tomorrow - moved["local_ts"][0]
    subject.consume(moved[:1])
    subject.consume(moved[1:])
    equity = subject.audit.equity.records
    assert subject.account().day_equity == equity["equity"][equity["row_ns"] >= tomorrow][0] != first


# ---------------------------------------------------------------------------------------------- containment


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


def test_a_restart_goes_on_where_it_was() -> None:
    subject = begun()
    subject.command("reduce", why="lunch")
    version = subject.version
    subject.command("halt", why="the news")
    assert subject.version > version
    later(subject)
    saved = json.loads(json.dumps(subject.save()))
    again = trader(HOLD, held=5)
    again.restore(saved)
    assert (again.state, again.cause) == (TraderState.HALTED, "halt: the news")
    assert again.save() == saved
    assert again.ledger.cash == subject.ledger.cash
    assert again.ledger.average_price == subject.ledger.average_price
    again.consume(next_day()[:HALF])
    assert len(again.audit.orders.records) == 0
    again.command("resume")
    again.consume(next_day()[HALF:])
    ids = again.audit.orders.records["order_id"]
    assert ids[0] == saved["orders"] + 1  # no id is used twice
    again.finish(flatten=True)
    assert again.ledger.position_lots == 0


def next_day() -> Any:
    """The market again, a day later."""
    moved = EVENTS.copy()
    moved["local_ts"] += DAY
    moved["exch_ts"] += DAY
    return moved


def test_a_flatten_that_was_not_done_is_done_after_the_restart() -> None:
    subject = begun()
    subject.command("flatten")
    again = trader(HOLD, held=5)
    again.restore(subject.save())
    again.consume(next_day())
    assert again.ledger.position_lots == 0


@pytest.mark.parametrize("missing", ["ledger", "orders", "stops", "flattening"])
def test_a_saved_account_that_is_not_whole_is_refused(missing: str) -> None:
    saved = begun().save()
    del saved[missing]
    with pytest.raises(
        DataError, match=rf"(?s)saved account cannot be used: KeyError: '{missing}'.*Trader.save"
    ):
        trader(HOLD, held=5).restore(saved)


def test_a_venue_that_holds_something_else_is_refused() -> None:
    with pytest.raises(PluginError, match="the venue holds 0 lots for us, our fills add up to 5"):
        trader(HOLD).restore(begun().save())


def test_the_version_goes_up_whenever_something_is_to_be_saved() -> None:
    subject = trader(CHASE, schedule=SCHEDULE)
    saved, version = subject.save(), subject.version
    for part in np.array_split(EVENTS, 200):
        subject.consume(part)
        now = subject.save()
        assert (now == saved) or subject.version > version
        saved, version = now, subject.version


# -------------------------------------------------------------------------------------------- our own orders


def test_two_of_our_orders_do_not_meet() -> None:
    """What opens is denied; for what reduces, the other order goes."""

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        best = int(market.ask_ticks[0])
        if not position.working and not position.lots and market.now_ns < START + NS:
            return (
                Intent(Action.SUBMIT, -1, 1, best + 10),
                Intent(Action.SUBMIT, 1, 1, best + 10),
                Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC),
                Intent(Action.SUBMIT, 1, 1, best - 10),
            )
        return ()

    asked = play(trader(Script(decide))).audit.intents.records[:4]
    assert asked["veto"].tolist() == [b"", b"own_order", b"own_order", b""]

    def leave(market: Market, position: Position) -> Sequence[Intent]:
        if not position.lots:
            return first.decide(market, position)
        if any(o.side < 0 for o in position.working):
            return ()
        return (Intent(Action.SUBMIT, -1, 5, 0, TimeInForce.IOC, reduce_only=True, reason="out"),)

    far = int(EVENTS["ticks"][EVENTS["ticks"] > 0][0]) - FAR
    first = first_intents(
        Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC), Intent(Action.SUBMIT, 1, 5, far, reason="deep")
    )
    subject = trader(Script(leave))
    subject.consume(EVENTS)
    asked = subject.audit.intents.records
    assert b"own_order" not in asked["veto"]
    out = int(np.argmax(asked["reason"] == b"out"))
    assert (asked["action"][out - 1], asked["reason"][out - 1]) == (Action.CANCEL, b"own_order")
    assert (asked["ns"][out - 1], asked["veto"][out]) == (asked["ns"][out], b"")
