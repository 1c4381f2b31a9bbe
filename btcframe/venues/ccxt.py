"""Real orders, through ccxt: an exchange's testnet, its demo, the local exchange, and with real money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btcframe.api import Gateway, Host, Recovered
from btcframe.endpoints import Endpoint
from btcframe.errors import BtcframeError, ConfigError, PluginError
from btcframe.types import Instrument, duration_ns
from btcframe.venues.real.keys import KeySource, keys_of
from btcframe.venues.real.places import journals_in

if TYPE_CHECKING:
    from btcframe.venues.real.checks import Check
    from btcframe.venues.real.gateway import Settings

_DURATIONS = ("timeout", "recv_window", "settle", "check", "clock", "patience", "penalty")


@dataclass(frozen=True)
class Ccxt:
    """Real orders through ccxt (docs/ccxt.md). Keys come from the environment or the keyring, never from here.

    An order is written into the account's journal, on disk, before it is sent, and it is sent once: what is not known
    of it is asked for. Prices and sizes are checked here, and sent exactly. Durations are text.

    Parameters
    ----------
    exchange : str        ccxt's name; bybit is the one that is tested
    endpoint : Endpoint   local (`btcframe exchange`), demo, testnet, or mainnet: real money
    port : int            of a local endpoint
    rest, ws : str        base addresses in place of the endpoint's
    keys : KeySource      env: BTCFRAME_BYBIT_TESTNET_KEY and …_SECRET, by exchange and endpoint; or keyring
    journal : str         directory of the accounts' journals; "": btcframe/journals below $XDG_DATA_HOME
    leverage : float      that must be set at the exchange; 0: whatever is, but it must be known
    in_flight : int       requests at once
    timeout : str         for one request
    recv_window : str     for which the exchange takes a request that was under way
    settle : str          within which it tells what it has done
    check : str           between two comparisons of orders, fills and position with the exchange's
    clock : str           by how much our view of the exchange's clock may be wrong
    patience : str        that an order may wait for a limit of requests, before it is rejected
    penalty : str         nothing is sent for so long after the exchange has shut us out for asking too often
    """

    exchange: str = "bybit"
    endpoint: Endpoint = Endpoint.local
    port: int = 8765
    rest: str = ""
    ws: str = ""
    keys: KeySource = KeySource.env
    journal: str = ""
    leverage: float = 0.0
    in_flight: int = 4
    timeout: str = "5s"
    recv_window: str = "5s"
    settle: str = "2s"
    check: str = "30s"
    clock: str = "500ms"
    patience: str = "2s"
    penalty: str = "10m"

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port: {self.port} is not a port, 1 to 65535")
        if not 1 <= self.in_flight <= 64:
            raise ValueError(f"in_flight: {self.in_flight} does not lie between 1 and 64")
        if not (math.isfinite(self.leverage) and self.leverage >= 0):
            raise ValueError(f"leverage: {self.leverage} is not one; 0 takes what is set at the exchange")
        if not self.exchange:
            raise ValueError("exchange: say which, for example bybit")
        for name, schemes in (("ws", ("ws://", "wss://")), ("rest", ("http://", "https://"))):
            if (base := getattr(self, name)) and not base.startswith(schemes):
                raise ValueError(f"{name}: {base!r} does not begin with {' or '.join(schemes)}")
        for name in _DURATIONS:
            try:
                duration_ns(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    @property
    def real(self) -> bool:
        """Whether it is real money."""
        return self.endpoint is Endpoint.mainnet

    def open(self, instrument: Instrument, *, seed: int) -> Gateway:
        """Nothing: an exchange cannot be simulated.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            "venue ccxt sends orders to an exchange, and only btcframe trade does that",
            where="venue",
            next="venue=sim",
        )

    def connect(
        self, instrument: Instrument, host: Host, *, opening: bool = True
    ) -> tuple[Gateway, Recovered]:
        """See RealVenue.

        Raises
        ------
        ConfigError, StoreError, DataError
            See RealVenue.
        PluginError
            If the extra `ccxt` is not installed.
        """
        settings = self.settings(opening)
        from btcframe.venues.real.gateway import connected

        return connected(settings, instrument, host, opening=opening)

    def checks(self, instrument: Instrument) -> tuple[Check, ...]:
        """What must hold of the account before a session, each looked at; a client of its own asks, and changes nothing.

        Raises
        ------
        PluginError
            If the extra `ccxt` is not installed.
        """
        try:
            settings = self.settings(opening=True)
        except ConfigError as error:
            from btcframe.venues.real.checks import Check

            return (Check("keys", False, error.what, error.next),)
        from btcframe.venues.real.checks import Check
        from btcframe.venues.real.gateway import looked_at

        try:
            return looked_at(settings, instrument)
        except BtcframeError as error:
            return (Check("exchange", False, error.what, error.next or error.hint),)

    def settings(self, opening: bool) -> Settings:
        """Where the account is, with its keys.

        Raises
        ------
        ConfigError, PluginError
        """
        keys = keys_of(self.exchange, self.endpoint, self.keys)
        try:  # it brings aiohttp and a few hundred exchanges
            from btcframe.venues.real.checks import Wanted
            from btcframe.venues.real.dial import Address
            from btcframe.venues.real.gateway import Settings
            from btcframe.venues.real.times import Times
        except ModuleNotFoundError as error:
            raise PluginError(
                f"venue ccxt needs a package that is not installed: {error.name}",
                hint="It comes with an extra of btcframe.",
                next="pip install 'btcframe[ccxt]'",
            ) from error
        local = self.endpoint is Endpoint.local and self.exchange == "bybit"
        ns = {name: duration_ns(getattr(self, name)) for name in _DURATIONS}
        address = Address(
            self.exchange,
            self.endpoint,
            (self.rest or (f"http://127.0.0.1:{self.port}" if local else "")).rstrip("/"),
            (self.ws or (f"ws://127.0.0.1:{self.port}" if local else "")).rstrip("/"),
            timeout_ms=max(ns["timeout"] // 1_000_000, 1),
            window_ms=max(ns["recv_window"] // 1_000_000, 1),
            penalty_ns=ns["penalty"],
        )
        times = Times(
            window_ns=max(ns["recv_window"], ns["timeout"]),
            settle_ns=ns["settle"],
            check_ns=ns["check"],
            patience_ns=ns["patience"],
            in_flight=self.in_flight,
        )
        wanted = Wanted(self.endpoint, self.leverage, ns["clock"], opening)
        return Settings(address, keys, journals_in(self.journal), wanted, times)
