"""What can be made to go wrong: the table of faults, how one is written, and what it does to a topic's messages."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from btcframe.errors import ConfigError, did_you_mean
from btcframe.exchange.streams import Message
from btcframe.types import NS, duration_name, duration_ns

TEXT, BINARY = 1, 2
"""Opcodes of a WebSocket frame."""


class Kind(NamedTuple):
    """One kind of fault.

    Parameters
    ----------
    what : str          happens
    amount : int        where none is given; 0 takes none
    counts : str        what the amount is
    lasting_ns : int    where nothing is said; 0 does not last, and cannot
    topic : bool        whether it can be told of one topic
    most : int          the largest amount
    request : bool      whether it befalls requests to trade, and can be told of one operation: create, amend, cancel
    """

    what: str
    amount: int = 0
    counts: str = ""
    lasting_ns: int = 0
    topic: bool = False
    most: int = 1_000_000
    request: bool = False


FOR_EVER = 10**18
"""Lasts until the exchange ends, or the fault is taken back; some thirty years, ns."""

FAULTS = {
    "drop": Kind("connections are cut, without a word"),
    "half_open": Kind(
        "connections stay open, and nothing comes any more: no data, no answer; of a topic: its data alone",
        lasting_ns=FOR_EVER,
        topic=True,
    ),
    "gap": Kind("deltas of the book are left out", 1, "deltas", topic=True),
    "duplicate": Kind("messages of the book come twice", 1, "messages", topic=True),
    "reorder": Kind("a message of the book comes after the one that follows it", 1, "pairs", topic=True),
    "restart": Kind("the service restarts: the next message of the book is a snapshot of u=1", topic=True),
    "restart_delta": Kind("the same, and the message says that it is a delta", topic=True),
    "crossed": Kind("the book is sent with a bid above its best ask", 1, "messages", topic=True),
    "malformed": Kind("a message of the book is damaged: it is no JSON any more", 1, "messages", topic=True),
    "truncated": Kind("a message of the book ends in the middle", 1, "messages", topic=True),
    "oversized": Kind("a message of many bytes comes in between", 8_000_000, "bytes", most=64_000_000),
    "binary": Kind("binary frames of random bytes come in between", 1, "frames", most=10_000),
    "late_ack": Kind("subscriptions are answered late", 5_000, "ms", lasting_ns=60 * NS),
    "refuse": Kind("subscriptions fail", 1, "subscriptions"),
    "skew": Kind("the exchange's clock steps, ahead or (negative) back", 2_000, "ms", FOR_EVER, most=10**12),
    "too_many": Kind("requests and new connections are answered with 429", lasting_ns=5 * NS),
    "forbidden": Kind("requests and new connections are answered with 403", lasting_ns=5 * NS),
    "outage": Kind(
        "connections are cut, new ones and requests are answered with 503; then every book begins at u=1",
        lasting_ns=3 * NS,
    ),
    "slow": Kind("everything that is sent arrives late", 500, "ms", lasting_ns=5 * NS),
    "request_lost": Kind(
        "a request to trade never arrives: the connection is cut", 1, "requests", request=True
    ),
    "reply_lost": Kind(
        "a request to trade is carried out, and the connection is cut in place of the reply",
        1,
        "requests",
        request=True,
    ),
    "accepted_twice": Kind(
        "a request to trade is carried out twice; the reply is that to the second",
        1,
        "requests",
        request=True,
    ),
    **{
        f"error_{code}{when}": Kind(
            f"a request to trade is {what}, and answered with retCode {code}", 1, "requests", request=True
        )
        for code in (10000, 10016, 170007, 170146)
        for when, what in (("", "carried out"), ("_before", "not carried out"))
    },
    "reject": Kind("an order is accepted, then rejected", 1, "orders", request=True),
    "partial_cancel": Kind(
        "an order is accepted, filled by half, then canceled by the exchange", 1, "orders", request=True
    ),
    "fill_in_cancel": Kind(
        "a cancel is accepted, and the order is filled before it gets there", 1, "cancels", request=True
    ),
    "adl": Kind("the exchange takes half of every position away, at the mark: auto-deleveraging"),
    "reply_slow": Kind("replies of the private REST come late", 2_000, "ms", lasting_ns=5 * NS),
    "stream_down": Kind("private streams are cut, and no new ones are taken", lasting_ns=5 * NS),
    "stream_silent": Kind("private streams stay open, and nothing comes on them any more", lasting_ns=5 * NS),
    "ban": Kind("requests of the private REST are answered with 403", lasting_ns=10 * NS),
    "denied": Kind(
        "private requests are refused with a retCode, and no private stream is taken; where a key is gone (10003, 33004), "
        "those that are there are cut",
        10003,
        "retCode",
        lasting_ns=10 * NS,
    ),
}
"""Every fault by name."""

ON_MESSAGES = ("gap", "duplicate", "reorder", "malformed", "truncated")
"""Those that befall the messages of a topic on their way."""

OPERATIONS = ("create", "amend", "cancel")
"""What a fault of requests to trade can be told of, in place of a topic."""

_WRITTEN = re.compile(r"(?P<name>\w+)(?P<marks>(?:[@/+]\w+|\*-?[1-9]\d*)*)(?::(?P<topic>\S+))?")
_MARKS = {"@": "at", "/": "every", "+": "lasting", "*": "amount"}
GRAMMAR = "NAME[@FIRST][/EVERY][+LASTING][*AMOUNT][:TOPIC], e.g. gap@5s/30s*3:orderbook.50.BTCUSDT"
"""How a fault is written on a command line."""


@dataclass(frozen=True)
class Fault:
    """One fault, as it was asked for.

    Parameters
    ----------
    name : str          one of FAULTS
    at : str            when first, in market time from the start; "0s" is at once
    every : str         how often from then on; "" once
    lasting : str       how long; "" as FAULTS says
    amount : int        how many, how much; 0 as FAULTS says
    topic : str         of which topic; "" of all

    Raises
    ------
    ConfigError
        If there is no such fault, or it has no such setting.
    """

    name: str
    at: str = "0s"
    every: str = ""
    lasting: str = ""
    amount: int = 0
    topic: str = ""

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ConfigError(
                f"exchange.faults: there is no fault {self.name!r}",
                hint=did_you_mean(self.name, FAULTS),
                next="All of them: btcframe exchange --faults",
            )
        for name in ("at", "every", "lasting"):
            try:
                duration_ns(getattr(self, name) or "0s", zero=True)
            except ValueError as error:
                raise ConfigError(
                    f"exchange.faults: {self.name}: {name}: {error}", hint=f"Write {GRAMMAR}."
                ) from None
        kind = FAULTS[self.name]
        has = {"lasting": kind.lasting_ns, "amount": kind.amount, "topic": kind.topic or kind.request}
        for name, possible in has.items():
            if getattr(self, name) and not possible:
                raise ConfigError(
                    f"exchange.faults: {self.name} has no {name}: {getattr(self, name)}",
                    hint=f"It is: {kind.what}.",
                )
        if self.topic and kind.request and self.topic not in OPERATIONS:
            raise ConfigError(
                f"exchange.faults: {self.name}: there is no operation {self.topic!r}",
                hint=did_you_mean(self.topic, OPERATIONS),
            )
        if self.every and not self.every_ns:
            raise ConfigError(
                f"exchange.faults: {self.name}: every 0s would never end", hint=f"Write {GRAMMAR}."
            )
        if self.amount < 0 and self.name != "skew":
            raise ConfigError(f"exchange.faults: {self.name}: {self.amount} is not a number of {kind.counts}")
        if abs(self.amount) > kind.most:
            raise ConfigError(
                f"exchange.faults: {self.name}: {self.amount:,} {kind.counts} are too many: {kind.most:,} are the most"
            )

    @property
    def at_ns(self) -> int:
        """When first."""
        return duration_ns(self.at, zero=True)

    @property
    def every_ns(self) -> int:
        """How often, 0 for once."""
        return duration_ns(self.every, zero=True) if self.every else 0

    @property
    def lasting_ns(self) -> int:
        """How long."""
        return duration_ns(self.lasting, zero=True) if self.lasting else FAULTS[self.name].lasting_ns

    @property
    def much(self) -> int:
        """How many, or how much."""
        return self.amount or FAULTS[self.name].amount

    def __str__(self) -> str:
        parts = [self.name]
        parts += [f"@{self.at}"] if self.at_ns else []
        parts += [f"/{self.every}"] if self.every else []
        parts += [f"+{self.lasting}"] if self.lasting else []
        parts += [f"*{self.amount}"] if self.amount else []
        return "".join([*parts, f":{self.topic}" if self.topic else ""])


def parse(text: str) -> Fault:
    """The fault that a text such as ``gap@5s/30s*3:orderbook.50.BTCUSDT`` writes.

    Raises
    ------
    ConfigError
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"exchange.faults: {text!r} is not a fault", hint=f"Write {GRAMMAR}.")
    marks = re.findall(r"[@/+*][^@/+*]+", found["marks"])
    given: dict[str, Any] = {_MARKS[mark[0]]: mark[1:] for mark in marks}
    if len(given) < len(marks):
        raise ConfigError(f"exchange.faults: {text!r} says something twice", hint=f"Write {GRAMMAR}.")
    amount = int(given.pop("amount", "0"))
    return Fault(found["name"], **given, amount=amount, topic=found["topic"] or "")


def of_json(value: Any) -> Fault:
    """The fault that a control request asks for: ``{"fault": "gap", "amount": 3, …}``, or its text.

    Raises
    ------
    ConfigError
    """
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, dict) or not isinstance(value.get("fault"), str):
        raise ConfigError('the request names no fault: {"fault": "gap", "amount": 3}', hint=GRAMMAR)
    rest = {name: given for name, given in value.items() if name != "fault"}
    types = {
        field.name: int if field.name == "amount" else str for field in fields(Fault) if field.name != "name"
    }
    for name, given in rest.items():
        if name not in types:
            raise ConfigError(f"a fault has no {name!r}", hint=did_you_mean(name, types))
        if type(given) is not types[name]:
            raise ConfigError(f"{name}: {given!r} is not {'a number' if types[name] is int else 'a text'}")
    return Fault(value["fault"], **rest)


def table() -> list[tuple[str, str, str]]:
    """Every fault as (name, what happens, its defaults): for `--faults` and the docs."""
    rows = []
    for name, kind in FAULTS.items():
        defaults = [f"*{kind.amount} ({kind.counts})"] if kind.amount else []
        if kind.lasting_ns:
            defaults.append(
                "for ever" if kind.lasting_ns == FOR_EVER else f"+{duration_name(kind.lasting_ns)}"
            )
        if kind.topic:
            defaults.append("whole connections" if name == "half_open" else "every book")
        if kind.request:
            defaults.append("the next that fits")
        rows.append((name, kind.what, ", ".join(defaults)))
    return rows


class Frame(NamedTuple):
    """What is sent: the opcode of a WebSocket frame, and its payload."""

    opcode: int
    data: bytes


class Line:
    """The way of one topic's messages out of the exchange, and what befalls them on it.

    Parameters
    ----------
    seed : str      of what is damaged how
    """

    def __init__(self, seed: str) -> None:
        self.silent_until = -1  # market time, ns
        self._left = dict.fromkeys(ON_MESSAGES, 0)
        self._held: Frame | None = None
        self._random = random.Random(seed)

    def befall(self, name: str, amount: int) -> None:
        """The next so many messages have this fault."""
        self._left[name] += amount

    def heal(self) -> None:
        """Nothing is wrong any more."""
        self.silent_until = -1
        self._left = dict.fromkeys(ON_MESSAGES, 0)

    def through(self, messages: Sequence[Message], ns: int) -> list[Frame]:
        """What comes out of these messages."""
        if ns < self.silent_until:
            return []
        return [frame for message in messages for frame in self._one(message)]

    def _one(self, message: Message) -> list[Frame]:
        frame = Frame(TEXT, message.data)
        if not message.book:
            return [frame]
        if message.delta and self._take("gap"):
            return []
        if self._take("malformed"):
            return [Frame(TEXT, self._damaged(message.data))]
        if self._take("truncated"):
            return [Frame(TEXT, message.data[: self._random.randrange(1, len(message.data))])]
        if self._held is not None:
            held, self._held = self._held, None
            return [frame, held]
        if self._take("reorder"):
            self._held = frame
            return []
        return [frame, frame] if self._take("duplicate") else [frame]

    def _take(self, name: str) -> bool:
        taken = self._left[name] > 0
        self._left[name] -= taken
        return taken

    def _damaged(self, data: bytes) -> bytes:
        """The message with its first brackets and some characters of it lost: never valid JSON, always UTF-8."""
        cut = sorted(self._random.sample(range(1, len(data)), min(8, len(data) - 1)))
        return b"".join(data[a + 1 : b] for a, b in zip([0, *cut], [*cut, len(data)], strict=True))
