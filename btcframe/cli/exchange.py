"""`btcframe exchange`: a local exchange that speaks Bybit V5, for as long as it is left open."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.live import Live
from rich.table import Table

from btcframe.cli import completion
from btcframe.cli.console import Unread
from btcframe.cli.hydra_app import as_yaml, composed, without_cfg
from btcframe.endpoints import LOCAL_KEY, LOCAL_SECRET, Endpoint, key_names
from btcframe.errors import ConfigError, PluginError, did_you_mean
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import GRAMMAR, parse, table
from btcframe.exchange.listed import markets
from btcframe.exchange.listing import plain
from btcframe.exchange.private.account import MOST_LEVERAGE, RIGHTS, Holder
from btcframe.plugins import Catalog, discover
from btcframe.types import NS, duration_ns

if TYPE_CHECKING:
    from btcframe.exchange.server import Server

_SHORTEST_IDLE_NS = NS
_REFRESH = 0.25  # seconds
_MOST_FEE = 0.1


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe exchange [key=value …]`; returns the exit code, 0 where it is stopped by Ctrl-C, too."""
    if list(arguments) == ["--faults"]:
        _show_faults()
        return 0
    rest, shown = without_cfg("exchange", arguments)
    for word in rest:
        if word.startswith("-") or "=" not in word:
            raise ConfigError(
                f"btcframe exchange takes no {word!r}",
                hint="Settings are written key=value: exchange.port=8765; flags are --faults and --cfg job.",
            )
    catalog = discover()
    completion.remember(catalog)
    config = composed(catalog, "exchange", rest)
    if shown:
        print(as_yaml(config), end="")
        return 0
    settings = config["exchange"]
    seconds = _duration(settings, "duration") / NS
    made = _server()
    asyncio.run(
        _serve(made(exchange_of(config, catalog), host=settings["host"], port=settings["port"]), seconds)
    )
    return 0


def _server() -> type[Server]:
    try:
        from btcframe.exchange.server import Server
    except ImportError as error:
        raise PluginError(
            f"btcframe exchange needs a package that is not installed: {error.name}",
            next="pip install 'btcframe[exchange]'",
        ) from error
    return Server


def exchange_of(config: Mapping[str, Any], catalog: Catalog) -> Exchange:
    """The exchange that the settings ask for.

    Raises
    ------
    ConfigError, DataError, PluginError
        If a setting makes no sense, or the source cannot give what it should.
    """
    settings = config["exchange"]
    if not 0 <= settings["port"] < 65_536:
        raise ConfigError(f"exchange.port: {settings['port']} is no port: they go from 0 to 65535")
    if settings["history"] < 1:
        raise ConfigError(f"exchange.history: {settings['history']} is too little: it starts at 1")
    idle = _duration(settings, "idle")
    if idle < _SHORTEST_IDLE_NS:
        raise ConfigError(f"exchange.idle: {settings['idle']} is too short: it starts at 1s")
    speed, faults = _speed(settings["speed"]), [parse(text) for text in settings["faults"]]
    listed = markets(
        lambda node: catalog.build("source", node),
        config["source"],
        settings["symbols"],
        seed=config["seed"],
        repeat=settings["repeat"],
    )
    return Exchange(
        listed,
        start_ns=time.time_ns(),
        speed=speed,
        faults=faults,
        seed=config["seed"],
        history=settings["history"],
        idle_ns=idle,
        limited=settings["limited"],
        holders=(holder_of(settings, os.environ),),
    )


def holder_of(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Holder:
    """The account that trades here. Its key is the environment's, else the published one.

    Parameters
    ----------
    settings : mapping      the section `exchange`
    environment : mapping   variables

    Raises
    ------
    ConfigError
        If a setting makes no sense, or the environment names a key without its secret.
    """
    names = key_names("bybit", Endpoint.local)
    key, secret = (environment.get(name, "") for name in names)
    if bool(key) != bool(secret):
        raise ConfigError(
            f"{names[0]} and {names[1]}: one is set, the other is not",
            hint=f"Set both, or neither: the key is then {LOCAL_KEY}.",
        )
    for right in settings["rights"]:
        if right not in RIGHTS:
            raise ConfigError(f"exchange.rights: there is no {right!r}", hint=did_you_mean(right, RIGHTS))
    for name in ("maker_fee", "taker_fee", "spot_fee"):
        if not -_MOST_FEE <= settings[name] <= _MOST_FEE:
            raise ConfigError(f"exchange.{name}: {settings[name]} is no rate: it lies within ±{_MOST_FEE}")
    if not 1 <= settings["leverage"] <= MOST_LEVERAGE:
        raise ConfigError(f"exchange.leverage: {settings['leverage']} is none from 1 to {MOST_LEVERAGE}")
    return Holder(
        key or LOCAL_KEY,
        secret or LOCAL_SECRET,
        balances=dict(map(_balance, settings["balances"])),
        leverage=_exact(settings["leverage"]),
        maker=_exact(settings["maker_fee"]),
        taker=_exact(settings["taker_fee"]),
        spot=_exact(settings["spot_fee"]),
        rights=tuple(settings["rights"]),
        read_only=settings["read_only"],
        hedge=settings["hedge"],
    )


def _balance(text: str) -> tuple[str, Decimal]:
    coin, _, amount = text.partition(":")
    if not (coin.isalnum() and re.fullmatch(r"\d+(\.\d+)?", amount)):
        raise ConfigError(
            f"exchange.balances: {text!r} is no balance", hint="Write COIN:AMOUNT, e.g. [USDT:100000,BTC:2]."
        )
    return coin, Decimal(amount)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise ConfigError(f"exchange.speed: {text!r} is neither a positive number nor max")
    return speed


def _duration(settings: Mapping[str, Any], name: str) -> int:
    try:
        return duration_ns(settings[name], zero=True)
    except ValueError as error:
        raise ConfigError(f"exchange.{name}: {error}") from error


async def _serve(server: Server, seconds: float) -> None:
    """Serve until Ctrl-C, or for so long; 0 is until Ctrl-C."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds:
        loop.call_later(seconds, stop.set)
    out, err = Unread(highlight=False), Unread(stderr=True, highlight=False)
    begin = time.monotonic()

    live = Live(
        get_renderable=lambda: _line(server.exchange, begin), console=err, transient=True, auto_refresh=False
    )
    refreshing: list[asyncio.Task[None]] = []

    async def refresh() -> None:
        with live:
            while True:
                live.refresh()
                await asyncio.sleep(_REFRESH)

    def ready() -> None:
        out.print(_greeting(server), soft_wrap=True, markup=False)
        if err.is_terminal:  # after the greeting: they may share the terminal
            refreshing.append(asyncio.create_task(refresh()))

    try:
        await server.run(ready, stop)
    finally:
        for task in refreshing:
            task.cancel()
        await asyncio.gather(*refreshing, return_exceptions=True)
    out.print(f"Closed. {_line(server.exchange, begin)}", soft_wrap=True, markup=False)


def _greeting(server: Server) -> str:
    at = f"{server.host}:{server.port}"
    listed = [m.listing for m in server.exchange.markets.values()]
    categories = sorted({listing.category for listing in listed})
    return "\n".join(
        [
            f"Markets   {', '.join(f'{x.instrument.symbol} ({x.pair}, {x.category})' for x in listed)}",
            *(f"Socket    ws://{at}/v5/public/{category}" for category in categories),
            *(f"          ws://{at}/v5/{name}" for name in ("private", "trade")),
            f"REST      http://{at}/v5/market/…, order/…, position/…, account/…",
            f"Account   {_account(server.exchange)}",
            f"Control   http://{at}/control/status, log, book, account, faults",
            "Stop it with Ctrl-C.",
        ]
    )


def _account(exchange: Exchange) -> str:
    """Whose key the exchange takes, and what there is to trade with; a key from the environment is not shown."""
    names = " and ".join(key_names("bybit", Endpoint.local))
    ours = LOCAL_KEY in exchange.private.service.accounts
    account = exchange.private.account()
    money = "" if account is None else ", ".join(f"{plain(n)} {coin}" for coin, n in account.wallet.items())
    known = f"key {LOCAL_KEY}, secret {LOCAL_SECRET} ({names} take others)"
    return f"{money} · {known if ours else f'the key of {names}'}"


def _line(exchange: Exchange, begin: float) -> str:
    """What has happened so far, in one line."""
    seconds = max(time.monotonic() - begin, 1e-9)
    faults = sum(count for name, count in exchange.counts.items() if name.startswith("fault "))
    messages = exchange.counts["messages"]
    accounts = exchange.private.service.accounts.values()
    orders, fills = sum(len(a.orders) for a in accounts), sum(len(a.executions) for a in accounts)
    ended = " · the order flow is over" if all(m.ended for m in exchange.markets.values()) else ""
    return (
        f"{len(exchange.sessions)} clients · {messages:,} messages, {messages / seconds:,.0f}/s · "
        f"{exchange.counts['requests']:,} requests · {orders:,} orders, {fills:,} fills · {faults:,} faults · "
        f"{exchange.ns / NS:,.0f} s of market{ended}"
    )


def _show_faults() -> None:
    shown = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("fault", "what happens", "unless told"):
        shown.add_column(column, no_wrap=column == "fault", overflow="fold")
    for row in table():
        shown.add_row(*row)
    console = Unread(highlight=False)
    console.print(shown)
    console.print(f"Written {GRAMMAR}", soft_wrap=True, markup=False)
