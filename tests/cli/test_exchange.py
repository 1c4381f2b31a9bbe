"""`btcframe exchange` as a user meets it: what it says, what it refuses, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from btcframe.cli.exchange import exchange_of, main
from btcframe.cli.hydra_app import composed
from btcframe.errors import BtcframeError, ConfigError
from btcframe.exchange.faults import FAULTS
from btcframe.plugins import discover

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("source.duration=1m", "source.levels=30")
CAPTURE = Path(__file__).parents[3] / "shared/market-data/bybit/cryptofeed_BYBIT_20260809.jsonl.zst"


def exchange(*overrides: str) -> Any:
    catalog = discover()
    return exchange_of(composed(catalog, "exchange", list(overrides)), catalog)


def test_it_says_where_it_listens_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "btcframe", "exchange", "exchange.port=0", *SMALL]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=dict(os.environ)
    ) as running:
        assert running.stdout is not None
        told = [running.stdout.readline() for _ in range(8)]
        assert told[0] == "Markets   BTC/USDT:USDT (BTCUSDT, linear)\n" and "Ctrl-C" in told[-1]
        assert told[5].startswith(
            "Account   100000 USDT · key local-key, secret local-secret (BTCFRAME_BYBIT_LOCAL_KEY"
        )
        found = re.search(r"http://127\.0\.0\.1:\d+", "".join(told))
        assert found is not None
        with urllib.request.urlopen(f"{found[0]}/v5/market/time", timeout=60) as reply:
            assert b'"retCode":0' in reply.read()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait(timeout=60) == 0 and rest.startswith("Closed. 0 clients") and "1 requests" in rest
    assert not list(tmp_path.iterdir())  # it makes no run directory


def test_it_closes_by_itself_after_its_duration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exchange.port=0", "exchange.duration=50ms", *SMALL]) == 0
    assert "Closed." in capsys.readouterr().out


def test_the_table_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faults"]) == 0
    told = capsys.readouterr().out
    assert all(f" {name} " in told for name in FAULTS) and "NAME[@FIRST]" in told


def test_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", "job", "exchange.port=9"]) == 0
    told = capsys.readouterr().out
    assert "port: 9" in told and "plugin: synthetic" in told and "model" not in told


@pytest.mark.parametrize(
    ("overrides", "code", "said"),
    [
        (["exchange.port=70000"], 2, "exchange.port: 70000 is no port"),
        (["exchange.speed=fast"], 2, "exchange.speed: 'fast' is neither a positive number nor max"),
        (["exchange.speed=0"], 2, "exchange.speed: '0'"),
        (["exchange.history=0"], 2, "exchange.history: 0 is too little"),
        (["exchange.idle=1ms"], 2, "exchange.idle: 1ms is too short"),
        (["exchange.idle=soon"], 2, "exchange.idle: 'soon' is not a duration"),
        (["exchange.faults=[gpa@3s]"], 2, "Did you mean gap?"),
        (["exchange.faults=[gap@3s:orderbook.50.ETHUSDT]"], 2, "there is no topic 'orderbook.50.ETHUSDT'"),
        (["exchange.symbols=[BTCUSDT]"], 2, "'BTCUSDT' is no symbol"),
        (["exchange.symbols=[BTC/USTD:USTD]"], 2, "the source has no BTC/USTD:USTD"),
        (["exchange.symbols=[BTC/USDT,BTC/USDT]"], 2, "a symbol comes twice"),
        (["source=klines", "source.paths=[x.csv]"], 2, "gives rows without a book"),
        (["source=bybit"], 2, "source bybit is live"),
        (["exchange.faults=gap"], 2, "exchange.faults: it is a list: write 'exchange.faults=[…]'"),
        (["source=synthetc"], 3, "Did you mean source=synthetic?"),
        (["exchange.balances=[USDT]"], 2, "exchange.balances: 'USDT' is no balance"),
        (["exchange.balances=[USDT:-5]"], 2, "Write COIN:AMOUNT"),
        (["exchange.leverage=0"], 2, "exchange.leverage: 0.0 is none from 1 to 100"),
        (["exchange.taker_fee=55"], 2, "exchange.taker_fee: 55.0 is no rate"),
        (["exchange.rights=[Oder]"], 2, "exchange.rights: there is no 'Oder'\nDid you mean Order?"),
        (["exchange.prot=3"], 2, "prot"),
        (["model=ridge"], 2, "btcframe exchange does not look at it"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: list[str], code: int, said: str) -> None:
    with pytest.raises(BtcframeError) as refused:
        exchange(*overrides)
    assert refused.value.exit_code == code and said in str(refused.value)


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "btcframe.exchange.server", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(BtcframeError, match=r"not installed: aiohttp\npip install 'btcframe\[exchange\]'"):
        main(["exchange.port=0", *SMALL])


@pytest.mark.parametrize("words", [["help"], ["--json"], ["--cfg", "all"]])
def test_words_that_it_does_not_take(words: list[str]) -> None:
    with pytest.raises(BtcframeError, match="btcframe exchange"):
        main(words)


def test_a_job_does_not_take_its_settings(btcframe: Run) -> None:
    done = btcframe("train", "exchange.port=3")
    assert done.returncode == 2 and "btcframe train does not look at it" in done.stderr


def test_markets_that_are_made_look_like_their_symbols() -> None:
    made = exchange(*SMALL, "exchange.symbols=[BTC/USDT:USDT,BTC/USDT,ETH/USDT:USDT,BTC/USD:BTC]")
    steps = {
        m.listing.instrument.symbol: (str(m.listing.instrument.tick), str(m.listing.instrument.lot))
        for m in made.markets.values()
    }
    assert {symbol: tuple(map(float, step)) for symbol, step in steps.items()} == {
        "BTC/USDT:USDT": (0.1, 0.001), "BTC/USDT": (0.1, 0.000001), "ETH/USDT:USDT": (0.01, 0.01), "BTC/USD:BTC": (0.1, 1),
    }  # fmt: skip
    books = [m.book.view(1) for m in made.markets.values()]
    assert len({str(book) for book in books}) == len(books)


def test_what_is_set_stays_as_it_is_set() -> None:
    made = exchange(
        "source.duration=1m", "source.levels=40", "source.tick=0.05", "exchange.symbols=[ETH/USDT]"
    )
    (one,) = made.markets.values()
    assert float(one.listing.instrument.tick) == 0.05 and len(one.book.bids) == 40
    (deep,) = exchange("source.duration=1m").markets.values()
    assert len(deep.book.bids) == 250


@pytest.mark.shared
def test_a_recorded_session_is_order_flow() -> None:
    if not CAPTURE.exists():
        pytest.skip(f"the recorded session is missing: {CAPTURE.name}")
    recorded = exchange(
        "source=cryptofeed_capture",
        f"source.path={CAPTURE}",
        "exchange.symbols=[BTC/USDT:USDT,ETH/USDT:USDT,BTC/USDT]",
        "exchange.repeat=true",
    )
    recorded.step(100_000_000_000)  # more than twice its length
    for market in recorded.markets.values():
        assert market.book.sound and not market.ended and market.traded > 10
    stream = recorded.book_stream("linear", "BTCUSDT", 200)
    assert [len(side) for side in stream.history[-1].view] == [200, 200]
    with pytest.raises(BtcframeError, match="holds no book of ADA/USDT:USDT"):
        exchange("source=cryptofeed_capture", f"source.path={CAPTURE}", "exchange.symbols=[ADA/USDT:USDT]")


def test_the_account_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_KEY", "mine")
    with pytest.raises(ConfigError, match="one is set, the other is not"):
        exchange(*SMALL)
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_SECRET", "canary")
    made = exchange(
        *SMALL, "exchange.balances=[USDT:5000.5,BTC:2]", "exchange.leverage=5", "exchange.maker_fee=-0.0001",
        "exchange.taker_fee=0.0003", "exchange.spot_fee=0", "exchange.rights=[Order,Withdraw]", "exchange.hedge=true",
        "exchange.read_only=true",
    )  # fmt: skip
    account = made.private.account("mine")
    assert account is not None and made.private.account("local-key") is None
    holder = account.holder
    assert holder.secret == "canary" and account.wallet == {"USDT": Decimal("5000.5"), "BTC": 2}
    assert (holder.leverage, holder.maker, holder.taker, holder.spot) == (
        5,
        Decimal("-0.0001"),
        Decimal("0.0003"),
        0,
    )
    assert (holder.rights, holder.hedge, holder.read_only) == (("Order", "Withdraw"), True, True)


def test_a_key_of_the_environment_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_KEY", "canary-key")
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_SECRET", "canary-secret")
    assert main(["exchange.port=0", "exchange.duration=50ms", *SMALL]) == 0
    told = capsys.readouterr().out
    assert (
        "canary" not in told and "the key of BTCFRAME_BYBIT_LOCAL_KEY and BTCFRAME_BYBIT_LOCAL_SECRET" in told
    )
