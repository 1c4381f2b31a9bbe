"""What a live connection has counted."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counters:
    """What has happened on the way from the exchange to the consumer's thread, since the start.

    Parameters
    ----------
    messages, bytes : int       received, of whatever kind
    connections : int           that were opened
    failed : int                attempts at one that came to nothing
    lost : int                  connections that ended without our asking, for whatever reason
    dead : int                  of these: nothing came any more, though something should have
    oversized : int             of these: a message was larger than is taken
    forbidden : int             attempts that the exchange refused for being too many, or ours (HTTP 403, 429)
    breaks : int                times that so many attempts had failed that none was made for a while
    subscribed : int            requests to subscribe that the exchange accepted
    refused : int               requests that it refused
    late : int                  requests that it had not answered in time, though their topics sent
    resubscribed : int          topics subscribed anew because the decoder wanted a snapshot
    silent : int                topics subscribed anew because they had sent nothing for too long
    pings, pongs : int          sent, and answered
    unread : int                messages of no topic that could not be read
    heartbeats : int            control frames for time in which nothing came
    clock_steps : int           times that the wall clock was stepped
    waits : int                 times that the consumer was so far behind that nothing more was read from the socket
    waited_ms : int             for how long, in all
    most_waiting : int          bytes that waited for the consumer at most
    """

    messages: int
    bytes: int
    connections: int
    failed: int
    lost: int
    dead: int
    oversized: int
    forbidden: int
    breaks: int
    subscribed: int
    refused: int
    late: int
    resubscribed: int
    silent: int
    pings: int
    pongs: int
    unread: int
    heartbeats: int
    clock_steps: int
    waits: int
    waited_ms: int
    most_waiting: int


class Tally:
    """Counters while they count: written in one thread, read in any."""

    def __init__(self) -> None:
        self._n = {field.name: 0 for field in fields(Counters)}

    def add(self, name: str, n: int = 1) -> None:
        """Count."""
        self._n[name] += n

    def most(self, name: str, n: int) -> None:
        """Keep the largest."""
        self._n[name] = max(self._n[name], n)

    def read(self) -> Counters:
        """What has been counted so far."""
        return Counters(**self._n)
