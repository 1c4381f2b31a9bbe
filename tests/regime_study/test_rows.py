from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from regime_study.markets import Bars, ByDescriptor, two_states

from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError, DataError
from btcframe.labels.forward_return import ForwardReturn
from btcframe.pipeline import Pipeline
from btcframe.regime_study.rows import Rows, read
from btcframe.sources.synthetic import Synthetic
from btcframe_regimes import Hmm, Volatility


def read_bars(feed: object, regimes: dict, directory: Path, threads: int = 1) -> Rows:
    label = ForwardReturn(("5s", "20s"))
    return read(feed, TimeClock(), label, regimes, directory, threads=threads, advance=lambda n: None)


def test_bars_are_read_once_and_labelled(tmp_path: Path) -> None:
    mid, _ = two_states(20_000, 1)
    found = read_bars(Bars(mid), {"a": ByDescriptor(), "b": ByDescriptor()}, tmp_path)
    np.testing.assert_array_equal(found.mid, mid)
    np.testing.assert_array_equal(found.descriptors["a"][:, 0], mid)
    np.testing.assert_array_equal(found.descriptors["b"], found.descriptors["a"])
    np.testing.assert_allclose(found.y[:-20, 1], 1e4 * np.log(mid[20:] / mid[:-20]), rtol=1e-9, atol=1e-9)
    assert np.isnan(found.y[-20:, 1]).all()
    np.testing.assert_array_equal(found.t_end[:, 0] - found.row_ns, 5_000_000_000)
    assert found.truth is None


def test_events_give_what_the_pipeline_gives_one_method_at_a_time(tmp_path: Path) -> None:
    source = Synthetic(duration="6m")
    regimes = {"v": Volatility(window=30), "w": Volatility(window=60), "h": Hmm(window=30)}
    found = read_bars(source.open(seed=3), regimes, tmp_path, threads=2)
    for name, regime in regimes.items():
        feed = source.open(seed=3)
        pipeline = Pipeline(feed.instrument, TimeClock(), {}, regime)
        parts = []
        for batch in feed:
            at, whole = 0, False
            while not whole:
                at, wake = pipeline.push(batch.events, at)
                whole = at == len(batch.events) and not wake
                parts.append(pipeline.descriptors.copy())
        np.testing.assert_array_equal(found.descriptors[name], np.concatenate(parts))


def test_the_state_a_synthetic_market_was_in_stands_beside_the_rows(tmp_path: Path) -> None:
    found = read_bars(Synthetic(duration="3m").open(seed=3), {"v": Volatility(window=30)}, tmp_path)
    told = {}
    for batch in Synthetic(duration="3m").open(seed=3):
        if batch.truth is not None:
            told |= dict(zip(batch.truth["row_ns"].tolist(), batch.truth["regime"].tolist(), strict=True))
    expected = [told.get(ns, -1) for ns in found.row_ns.tolist()]
    assert found.truth is not None
    assert found.truth.tolist() == expected and max(expected) >= 0


def test_no_regime_to_judge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no regime to judge \(regimes\)"):
        read_bars(Bars(np.ones(10)), {}, tmp_path)


def test_a_market_without_rows_or_prices(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row was closed"):
        read_bars(Bars(np.empty(0)), {"a": ByDescriptor()}, tmp_path)
    with pytest.raises(DataError, match="none of the 50 rows has a price"):
        read_bars(Bars(np.full(50, np.nan)), {"a": ByDescriptor()}, tmp_path)
