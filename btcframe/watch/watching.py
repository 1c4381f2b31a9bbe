"""Who looks at a running session from outside its own thread: its status on disk, its kill switch, its metrics.

One thread, which touches nothing of the session's but what the session gives to any thread. It never waits for the
trader: so what it writes shows when the trader stands still.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btcframe.types import NS
from btcframe.watch.observed import Number, Observed
from btcframe.watch.processes import this_process
from btcframe.watch.status import write_status
from btcframe.watch.switch import Switch

if TYPE_CHECKING:  # its package may not be installed
    from btcframe.watch.metrics import Endpoint

LOOK = 0.1
"""Seconds between two looks at the switch."""

WRITE_NS = NS
"""A status is written so often, and whenever the trader's state has changed."""


class Watcher:
    """Keeps a session's status on disk and passes on what the switch says. Step by step, or in a thread by `watching`.

    Parameters
    ----------
    directory : Path
    session : Observed
    now_ns : callable   ns UTC
    mono_ns : callable  monotonic, ns

    Attributes
    ----------
    metrics : str       address of the metrics, for the status; "" where there are none
    failures : int      times that it could not do what it is for
    error : str         why, the last time; "" once it could again
    """

    def __init__(
        self,
        directory: Path,
        session: Observed,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._directory, self._session, self.metrics = directory, session, ""
        self._now_ns, self._mono_ns = now_ns, mono_ns
        self._switch = Switch(directory)
        self._process = this_process()._asdict()
        self._started_ns = now_ns()
        self._written_ns: int | None = None
        self._state = ""
        self.failures = 0
        self.error = ""

    def step(self) -> None:
        """Look at the switch, and write the status where it is due."""
        request = self._switch.asked()
        if request is not None:
            self._session.ask(request.name, why=request.cause)
        signals = self._session.get_execution_signals()
        state = signals.state if signals else ""
        due = self._written_ns is None or self._mono_ns() - self._written_ns >= WRITE_NS
        if due or state != self._state:
            self._state = state
            self.write("running")

    def write(self, status: str) -> None:
        """Write the status now.

        Parameters
        ----------
        status : str    running, ended or failed
        """
        self._written_ns = self._mono_ns()
        write_status(self._directory, self.told(status))

    def told(self, status: str) -> dict[str, Any]:
        """What stands in the file, see docs/sessions.md."""
        session = self._session
        signals, offset = session.get_execution_signals(), session.offset()
        return {
            "status": status,
            "process": self._process,
            "started_ns": self._started_ns,
            "written_ns": self._now_ns(),
            "written_mono_ns": self._mono_ns(),
            "about": dict(session.about()),
            "metrics": self.metrics,
            "signals": None if signals is None else signals.plain(),
            "counters": self.counters(),
            "vetoes": dict(session.vetoes()),
            "model": dict(session.model()),
            "clock": None if offset is None else offset.plain(),
            "error": self.error,
        }

    def counters(self) -> dict[str, dict[str, Number]]:
        """The session's and its own, by part and name."""
        counted = {part: dict(numbers) for part, numbers in self._session.counters().items()}
        return {**counted, "status": {"failures": self.failures}}

    def run(self, stopped: threading.Event) -> None:
        """Go on until it is stopped. What fails is counted, told in the next status, and tried again."""
        while not stopped.wait(LOOK):
            try:
                self.step()
                self.error = ""
            except Exception as error:  # noqa: BLE001 - a full disk must not end the kill switch
                self.failures += 1
                self.error = f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def listening(address: str) -> Iterator[Endpoint | None]:
    """Listen for Prometheus at HOST:PORT while the block lasts; "" for nowhere.

    Raises
    ------
    ConfigError
        If the address is none, or in use.
    PluginError
        If prometheus_client is not installed.
    """
    if not address:
        yield None
        return
    from btcframe.watch.metrics import serving

    with serving(address) as endpoint:
        yield endpoint


@contextlib.contextmanager
def watching(directory: Path, session: Observed, endpoint: Endpoint | None = None) -> Iterator[Watcher]:
    """Watch a session while the block lasts.

    Parameters
    ----------
    directory : Path    the session's
    session : Observed
    endpoint : Endpoint, optional       where Prometheus asks
    """
    with contextlib.ExitStack() as stack:
        watcher = Watcher(directory, session)
        if endpoint is not None:
            watcher.metrics = endpoint.url
            stack.enter_context(endpoint.showing(session, watcher.counters))
        watcher.write("running")
        stopped = threading.Event()
        thread = threading.Thread(target=watcher.run, args=(stopped,), name="btcframe-watcher", daemon=True)
        thread.start()
        status = "failed"
        try:
            yield watcher
            status = "ended"
        finally:
            stopped.set()
            thread.join()
            with contextlib.suppress(OSError):  # how the session itself ended matters more than this file
                watcher.write(status)


def numbers(counted: Any) -> dict[str, Number]:
    """The numbers among the fields of a record of counters, frozen dataclass or named tuple."""
    fields = counted._asdict() if isinstance(counted, tuple) else dataclasses.asdict(counted)  # type: ignore[attr-defined]
    return {name: value for name, value in fields.items() if isinstance(value, (int, float))}
