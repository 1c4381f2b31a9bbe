"""Bybit live: one market of the V5 public socket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from btcframe.endpoints import Endpoint
from btcframe.errors import DataError, PluginError
from btcframe.sources.bybit.market import Market, category_of, chosen
from btcframe.types import NS, Frame, duration_ns

if TYPE_CHECKING:
    from btcframe.sources.bybit.decoder import BybitFeed
    from btcframe.sources.live.adapter import Topic
    from btcframe.sources.live.feed import LiveFeed

DEPTHS = (1, 50, 200, 1000)
"""Levels per side that the exchange publishes."""


class Hosts(NamedTuple):
    """Base addresses of an endpoint."""

    ws: str
    rest: str


_HOSTS = {
    Endpoint.mainnet: Hosts("wss://stream.bybit.com", "https://api.bybit.com"),
    Endpoint.testnet: Hosts("wss://stream-testnet.bybit.com", "https://api-testnet.bybit.com"),
    # a demo account trades on the market data of mainnet
    Endpoint.demo: Hosts("wss://stream.bybit.com", "https://api-demo.bybit.com"),
}

_HINT = "Is there a network? The exchange refuses addresses of some countries, and those that ask too often."
_LOCAL = "Is the local exchange running? Start it in another terminal: btcframe exchange"


@dataclass(frozen=True)
class Bybit:
    """Live market data of Bybit: book, trades and tickers of one market, spot, linear or inverse.

    The instrument's steps are asked for at the start. Connections that are lost are made again, a book that is in
    doubt is subscribed anew, and until it is whole again the rows say so. Durations are text; "0s" is none.

    Parameters
    ----------
    symbol : str              ccxt's: BTC/USDT is spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse
    depth : int               levels per side of the book: 1, 50, 200 or 1000
    tickers : bool            subscribe to tickers, too; they are logged, and make no events
    endpoint : Endpoint       mainnet, testnet, demo, or local: `btcframe exchange` on this machine
    port : int                of a local endpoint
    ws, rest : str            base addresses in place of the endpoint's
    duration : str            the session ends by itself after so long; 0s: when it is stopped
    silence : str             the book's topic is taken for dead after so long without a message
    trade_silence : str       the topics of trades and tickers are
    heartbeat : str           where nothing came for so long it is told, so that rows close on time
    connect_timeout : str     for a handshake and for a reply
    backoff : str             shortest pause after a failed attempt to connect; it doubles, drawn at random …
    backoff_max : str         … up to this; after ten failures in a row it stays away for twice as long
    tries : int               attempts at the first connection; later ones are without end
    penalty : str             pause after the exchange said that it was asked too often
    clock_every : str         between two round trips that tell the exchange's clock
    buffer : int              bytes of messages that may wait to be consumed; then nothing more is read
    """

    symbol: str = "BTC/USDT:USDT"
    depth: int = 200
    tickers: bool = True
    endpoint: Endpoint = Endpoint.mainnet
    port: int = 8765
    ws: str = ""
    rest: str = ""
    duration: str = "0s"
    silence: str = "5s"
    trade_silence: str = "1m"
    heartbeat: str = "100ms"
    connect_timeout: str = "10s"
    backoff: str = "250ms"
    backoff_max: str = "30s"
    tries: int = 5
    penalty: str = "10m"
    clock_every: str = "1m"
    buffer: int = 64 << 20

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise ValueError(f"depth: {self.depth} is not one of {', '.join(map(str, DEPTHS))}")
        if not 0 < self.port < 65536:
            raise ValueError(f"port: {self.port} is not a port, 1 to 65535")
        if self.tries < 1:
            raise ValueError(f"tries: {self.tries} is not a number of attempts")
        if self.buffer < 1 << 20:
            raise ValueError(
                f"buffer: {self.buffer} bytes are less than a snapshot of the book may have; 1048576 at least"
            )
        for name, schemes in (("ws", ("ws://", "wss://")), ("rest", ("http://", "https://"))):
            if (base := getattr(self, name)) and not base.startswith(schemes):
                raise ValueError(f"{name}: {base!r} does not begin with {' or '.join(schemes)}")
        for name in ("heartbeat", "connect_timeout", "backoff", "backoff_max"):
            _seconds(name, getattr(self, name))
        for name in ("duration", "silence", "trade_silence", "penalty", "clock_every"):
            _seconds(name, getattr(self, name), zero=True)
        if duration_ns(self.backoff_max) < duration_ns(self.backoff):
            raise ValueError(f"backoff_max: {self.backoff_max} is shorter than backoff, {self.backoff}")

    def open(self, *, seed: int) -> LiveFeed:
        """Ask the exchange for the instrument. The connection is made with the first iteration.

        Raises
        ------
        ConfigError
            If the symbol is not ccxt's.
        DataError
            If the exchange cannot be reached, or has no such instrument.
        PluginError
            If the extra `live` is not installed.
        """
        try:  # they bring websockets, aiohttp and numba
            from btcframe.sources.bybit.protocol import BybitAdapter
            from btcframe.sources.bybit.rest import instruments
            from btcframe.sources.live.feed import LiveFeed, Settings
            from btcframe.sources.live.link import Limits
            from btcframe.sources.live.session import Patience
        except ModuleNotFoundError as error:
            raise PluginError(
                f"source bybit needs a package that is not installed: {error.name}",
                hint="It comes with an extra of btcframe.",
                next="pip install 'btcframe[live]'",
            ) from error

        category = category_of(self.symbol)
        hosts = self.hosts()
        timeout = _seconds("connect_timeout", self.connect_timeout)
        try:
            listed = instruments(hosts.rest, category, timeout)
        except DataError as error:
            raise DataError(error.what, where=error.where, hint=error.hint or self.hint) from error
        pair, instrument = chosen(self.symbol, listed, hosts.rest)
        adapter = BybitAdapter(
            Market(instrument, pair, self.depth),
            f"{hosts.ws}/v5/public/{category.value}",
            hosts.rest,
            self._topics(pair),
            penalty=_seconds("penalty", self.penalty, zero=True),
            clock_every=_seconds("clock_every", self.clock_every, zero=True),
            hint=self.hint,
        )
        backoff_max = _seconds("backoff_max", self.backoff_max)
        patience = Patience(
            duration=_seconds("duration", self.duration, zero=True),
            heartbeat=_seconds("heartbeat", self.heartbeat),
            backoff=_seconds("backoff", self.backoff),
            backoff_max=backoff_max,
            tries=self.tries,
            rest=2 * backoff_max,
        )
        return LiveFeed(adapter, Settings(Limits(connect=timeout), patience, self.buffer))

    def decode(self, frames: Iterable[list[Frame]]) -> BybitFeed:
        """The same decoding of frames that were recorded in a session log."""
        from btcframe.sources.bybit.decoder import decode_frames

        return decode_frames(frames)

    def fingerprint(self) -> str:
        """Nothing: what comes live has not been there before."""
        return ""

    def live_ns(self) -> int:
        """How long a session lasts, ns; 0 for until it is stopped."""
        return duration_ns(self.duration, zero=True)

    @property
    def hint(self) -> str:
        """What to think of where it cannot be reached."""
        return _LOCAL if self.endpoint is Endpoint.local else _HINT

    def hosts(self) -> Hosts:
        """Base addresses of its socket and its REST."""
        local = f"127.0.0.1:{self.port}"
        hosts = _HOSTS.get(self.endpoint, Hosts(f"ws://{local}", f"http://{local}"))
        return Hosts(self.ws.rstrip("/") or hosts.ws, self.rest.rstrip("/") or hosts.rest)

    def _topics(self, pair: str) -> tuple[Topic, ...]:
        from btcframe.sources.live.adapter import Topic

        silence, seldom = (
            _seconds(name, getattr(self, name), zero=True) for name in ("silence", "trade_silence")
        )
        others = ("publicTrade", "tickers") if self.tickers else ("publicTrade",)
        return (
            Topic(f"orderbook.{self.depth}.{pair}", silence, book=True),
            *(Topic(f"{name}.{pair}", seldom, optional=name == "tickers") for name in others),
        )


def _seconds(name: str, text: str, *, zero: bool = False) -> float:
    try:
        return duration_ns(text, zero=zero) / NS
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
