"""docs/operations.md, done: every command of the runbook in its order, on the local exchange, and what each must come to."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from forked_commands import SESSIONS, Done, Typist, typist

from btcframe import explain
from btcframe.endpoints import Endpoint, key_names
from btcframe.errors import SessionError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.listed import made
from btcframe.exchange.private.account import Holder
from btcframe.exchange.server import Served, served
from btcframe.watch.status import read_status

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
KEY, SECRET = "canary-key-2b90", "canary-secret-8f11ce"
"""Of the account; nothing that is written may hold them."""

OF_ITS_OWN = (
    "features=[book]", "clock.every=100ms", "label.horizons=[1s]", "model=mock", "policy=market", "policy.fee_bps=0",
    "policy.slippage_bps=0", "policy.size=0.002", "risk=[max_position]", "source.depth=50", "state.every=1s",
)  # fmt: skip
"""What stands for … in a command that trades: small, and with a reason to trade."""


def commands() -> list[list[str]]:
    """The page's commands, in their order."""
    lines = re.findall(r"^    (btcframe .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture(scope="module")
def at() -> Iterator[Served]:
    listed, holder = made(["BTC/USDT:USDT"], duration="10m", levels=60), Holder(KEY, SECRET)
    with served(
        Exchange(listed, start_ns=time.time_ns(), speed=3.0, limited=False, holders=(holder,))
    ) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    names = key_names("bybit", Endpoint.local)
    account = dict(zip(names, (KEY, SECRET), strict=True))
    folder = tmp_path_factory.mktemp("runbook")
    with typist(folder, *SESSIONS, XDG_DATA_HOME=str(folder / "user"), **account) as somebody:
        yield somebody


def truth(at: Served) -> dict[str, Any]:
    told: dict[str, Any] = at.call(at.exchange.private.service.truth, at.exchange.private.account())
    return told


def position(at: Served) -> float:
    return sum(float(held["size"]) for held in truth(at)["positions"])


def until(so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it does not become so"
        threading.Event().wait(0.02)


def trades(directory: Path, orders: int) -> bool:
    """Whether a session is active and has sent so many orders."""
    try:
        told = read_status(directory).told
    except SessionError:  # it is not there yet
        return False
    return bool(told["signals"]) and told["counters"]["trader"]["submitted"] >= orders


class Runbook:
    """The page's reader, who has a model, and looks at what each command says."""

    def __init__(self, types: Typist, at: Served) -> None:
        self.types, self.at, self.folder = types, at, types.folder
        self.session = 0
        self.did: list[str] = []

    def do(self, command: list[str]) -> None:
        """Run one command of the page, and see that it came to what the page says."""
        word, what = command[1], command[2] if len(command) > 2 else ""
        self.did.append(" ".join(command[1:3]))
        if word == "exchange":
            return  # it runs already, on a port of its own
        if word == "trade":
            self.trade(self.filled(command))
            return
        if word == "doctor":
            done = self.types.run(*self.filled(command))
            assert "fail     " not in done.said.replace("fail     disk", ""), done.said
            return
        done = self.types.run(*command)
        look = getattr(self, f"after_{word}_{what}" if word in ("session", "db") else f"after_{word}")
        look(done)

    def told(self) -> bool:
        """Whether orders of the session are in its tables: they are written behind it."""
        directory = self.folder / "runs/monday"
        return (
            trades(directory, 3)
            and (directory / "tables/orders.npy").is_file()
            and bool(explain.orders(directory))
        )

    def filled(self, command: list[str]) -> list[str]:
        """A command as the reader types it: with his own settings, and this test's ports."""
        where = [
            f"{part}.{name}={base}" for part in ("source", "venue") for name, base in self.bases().items()
        ]
        own = [*OF_ITS_OWN, *where] if "…" in command else where
        return [word for word in command if word != "…"] + own

    def bases(self) -> dict[str, str]:
        return {"rest": self.at.http, "ws": self.at.ws}

    def trade(self, command: list[str]) -> None:
        if "trade.duration=3s" in command:
            done = self.types.run(*command)
            assert done.code == 0 and "Over after" in done.said, done.said
            assert "Account: the exchange's" in done.said and not truth(self.at)["open"]
            return
        self.session = self.types.begin(*command)
        try:
            until(self.told)
        except AssertionError:
            raise AssertionError(self.types.said(self.types.count)) from None

    def after_session_status(self, done: Done) -> None:
        if self.did.count("session status") == 1:
            assert done.code == 0 and "running" in done.said and "active" in done.said, done.said
        else:
            assert done.code == 8 and "died" in done.said, done.said

    def after_session_explain(self, done: Done) -> None:
        assert done.code == 0 and "mock: signal" in done.said, done.said

    def after_session_halt(self, done: Done) -> None:
        assert done.code == 0 and "is halted" in done.said, done.said
        assert not truth(self.at)["open"]

    def after_session_resume(self, done: Done) -> None:
        assert done.code == 0 and "is active" in done.said, done.said
        if self.did.count("session resume") == 2:  # the end of the section: what follows is "After a crash"
            sent = read_status(self.folder / "runs/monday").told["counters"]["trader"]["submitted"]
            until(lambda: trades(self.folder / "runs/monday", sent + 2))
            os.kill(self.session, signal.SIGKILL)
            until(lambda: not read_status(self.folder / "runs/monday").alive)

    def after_session_flatten(self, done: Done) -> None:
        assert done.code == 0, done.said
        assert position(self.at) == 0 and not truth(self.at)["open"]
        assert "nothing is held" in done.said or "no order works" in done.said

    def after_replay(self, done: Done) -> None:
        assert done.code == 0 and "bit for bit" in done.said, done.said

    def after_db_drain(self, done: Done) -> None:
        assert done.code == 0, done.said


def test_every_command_of_the_runbook_does_what_the_page_says(at: Served, types: Typist) -> None:
    made = types.run(
        "btcframe", "train", *OF_ITS_OWN[:4], "source.duration=5m", "validation.folds=1", "validation.final=true",
        "validation.min_train=50", "hydra.run.dir=runs/model",
    )  # fmt: skip
    assert made.code == 0, made.said
    reader = Runbook(types, at)
    for command in commands():
        reader.do(command)
    account = truth(at)
    assert not account["open"] and position(at) == 0 and len(account["orders"]) > 5
    links = [order["orderLinkId"] for order in account["orders"]]
    assert len(set(links)) == len(links) and all(link.startswith("bf") for link in links)


def test_key_and_secret_are_in_nothing_that_is_written_said_or_shown(at: Served, types: Typist) -> None:
    """All that the runbook left, and what is said where the exchange refuses the key: with tracebacks, and in a sweep."""
    where = [f"{part}.{name}={base}" for part in ("source", "venue") for name, base in
             {"rest": at.http, "ws": at.ws}.items()]  # fmt: skip
    session = ["source.endpoint=local", "venue=ccxt", "features=[book]", *where, "hydra.verbose=true"]
    names = key_names("bybit", Endpoint.local)
    wrong = {names[1]: f"wrong-{SECRET}"}
    swept = types.run("btcframe", "trade", *session, "seed=1", "-m", environment=wrong)
    assert swept.code not in (0, 1) and "10004" in swept.said, swept.said
    at.call(at.exchange.inject, parse("reply_lost:create"))
    types.run("btcframe", "doctor", "--smoke-order", *session[:2], *where)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    files = [path for path in types.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files) and any(
        path.name == "sweep.json" for path in files
    )
    for text in (*lines, *(_unpacked(path) for path in files)):
        assert KEY.encode() not in text and SECRET.encode() not in text


def _unpacked(path: Path) -> bytes:
    """What a file holds; a session's log without its compression."""
    data = path.read_bytes()
    if path.suffix != ".zst":
        return data
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read()


def test_the_page_is_a_whole_day() -> None:
    words = [" ".join(command[1:3]) for command in commands()]
    for must in ("session halt", "session resume", "session flatten", "db drain", "replay runs/monday"):
        assert must in words
    assert json.dumps(words).count("trade ") == 2
