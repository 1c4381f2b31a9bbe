"""Sessions with everything going wrong that can; a sample with every test run, the rest as drills."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs.test_trade import everything_arrived, rows_of, streams, told
from live_sessions import SETTINGS, SYMBOL, Flaky, Place, catalog, down, place

from btcframe.control import SHED
from btcframe.plugins import Catalog
from btcframe.run import Run
from btcframe.session_log import CommandItem, FrameItem, SessionLog
from btcframe.sessions.saved_state import read_state
from btcframe.sessions.session import ACCOUNT, SESSION, STATE, TABLES
from btcframe.trading.audit import load_tables

MB = 1 << 20
FAULTS = (
    "drop",
    "gap",
    "crossed",
    "malformed",
    "duplicate*3",
    "reorder",
    "outage+3s",
    "restart",
    "half_open+5s",
)


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture
def here(tmp_path: Path, found: Catalog) -> Iterator[Place]:
    with place(tmp_path, found) as at:
        yield at
    Flaky.HAPPENS.clear()


def resident(pid: int) -> int:
    """Bytes of memory that a process takes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def together(here: Place, seconds: float, seed: int, every: float) -> Run:
    """A session with a fault of the exchange every so often, a store that comes and goes, and a consumer that dawdles."""
    draw = random.Random(seed)
    due = [every]

    def meddle(run: Run, at: float) -> None:
        if at < due[0] or at > seconds - 4:
            if at > seconds - 4:
                Flaky.HAPPENS.clear()
            return
        due[0] += every
        which = draw.random()
        if which < 0.6:
            here.inject(draw.choice(FAULTS))
        elif which < 0.8:
            Flaky.HAPPENS[:] = [] if Flaky.HAPPENS else [down]
        else:
            threading.Event().wait(draw.choice((0.1, 0.8)))

    store = {"plugin": "flaky", "path": str(here.folder / "lake")}
    return here.session(
        seconds, meddle, store=store, trade={"duration": f"{seconds}s", "lag": "500ms"}, **SETTINGS
    )


@pytest.mark.drill
@pytest.mark.parametrize("seed", range(3))
def test_all_faults_together(here: Place, seed: int) -> None:
    run = together(here, 120, seed, 1.5)
    everything_arrived(run)
    counters = told(run)["counters"]
    assert counters["decoder"]["losses"] > 3 and counters["connection"]["lost"] > 0
    assert counters["lane"]["held_bytes"] == 0 and counters["spool"]["lost"] == 0
    assert not np.isnan(rows_of(run)["mid"][-3:]).any()


@pytest.mark.drill
@pytest.mark.parametrize("what", ["store", "disk"])
def test_ten_minutes_of_outage_at_ten_times_the_load(
    tmp_path: Path, found: Catalog, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits stays under the cap for as long as it lasts; all that was consumed arrives."""
    from jobs.test_trade import full_disk

    seconds, memory = 600, 20 * MB
    lake = {"plugin": "flaky", "path": str(tmp_path / "lake")}
    disk, met = full_disk(monkeypatch, 5, seconds) if what == "disk" else (lambda run, at: None, [1])

    def meddle(run: Run, at: float) -> None:
        disk(run, at)
        if what == "store":
            Flaky.HAPPENS[:] = [down] if 5 < at < seconds else []

    with place(tmp_path, found, speed=50.0) as here:
        run = here.session(
            seconds + 20, meddle, store=lake, lane={"memory": memory}, **SETTINGS,
            trade={"duration": f"{seconds + 20}s", "lag": "1m"},
        )  # fmt: skip
    assert met
    counters = told(run)["counters"]
    assert counters["lane"]["most_bytes"] < 1.1 * memory
    assert (counters["shed"]["shed"] > 0) == (what == "disk") == (SHED in streams(run))
    everything_arrived(run)


@pytest.mark.drill
def test_a_store_that_is_away_costs_no_memory(tmp_path: Path, found: Catalog) -> None:
    """Ten minutes at ten times the load, the server not there: a session of its own process stays as large as it is."""
    with place(tmp_path, found, speed=50.0) as here:
        command = [
            sys.executable, "-m", "btcframe", "trade", "source=bybit", f"source.ws={here.at.ws}",
            f"source.rest={here.at.http}", f"source.symbol={SYMBOL}", "clock.every=100ms", "lane.memory=20000000",
            "store=timescale", "store.host=127.0.0.1", "store.port=9", "store.user=nobody", "trade.duration=10m",
            f"spool.path={tmp_path / 'spool'}", f"hydra.run.dir={tmp_path / 'session'}",
        ]  # fmt: skip
        taken = []
        with subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | {"PGPASSWORD": "none"}, stdout=subprocess.DEVNULL
        ) as process:
            while process.poll() is None:
                if _rows(tmp_path / "session" / "status.json"):
                    taken.append(resident(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
    assert process.returncode == 0
    first, rest = (
        taken[: len(taken) // 5],
        taken[len(taken) // 5 : -5],
    )  # the end writes what it must, at once
    assert max(rest) - max(first) < 40 * MB, f"{(max(rest) - max(first)) / MB:.0f} MB more"


def killed(here: Place, seed: int, kills: int) -> list[Path]:
    """Sessions that are killed at any moment, each going on from the one before."""
    draw, before, directories = random.Random(seed), "", []
    for n in range(kills):
        directory = here.folder / f"killed{n}"
        command = [
            sys.executable, "-m", "btcframe", "trade", "source=bybit", f"source.ws={here.at.ws}",
            f"source.rest={here.at.http}", f"source.symbol={SYMBOL}", "source.depth=50", "clock.every=100ms",
            "features=[book]", "state.every=1s", "lane.latest=100ms", f"hydra.run.dir={directory}",
            f"store.path={here.folder / 'lake'}", f"spool.path={here.folder / 'spool'}", "record.sync=false",
            *([f"warm_start={before}"] if before else []),
        ]  # fmt: skip
        with subprocess.Popen(
            command, cwd=here.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            status = directory / "status.json"
            while not _rows(status) and process.poll() is None:
                threading.Event().wait(0.05)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.5, 2.5))
            process.send_signal(signal.SIGKILL)
            output, _ = process.communicate()
            assert process.returncode == -signal.SIGKILL, output.decode()
        directories.append(directory)
        before = str(directory)
    return directories


def _rows(status: Path) -> int:
    try:
        told: dict[str, Any] = json.loads(status.read_text())
    except FileNotFoundError:
        return 0
    return int(told["counters"]["trader"]["rows"])


def stands(directory: Path, warm: bool) -> None:
    """What a killed session left is whole as far as it goes, and none of it is ahead of the log."""
    log = SessionLog(directory / SESSION)
    items = list(log)
    assert not log.complete
    frames = [item for item in items if isinstance(item, FrameItem)]
    names = [item.name for item in items if isinstance(item, CommandItem)]
    assert frames and ("restore" in names) == ("warm_start" in names) == warm
    last_ns = frames[-1].ts
    tables = load_tables(directory / TABLES)
    assert all(
        table["row_ns"][-1] <= last_ns for name, table in tables.items() if name == "equity" and len(table)
    )
    account = json.loads((directory / ACCOUNT).read_text())
    assert account["symbol"] == SYMBOL and account["saved_ns"] <= last_ns
    if (directory / STATE).exists():
        assert read_state(directory / STATE).now_ns <= last_ns


@pytest.mark.parametrize(
    ("seed", "kills"), [(0, 2), *(pytest.param(s, 25, marks=pytest.mark.drill) for s in (1, 2))]
)
def test_killed_at_any_moment_and_gone_on(here: Place, seed: int, kills: int) -> None:
    for n, directory in enumerate(killed(here, seed, kills)):
        stands(directory, warm=n > 0)


@pytest.mark.drill
def test_memory_does_not_grow_with_the_market(tmp_path: Path) -> None:
    """Four hours of it, as fast as it goes, take no more memory than two: more rows than a store is given at a time.

    Below 65,536 rows, 109 minutes of them here, the pieces that a table is read and merged in become larger with it.
    """
    peaks = []
    for minutes in (120, 240):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        subprocess.run(
            [sys.executable, "-m", "btcframe", "trade", "source=synthetic", f"source.duration={minutes}m",
             "clock.every=100ms", "lane.memory=20000000", f"hydra.run.dir={tmp_path / str(minutes)}"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
        peaks.append(max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)
    assert peaks[1] - peaks[0] < 40 * MB
