"""What other threads have for a session's fast lane: commands for the trader, and words for the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from btcframe.api import Host
from btcframe.errors import ConfigError


class Asked(NamedTuple):
    """A command for the trader."""

    name: str
    data: dict[str, Any]


class Inbox:
    """Two queues that any thread puts into at once, and the trader's thread empties before each batch.

    Attributes
    ----------
    asked : deque of Asked
    told : deque of (ns, mapping)       what a venue heard and acted upon, and when
    """

    def __init__(self) -> None:
        self.asked: deque[Asked] = deque()
        self.told: deque[tuple[int, Mapping[str, Any]]] = deque()

    def ask(self, name: str, /, **data: Any) -> None:
        """Put a command to the trader."""
        self.asked.append(Asked(name, data))


class Prompt(Protocol):
    """A feed that can be told to give a heartbeat now, and knows the time of its stamps."""

    def now(self) -> int:
        """The clock of EVENT.local_ts, ns."""

    def wake(self) -> None:
        """Give a heartbeat now."""


def host_of(session: str, feed: Any, inbox: Inbox, tell: Callable[..., None]) -> Host:
    """What a real venue is given.

    Parameters
    ----------
    session : str       the run's id
    feed : Feed
    inbox : Inbox
    tell : callable     observers

    Raises
    ------
    ConfigError
        If the market is none that happens now.
    """
    if not (hasattr(feed, "wake") and hasattr(feed, "now")):
        raise ConfigError(
            "a real venue needs a live market: what the source gives has happened before",
            where="source",
            hint="Orders for a recorded or a made market are the simulated venue's: venue=sim.",
            next="btcframe trade source=bybit source.endpoint=… venue=ccxt venue.endpoint=…",
        )
    prompt: Prompt = feed

    def stop(code: str, why: str) -> None:
        inbox.ask("reduce", code=code, why=why)
        prompt.wake()

    def log(said: Mapping[str, Any]) -> None:
        inbox.told.append((prompt.now(), said))

    return Host(session, prompt.now, prompt.wake, tell, log, stop)
