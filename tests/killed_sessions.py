"""Sessions at the local exchange that are killed, in processes of their own, and the books of both sides afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from live_sessions import SETTINGS, SYMBOL, Place, catalog
from live_sessions import place as place_of
from local_exchange import SYMBOLS

from btcframe.api import Host, Recovered
from btcframe.sessions.session import ACCOUNT
from btcframe.trading.account import Ledger
from btcframe.types import OrderState
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.real.steps import VARIABLE

QUICK: Any = {"timeout": "2s", "recv_window": "2s", "settle": "500ms", "penalty": "3s"}
"""That an order never arrived is certain after window and settle; after a ban nothing is sent for the penalty."""

TESTS = Path(__file__).parent
_STATES = {"Filled": OrderState.FILLED, "Cancelled": OrderState.CANCELED, "Rejected": OrderState.REJECTED}


# ------------------------------------------------------------------------------------------- the process that is killed


def zygote() -> None:
    """Read one session a line, fork a process that trades it, say its number, and how it ended.

    What takes long to import is imported once, and no thread has begun when it forks.
    """
    import ccxt.pro  # noqa: F401 - seconds

    import btcframe.live.opening
    import btcframe.sources.bybit.protocol
    import btcframe.venues.real.gateway  # noqa: F401

    found = catalog()
    print("ready", flush=True)
    for line in sys.stdin:
        if not (pid := os.fork()):
            _session(json.loads(line), found)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _session(asked: Mapping[str, Any], found: Any) -> None:
    with Path(asked["out"]).open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.environ[VARIABLE] = asked.get("kill_at", "")
    code = 1
    try:
        if "venue" in asked:
            recovered = connected(Ccxt(**asked["venue"]))
            print(json.dumps({"lots": recovered.position.lots, "notes": recovered.notes}))
        else:
            at: Any = SimpleNamespace(ws=asked["ws"], http=asked["http"])
            here = Place(Path(asked["folder"]), found, at, asked["count"])
            print(here.said(here.session(asked["seconds"], **asked["changes"])))
        code = 0
    except Exception:  # noqa: BLE001 - nobody else tells: it must not come back to where it was forked
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def connected(venue: Ccxt) -> Recovered:
    """Open the venue as a session does at its start, and close it."""
    host = Host(
        f"check-{os.urandom(6).hex()}", time.time_ns, lambda: None, lambda kind, **data: None, lambda said: None,
        lambda code, why: None,
    )  # fmt: skip
    gateway, recovered = venue.connect(SYMBOLS[SYMBOL], host)
    gateway.close()
    return recovered


def local_money(directory: Path) -> float:
    """The cash that a session counted up to, as it saved it."""
    ledger = Ledger(SYMBOLS[SYMBOL], 0.0)
    ledger.restore(json.loads((directory / ACCOUNT).read_text())["ledger"])
    return ledger.cash


@dataclass
class Killing:
    """A local exchange, an account on it, and one session after the other that is killed."""

    place: Place
    process: subprocess.Popen[str] | None = None  # None: there is only what a test does itself
    count: int = 0
    last: Path | None = None  # the directory of the session before
    cash: float = 0.0  # of the account, as it was opened last

    @property
    def venue(self) -> Ccxt:
        return Ccxt(port=self.place.at.port, journal=str(self.place.folder / "journals"), **QUICK)

    def venue_node(self) -> dict[str, Any]:
        """The same in a config."""
        return {"plugin": "ccxt", "port": self.place.at.port, "journal": self.venue.journal, **QUICK}

    def session(
        self,
        seconds: float,
        kill_at: str = "",
        then: Callable[[int], None] = lambda pid: None,
        **changes: Any,
    ) -> int:
        """Trade until that is over or the process is killed; `then` is told its number. Returns its exit code.

        It goes on from the one before.
        """
        folder = self.place.folder
        settings = {
            "venue": self.venue_node(),
            "source": {"endpoint": "local"},
            "policy": {"plugin": "restless"},
            "warm_start": str(self.last) if self.last else "",
            **SETTINGS,
        }
        code = self._forked(
            then, folder=str(folder), ws=self.place.at.ws, http=self.place.at.http, count=self.count, seconds=seconds,
            kill_at=kill_at, changes=settings | changes,
        )  # fmt: skip
        directory = folder / f"session{self.count}"
        if (directory / "account.json").exists():
            self.last = directory
        return code

    def _forked(self, then: Callable[[int], None] = lambda pid: None, **asked: Any) -> int:
        """Have something done in a process of its own; its exit code."""
        self.count += 1
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(asked | {"out": str(self.place.folder / f"out{self.count}")}) + "\n")
        process.stdin.flush()
        then(int(process.stdout.readline()))
        return int(process.stdout.readline())

    def said(self) -> str:
        """What the last session printed."""
        return (self.place.folder / f"out{self.count}").read_text()

    def truth(self) -> dict[str, Any]:
        """What the exchange knows."""
        private = self.place.at.exchange.private
        truth: dict[str, Any] = self.place.at.call(lambda: private.service.truth(private.account()))
        return truth

    def until_it_orders(self, pid: int) -> None:
        """Wait for the first order of a session, or its end."""
        before = self.orders()
        with contextlib.suppress(ProcessLookupError):
            while self.orders() == before:
                os.kill(pid, 0)
                threading.Event().wait(0.02)

    def orders(self) -> int:
        """How many orders the exchange has ever seen of ours."""
        return len(self.truth()["orders"])

    def recovered(self) -> tuple[int, list[str]]:
        """Open the venue as a session does at its start, and compare the books of both sides.

        Returns
        -------
        (lots, notes) : (int, list of str)
            what is held, and what was said

        Raises
        ------
        AssertionError
            If an order works, is there twice, is unknown to one side, or ended otherwise; or fills or position differ.
        """
        if self.process is None:
            found = connected(self.venue)
            lots, notes, self.cash = found.position.lots, list(found.notes), found.cash
        else:
            node = self.venue_node()
            del node["plugin"]
            assert self._forked(venue=node) == 0, self.said()
            told = json.loads(self.said().splitlines()[-1])
            lots, notes = told["lots"], told["notes"]
        self.compare(lots)
        return lots, notes[1:]

    def compare(self, lots: int) -> None:
        """See `recovered`."""
        truth = self.truth()
        ours = [order for order in truth["orders"] if order["orderLinkId"].startswith("bf")]
        assert not truth["open"], "an order works that nobody looks after"
        links = Counter(order["orderLinkId"] for order in ours)
        assert max(links.values(), default=1) == 1, "an order is there twice"
        [file] = Path(self.venue.journal).glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            journal = dict(db.execute("SELECT link, state FROM orders").fetchall())
            fills = dict(db.execute("SELECT exec_id, side * lots FROM fills").fetchall())
            filled = dict(db.execute("SELECT link, sum(lots) FROM fills GROUP BY link").fetchall())
            assert not db.execute("SELECT * FROM adjustments").fetchall(), "fills were missed"
        for order in ours:
            link = order["orderLinkId"]
            assert journal.get(link) == _STATES[order["orderStatus"]], (link, journal.get(link), order)
            assert filled.get(link, 0) == round(float(order["cumExecQty"]) * 1000), order
        for link, state in journal.items():
            assert link in links or state == OrderState.REJECTED, (
                f"{link} is {state}, and not at the exchange"
            )
        theirs = {
            e["execId"]: (1 if e["side"] == "Buy" else -1) * round(float(e["execQty"]) * 1000)
            for e in truth["executions"]
            if e["execType"] == "Trade"
        }
        assert fills == theirs
        held = sum(
            (1 if p["side"] == "Buy" else -1) * round(float(p["size"]) * 1000) for p in truth["positions"]
        )
        assert lots == held == sum(fills.values())


@contextlib.contextmanager
def killing(folder: Path) -> Iterator[Killing]:
    """An exchange, and what sessions are forked from."""
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); import killed_sessions as k; k.zygote()",
    ]
    with (
        place_of(folder, catalog()) as place,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None and process.stdin is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield Killing(place, process)
        finally:
            process.stdin.close()
            process.kill()
