"""The source `bybit`, against the local exchange."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from btcframe.endpoints import Endpoint
from btcframe.errors import ConfigError, DataError, PluginError
from btcframe.exchange.core import Exchange
from btcframe.exchange.listed import made
from btcframe.exchange.server import served
from btcframe.live_sources import is_live, needs_recording
from btcframe.sources.bybit.source import Bybit
from btcframe.sources.synthetic import Synthetic
from btcframe.types import NS, Frame


class Without:
    """An importer that knows one package not to be there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def exchange(symbol: str) -> Exchange:
    return Exchange(made([symbol]), start_ns=time.time_ns())


def local(port: int, **settings: object) -> Bybit:
    return Bybit(endpoint=Endpoint.local, port=port, clock_every="0s", **settings)


def test_it_stays_away_no_longer_than_twice_the_longest_pause() -> None:
    with served(exchange("BTC/USDT:USDT")) as at:
        for settings, rest in (({}, 60.0), ({"backoff": "10ms", "backoff_max": "100ms"}, 0.2)):
            with contextlib.closing(local(at.port, **settings).open(seed=0)) as feed:
                assert feed.settings.patience.rest == pytest.approx(rest)


def test_a_session_and_its_log_again() -> None:
    before = set(threading.enumerate())
    with served(exchange("BTC/USDT:USDT")) as at:
        source = local(at.port, depth=50, duration="1s")
        frames: list[Frame] = []
        events: list[bytes] = []
        with contextlib.closing(source.open(seed=0)) as feed:
            for batch in feed:
                frames += batch.frames
                batch.events["mono_ts"] = 0
                events.append(batch.events.tobytes())
            assert feed.decoder.usable
            assert feed.counters.subscribed == 1
            assert feed.counters.unread == 0
    assert set(threading.enumerate()) == before
    topics = {frame.stream for frame in frames if frame.stream and frame.stream[0] != "~"}
    assert {"orderbook.50.BTCUSDT", "tickers.BTCUSDT"} <= topics
    assert [frame.stream for frame in frames[:2]] == ["~market", "~connected"]

    again = source.decode([frames[i : i + 7] for i in range(0, len(frames), 7)])
    assert again.instrument == feed.instrument
    assert b"".join(batch.events.tobytes() for batch in again) == b"".join(events)


def test_spot_without_tickers() -> None:
    with served(exchange("BTC/USDT")) as at:
        source = local(at.port, symbol="BTC/USDT", depth=1, tickers=False)
        with contextlib.closing(source.open(seed=0)) as feed:
            for batch in feed:
                assert not any(frame.stream == "tickers.BTCUSDT" for frame in batch.frames)
                if feed.decoder.usable:
                    break
    assert feed.instrument.contract == "spot"


def test_an_instrument_that_is_not_listed() -> None:
    with served(exchange("BTC/USDT:USDT")) as at:
        with pytest.raises(DataError, match=r"there is no instrument BTC/USDC:USDC") as error:
            local(at.port, symbol="BTC/USDC:USDC").open(seed=0)
        assert error.value.hint == "Did you mean BTC/USDT:USDT?"


def test_no_exchange() -> None:
    with pytest.raises(DataError) as error:
        local(1).open(seed=0)
    assert error.value.what == "the exchange cannot be reached: nothing listens there"
    assert error.value.hint == (
        "Is the local exchange running? Start it in another terminal: btcframe exchange"
    )


@pytest.mark.parametrize(
    ("settings", "ws", "rest"),
    [
        ({}, "wss://stream.bybit.com", "https://api.bybit.com"),
        ({"endpoint": Endpoint.testnet}, "wss://stream-testnet.bybit.com", "https://api-testnet.bybit.com"),
        ({"endpoint": Endpoint.demo}, "wss://stream.bybit.com", "https://api-demo.bybit.com"),
        ({"endpoint": Endpoint.local, "port": 99}, "ws://127.0.0.1:99", "http://127.0.0.1:99"),
        ({"ws": "wss://here/", "rest": "http://there"}, "wss://here", "http://there"),
        ({"rest": "http://there/"}, "wss://stream.bybit.com", "http://there"),
    ],
)
def test_hosts(settings: dict[str, object], ws: str, rest: str) -> None:
    assert Bybit(**settings).hosts() == (ws, rest)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"depth": 500}, "depth: 500 is not one of 1, 50, 200, 1000"),
        ({"port": 0}, "port: 0 is not a port, 1 to 65535"),
        ({"tries": 0}, "tries: 0 is not a number of attempts"),
        ({"buffer": 1000}, "buffer: 1000 bytes are less than a snapshot of the book may have"),
        ({"ws": "http://x"}, "ws: 'http://x' does not begin with ws:// or wss://"),
        ({"rest": "x"}, "rest: 'x' does not begin with http:// or https://"),
        ({"heartbeat": "0s"}, "heartbeat: '0s' is not a duration"),
        ({"silence": "5"}, "silence: '5' is not a duration"),
        ({"backoff": "2s", "backoff_max": "1s"}, "backoff_max: 1s is shorter than backoff, 2s"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError) as error:
        Bybit(**settings)
    assert str(error.value).startswith(what)


def test_a_symbol_that_is_none() -> None:
    with pytest.raises(ConfigError, match="'BTCUSDT' is not ccxt's"):
        Bybit(symbol="BTCUSDT").open(seed=0)


def test_the_extra_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tenacity", "btcframe.sources.live.session", "btcframe.sources.live.feed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without("tenacity"), *sys.meta_path])
    with pytest.raises(PluginError) as error:
        Bybit().open(seed=0)
    assert str(error.value) == (
        "source bybit needs a package that is not installed: tenacity\n"
        "It comes with an extra of btcframe.\n"
        "pip install 'btcframe[live]'"
    )


def test_it_is_live_and_a_table_needs_a_recording() -> None:
    source = Bybit(duration="90s")
    assert source.live_ns() == 90 * NS
    assert source.fingerprint() == ""
    assert is_live(source)
    with pytest.raises(ConfigError) as error:
        needs_recording(source, "bybit", "a training table")
    assert str(error.value) == (
        "source bybit is live: it will not say the same again, and a training table must be reproducible (source).\n"
        "Record it, and use the recording: source=session_log source.path=runs/…\n"
        "btcframe record source=bybit …, with the same settings"
    )
    needs_recording(Synthetic(), "synthetic", "a training table")


def test_no_table_is_built_from_it(btcframe: Callable[..., Any], tmp_path: Path) -> None:
    done = btcframe(
        "build", "source=bybit", f"hydra.run.dir={tmp_path / 'run'}", f"store.path={tmp_path / 'lake'}"
    )
    assert done.returncode == 2
    assert "source bybit is live" in done.stderr
