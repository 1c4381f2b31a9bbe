"""Recordings that cannot be used, and what is said of them."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
from binance_sessions import (
    STAMP,
    depth,
    session,
    snapshot,
    trade,
)

from btcframe.errors import ConfigError, DataError
from btcframe.sources.binance_raw import BinanceRaw


def refused(source: BinanceRaw) -> DataError:
    with pytest.raises(DataError) as caught:
        for _ in source.open(seed=0):
            pass
    return caught.value


def test_several_files_are_one_session_in_order(tmp_path: Path) -> None:
    a = session(tmp_path / "a", snapshot(15), depth(16, 20, 15, [["99.1", "6"]]))
    b = session(tmp_path / "b", depth(21, 30, 20, [["99.1", "0"]]), "{oops", first=STAMP + 10**9)
    error = refused(BinanceRaw(paths=(a, b)))
    assert error.where == f"{b}:2"
    late = session(tmp_path / "late", trade(), first=STAMP + 10**9)
    assert "begins before" in refused(BinanceRaw(paths=(late, a))).what
    assert "begins before" in refused(BinanceRaw(paths=(a, a))).what


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"stream":"btcusdt@trade","data":{"e":"trade"', "not the message it should be"),
        ('{"stream":"btcusdt@trade","data":{"e":"trade"}}', "not the message it should be"),
        ('{"stream":"btcusdt@bookTicker","data":{', "not the message it should be"),
        ('{"stream":"btcusdt@depth20@100ms","data":{}}', "this stream is not understood"),
        ('{"stream":"ethusdt@trade","data":{}}', "not a stream of BTC/USDT:USDT"),
        ('{"result":null,"id":1}', "neither a stream's message nor a depth snapshot"),
        (trade().replace('"T":', '"T":9'), "not the message it should be"),
        (trade().replace('"T":', '"T":-'), "not the message it should be"),
        (trade().replace('"t":', '"t":99999999999999999999'), "not the message it should be"),
        (snapshot(9 * 10**24), "not the message it should be"),
        ("{oops", "JSON is malformed"),
        ("[]", "not a local stamp, a space and a JSON object"),
        (trade(price="100.05"), "price 100.05 is not a multiple of the tick 0.1"),
        (trade(size="0.0005"), "size 0.0005 is not a multiple of the lot 0.001"),
        (trade(price="1e3"), "it goes wrong at"),
        (depth(16, 20, 15, [["99.15", "6"]]), "price 99.15 is not a multiple"),
        (depth(16, 20, 15, [["99.1"]]), "it goes wrong at"),
        (depth(16, 20, 15, [], [[99.1, 1]]), "it goes wrong at"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, what: str) -> None:
    path = session(tmp_path / "a", snapshot(15), trade(), line, trade())
    error = refused(BinanceRaw(paths=(path,)))
    assert what in error.what
    assert error.where == f"{path}:3"


def test_an_off_tick_level_in_a_held_diff_is_named_by_its_own_line(tmp_path: Path) -> None:
    path = session(tmp_path / "a", depth(11, 20, 10, [["99.15", "6"]]), trade(), snapshot(15))
    assert refused(BinanceRaw(paths=(path,))).where == f"{path}:1"


@pytest.mark.parametrize("stamp", ["", "x", "12", "-1700000000000000000", "17000000000"])
def test_a_line_without_a_stamp_is_named(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "a"
    path.write_text(f"{STAMP} {snapshot(15)}\n{stamp} {trade()}\n")
    assert refused(BinanceRaw(paths=(str(path),))).where == f"{path}:2"


def test_a_cut_gzip_is_named(tmp_path: Path) -> None:
    lines = [snapshot(15)] + [trade(price=f"{1000 + i * 7919 % 8999}.1") for i in range(3000)]
    whole = gzip.compress(Path(session(tmp_path / "a", *lines)).read_bytes())
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    error = refused(BinanceRaw(paths=(str(cut),)))
    assert "cut or damaged" in error.what
    assert str(cut) in error.where
    cut.write_bytes(whole[:2000] + b"\x00\xff" * 50 + whole[2100:])
    assert refused(BinanceRaw(paths=(str(cut),))).where.startswith(str(cut))


def test_files_that_are_not_there_empty_or_directories(tmp_path: Path) -> None:
    session(tmp_path / "btcusdt_20240718.gz", snapshot(15))
    error = refused(BinanceRaw(paths=(str(tmp_path / "btcusdt_20240719.gz"),)))
    assert "does not exist" in error.what
    assert error.hint == f"Did you mean {tmp_path}/btcusdt_20240718.gz?"
    assert "There is no directory" in refused(BinanceRaw(paths=(str(tmp_path / "no" / "a"),))).hint
    empty = tmp_path / "empty"
    empty.touch()
    assert "is empty" in refused(BinanceRaw(paths=(str(empty),))).what
    empty.write_bytes(gzip.compress(b""))
    assert "is empty" in refused(BinanceRaw(paths=(str(empty),))).what
    error = refused(BinanceRaw(paths=(str(tmp_path),)))
    assert "is a directory" in error.what
    assert "btcusdt_20240718.gz" in error.hint


def test_no_path_at_all() -> None:
    with pytest.raises(ConfigError, match=r"source\.paths"):
        BinanceRaw().open(seed=0)


def test_a_session_without_a_snapshot_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    source = BinanceRaw(paths=(session(tmp_path / "a", depth(16, 20, 15, [["99.1", "6"]]), trade()),))
    with pytest.raises(DataError, match="holds no depth snapshot"):
        source.open(seed=0)


def test_a_session_whose_snapshot_never_fits_is_refused(tmp_path: Path) -> None:
    source = BinanceRaw(paths=(session(tmp_path / "a", depth(26, 30, 25, [["99.1", "6"]]), snapshot(15)),))
    assert "no depth snapshot of the session fits" in refused(source).what


def test_another_symbol_than_asked_for(tmp_path: Path) -> None:
    path = session(tmp_path / "a", snapshot(15), trade())
    with pytest.raises(DataError, match="of BTCUSDT, not of ETH/USDT"):
        BinanceRaw(paths=(path,), symbol="ETH/USDT:USDT").open(seed=0)


def test_a_stamp_far_ahead_is_a_damaged_line_and_not_a_century_of_rows(tmp_path: Path) -> None:
    for stamp, what in (
        (STAMP + 41 * 86_400 * 10**9, "jumps 40 days ahead"),
        (9 * 10**29, "not in ns, us or ms"),
    ):
        path = session(tmp_path / "a", snapshot(15), trade())
        Path(path).write_text(Path(path).read_text() + f"{stamp} {trade()}\n")
        error = refused(BinanceRaw(paths=(path,)))
        assert what in error.what
        assert error.where == f"{path}:3"


@pytest.mark.parametrize(
    "bad", [{"tick": 0.0}, {"lot": -1.0}, {"batch": 0}, {"tick": math.inf}, {"lot": 1e308}]
)
def test_bad_settings(bad: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        BinanceRaw(**bad)
