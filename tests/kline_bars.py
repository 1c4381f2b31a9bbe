"""Bars as Binance writes them, made by hand."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from btcframe.errors import BtcframeError
from btcframe.sources.klines import Klines
from btcframe.types import NS, ROW, RowArray

MINUTE = 60 * NS
START = 1_735_689_600 - 120  # s: two minutes before 2025-01-01, when Binance went from ms to us
KNOWN = {
    "row_ns", "flags", "messages", "mid", "mid_high", "mid_low", "buy_volume", "sell_volume", "buy_count",
    "sell_count", "buy_notional", "sell_notional", "first_exch_ts", "last_exch_ts", "latency_ns",
    "age_ns",
}  # fmt: skip
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"


def bar(minute: int, close: float = 101.5, *, unit: int = 1_000, **other: object) -> str:
    """A line of Binance's archives; `minute` after START, stamps in 1/unit s."""
    stamp = (START + 60 * minute) * unit
    cells = {
        "open_time": stamp, "open": 100.25, "high": max(102, close), "low": min(99.5, close), "close": close,
        "volume": 2.5, "close_time": stamp + 60 * unit - 1, "quote_volume": 253.1, "count": 10,
        "taker_buy_volume": 0.5, "taker_buy_quote_volume": 50.7, "ignore": 0,
    }  # fmt: skip
    return ",".join(str(cell) for cell in (cells | other).values())


QUIET = {
    "high": 101.5, "low": 101.5, "open": 101.5, "volume": 0, "quote_volume": 0, "count": 0, "taker_buy_volume": 0,
    "taker_buy_quote_volume": 0,
}  # fmt: skip


def write(path: Path, *lines: str) -> str:
    text = "".join(f"{line}\n" for line in lines).encode()
    if path.suffix == ".gz":
        text = gzip.compress(text)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem + ".csv", text)
    else:
        path.write_bytes(text)
    return str(path)


def rows_of(*paths: object, **options: object) -> RowArray:
    source = Klines(paths=tuple(map(str, paths)), **{"symbol": "BTC/USDT"} | options)
    return np.concatenate([np.empty(0, ROW), *(batch.rows for batch in source.open(seed=0))])


def refused(path: object, *more: object, **options: object) -> str:
    with pytest.raises(BtcframeError) as caught:
        rows_of(path, *more, **options)
    return str(caught.value)
