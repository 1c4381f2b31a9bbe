"""Observers of a session, told in a thread of their own: one that takes long holds up neither the trader nor the log."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from btcframe.api import SessionEvent

MOST = 10_000
"""Events that may wait; what comes while so many do is counted and not told."""

PATIENCE = 5.0
"""Seconds that observers are given at the end."""


class Teller:
    """Takes events from any thread at once, and tells them in order.

    Parameters
    ----------
    tell : callable         ``tell(event)``, raises nothing
    run : str               SessionEvent.run
    now_ns : callable       ns UTC

    Attributes
    ----------
    told, untold : int      events that observers know of, and that came while too many waited
    """

    def __init__(
        self, tell: Callable[[SessionEvent], None], run: str, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._tell, self._run, self._now_ns = tell, run, now_ns
        self._waiting: queue.SimpleQueue[SessionEvent | None] = queue.SimpleQueue()
        self.told = self.untold = 0

    def __call__(self, kind: str, /, **data: Any) -> None:
        """Something happened."""
        if self._waiting.qsize() >= MOST:
            self.untold += 1
        else:
            self._waiting.put(SessionEvent(kind, self._now_ns(), self._run, data))

    def counts(self) -> dict[str, int]:
        """How it stands."""
        return {"told": self.told, "waiting": self._waiting.qsize(), "untold": self.untold}

    @contextlib.contextmanager
    def running(self, patience: float = PATIENCE) -> Iterator[Teller]:
        """Tell while the block lasts; at the end what waits, as far as that takes no longer than `patience`, s."""
        thread = threading.Thread(target=self._work, name="btcframe-observers", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._waiting.put(None)
            thread.join(patience)

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            self._tell(event)
            self.told += 1
