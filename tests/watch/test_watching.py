"""The watcher: a status that is true even when the trader stands still, and a switch that is passed on."""

from __future__ import annotations

import json
import threading
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from watched import Clock, Session

from btcframe.errors import DataError, SessionError
from btcframe.types import NS
from btcframe.watch.processes import this_process
from btcframe.watch.signals import ExecutionSignals
from btcframe.watch.status import find, read_status, running, stands, write_status
from btcframe.watch.switch import ask
from btcframe.watch.watching import Watcher, numbers, watching

PATIENT_NS = 1000 * NS
"""In place of the 5 s after which a session is stuck: a busy machine may take that to run a test."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.watch.status.STUCK_NS", PATIENT_NS)


def status_of(directory: Path, **changes: Any) -> None:
    """A status by hand, where this process is the session's."""
    watcher = Watcher(directory, Session().live())
    write_status(directory, watcher.told("running") | changes)


def test_what_stands_in_the_file(tmp_path: Path) -> None:
    session = Session().live(contained={"features.ofi": "KeyError: 1"})
    with watching(tmp_path, session):
        told = json.loads((tmp_path / "status.json").read_text())
        status = read_status(tmp_path)
    assert set(told) == {
        "version", "status", "process", "started_ns", "written_ns", "written_mono_ns", "about", "metrics", "signals",
        "counters", "vetoes", "model", "clock", "error",
    }  # fmt: skip
    assert set(told["signals"]) == set(ExecutionSignals._fields)
    assert told["about"]["symbol"] == "BTC/USDT:USDT" and told["vetoes"] == {"max_position": 2}
    assert told["counters"]["trader"] == {"fills": 3} and told["clock"]["round_trips"] == 0
    assert told["signals"]["contained"] == {"features.ofi": "KeyError: 1"}
    assert (status.state, status.condition, status.alive) == ("active", "running", True)
    ended = read_status(tmp_path)
    assert ended.condition == "ended" and [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_before_the_first_batch_it_is_starting(tmp_path: Path) -> None:
    session = Session()
    session.known = None
    with watching(tmp_path, session):
        status = read_status(tmp_path)
    assert (status.state, status.told["signals"], status.told["clock"]) == ("starting", None, None)


def test_a_session_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), watching(tmp_path, Session()):
        raise ValueError("no")
    assert read_status(tmp_path).condition == "failed"


def test_it_writes_each_second_and_when_the_state_changes(tmp_path: Path) -> None:
    clock, session = Clock(), Session()
    watcher = Watcher(tmp_path, session, mono_ns=clock)
    watcher.write("running")

    def written() -> int:
        return int(json.loads((tmp_path / "status.json").read_text())["written_mono_ns"])

    first = written()
    clock.ns += NS - 1
    watcher.step()
    assert written() == first
    clock.ns += 1
    watcher.step()
    assert written() == first + NS
    session.live()
    clock.ns += 1
    watcher.step()
    assert written() == first + NS + 1  # starting no more


def test_the_switch_is_passed_on_and_its_effect_told_at_once(tmp_path: Path) -> None:
    clock, session = Clock(), Session().live()
    watcher = Watcher(tmp_path, session, mono_ns=clock)
    watcher.step()
    asked = ask(tmp_path, "halt", "enough")
    watcher.step()
    assert session.asked == [("halt", {"why": asked.cause})]
    signals = json.loads((tmp_path / "status.json").read_text())["signals"]
    assert signals["state"] == "halted" and signals["cause"] == asked.cause
    ask(tmp_path, "resume")
    watcher.step()
    watcher.step()
    assert [name for name, _ in session.asked] == ["halt", "resume"]


def test_a_full_disk_does_not_end_the_kill_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session().live()
    watcher = Watcher(tmp_path, session)
    tried, stop = threading.Event(), threading.Event()

    def full(*_: object) -> None:
        tried.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("btcframe.watch.watching.LOOK", 0.001)
    monkeypatch.setattr("btcframe.watch.watching.write_status", full)
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    assert tried.wait(60)
    ask(tmp_path, "halt")
    while not session.asked:
        assert thread.is_alive()
    monkeypatch.setattr("btcframe.watch.watching.write_status", write_status)
    while not (tmp_path / "status.json").exists():
        assert thread.is_alive()
    stop.set()
    thread.join()
    told = read_status(tmp_path)
    assert told.state == "halted" and told.told["counters"]["status"]["failures"] == watcher.failures > 0


def test_a_trader_that_stands_still_shows(tmp_path: Path) -> None:
    clock = Clock()
    session = Session(clock).live()
    watcher = Watcher(tmp_path, session)
    watcher.write("running")
    assert read_status(tmp_path).condition == "running"
    clock.ns += PATIENT_NS
    watcher.write("running")
    status = read_status(tmp_path)
    assert status.condition == "stuck" and status.told["signals"]["idle_ns"] == PATIENT_NS
    session.live(mono_ns=clock() - 2 * PATIENT_NS)  # it goes on, far behind
    watcher.write("running")
    status = read_status(tmp_path)
    assert status.condition == "running" and status.told["signals"]["age_ns"] == 2 * PATIENT_NS


def test_a_process_that_stands_still_shows(tmp_path: Path) -> None:
    status_of(
        tmp_path,
        written_mono_ns=Watcher(tmp_path, Session()).told("running")["written_mono_ns"] - 2 * PATIENT_NS,
    )
    status = read_status(tmp_path)
    assert status.condition == "stuck" and status.age_ns > PATIENT_NS


def test_where_a_process_is(tmp_path: Path) -> None:
    me = this_process()
    for changed, condition in (
        (me._replace(started=me.started - 1), "died"), (me._replace(boot="other"), "elsewhere"), (me, "running"),
    ):  # fmt: skip
        status_of(tmp_path, process=changed._asdict())
        assert read_status(tmp_path).condition == condition


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("[]", "is not the status of a session"),
        ("{}", "is not the status of a session: KeyError('version')"),
        ('{"version": 2}', "is of version 2, this btcframe reads 1"),
        ('{"version": 1, "process": {"pid": 1}}', "is not the status of a session"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(DataError) as error:
        read_status(tmp_path)
    assert says in str(error.value)


def test_no_session_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SessionError, match=r"has no status.json\nSessions stand in runs/"):
        read_status(tmp_path / "x")
    with pytest.raises(SessionError, match="no session runs here"):
        running(Path())
    old, new, gone = (tmp_path / "runs" / name for name in ("old", "sweep/0", "gone"))
    for directory, started in ((old, 1), (new, 2), (gone, 3)):
        directory.mkdir(parents=True)
        status_of(directory, started_ns=started)
    status_of(gone, started_ns=3, process=this_process()._replace(started=1)._asdict())
    (tmp_path / "runs" / "odd").mkdir()
    (tmp_path / "runs" / "odd" / "status.json").write_text("{")
    assert [status.directory.name for status in find(Path())] == ["gone", "0", "old"]
    assert [status.directory.name for status in running(Path())] == ["0", "old"]
    with pytest.raises(SessionError, match=r"The newest session here is runs/gone \(died\)"):
        read_status(tmp_path)


def test_the_numbers_of_counters() -> None:
    @dataclass(frozen=True)
    class Counted:
        n: int = 1
        error: str = "x"
        rate: float = 0.5

    assert numbers(Counted()) == {"n": 1, "rate": 0.5}
    assert numbers(namedtuple("Pair", "a b")(3, None)) == {"a": 3}


def test_a_state_is_not_said_twice() -> None:
    assert stands("halted", "halt: the news (anna)") == "halted: the news (anna)"
    assert stands("HALTED", "halt") == "HALTED" and stands("active", "") == "active"
    assert stands("reducing", "reduce: lunch") == "reducing: lunch"
    assert stands("halted", "drawdown: 16 %") == "halted: drawdown: 16 %"
    assert stands("halted", "reduce: lunch") == "halted: reduce: lunch"
