"""`btcframe session flatten`: by the session where one runs, at the venue where none does."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_trader
from answering_venue import Elsewhere, Scripted
from live_sessions import catalog
from watched import Session, account

from btcframe.api import Action, Intent, Position, Recovered
from btcframe.cli.session import main
from btcframe.errors import DataError, SessionError
from btcframe.session_log import SessionWriter
from btcframe.sessions.session import SESSION, TABLES, header
from btcframe.trading.audit import Audit
from btcframe.types import FILL, OrderState
from btcframe.watch.processes import Process, this_process
from btcframe.watch.status import write_status
from btcframe.watch.switch import standing
from btcframe.watch.watching import Watcher, watching


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    return Path("runs/one")


@pytest.fixture
def died(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A session at a real venue whose process has gone, holding 3 lots."""
    Elsewhere.NOW["recovered"] = Recovered(
        Position(3, 60_000.0), 1e4, np.empty(0, FILL), ("canceled order 7 of the session before",)
    )
    monkeypatch.setattr("btcframe.plugins.discover", catalog)
    gone(runs, "real bybit local")
    config = {"venue": {"plugin": "real"}}
    (runs / "manifest.json").write_text(json.dumps({"id": "one", "verb": "trade", "config": config}))
    with SessionWriter(runs / SESSION, header(small_trader.INSTRUMENT)):
        pass
    Audit(runs / TABLES).flush()
    yield runs
    Elsewhere.NOW.clear()


def gone(directory: Path, venue: str) -> None:
    told = Watcher(directory, Session().live()).told("running")
    process, about = this_process()._replace(started=1)._asdict(), told["about"] | {"venue": venue}
    write_status(directory, told | {"process": process, "about": about})


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


class Obeys(Session):
    """A session that is flat when it was told to be, a moment later."""

    def ask(self, name: str, /, **data: Any) -> None:
        known = self.signals.read().position_known
        super().ask("halt" if name == "flatten" else name, **data)
        if name == "flatten":
            flat = account(0, state=self.state)
            threading.Timer(0.05, lambda: self.live(account=flat, position_known=known)).start()


def test_a_session_that_runs_closes_what_it_holds(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(runs, Obeys().live()):
        assert main(["flatten", "--why", "enough"]) == 0
        assert out(capsys) == "runs/one is halted: nothing is held, and no order works.\n"
    assert (halt := standing(runs)) is not None
    assert halt.why == "enough"


def test_one_that_cannot_says_what_it_holds(runs: Path) -> None:
    with (
        watching(runs, Session(deaf=True).live()),
        pytest.raises(
            SessionError, match=r"is not flat within 0\.2 s: it is active, -2 lots are held, 0 orders"
        ),
    ):
        main(["flatten", "--wait", "0.2"])


def test_one_that_does_not_know_what_it_holds_is_ended_and_the_exchange_asked(
    died: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own fills it is flat; the exchange holds 3 lots."""
    ended: list[int] = []
    monkeypatch.setattr(Process, "end", lambda process, seconds: ended.append(process.pid))
    session = Obeys()
    session.live(position_known=False)
    with watching(died, session):
        assert main(["flatten", str(died), "--json"]) == 0
    told = json.loads(out(capsys))
    assert told["done"] == "flat" and ended == [os.getpid()]
    [gateway] = Elsewhere.NOW["gateways"]
    assert gateway.held == 0


def test_in_paper_nothing_is_held_when_it_does_not_run(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone(runs, "sim")
    assert main(["flatten", str(runs), "--json"]) == 0
    assert json.loads(out(capsys))["done"] == "nothing"
    assert standing(runs) is not None


def test_where_none_runs_the_venue_is_asked_itself(died: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flatten", str(died)]) == 0
    said = out(capsys)
    assert "runs/one does not run: +3 lots were closed at the venue, no order works." in said
    assert "canceled order 7 of the session before" in said
    [gateway] = Elsewhere.NOW["gateways"]
    assert gateway.held == 0
    assert standing(died) is not None


def test_what_stays_held_is_an_error(died: Path) -> None:
    def refuses(gateway: Scripted, action: Action, order_id: int, intent: Intent | None) -> None:
        gateway.state(order_id, OrderState.REJECTED)

    Elsewhere.NOW["answer"] = refuses
    with pytest.raises(SessionError, match=r"(?s)\+3 lots are still held.*btcframe session flatten runs/one"):
        main(["flatten", str(died)])


def test_a_venue_that_cannot_be_asked(died: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*asked: Any, **named: Any) -> None:
        raise DataError("the exchange does not answer", where="venue")

    monkeypatch.setattr(Elsewhere, "connect", away)
    with pytest.raises(
        SessionError,
        match=r"(?s)nothing was closed at its venue: the exchange does not answer \(venue\).*session flatten runs/one",
    ):
        main(["flatten", str(died)])
