from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from bybit_market import LINEAR, SPOT, Exchange, book_of
from naive_bybit import Naive

from btcframe.api import Batch
from btcframe.clocks.time import TimeClock
from btcframe.errors import BtcframeError, ConfigError, DataError
from btcframe.pipeline import Pipeline
from btcframe.sources.cryptofeed_capture import CryptofeedCapture
from btcframe.testing import SourceSuite
from btcframe.types import Kind, RowFlag
from btcframe_regimes import Volatility

HEADER = {"t": "header", "format": 2, "exchange": "BYBIT", "config": {}, "recorded": 1786310817.6}


def instruments(category: str, **entry: Any) -> bytes:
    sizes = {"basePrecision": "0.000001", "minOrderAmt": "5"} if category == "spot" else {"qtyStep": "0.001"}
    one = {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT",
        "priceFilter": {"tickSize": "0.10"}, "lotSizeFilter": sizes, "contractType": "LinearPerpetual",
    }  # fmt: skip
    future = {**one, "symbol": "BTC-27NOV26", "contractType": "LinearFutures"}
    reply = {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": category, "list": [{**one, **entry}, future]},
    }
    return json.dumps(reply).encode()


class Capture:
    """Writes a capture, a record at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.ts = path, 1786310819.526357
        self.records: list[dict[str, Any]] = [dict(HEADER)]
        for category in ("linear", "spot"):
            self.http(category)
        self.connect("a", "linear")
        self.connect("b", "spot")

    def http(self, category: str, **entry: Any) -> None:
        url = f"https://x/v5/market/instruments-info?&category={category}&limit=1000"
        self._add("http", "c", url=url, data=instruments(category, **entry).decode())

    def connect(self, conn: str, category: str) -> None:
        self._add("connect", conn, addr=f"wss://x/v5/public/{category}")

    def recv(self, data: bytes, conn: str = "a") -> None:
        self._add("recv", conn, data=data.decode())

    def _add(self, kind: str, conn: str, **more: Any) -> None:
        self.ts += 0.01
        self.records.append({"t": kind, "conn": conn, "ts": round(self.ts, 6), **more})

    def write(self) -> str:
        text = b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in self.records)
        packed = self.path.suffix == ".zst"
        self.path.write_bytes(zstandard.ZstdCompressor().compress(text) if packed else text)
        return str(self.path)


def written(path: Path, count: int = 5) -> Capture:
    """A capture of both markets, other symbols and other topics among them."""
    capture = Capture(path)
    linear, spot = Exchange(1, 50, LINEAR), Exchange(2, 200, SPOT)
    for exchange, conn in ((linear, "a"), (spot, "b")):
        capture.recv(b'{"success":true,"ret_msg":"","conn_id":"x","op":"subscribe"}', conn)
        capture.recv(exchange.snapshot(), conn)
    for _ in range(count):
        for exchange, conn in ((linear, "a"), (spot, "b")):
            exchange.move()
            capture.recv(exchange.delta(), conn)
            capture.recv(exchange.trades(), conn)
            capture.recv(exchange.delta().replace(b"BTCUSDT", b"ETHUSDT"), conn)
            exchange.u -= 1  # it was another's
        capture.recv(b'{"topic":"tickers.BTCUSDT","type":"delta","data":{},"cs":1,"ts":1}')
    return capture


def events_of(source: CryptofeedCapture) -> np.ndarray:
    return np.concatenate([batch.events for batch in source.open(seed=0)])


class TestContract(SourceSuite):
    @pytest.fixture(autouse=True)
    def _capture(self, tmp_path: Path) -> None:
        self.path = written(tmp_path / "BYBIT.jsonl.zst").write()

    def make(self) -> CryptofeedCapture:
        return CryptofeedCapture(self.path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
@pytest.mark.parametrize(
    ("symbol", "depth", "tick", "lot"),
    [("BTC/USDT:USDT", 50, "0.1", "0.001"), ("BTC/USDT", 200, "0.1", "0.000001")],
)
def test_the_symbol_says_which_market(
    tmp_path: Path, name: str, symbol: str, depth: int, tick: str, lot: str
) -> None:
    source = CryptofeedCapture(written(tmp_path / name).write(), symbol)
    feed = source.open(seed=0)
    assert (feed.instrument.symbol, feed.instrument.tick, feed.instrument.lot) == (
        symbol,
        Decimal(tick),
        Decimal(lot),
    )
    frames = [frame for batch in feed for frame in batch.frames]
    assert Counter(frame.stream for frame in frames) == {
        "~market": 1,
        f"orderbook.{depth}.BTCUSDT": 6,
        "publicTrade.BTCUSDT": 5,
        **({"tickers.BTCUSDT": 5} if depth == 50 else {}),
    }
    counters = feed.decoder.counters
    assert (counters.snapshots, counters.deltas, counters.trades, counters.gaps) == (1, 5, 5, 0)


def test_stamps_are_those_of_the_capture_to_the_last_digit(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "a")
    capture.ts = 1786310819.516357
    capture.recv(Exchange(1).snapshot())
    assert set(events_of(CryptofeedCapture(capture.write()))["local_ts"]) == {1786310819526357000}


def test_a_log_of_it_gives_the_same_events(tmp_path: Path) -> None:
    source = CryptofeedCapture(written(tmp_path / "a", 40).write())
    batches = list(source.open(seed=0))
    frames = [list(batch.frames) for batch in batches]
    single = [[frame] for run in frames for frame in run]
    for runs in (frames, single):
        feed = CryptofeedCapture().decode(iter(runs))
        assert feed.instrument.symbol == "BTC/USDT:USDT"
        events = np.concatenate([batch.events for batch in feed])
        assert events.tobytes() == np.concatenate([batch.events for batch in batches]).tobytes()


def test_a_socket_that_connects_again_begins_anew(tmp_path: Path) -> None:
    capture, exchange = Capture(tmp_path / "a"), Exchange(1)
    capture.recv(exchange.snapshot())
    capture.connect("z", "linear")  # another one, which has said nothing of ours
    capture.recv(exchange.delta())
    capture.connect("a", "linear")
    capture.recv(exchange.delta())
    capture.recv(exchange.snapshot())
    events = events_of(CryptofeedCapture(capture.write()))
    clear = np.flatnonzero(events["kind"] == Kind.CLEAR)
    gap = np.flatnonzero(events["kind"] == Kind.GAP)
    assert len(clear) == 2
    assert clear[0] < gap < clear[1]


def test_a_binary_frame_is_read_as_such(tmp_path: Path) -> None:
    capture, exchange = Capture(tmp_path / "a"), Exchange(1)
    capture.recv(exchange.snapshot())
    record = capture.records[-1]
    record["b64"] = base64.b64encode(record.pop("data").encode()).decode()
    assert len(events_of(CryptofeedCapture(capture.write()))) == 102


def test_of_several_depths_the_deepest_or_the_one_asked_for(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "a")
    for depth in (50, 200):
        capture.recv(Exchange(1, depth).snapshot())
    path = capture.write()
    assert (events_of(CryptofeedCapture(path))["kind"] == Kind.DEPTH).sum() == 400
    assert (events_of(CryptofeedCapture(path, depth=50))["kind"] == Kind.DEPTH).sum() == 100
    with pytest.raises(DataError, match="no book of BTC/USDT:USDT of depth 1 ") as error:
        CryptofeedCapture(path, depth=1).open(seed=0)
    assert error.value.hint == "Valid: 50, 200."


# ------------------------------------------------------------------------------------------------------- refused


def edited(change: Callable[[Capture], None]) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        capture = written(path)
        change(capture)
        return capture.write()

    return make


def _set(number: int, **values: Any) -> Callable[[Capture], None]:
    return lambda capture: capture.records[number].update(values)


@pytest.mark.parametrize(
    ("change", "what", "hint"),
    [
        (_set(0, t="recv"), "is no capture of cryptofeed", "Its first line says what it is"),
        (_set(0, format=1), "the capture is of format 1, 2 is read", "cryptofeed 3 writes it"),
        (_set(0, exchange="KRAKEN"), "the capture is of KRAKEN, not of BYBIT", ""),
        (_set(5, t=7), "the line is no record of a capture", ""),
        (_set(1, data="{}"), "no reply of instruments-info", ""),
        (
            _set(1, data='{"retCode":10001,"retMsg":"no","result":{}}'),
            "instruments-info failed: 10001 no",
            "",
        ),
        (_set(1, url="x"), "holds no reply of instruments-info of linear", "cannot be told"),
        (
            _set(1, data=instruments("linear", priceFilter={"tickSize": "0"}).decode()),
            "BTCUSDT has no step",
            "",
        ),
        (_set(1, data=instruments("linear", lotSizeFilter={}).decode()), "BTCUSDT has no step", ""),
        (
            _set(1, data=instruments("linear", baseCoin="ETH").decode()),
            "no instrument BTC/USDT:USDT",
            "ETH/USDT:USDT",
        ),
        (_set(3, addr="wss://x/v5/public/option"), "no book of BTC/USDT:USDT", "nothing in its category"),
    ],
)
def test_what_is_no_capture_of_the_market(
    tmp_path: Path, change: Callable[[Capture], None], what: str, hint: str
) -> None:
    source = CryptofeedCapture(edited(change)(tmp_path / "a"))
    with pytest.raises(DataError) as error:
        source.open(seed=0)
    assert what in error.value.what
    assert hint in error.value.hint


def test_a_symbol_whose_book_was_not_captured(tmp_path: Path) -> None:
    capture = written(tmp_path / "a")
    capture.http("linear", symbol="SOLUSDT", baseCoin="SOL")
    with pytest.raises(DataError, match="holds no book of SOL/USDT:USDT") as error:
        CryptofeedCapture(capture.write(), "SOL/USDT:USDT").open(seed=0)
    assert error.value.hint == "It holds books of BTC/USDT:USDT."


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC/USDT:ETH", "BTC/", "BTC/USDT:"])
def test_a_symbol_that_is_not_ccxts(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(ConfigError, match="is not ccxt's"):
        CryptofeedCapture(written(tmp_path / "a").write(), symbol).open(seed=0)


def test_files_that_are_none(tmp_path: Path) -> None:
    def said(path: str) -> str:
        with pytest.raises(BtcframeError) as error:
            CryptofeedCapture(path).open(seed=0)
        return str(error.value)

    assert "no capture is named" in said("")
    assert "does not exist" in said(str(tmp_path / "none"))
    assert "is a directory" in said(str(tmp_path))
    (tmp_path / "empty").touch()
    assert "is empty" in said(str(tmp_path / "empty"))
    (tmp_path / "text").write_text("hello\n")
    assert "is no capture of cryptofeed" in said(str(tmp_path / "text"))
    whole = Path(written(tmp_path / "a.zst").write()).read_bytes()
    (tmp_path / "cut.zst").write_bytes(whole[:-9])
    assert "the zstd file is cut or damaged: it ends too early" in said(str(tmp_path / "cut.zst"))
    (tmp_path / "bad.zst").write_bytes(whole[:9] + b"\0\1\2\3" + whole[13:])
    assert "the zstd file is cut or damaged" in said(str(tmp_path / "bad.zst"))


def test_settings() -> None:
    with pytest.raises(ValueError, match="depth: -1 is not a number of levels"):
        CryptofeedCapture(depth=-1)
    assert CryptofeedCapture().fingerprint() == ""


def test_a_log_that_does_not_begin_with_its_market(tmp_path: Path) -> None:
    batches = list(CryptofeedCapture(written(tmp_path / "a").write()).open(seed=0))
    frames = list(batches[0].frames)
    with pytest.raises(DataError, match=r"does not begin with a frame ~market: 'orderbook\.50\.BTCUSDT'"):
        CryptofeedCapture().decode(iter([frames[1:]]))
    with pytest.raises(DataError, match="the frame ~market is damaged"):
        CryptofeedCapture().decode(iter([[frames[0]._replace(data=b"{}")]]))
    with pytest.raises(DataError, match="the session is empty"):
        CryptofeedCapture().decode(iter([[]]))


# ------------------------------------------------------------------------------------------------------- recorded

MARKETS = {
    "BTC/USDT:USDT": (413, 56), "ETH/USDT:USDT": (420, 23), "SOL/USDT:USDT": (382, 165), "DOGE/USDT:USDT": (379, 83),
    "BTC/USDT": (299, 11), "ETH/USDT": (249, 9),
}  # fmt: skip


@pytest.fixture
def capture_of_2026(market_data: Path) -> str:
    return str(market_data / "bybit" / "cryptofeed_BYBIT_20260809.jsonl.zst")


@pytest.mark.shared
@pytest.mark.parametrize("symbol", MARKETS)
def test_the_capture_of_2026_08_09_replays_without_a_gap(capture_of_2026: str, symbol: str) -> None:
    feed = CryptofeedCapture(capture_of_2026, symbol).open(seed=0)
    batches: list[Batch] = list(feed)
    counters = feed.decoder.counters
    assert (counters.deltas, counters.trades) == MARKETS[symbol]
    assert counters.snapshots == 1
    lost = (
        "gaps",
        "crossed",
        "stale",
        "duplicates",
        "malformed",
        "off_grid",
        "refused",
        "cut_levels",
        "losses",
    )
    assert {name: getattr(counters, name) for name in lost} == dict.fromkeys(lost, 0)
    assert feed.decoder.book["n"].tolist() == [[200, 200]]
    naive = Naive(feed.instrument, 200)
    naive.topics = feed.decoder.topics
    for batch in batches:
        for frame in batch.frames:
            if not frame.stream.startswith("~") and symbol.startswith("BTC"):
                naive.push(frame.local_ts, frame.data)
    if symbol.startswith("BTC"):
        assert book_of(feed.decoder.book) == (naive.bids, naive.asks)


@pytest.mark.shared
def test_all_2142_deltas_were_counted() -> None:
    assert sum(deltas for deltas, _ in MARKETS.values()) == 2142


@pytest.mark.shared
@pytest.mark.parametrize(
    ("symbol", "best"), [("BTC/USDT:USDT", (65114.2, 65114.3)), ("BTC/USDT", (65140.4, 65140.5))]
)
def test_rows_of_the_capture(capture_of_2026: str, symbol: str, best: tuple[float, float]) -> None:
    feed = CryptofeedCapture(capture_of_2026, symbol).open(seed=0)
    pipeline = Pipeline(feed.instrument, TimeClock("100ms"), {}, Volatility())
    pipeline.push(np.concatenate([batch.events for batch in feed]))
    rows = pipeline.rows
    assert len(rows) > 380
    assert rows["flags"][0] & RowFlag.PARTIAL
    assert not (rows["flags"][1:] & (RowFlag.GAP | RowFlag.PARTIAL | RowFlag.CROSSED | RowFlag.THIN)).any()
    assert (rows["bid_px"][-1, 0], rows["ask_px"][-1, 0]) == best
    assert np.median(rows["latency_ns"][rows["latency_ns"] > 0]) == pytest.approx(112e6, abs=15e6)
