"""The account's journal: on disk when it says so, twice is once, and one trader at a time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_venue import START_NS, asked

from btcframe.errors import ConfigError, StoreError
from btcframe.types import OrderReason, OrderState
from btcframe.venues.real.journal import journal_of
from btcframe.venues.real.lock import account_lock
from btcframe.venues.real.records import Execution, Stand
from btcframe.venues.real.steps import STEPS, VARIABLE, step_of_environment

SYMBOL = "BTC/USDT:USDT"


def execution(n: int, side: int = 1, lots: int = 5, link: str = "bf0123456789ab-1") -> Execution:
    return Execution(f"e{n}", link, "v1", side, 600_000, lots, 0.25, False, START_NS + n)


def stand(state: OrderState, filled: int = 0) -> Stand:
    return Stand(asked(1).link, "v1", 1, 600_000, 10, filled, state, OrderReason.NONE, START_NS)


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with journal_of(path, SYMBOL) as journal:
        for order in (asked(1), asked(2, reduce_only=True)):
            journal.asked("session", order)
        assert journal.commit()
        journal.stands(START_NS, stand(OrderState.PARTIALLY_FILLED, 5), complete=True)
        assert journal.executed(START_NS, [execution(1), execution(1), execution(2, -1, 2)]) == [
            execution(1), execution(2, -1, 2),
        ]  # fmt: skip
        assert journal.executed(START_NS, [execution(1)]) == []
        journal.adjusted(START_NS, 4, "before")
    with journal_of(path, SYMBOL) as journal:
        one, two = journal.working()
        assert (one.asked, one.session, one.venue_id, one.filled, one.state) == (
            asked(1), "session", "v1", 7, OrderState.PARTIALLY_FILLED,
        )  # fmt: skip
        assert two.asked == asked(2, reduce_only=True) and two.venue_id == ""
        assert journal.position == 5 - 2 + 4 and journal.last_ns == START_NS + 2
        assert journal.has("e1") and not journal.has("e3")
        assert journal.executed(START_NS, [execution(2, -1, 2)]) == []
        assert journal.numbers([asked(2).link, "bfelse-1"]) == {asked(2).link: 2}
    with journal_of(path, "BTC/USD:BTC") as journal:
        assert journal.working() == [] and journal.position == 0
    assert path.stat().st_mode & 0o077 == 0


def test_an_order_works_until_its_last_fill_is_known(tmp_path: Path) -> None:
    with journal_of(tmp_path / "j.sqlite", SYMBOL) as journal:
        journal.asked("s", asked(1))
        journal.stands(START_NS, stand(OrderState.FILLED, 10), complete=False)
        journal.commit()
        assert len(journal.working()) == 1
        journal.stands(START_NS, stand(OrderState.FILLED, 10), complete=True)
        journal.commit()
        assert journal.working() == []


def test_what_cannot_be_written_is_owed_or_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with journal_of(path, SYMBOL) as journal:
        db = journal._db
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to a full disk
        n = 0
        while journal.commit():
            n += 1
            journal.step(START_NS, "link", "filler", text="x" * 500)
            assert n < 10_000
        assert "full" in journal.failure
        order = journal.asked("s", asked(1))
        fresh = journal.executed(START_NS, [execution(1)])
        assert not journal.commit() and fresh and journal.position == 5
        journal.withdraw([order])
        db.execute("PRAGMA max_page_count = 1000000")
        assert journal.commit() and journal.owed == 0 and journal.failure == ""
        assert journal.working() == []
    with journal_of(path, SYMBOL) as journal:
        assert journal.position == 5


def test_a_commit_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    code = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from scripted_venue import asked
from btcframe.venues.real.journal import journal_of
with journal_of(Path({str(path)!r}), "BTC/USDT:USDT") as journal:
    journal.asked("s", asked(1))
    assert journal.commit()
    journal.asked("s", asked(2))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    with journal_of(path, SYMBOL) as journal:
        assert [known.asked for known in journal.working()] == [asked(1)]


def test_a_journal_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="journal cannot be used"), journal_of(path, SYMBOL):
        pass
    newer = tmp_path / "newer.sqlite"
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="version 99"), journal_of(newer, SYMBOL):
        pass


def test_the_second_trader_on_an_account_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.lock"
    with account_lock(path, "first"):
        with pytest.raises(StoreError) as refused, account_lock(path, "second"):
            pass
        assert f"process {os.getpid()} in {Path.cwd()} (session first)" in str(refused.value)
    with account_lock(path, "second"):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="lock of the account cannot be made"),
        account_lock(tmp_path / "file" / "x.lock", "s"),
    ):
        pass


def test_a_drill_kills_at_the_step_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(number))
    monkeypatch.delenv(VARIABLE, raising=False)
    step_of_environment()("submit.asked")
    monkeypatch.setenv(VARIABLE, "submit.journaled:2")
    step = step_of_environment()
    for name in (*STEPS, "submit.journaled"):
        assert killed == []
        step(name)
    assert killed == [signal.SIGKILL]
    monkeypatch.setenv(VARIABLE, "submit.jurnaled")
    with pytest.raises(ConfigError, match=r"Did you mean submit.journaled\?"):
        step_of_environment()
