"""The columns against their references on a recorded session, through the pipeline that makes them."""

from pathlib import Path

import numpy as np
import pytest

from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.testing import markets
from btcframe_features import Book, Returns

from .test_book import assert_is_reference as assert_book
from .test_returns import assert_is_reference as assert_returns

MARKET_DATA = Path(__file__).parents[4] / "shared" / "market-data" / "raw-binance"


@pytest.mark.shared
def test_recorded_session():
    paths = [MARKET_DATA / f"usdm_btcusdt_2024071{day}.gz" for day in (8, 9)]  # one session over midnight
    if not all(path.exists() for path in paths):
        pytest.skip(f"no recorded market data in {MARKET_DATA}")
    feed = BinanceRaw(paths=tuple(map(str, paths))).open(seed=0)
    pipeline = Pipeline(
        feed.instrument, TimeClock("100ms"), {"book": Book(), "returns": Returns()}, markets.NoRegime()
    )
    rows, x = [], []
    for batch in feed:
        consumed = 0
        while consumed < len(batch.events):
            consumed, _ = pipeline.push(batch.events, consumed)
            rows.append(pipeline.rows.copy())
            x.append(pipeline.x.copy())
    feed.close()
    rows, x = np.concatenate(rows), np.concatenate(x)
    assert len(rows) > 2000 and np.isfinite(x[600:]).mean() > 0.99
    values = {column.name: x[:, j] for j, column in enumerate(pipeline.columns)}
    assert_book(rows, values)
    assert_returns(rows, values)
