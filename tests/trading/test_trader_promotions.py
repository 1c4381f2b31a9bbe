"""Models that change in the middle of a session: which of them predicts, what that ends, and what the log is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, START, Linear, Script, model, play, trader
from stoppable import HALF, later

from btcframe.api import Action, Intent, Market, Position, TraderState
from btcframe.models.artefacts import FittedModel
from btcframe.session_log import CommandItem, SessionLog, SessionWriter
from btcframe.trading.forecasts import Forecasts, Promotion
from btcframe.trading.trader import Trader
from btcframe.types import TimeInForce


class Broken(Linear):
    """Raises whenever it is asked."""

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        raise FloatingPointError("overflow")


def broken(index: int = 0) -> FittedModel:
    sound = model()
    return FittedModel(sound.labeler, Broken(1.0), sound.regime_columns, index)


def begun(first: FittedModel, policy: Any = CHASE, **settings: Any) -> Trader:
    """A trader in the middle of the market, with a model from its first row on."""
    subject = trader(policy, contain=True, schedule=[Promotion(0, first)], **settings)
    subject.consume(EVENTS[:HALF])
    return subject


def rows(subject: Trader) -> Any:
    return subject.audit.predictions.records.reshape(-1, 2)[:, 0]


# --------------------------------------------------------------------------------------------------- which one


def test_of_several_at_the_same_row_the_last_one_predicts() -> None:
    subject = begun(model(index=0))
    for index in (3, 4, 5):
        subject.promote(model(index=index), f"models/{index}", why="promoted")
    later(subject)
    told = subject.audit.promotions.records
    assert told["model"].tolist() == [0, 5] and told["name"][1] == b"models/5"
    assert set(rows(subject)["model"]) == {0, 5}


def test_one_that_is_promoted_before_the_first_row_comes_after_the_schedule() -> None:
    subject = trader(CHASE, schedule=[Promotion(0, model(index=0))])
    subject.promote(model(index=7), "models/7", why="promoted")
    play(subject)
    assert subject.audit.promotions.records["model"].tolist() == [7]


def test_the_schedule_goes_on_behind_it() -> None:
    forecasts = Forecasts(("imbalance", "mid"), ("regime_rows",), (Promotion(50, model(index=1)),), ())
    forecasts.promote(Promotion(10, model(index=2)))
    forecasts.promote(Promotion(10, None))
    for row_ns, index in ((10, -1), (49, -1), (50, 1)):
        forecasts.due(row_ns)
        assert forecasts.model == index


# ---------------------------------------------------------------------------------------------- what that ends


def test_another_model_ends_the_stop_of_the_one_that_raised() -> None:
    told: list[tuple[str, Any]] = []
    subject = begun(broken(), notify=lambda kind, **data: told.append((kind, data)))
    assert subject.contained == {"model": "FloatingPointError: overflow"}
    assert subject.state == TraderState.REDUCING and len(subject.audit.intents.records) == 0
    version = subject.version
    subject.promote(model(index=1), "models/1", why="FloatingPointError: overflow")
    later(subject)
    assert (subject.contained, subject.state) == ({}, TraderState.ACTIVE)
    assert subject.version > version and len(subject.audit.fills.records)
    assert (
        "resume",
        {"state": "ACTIVE", "why": "another model predicts: FloatingPointError: overflow"},
    ) in told
    [promoted] = [data for kind, data in told if kind == "promotion" and "why" in data]
    assert (promoted["index"], promoted["model"]) == (1, "models/1")


def test_a_halt_stays_a_halt() -> None:
    subject = begun(broken())
    subject.command("halt", why="by hand")
    subject.promote(model(index=1), why="it raised")
    later(subject)
    assert subject.contained == {} and subject.state == TraderState.HALTED
    assert subject.cause == "halt: by hand"


def test_a_schedule_ends_no_stop() -> None:
    """What a session begins with is no news of a model that raised before it was restarted."""
    before = begun(broken())
    schedule = [Promotion(0, model(index=0))]
    subject = trader(CHASE, contain=True, schedule=schedule)
    subject.restore(before.save())
    later(subject, 0)
    assert subject.contained == {"model": "FloatingPointError: overflow"}
    assert subject.state == TraderState.REDUCING and len(subject.audit.fills.records) == 0


def always(market: Market, position: Position) -> Sequence[Intent]:
    """Wants to open, whatever is predicted."""
    return () if position.working else (Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC, reason="always"),)


def test_without_a_model_nothing_is_opened_until_it_is_resumed() -> None:
    subject = begun(model(index=0), Script(always))
    subject.promote(None, why="it predicted nothing")
    subject.consume(EVENTS[HALF : HALF + 200])  # what was on its way arrives
    held = subject.ledger.position_lots
    subject.consume(EVENTS[HALF + 200 : HALF + 800])
    assert subject.cause == "contained.model: it predicted nothing"
    assert subject.contained == {"model": "it predicted nothing"}
    assert held > 0 and subject.ledger.position_lots == held
    late = subject.audit.intents.records[-1]
    assert late["veto"] == b"reducing" and late["model"] == -1
    subject.command("resume")
    later(subject, HALF + 800)
    assert subject.ledger.position_lots > held


def test_without_a_model_because_a_schedule_says_so_all_goes_on() -> None:
    subject = play(trader(Script(always), contain=True, schedule=[Promotion(START, None)]), finish=False)
    assert subject.state == TraderState.ACTIVE and subject.contained == {}


# -------------------------------------------------------------------------------------------- labels and the log


def test_every_intent_that_rests_on_a_mock_says_so() -> None:
    subject = begun(replace(model(index=0), mock=True), Script(always))
    subject.promote(model(index=1), why="promoted")
    later(subject)
    intents = subject.audit.intents.records
    mocked = intents["model"] == 0
    assert 0 < mocked.sum() < len(intents)
    assert set(intents["reason"][mocked]) == {b"mock: always"} and set(intents["reason"][~mocked]) == {
        b"always"
    }


def test_the_log_has_why_and_what(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.zst"
    with SessionWriter(path, {"seed": 3}) as log:
        subject = begun(replace(model(index=0), mock=True), log=log)
        subject.promote(model(index=1), "models/1", 5, "promoted to production")
        later(subject)
    commands = [
        item.data for item in SessionLog(path) if isinstance(item, CommandItem) and item.name == "promote"
    ]
    assert [{k: v for k, v in data.items() if k != "row_ns"} for data in commands] == [
        {"index": 0, "model": "", "mock": True, "fitted_ns": 0},
        {"index": 1, "model": "models/1", "why": "promoted to production", "fitted_ns": 5},
    ]


class Looking:
    """Keeps all that a trader shows of its predictions."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, Any, Any, Any, str]] = []

    def booked(self, events: Any, start: int, stop: int) -> None: ...

    def closed(self) -> None: ...

    def signalled(self) -> None: ...

    def predicted(self, row: bytes, x: Any, descriptors: Any, prediction: Any, error: str) -> None:
        self.seen.append((row, x, descriptors.copy(), prediction, error))


@pytest.mark.parametrize("first", [model(), broken()], ids=["sound", "broken"])
def test_who_looks_on_sees_every_row_once_with_what_was_predicted(first: FittedModel) -> None:
    looking = Looking()
    subject = later(begun(first, watch=looking))
    assert len(looking.seen) == subject.counts["rows"] > 100
    row_ns = [int.from_bytes(row[:8], "little", signed=True) for row, *_ in looking.seen]
    assert row_ns == subject.audit.equity.records["row_ns"].tolist()
    for _, x, descriptors, prediction, error in looking.seen:
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 1.0
        assert descriptors.shape == (1, 1)
        if first.predictor.__class__ is Broken:
            assert error == "FloatingPointError: overflow" and np.isnan(prediction["mean"]).all()
        else:
            assert error == "" and prediction["mean"][0] == pytest.approx(10 * x[0], nan_ok=True)
