"""The exchange itself, without sockets: it goes on when it is told to, and the same seed gives the same messages.

Market time begins at 0 and is what everything is scheduled by. The exchange's clock, which it stamps messages with, is
``start + market time / speed``: at ten times the speed ten times as much happens now.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

from btcframe.endpoints import LOCAL_KEY, LOCAL_SECRET
from btcframe.errors import ConfigError, did_you_mean
from btcframe.exchange.book import View
from btcframe.exchange.faults import BINARY, FAULTS, ON_MESSAGES, TEXT, Fault, Frame
from btcframe.exchange.limits import CONNECTIONS, REQUESTS, TOGETHER, Window
from btcframe.exchange.listing import CATEGORIES
from btcframe.exchange.market import Market
from btcframe.exchange.private.account import Holder
from btcframe.exchange.private.side import STREAM, PrivateSide
from btcframe.exchange.session import Session, Sink
from btcframe.exchange.streams import GRID_NS, BookStream
from btcframe.exchange.talk import PublicTalk
from btcframe.exchange.topics import Topics
from btcframe.types import NS

MS = 1_000_000
_LOG = 10_000
_CLOSED_FOR = 4  # a connection that is silent longer than `idle` is looked for this often, per `idle`


class Exchange:
    """Markets, those who listen to them, and what goes wrong.

    Parameters
    ----------
    markets : sequence of Market    at least one, each with a book
    start_ns : int                  the exchange's clock at market time 0, ns
    speed : float, optional         market time per time; None is as fast as can be, stamped as if it were 1
    faults : sequence of Fault      what goes wrong by itself, and when
    seed : int
    history : int                   states of a book's topic that are remembered
    idle_ns : int                   a client that says nothing for so long is disconnected, market time
    limited : bool                  whether requests and new connections are counted, as Bybit does
    holders : sequence of Holder    the accounts that may trade here, each with a key of its own

    Raises
    ------
    ConfigError
        If a symbol comes twice or has no book, or a fault names a topic that nobody has.
    """

    def __init__(
        self,
        markets: Sequence[Market],
        *,
        start_ns: int,
        speed: float | None = 1.0,
        faults: Iterable[Fault] = (),
        seed: int = 7,
        history: int = 1000,
        idle_ns: int = 600 * NS,
        limited: bool = True,
        holders: Sequence[Holder] = (Holder(LOCAL_KEY, LOCAL_SECRET),),
    ) -> None:
        self.markets = {(m.listing.category, m.listing.pair): m for m in markets}
        if len(self.markets) < len(markets):
            raise ConfigError("exchange.symbols: a symbol comes twice", hint="Name each once.")
        self.ns = 0
        self.sessions: list[Session] = []
        self.counts: Counter[str] = Counter()
        self.log: deque[dict[str, Any]] = deque(maxlen=_LOG)
        self.start_ns, self.speed, self._skew_ns = start_ns, speed, 0
        self._idle_ns = idle_ns
        self._topics = Topics(self.markets, self.stamp, history, seed)
        self._random = random.Random(f"{seed} exchange")
        self._talk = PublicTalk(self)
        self.private = PrivateSide(
            self.markets,
            holders,
            time=self,
            sessions=self.sessions,
            note=self.note,
            seed=seed,
            limited=limited,
        )
        self._planned: list[tuple[int, Fault]] = []
        self._until = dict.fromkeys(("late_ack", "skew", "too_many", "forbidden", "outage", "slow"), -1)
        self._late_ms = self._slow_ms = self._refusals = 0
        self._connections = Window(*CONNECTIONS) if limited else None
        self._requests = Window(*REQUESTS) if limited else None
        for market in markets:
            if not market.begin(self.stamp):
                raise ConfigError(
                    f"the order flow of {market.listing.instrument.symbol} has no book",
                    where="source",
                    hint="No event of it is a level of both sides: it ends before it begins.",
                )
        for fault in faults:
            self.plan(fault)

    # ------------------------------------------------------------------------------------------------------- time

    def stamp(self, ns: int) -> int:
        """The exchange's clock at a market time, ms."""
        return (self.start_ns + self._elapsed(ns) + self._skew_ns) // MS

    def _elapsed(self, ns: int) -> int:
        return ns if self.speed is None else int(ns / self.speed)

    @property
    def now_ms(self) -> int:
        """The exchange's clock now, ms."""
        return self.stamp(self.ns)

    def step(self, until_ns: int) -> None:
        """Go on to a market time: everything that happens until then is sent, in its order."""
        while self.ns + GRID_NS <= until_ns:
            self.ns += GRID_NS
            self._tick()

    def _tick(self) -> None:
        ns = self.ns
        for market in self.markets.values():
            market.advance(ns, self.stamp)
        self.private.tell()
        if self._planned:
            self._inject_planned()
        if 0 < self._until["skew"] <= ns:
            self._skew_ns, self._until["skew"] = 0, -1
        if 0 < self._until["outage"] <= ns:
            self._until["outage"] = -1
            self._topics.restart(self._topics.books(), "snapshot")
            self.private.restart()
        if self.sessions:
            self._publish(ns)
            for session in self.sessions:
                session.flush(ns)
            if ns % (self._idle_ns // _CLOSED_FOR) < GRID_NS:
                self._close_idle(ns)

    def _publish(self, ns: int) -> None:
        for key, stream in self._topics.streams.items():
            if ns % stream.interval_ns:
                continue
            listeners = [s for s in self.sessions if s.category == key[0] and key[1] in s.topics]
            if not listeners:
                continue
            frames = self._topics.lines[key].through(stream.due(ns), ns)
            self.counts["messages"] += len(frames)
            for frame in frames:
                for session in listeners:
                    session.deliver(frame, ns)

    def _close_idle(self, ns: int) -> None:
        for session in [s for s in self.sessions if ns - s.heard_ns >= self._idle_ns]:
            self.note("idle", conn=session.conn_id)
            session.end(1000, "no ping")

    # ---------------------------------------------------------------------------------------------------- clients

    def admission(self, category: str = "") -> int:
        """The HTTP status with which a request, or a new connection to a category, is answered; 200 if it is."""
        if self.ns < self._until["outage"] or (category == STREAM and self.private.down()):
            return self._turned_away(503)
        if self.ns < self._until["forbidden"]:
            return self._turned_away(403)
        if self.ns < self._until["too_many"]:
            return self._turned_away(429)
        together = sum(s.category == category for s in self.sessions) if category else 0
        window = self._connections if category else self._requests
        now = self._elapsed(self.ns)
        if together >= TOGETHER or (window is not None and not window.take(now)):
            return self._turned_away(403)
        return 200

    def _turned_away(self, status: int) -> int:
        self.counts[f"answered {status}"] += 1
        return status

    def connect(self, category: str, sink: Sink) -> Session:
        """A client is here."""
        conn_id = f"{self._random.getrandbits(80):020x}-{self._random.getrandbits(20):05x}"
        talk = self._talk if category in CATEGORIES else self.private.talk(category)
        session = Session(self, category, conn_id, sink, self.ns, talk)
        self.sessions.append(session)
        self.counts["connections"] += 1
        self.note("connected", conn=conn_id, category=category)
        return session

    def disconnect(self, session: Session) -> None:
        """A client has gone."""
        if session in self.sessions:
            self.sessions.remove(session)
            self.note("disconnected", conn=session.conn_id)

    def has(self, category: str, topic: str) -> bool:
        """Whether a topic can be subscribed."""
        return self._topics.get(category, topic) is not None

    def refuses(self) -> bool:
        """Whether the next subscription fails by a fault; counts it off."""
        refused = self._refusals > 0
        self._refusals -= refused
        return refused

    def arrival(self, ns: int, *, ack: bool = False) -> int:
        """When something that is sent now arrives, market time."""
        if ns < self._until["slow"]:
            ns += self._slow_ms * MS
        if ack and self.ns < self._until["late_ack"]:
            ns += self._late_ms * MS
        return ns

    def welcome(self, session: Session, topic: str) -> None:
        """Send a new subscriber what a topic begins with."""
        key = (session.category, topic)
        stream, line = self._topics.streams[key], self._topics.lines[key]
        if not any(topic in s.topics for s in self.sessions if s.category == key[0] and s is not session):
            stream.wake(self.ns)
        message = stream.hello(self.ns)
        if message is not None and self.ns >= line.silent_until:
            self.counts["messages"] += 1
            session.deliver(Frame(TEXT, message.data), self.ns)

    # ----------------------------------------------------------------------------------------------------- topics

    def book_stream(self, category: str, pair: str, depth: int) -> BookStream:
        """The topic of a market's book, up to date where nobody listens to it. Raises KeyError without such a market."""
        stream = self._topics.get(category, f"orderbook.{depth}.{pair}")
        if not isinstance(stream, BookStream):
            raise KeyError(pair)
        if not any(stream.topic in s.topics for s in self.sessions if s.category == category):
            stream.wake(self.ns)
        return stream

    def book(self, symbol: str, depth: int, u: int) -> View | None:
        """The levels as they were published with an update id: the truth a client's book is compared with.

        Parameters
        ----------
        symbol : str    ccxt's
        depth : int     of the topic
        u : int

        Returns
        -------
        (bids, asks) as {ticks: lots}, best first; None where that is forgotten or never was
        """
        market = self.market(symbol)
        return self.book_stream(market.listing.category, market.listing.pair, depth).published(u)

    def market(self, symbol: str) -> Market:
        """The market of a symbol written as ccxt does.

        Raises
        ------
        ConfigError
            If it is not listed.
        """
        listed = {m.listing.instrument.symbol: m for m in self.markets.values()}
        if symbol not in listed:
            raise ConfigError(f"{symbol!r} is not listed here", hint=did_you_mean(symbol, listed))
        return listed[symbol]

    # ----------------------------------------------------------------------------------------------------- faults

    def plan(self, fault: Fault) -> None:
        """Let a fault happen when it says, counted from now."""
        self._check_topic(fault)
        self._planned.append((self.ns + fault.at_ns, fault))

    @property
    def planned(self) -> tuple[tuple[int, Fault], ...]:
        """What will go wrong, and when, market time."""
        return tuple(self._planned)

    def heal(self) -> None:
        """Nothing is planned any more, and what lasts ends."""
        self._planned.clear()
        for name in self._until:
            self._until[name] = -1
        self._skew_ns = self._refusals = 0
        self.private.heal()
        for line in self._topics.lines.values():
            line.heal()
        for session in self.sessions:
            session.silent_until = -1
        self.note("healed")

    def _inject_planned(self) -> None:
        for due in [planned for planned in self._planned if planned[0] <= self.ns]:
            self._planned.remove(due)
            if due[1].every_ns:
                self._planned.append((due[0] + due[1].every_ns, due[1]))
            self.inject(due[1])

    def inject(self, fault: Fault) -> None:
        """Let a fault happen now.

        Raises
        ------
        ConfigError
            If it names a topic that nobody has.
        """
        self._check_topic(fault)
        books = self._topics.books(fault.topic)
        until = self.ns + fault.lasting_ns
        at = {f"{category} {stream.topic}": stream.u for (category, _), stream in books.items()}
        self.counts[f"fault {fault.name}"] += 1
        self.note("fault", fault=fault.name, written=str(fault), clients=len(self.sessions), u=at)
        match fault.name:
            case "drop":
                self._cut()
            case "outage":
                self._until["outage"] = until
                self._cut()
            case "half_open":
                for line in [line for key, line in self._topics.lines.items() if key[1] == fault.topic]:
                    line.silent_until = until
                for session in self.sessions if not fault.topic else ():
                    session.silent_until = until
            case "restart" | "restart_delta":
                self._topics.restart(books, "delta" if fault.name == "restart_delta" else "snapshot")
            case "crossed":
                for stream in books.values():
                    stream.crossed += fault.much
            case "oversized" | "binary":
                self._interject(fault)
            case "refuse":
                self._refusals += fault.much
            case "skew":
                self._skew_ns, self._until["skew"] = self._skew_ns + fault.much * MS, until
            case name if name in ON_MESSAGES:
                for key in books:
                    self._topics.lines[key].befall(name, fault.much)
            case name if not self.private.befall(fault):
                self._until[name] = until
                self._late_ms = fault.much if name == "late_ack" else self._late_ms
                self._slow_ms = fault.much if name == "slow" else self._slow_ms

    def _check_topic(self, fault: Fault) -> None:
        if (
            fault.topic
            and FAULTS[fault.name].topic
            and not any(self.has(category, fault.topic) for category in CATEGORIES)
        ):
            raise ConfigError(
                f"exchange.faults: {fault.name}: there is no topic {fault.topic!r}",
                hint="Topics are orderbook.{1,50,200,1000}.PAIR, publicTrade.PAIR and tickers.PAIR; here PAIR is "
                f"{', '.join(sorted({pair for _, pair in self.markets}))}.",
            )

    def _cut(self) -> None:
        for session in tuple(self.sessions):
            session.cut()
            self.disconnect(session)

    def _interject(self, fault: Fault) -> None:
        if fault.name == "oversized":
            frames = [Frame(TEXT, b'{"topic":"' + b"x" * max(0, fault.much - 12) + b'"}')]
        else:
            frames = [Frame(BINARY, self._random.randbytes(64)) for _ in range(fault.much)]
        for session in self.sessions:
            for frame in frames:
                session.deliver(frame, self.ns)

    def note(self, what: str, **said: Any) -> None:
        """Write down what happened, with its time."""
        self.log.append({"ms": self.now_ms, "market_s": self.ns / NS, "what": what, **said})
