"""The quality of recorded sessions: nearly always 1, and below it where messages failed to come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import Collected, Running, drive

from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.cryptofeed_capture import CryptofeedCapture
from btcframe.types import RowFlag

MS = 1_000_000
SESSIONS: dict[str, tuple[Any, float]] = {
    "raw-binance/usdm_btcusdt_20240718.gz": (lambda path: BinanceRaw(paths=(path,)), 0.6),
    "raw-binance/spot_btcusdt_20240808.gz": (lambda path: BinanceRaw(paths=(path,)), 0.9),
    "bybit/cryptofeed_BYBIT_20260809.jsonl.zst": (lambda path: CryptofeedCapture(path=path), 2.1),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", SESSIONS)
def test_share_of_the_rows_below_1(name: str, market_data: Path) -> None:
    source, percent = SESSIONS[name]
    feed = source(str(market_data / name)).open(seed=0)
    pipeline, out = Pipeline(feed.instrument, TimeClock("100ms"), {}, Running("regime_")), Collected()
    for batch in feed:
        drive(pipeline, batch.events, out)
    rows = out.all_rows
    assert 100 * np.mean(rows["quality"] < 1) == pytest.approx(percent, abs=0.05)
    np.testing.assert_array_equal(rows["quality"] == 0, np.isnan(rows["mid"]))
    rows = rows[40:]  # something is usual by now
    stale = rows["flags"] & int(RowFlag.STALE) != 0
    assert (rows["age_ns"][stale] > 180 * MS).all() and (rows["age_ns"][~stale] < 200 * MS).all()
