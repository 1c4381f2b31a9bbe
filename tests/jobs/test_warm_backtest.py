"""A backtest that goes on from an earlier one: features known from its first row, said everywhere, replayed to the bit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import part_market as pm
import pytest

from btcframe.api import SessionEvent
from btcframe.errors import DataError
from btcframe.hookspecs import hookimpl
from btcframe.jobs import backtest, replay
from btcframe.plugins import discover
from btcframe.run import Run
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.saved_state import read_state
from btcframe.sessions.session import SESSION, START, STATE

from .small import make_run

seen: list[SessionEvent] = []
CLOCK = {"plugin": "time", "every": "100ms"}
CUT = 2400


def watch(event: SessionEvent) -> None:
    seen.append(event)


@pytest.fixture(scope="module")
def catalog() -> Any:
    components = hookimpl(lambda: {"source": {"part": pm.Part}})
    observer = hookimpl(lambda event: watch(event))
    module = SimpleNamespace(btcframe_components=components, btcframe_event=observer, __name__="part")
    return discover([("part", module)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def session(home: Path, catalog: Any, name: str, since: int, until: int, **changes: Any) -> Run:
    source = {"plugin": "part", "since": since, "until": until}
    policy = {"plugin": "market", "fee_bps": -3.0, "size": 0.1}
    features = {name: {"plugin": name} for name in ("book", "returns", "volatility")}
    run = make_run(
        home,
        catalog,
        name,
        clock=CLOCK,
        source=source,
        policy=policy,
        features=features,
        state={"every": "30s", "fresh": "10m"},
        **changes,
    )
    with run.recorded():
        backtest.main(run)
    return run


@pytest.fixture(scope="module")
def first(home: Path, catalog: Any) -> Run:
    return session(home, catalog, "first", 0, CUT)


@pytest.fixture(scope="module")
def second(home: Path, catalog: Any, first: Run) -> Run:
    return session(home, catalog, "second", CUT, 4600, warm_start=str(first.dir))


def test_a_session_leaves_its_state(first: Run) -> None:
    saved = read_state(first.dir / STATE)
    events = pm.Part(0, CUT).events(7)
    assert saved.events == len(events)
    assert saved.now_ns == events["local_ts"].max()
    assert not (first.dir / START).exists()
    assert "warm_start" not in first.manifest["results"]


def test_what_it_started_from_is_said_everywhere(first: Run, second: Run) -> None:
    told = second.manifest["results"]["warm_start"]
    assert told["way"] == "saved state"
    assert told["refused"] == {}
    assert told["gap_ns"] == told["first_ns"] - read_state(first.dir / STATE).now_ns
    (line,) = (line for line in second.console.lines if "start from" in line)  # type: ignore[attr-defined]
    assert (
        line
        == f"Warm start from the saved state: {told['rows']:,} rows, {told['gap_ns'] / 1e9:.3f} s before now"
    )
    (event,) = (e for e in seen if e.kind == "warm_start" and e.run == str(second.dir))
    assert event.data == told
    command = next(iter(SessionLog(second.dir / SESSION)))
    assert isinstance(command, CommandItem)
    assert command.data == {"way": "saved state", "sha256": told["sha256"]}
    start = read_state(second.dir / START, told["sha256"])
    assert start.now_ns == command.ts == told["first_ns"]
    assert read_state(second.dir / STATE).rows > start.rows == told["rows"] > 1000


def test_a_warm_session_replays(home: Path, catalog: Any, second: Run) -> None:
    result = replay.main(make_run(home, catalog, "replay", session=str(second.dir)))
    assert result.fingerprint == second.manifest["results"]["backtest"]["fingerprint"]
    assert result.fills > 5


def test_a_replay_needs_what_the_session_started_from(
    home: Path, catalog: Any, second: Run, tmp_path: Path
) -> None:
    kept = (second.dir / START).read_bytes()
    try:
        (second.dir / START).write_bytes((second.dir / STATE).read_bytes())
        with pytest.raises(DataError, match="another saved state than the session log names"):
            replay.replay(make_run(tmp_path, catalog), second.dir)
    finally:
        (second.dir / START).write_bytes(kept)


def test_a_cold_start_says_why(home: Path, catalog: Any, first: Run) -> None:
    run = session(home, catalog, "cold", 0, CUT, warm_start=str(first.dir))
    told = run.manifest["results"]["warm_start"]
    assert told["way"] == "cold"
    assert list(told["refused"]) == ["saved state", "session log", "store"]
    assert told["rows"] == 0
    assert not (run.dir / START).exists()
    assert any(line.startswith("Cold start") for line in run.console.lines)  # type: ignore[attr-defined]
    assert (
        run.manifest["results"]["backtest"]["fingerprint"]
        == first.manifest["results"]["backtest"]["fingerprint"]
    )
