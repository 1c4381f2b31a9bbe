"""Bybit's V5 public socket, as far as a connection has to know it: addresses, topics, subscriptions, replies.

What the messages of the topics say is the decoder's business.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import msgspec

from btcframe.control import MARKET
from btcframe.errors import ConfigError
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.sources.bybit.market import Category, Market
from btcframe.sources.bybit.rest import clock_of
from btcframe.sources.live.adapter import Answer, Reply, Request, Topic
from btcframe.types import Instrument

PING_EVERY = 20.0
"""Seconds, as the exchange advises; without one it closes after ten minutes."""

LONGEST_ARGS = 21_000
"""Characters of all topics that one connection may subscribe to."""

ARGS = {Category.spot: 10}
"""Topics of one request at most, where that is limited."""

_TOPIC = b'"topic":"'

_Id = Annotated[str, msgspec.Meta(max_length=100)]


class _Reply(msgspec.Struct, gc=False):
    """A reply to a request; a pong keeps the op of the ping, or has one of its own."""

    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: _Id = ""


_reply = msgspec.json.Decoder(_Reply).decode


@dataclass(frozen=True)
class BybitAdapter:
    """One market of Bybit.

    Parameters
    ----------
    market : Market
    url : str                       the public socket of its category
    rest : str                      base of the REST addresses
    topics : tuple of Topic
    penalty : float                 s to stay away after HTTP 403
    clock_every : float             s between two round trips that tell the exchange's clock; 0 for none
    hint : str                      what else to look at where no connection can be made

    Raises
    ------
    ConfigError
        If the topics are more than one connection may subscribe to.
    """

    market: Market
    url: str
    rest: str
    topics: tuple[Topic, ...]
    penalty: float = 600.0
    clock_every: float = 60.0
    hint: str = ""
    _ids: Iterator[int] = field(default_factory=partial(itertools.count, 1), compare=False, repr=False)

    def __post_init__(self) -> None:
        length = sum(len(topic.name) for topic in self.topics)
        if length > LONGEST_ARGS:
            raise ConfigError(
                f"{len(self.topics)} topics are {length:,} characters, and a connection takes {LONGEST_ARGS:,}",
                where="source",
                hint="Open several sources.",
            )

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        return self.market.instrument

    @property
    def ping_every(self) -> float:
        """Seconds."""
        return PING_EVERY

    @property
    def opening(self) -> tuple[tuple[str, bytes], ...]:
        """The market: so the log of a session can be decoded by itself."""
        return ((MARKET, self.market.frame(0).data),)

    def decoder(self) -> BybitDecoder:
        """A new decoder of the market."""
        return BybitDecoder(*self.market)

    def subscribe(self, topics: Sequence[str]) -> list[Request]:
        """Subscriptions; spot takes ten topics a request."""
        return self._requests("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str]) -> list[Request]:
        """Their ends."""
        return self._requests("unsubscribe", topics)

    def ping(self) -> Request:
        """The exchange's own ping: an ordinary message."""
        return self._request("ping", ())

    def topic_of(self, data: bytes) -> bytes:
        """What stands behind the key `topic`, wherever that is: the keys' order differs between markets."""
        at = data.find(_TOPIC)
        if at < 0:
            return b""
        return data[at + len(_TOPIC) : data.find(b'"', at + len(_TOPIC))]

    def reply(self, data: bytes) -> Reply:
        """What a reply says; neither `op` nor `ret_msg` tells it alone, and spot leaves out what is empty."""
        said = _reply(data)
        if said.op == "pong" or said.ret_msg == "pong":
            return Reply(Answer.pong, said.req_id)
        if said.op != "subscribe" or said.success is None:
            return Reply(Answer.other, said.req_id)
        return Reply(Answer.accepted if said.success else Answer.refused, said.req_id, said.ret_msg)

    def pause(self, status: int) -> float:
        """403: too many connections, or not from there, to be kept for ten minutes; 429: too many requests."""
        return self.penalty if status == 403 else self.penalty / 10

    def beside(self, now: Callable[[], int]) -> AsyncIterator[tuple[str, bytes]]:
        """Round trips that tell the exchange's clock."""
        return clock_of(self.rest, self.clock_every, now)

    def _requests(self, op: str, topics: Sequence[str]) -> list[Request]:
        size = ARGS.get(Category(self.instrument.contract), len(topics))
        return [self._request(op, tuple(topics[i : i + size])) for i in range(0, len(topics), max(size, 1))]

    def _request(self, op: str, topics: tuple[str, ...]) -> Request:
        id_ = str(next(self._ids))
        said = {"op": op, "req_id": id_} | ({"args": topics} if topics else {})
        return Request(id_, msgspec.json.encode(said).decode(), topics)
