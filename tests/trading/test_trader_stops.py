"""What stops a trader: commands, losses, the end of what may be lost in a day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, START, play, trader
from stoppable import HALF, HOLD, Limit, after, begun, later

from btcframe.api import Account, Action, Market, Stop, TraderState
from btcframe.errors import ConfigError
from btcframe.session_log import CommandItem, SessionLog, SessionWriter
from btcframe.trading.differences import first_difference
from btcframe.types import DAY, NS, OrderState

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
    today = EVENTS.copy()  # in the middle of the market it is midnight
    tomorrow = (int(today["local_ts"][HALF]) // DAY + 1) * DAY
    today["local_ts"] += tomorrow - today["local_ts"][HALF]
    subject = begun(events=today)
    first = subject.audit.equity.records["equity"][0]
    assert subject.account().day_equity == first == 100_000.0
    subject.consume(today[HALF : HALF + 1])
    subject.consume(today[HALF + 1 :])
    equity = subject.audit.equity.records
    assert subject.account().day_equity == equity["equity"][equity["row_ns"] >= tomorrow][0] != first


# ---------------------------------------------------------------------------------------------- containment
