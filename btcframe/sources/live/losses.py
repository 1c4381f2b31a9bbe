"""Why a connection came to nothing, or ended: for the log, the counters, and how long to stay away."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

FORBIDDEN = (403, 429)
"""HTTP status with which an exchange says: too many requests, or not from there."""

TOO_BIG = 1009
"""Close code: a message was larger than is taken."""

NETWORK = (OSError, WebSocketException)
"""What a connection fails with; TimeoutError is an OSError."""


class Lost(Exception):
    """There is no connection, or none any more.

    Parameters
    ----------
    why : str
    pause : float       s to stay away at least
    count : str         counter it belongs to, beside `lost` or `failed`
    final : bool        it would be the same next time
    """

    def __init__(self, why: str, *, pause: float = 0.0, count: str = "", final: bool = False) -> None:
        super().__init__(why)
        self.why, self.pause, self.count, self.final = why, pause, count, final


def lost(error: Exception, pause_of: Callable[[int], float], timeout: float) -> Lost:
    """What an error of the network means.

    Parameters
    ----------
    error : Exception       one of NETWORK
    pause_of : callable     HTTP status → s to stay away
    timeout : float         s that were waited
    """
    match error:
        case InvalidStatus():
            return _refused(error, pause_of)
        case ConnectionClosed():
            return _closed(error)
        case TimeoutError():
            return Lost(f"no answer within {timeout:g} s")
        case OSError():
            return Lost(reason(error))
        case InvalidURI():
            return Lost(str(error), final=True)
        case _:
            return Lost(f"no WebSocket answers there: {error}")


def reason(error: OSError) -> str:
    """What kept the network from making a connection, or broke it."""
    match error:
        case socket.gaierror():
            return f"the host's name cannot be resolved: {error.strerror}"
        case ssl.SSLError():
            return f"no TLS connection: {getattr(error, 'verify_message', None) or error.reason or error}"
        case ConnectionRefusedError():
            return "nothing listens there"
        case _:
            return f"the connection broke: {error.strerror or str(error) or type(error).__name__}"


def _refused(error: InvalidStatus, pause_of: Callable[[int], float]) -> Lost:
    status = error.response.status_code
    after = error.response.headers.get("Retry-After", "")
    said = float(after) if after.isdigit() else 0.0
    why = f"the exchange refused the connection with HTTP {status}"
    if status in FORBIDDEN:
        return Lost(why, pause=max(said, pause_of(status)), count="forbidden", final=status == 403)
    return Lost(why, pause=said, final=400 <= status < 500)


def _closed(error: ConnectionClosed) -> Lost:
    if error.sent is not None and not error.rcvd_then_sent:  # we did, for what came
        if error.sent.code == TOO_BIG:
            return Lost(f"a message was larger than is taken: {error.sent.reason}", count="oversized")
        return Lost(f"what came is no WebSocket: {error.sent.reason or error.sent.code}")
    if error.rcvd is None:
        return Lost(f"the connection broke: {error.__cause__ or 'without a closing frame'}")
    return Lost(f"the exchange closed the connection: {error.rcvd}")
