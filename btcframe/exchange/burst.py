"""Many messages at once, made beforehand: faster than any market, for measuring those who read them."""

from __future__ import annotations

import msgspec

from btcframe.errors import ConfigError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import Frame
from btcframe.exchange.session import Session
from btcframe.exchange.streams import GRID_NS
from btcframe.types import NS

_LONGEST_NS = 3600 * NS


class Burst(msgspec.Struct, forbid_unknown_fields=True):
    """What a burst is asked to be.

    Parameters
    ----------
    messages : int      sent to each client, or a few more: whole repetitions
    prepared : int      different ones among them
    """

    messages: int = 100_000
    prepared: int = 2_000


def asked(body: bytes) -> Burst:
    """The burst that a control request asks for.

    Raises
    ------
    ConfigError
        If it asks for no burst.
    """
    try:
        burst = msgspec.json.decode(body or b"{}", type=Burst)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the request is no burst: {error}", hint='Send {"messages": 100000}.') from error
    if burst.messages < 1 or burst.prepared < 1:
        raise ConfigError("a burst has at least one message, and one that is prepared")
    return burst


class _Kept:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def cut(self) -> None:
        """Nothing is behind it."""

    def end(self, code: int, reason: str) -> None:
        """Nothing is behind it."""


def prepared(exchange: Exchange, session: Session, count: int) -> list[Frame]:
    """What a session would be sent next, beginning with what its topics begin with: it can be sent repeatedly.

    The market goes on meanwhile.

    Raises
    ------
    ConfigError
        If nothing comes for an hour of the market: nothing is subscribed, or the order flow is over.
    """
    kept = _Kept()
    until = exchange.ns + _LONGEST_NS
    with session.diverted(kept):
        for topic in sorted(session.topics):
            exchange.welcome(session, topic)
        while len(kept.frames) < count:
            if exchange.ns >= until:
                raise ConfigError(
                    f"there are no {count:,} messages for {session.conn_id}",
                    hint="Subscribe to something that moves.",
                )
            exchange.step(exchange.ns + GRID_NS)
    return kept.frames


def header(frame: Frame) -> bytes:
    """The header of a whole, unmasked WebSocket frame (RFC 6455, 5.2)."""
    first, size = bytes([0x80 | frame.opcode]), len(frame.data)
    if size < 126:
        return first + bytes([size])
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big")
    return first + b"\x7f" + size.to_bytes(8, "big")
