"""What an exchange must say of itself to be a live source: one adapter, in one file.

Everything else (connecting, subscribing anew, telling a dead connection, the hand-over between threads, the log) is
the same for all of them. docs/live.md writes one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from btcframe.types import EventArray, Frame, Instrument


class Topic(NamedTuple):
    """One stream of messages that is subscribed to.

    Parameters
    ----------
    name : str
    silence : float     s without a message after which it is taken for dead; 0 for never
    book : bool         whether it is a book's: while it is subscribed anew the book is not to be trusted
    optional : bool     whether it makes no events: under overload its messages are the first to be left out
    """

    name: str
    silence: float
    book: bool = False
    optional: bool = False


class Request(NamedTuple):
    """A message to the exchange that it answers.

    Parameters
    ----------
    id : str                    what its answer names it by
    text : str
    topics : tuple of str       that it is about
    """

    id: str
    text: str
    topics: tuple[str, ...] = ()


class Answer(Enum):
    """What a message that is of no topic says."""

    accepted = "accepted"
    refused = "refused"
    pong = "pong"
    other = "other"


class Reply(NamedTuple):
    """A message that is of no topic.

    Parameters
    ----------
    answer : Answer
    id : str            of the request, "" where it does not say
    text : str          the exchange's reason for a refusal
    """

    answer: Answer
    id: str = ""
    text: str = ""


class Decoder(Protocol):
    """From frames to events, as a pure function of the frames: the same live and from a log."""

    @property
    def wants(self) -> tuple[str, ...]:
        """Topics of which it needs a snapshot to go on."""

    @property
    def counters(self) -> Any:
        """A frozen dataclass of what it has counted."""

    def push(self, frames: Sequence[Frame]) -> EventArray:
        """EVENT[n] that the frames say, in order."""


class Adapter(Protocol):
    """Everything that is peculiar to an exchange's public socket."""

    @property
    def instrument(self) -> Instrument:
        """What is traded."""

    @property
    def url(self) -> str:
        """The socket's address, ``ws://`` or ``wss://``."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What is subscribed to."""

    @property
    def opening(self) -> tuple[tuple[str, bytes], ...]:
        """Streams and contents of the control frames that a session begins with."""

    @property
    def ping_every(self) -> float:
        """How often the exchange wants to hear of us, s."""

    @property
    def hint(self) -> str:
        """What else to look at where no connection can be made."""

    def decoder(self) -> Decoder:
        """A new decoder."""

    def subscribe(self, topics: Sequence[str]) -> list[Request]:
        """Subscriptions, as many as the exchange's limits need."""

    def unsubscribe(self, topics: Sequence[str]) -> list[Request]:
        """Their ends."""

    def ping(self) -> Request:
        """A sign of life."""

    def topic_of(self, data: bytes) -> bytes:
        """The topic a message says it is of, b"" where it says none. It is asked for every message: it must be quick."""

    def reply(self, data: bytes) -> Reply:
        """What a message without a topic says. Raises ValueError where it cannot be read."""

    def pause(self, status: int) -> float:
        """Seconds to stay away after the exchange refused a connection with this HTTP status."""

    def beside(self, now: Callable[[], int]) -> AsyncIterator[tuple[str, bytes]]:
        """Control frames that come by another way than the socket, such as round trips that tell the exchange's clock.

        It runs as long as the session, and paces itself.

        Parameters
        ----------
        now : callable      the time as stamps tell it, ns UTC

        Yields
        ------
        stream, contents
        """
