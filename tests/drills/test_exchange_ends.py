"""Ends that nobody chooses, at the local exchange: it is away, the key is gone, the journal's disk is full, a plugin breaks."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_sessions import Killing, connected, local_money
from live_sessions import MOODS, SETTINGS, SPEED, Place, busy, catalog, place

from btcframe.errors import BtcframeError
from btcframe.exchange.core import Exchange
from btcframe.exchange.listed import made
from btcframe.exchange.listing import Listing
from btcframe.exchange.server import served
from btcframe.jobs import replay as replay_job
from btcframe.run import Run
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.types import NS

from jobs.small import make_run  # isort: skip

pytestmark = pytest.mark.drill

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path, catalog()) as at:
        yield at


def traded(there: Killing, seconds: float, then: Callable[[float], None], **changes: Any) -> Run:
    """A session that joins, amends, cancels and takes; `then` is told how long it has lasted."""
    settings: dict[str, Any] = {
        "venue": there.venue_node(), "source": {"endpoint": "local"}, "policy": {"plugin": "restless"}, **SETTINGS,
    }  # fmt: skip
    return there.place.session(seconds, lambda run, at: then(at), **settings | changes)


def once(at: float, do: Callable[[], None]) -> Callable[[float], None]:
    done: list[bool] = []

    def then(now: float) -> None:
        if now >= at and not done:
            done.append(True)
            do()

    return then


def told_of(run: Run) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((run.dir / "manifest.json").read_text())["results"]["trade"]
    return told


def is_whole(run: Run, there: Killing) -> list[dict[str, Any]]:
    """Both sides agree, and a replay comes to the same. Returns what the exchange booked, fills and funding."""
    held, notes = there.recovered()
    booked: list[dict[str, Any]] = there.truth()["executions"]
    tables, told = load_tables(run.dir / TABLES), told_of(run)
    assert held == tables["equity"]["position_lots"][-1]
    print(f"{told['state']}: {told['cause'] or 'nothing'}; {'; '.join(notes) or 'nothing was left'}")
    print(*(line for line in there.place.said(run).splitlines() if line.startswith("Exchange: ")))
    again = make_run(
        there.place.folder, run.catalog, f"{run.dir.name}-again", verb="replay", session=str(run.dir)
    )
    assert replay_job.main(again).intents == len(tables["intents"])
    return booked


@pytest.mark.parametrize("fault", ["outage", "denied*10003", "ban", "denied*10006"])
def test_a_session_that_ends_while_nobody_answers(here: Place, fault: str) -> None:
    """What was working is said, and left to the next session; a start meanwhile is refused; the one after settles it."""
    there = Killing(here)
    name, _, amount = fault.partition("*")
    long = f"{name}+{600 * SPEED:.0f}s" + (f"*{amount}" if amount else "")
    run = traded(there, 10.0, once(6.0, lambda: here.inject(long)))
    told, said = told_of(run), here.said(run)
    assert told["stopped"] == "duration"
    print(f"{fault}: {told['state']}: {told['cause']}; {told['differs']}")
    print(*said.splitlines()[-6:], sep="\n")
    with pytest.raises(BtcframeError) as refused:
        traded(there, 2.0, lambda at: None, warm_start=str(run.dir))
    assert refused.value.next or refused.value.hint
    print(f"a start meanwhile: {refused.value}")
    here.at.call(here.at.exchange.heal)
    on = traded(there, 5.0, lambda at: None, warm_start=str(run.dir))
    is_whole(on, there)
    assert there.cash == pytest.approx(local_money(on.dir), abs=1e-4)


def test_funding_that_is_paid_while_the_stream_is_down(tmp_path: Path) -> None:
    """Each minute, here; the position is as it was, and the cash the exchange's, to the cent."""
    market = made([SYMBOL])[0]
    market.listing = Listing(market.listing.instrument._replace(funding_ns=60 * NS), 1)
    exchange = Exchange([market], start_ns=time.time_ns(), speed=SPEED, history=10_000, limited=False)
    with served(exchange) as at:
        here = Place(tmp_path, catalog(), at)
        there = Killing(here)
        wait = (45.0 - time.time()) % 60.0  # seconds until the stream goes down, a quarter of a minute before
        run = traded(there, wait + 40.0, once(wait, lambda: here.inject(f"stream_down+{30 * SPEED:.0f}s")))
        funding = [float(e["execFee"]) for e in is_whole(run, there) if e["execType"] == "Funding"]
        paid = load_tables(run.dir / TABLES)["funding"]
        print(paid[["rate", "position_lots", "amount"]].tolist())
        assert len(paid) and paid["amount"].tolist() == pytest.approx(funding[: len(paid)])
        after = sum(funding[len(paid) :])  # what was paid when the session was over
        assert there.cash == pytest.approx(local_money(run.dir) - after, abs=1e-4)


@pytest.mark.parametrize("room", [True, False])
def test_a_disk_that_is_full_under_the_journal(here: Place, tmp_path: Path, room: bool) -> None:
    """A real file system of 64 MB: nothing opens any more, what reduces goes out. With room again all of it is written
    down; without, the end says that it is not, and what is held is found at the exchange.
    """
    there, disk = Killing(here), tmp_path / "journals"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"not allowed to mount a small file system: {mounted.stderr.decode().strip()}")
    with contextlib.ExitStack() as ends:
        ends.callback(subprocess.run, ["umount", str(disk)], check=True)
        ballast, done = disk / "ballast", list[str]()

        def then(at: float) -> None:
            if at > 11.0 and room:
                ballast.unlink(missing_ok=True)
            elif at > 4.0 and not done:
                done.append("full")
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))

        run = traded(there, 14.0, then)
        tables, told = load_tables(run.dir / TABLES), told_of(run)
        stop = tables["stops"][tables["stops"]["code"] == b"journal"]
        assert len(stop) == 1 and told["cause"].startswith("journal")
        held = np.abs(tables["equity"]["position_lots"][tables["equity"]["row_ns"] > stop["ns"][0] + NS])
        assert len(held) > 20 and (np.diff(held) <= 0).all()
        if room:
            is_whole(run, there)
            return
        assert told["counters"]["venue"]["journal_waiting"] and "never got into the journal" in here.said(run)
        ballast.unlink()
        print(*(line for line in here.said(run).splitlines() if line.startswith("Exchange: ")))
        assert connected(there.venue).position.lots == held[-1] * np.sign(
            tables["equity"]["position_lots"][-1]
        )
        assert there.truth()["open"] == []


def raises(row: int) -> None:
    if row > 60:
        raise RuntimeError("it broke")


def stalls(row: int) -> None:
    if row > 60:
        busy(0.5)


@pytest.mark.parametrize("mood", [raises, stalls])
def test_a_plugin_that_breaks(
    here: Place, mood: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is switched off, and what is held only gets less; nothing is left at the exchange."""
    there = Killing(here)
    monkeypatch.setitem(MOODS, "bad", mood)
    features = {"book": {"plugin": "book"}, "moody": {"plugin": "moody", "mood": "bad"}}
    run = traded(there, 14.0, lambda at: None, features=features)
    assert "features.moody" in told_of(run)["contained"] and told_of(run)["state"] == "reducing"
    monkeypatch.setitem(MOODS, "bad", lambda row: None)
    held, _ = there.recovered()
    assert held == load_tables(run.dir / TABLES)["equity"]["position_lots"][-1]
    print(f"{told_of(run)['cause']}; {held} lots at the end")


def test_two_traders_on_one_account(here: Place) -> None:
    """The second one is refused, from whatever directory; the first one does not notice."""
    there, told = Killing(here), list[str]()

    def second() -> None:
        (here.folder / "elsewhere").mkdir()
        other = Killing(Place(here.folder / "elsewhere", here.catalog, here.at))

        def begin() -> None:
            with pytest.raises(BtcframeError) as refused:
                traded(other, 2.0, lambda at: None)
            told.append(str(refused.value))

        thread = threading.Thread(target=begin)
        thread.start()
        told.append("asked")

    run = traded(there, 12.0, once(4.0, second))
    assert "one account" in told[-1]
    print(told[-1])
    is_whole(run, there)
    assert told_of(run)["state"] == "active"
