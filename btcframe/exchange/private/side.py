"""The private side within the exchange: its connections, and the faults that befall it as a whole."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from btcframe.errors import ConfigError
from btcframe.exchange.faults import TEXT, Fault, Frame
from btcframe.exchange.listing import Listing
from btcframe.exchange.market import Market
from btcframe.exchange.private.account import Account, Holder
from btcframe.exchange.private.codes import GONE
from btcframe.exchange.private.orders import Execution, Order
from btcframe.exchange.private.service import Answer, Note, Request, Service
from btcframe.exchange.private.talks import StreamTalk, TradeTalk, message
from btcframe.exchange.private.troubles import ON_REQUESTS
from btcframe.exchange.session import Session

STREAM, TRADE = "private", "trade"
"""What the sockets /v5/private and /v5/trade are called where public ones have their category."""

_NEVER = -1
_LASTING = ("stream_down", "stream_silent", "ban", "reply_slow", "denied")


class Time(Protocol):
    """The exchange's time."""

    @property
    def ns(self) -> int:
        """Market time."""

    @property
    def now_ms(self) -> int:
        """The exchange's clock, ms."""


class PrivateSide:
    """Accounts, and those who are connected to them.

    Parameters
    ----------
    markets : mapping       by category and pair
    holders : sequence      of accounts, each with a key and a uid of its own
    time : Time
    sessions : sequence     every connection of the exchange
    note : callable         writes down what happened
    seed : int
    limited : bool

    Raises
    ------
    ConfigError
        If two accounts have one key, or one uid.
    """

    def __init__(
        self,
        markets: Mapping[tuple[str, str], Market],
        holders: Sequence[Holder],
        *,
        time: Time,
        sessions: Sequence[Session],
        note: Note,
        seed: int,
        limited: bool,
    ) -> None:
        self._time, self._sessions = time, sessions
        self.service = Service(
            markets, holders, clock=self._clock, publish=self._publish, note=note, seed=seed, limited=limited
        )
        uids = {account.uid for account in self.service.accounts.values()}
        if len(uids) < len(holders):
            raise ConfigError(
                "two accounts of the exchange have one key, or one uid", hint="Give each its own."
            )
        self._random = random.Random(f"{seed} private messages")
        self._until = dict.fromkeys(_LASTING, _NEVER)
        self._slow_ms = 0

    def _clock(self) -> int:
        return self._time.now_ms

    def talk(self, category: str) -> StreamTalk | TradeTalk:
        """What is spoken on a new connection."""
        made = StreamTalk if category == STREAM else TradeTalk
        return made(self.service, self._clock)

    def answer(self, request: Request) -> Answer:
        """The answer to a REST request."""
        return self.service.answer(request)

    def account(self, key: str = "") -> Account | None:
        """The account of a key; without one the first."""
        accounts = self.service.accounts
        return accounts.get(key) if key else next(iter(accounts.values()), None)

    def tell(self) -> None:
        """Send what the order flow did to resting orders."""
        if self.service.denied and self._time.ns >= self._until["denied"]:
            self.service.denied = 0
        self.service.engine.tell()

    def _publish(self, uid: int, topic: str, news: list[Any]) -> None:
        for session in self._sessions:
            talk = session.talk
            if not isinstance(talk, StreamTalk) or talk.account is None or talk.account.uid != uid:
                continue
            if topic in session.topics:
                self._send(session, talk.account, topic, news)
            for category in dict.fromkeys(_listing(one).category for one in news):
                if f"{topic}.{category}" in session.topics:
                    own = [one for one in news if _listing(one).category == category]
                    self._send(session, talk.account, f"{topic}.{category}", own)

    def _send(self, session: Session, account: Account, topic: str, news: list[Any]) -> None:
        ident = f"{account.uid}{self._random.getrandbits(64):016x}"
        data = message(self.service, account, topic, news, self._clock(), ident)
        session.deliver(Frame(TEXT, data), self._time.ns)

    # ----------------------------------------------------------------------------------------------------- faults

    def befall(self, fault: Fault) -> bool:
        """Let a fault happen; returns whether it is one of the private side."""
        until = self._time.ns + fault.lasting_ns
        if fault.name in ON_REQUESTS:
            self.service.troubles.befall(fault.name, fault.much, fault.topic)
        elif fault.name in _LASTING:
            self._until[fault.name] = until
            self._slow_ms = fault.much if fault.name == "reply_slow" else self._slow_ms
            self.service.denied = fault.much if fault.name == "denied" else self.service.denied
            cut = fault.name == "stream_down" or (fault.name == "denied" and fault.much in GONE)
            for session in [s for s in self._sessions if s.category == STREAM]:
                if cut:
                    session.cut()
                elif fault.name == "stream_silent":
                    session.silent_until = until
        elif fault.name == "adl":
            self.service.engine.deleverage()
        else:
            return False
        return True

    def down(self) -> bool:
        """Whether the private streams take no connections."""
        return self._time.ns < self._until["stream_down"]

    def banned(self) -> bool:
        """Whether private requests are answered with 403."""
        return self._time.ns < self._until["ban"]

    def slow_ms(self) -> int:
        """How much later than it is ready a reply leaves, ms."""
        return self._slow_ms if self._time.ns < self._until["reply_slow"] else 0

    def restart(self) -> None:
        """The exchange starts anew: what was done last is in the history only."""
        for account in self.service.accounts.values():
            account.forget()

    def heal(self) -> None:
        """Nothing is wrong any more."""
        self.service.troubles.heal()
        self.service.denied = 0
        self._until = dict.fromkeys(_LASTING, _NEVER)


def _listing(one: Order | Execution | Listing) -> Listing:
    """Of what a piece of news is."""
    return one if isinstance(one, Listing) else one.listing
