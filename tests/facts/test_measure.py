"""Facts of markets whose answers are known."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.api import Batch
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError, DataError
from btcframe.facts.activity import ActivityFacts
from btcframe.facts.book import BookFacts
from btcframe.facts.flow import FlowFacts
from btcframe.facts.measure import FILE, SECTIONS, Facts, as_json, load, measure
from btcframe.facts.price import PriceFacts
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import EVENT, LEVELS, NS, ROW, EventArray, Instrument, RowArray
from btcframe_regimes import Volatility

PERIOD = NS // 10
TICK = 0.1
START = 1_700_000_000 * NS


class Made:
    """Events, or rows, as a feed, in batches of a length."""

    def __init__(self, events: EventArray, batch: int = 65_536, **more: Any) -> None:
        self.instrument = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
        self._events, self._batch, self._more = events, batch, more

    def __iter__(self) -> Any:
        for at in range(0, len(self._events), self._batch):
            yield Batch(self._events[at : at + self._batch], **self._more)

    def close(self) -> None: ...


def facts_of(feed: Any, every: str = "100ms") -> Facts:
    clock = TimeClock(every)
    return measure(feed, Pipeline(feed.instrument, clock, {}, Volatility()), clock.period_ns, lambda n: None)


def walk(duration: str = "20m", **settings: Any) -> RandomWalk:
    return RandomWalk(duration, rate=20.0, volatility=2.0, **settings)


@pytest.fixture(scope="module")
def walked() -> Facts:
    return facts_of(walk().open(seed=3))


def rows_with(mid: np.ndarray) -> RowArray:
    """Rows of 100 ms that hold a mid, a spread of three ticks and levels two ticks apart."""
    rows = np.zeros(len(mid), ROW)
    rows["row_ns"] = START + (1 + np.arange(len(mid))) * PERIOD
    rows["mid"] = mid
    steps = np.arange(LEVELS) * 2 * TICK
    rows["bid_px"] = (mid - 1.5 * TICK)[:, None] - steps
    rows["ask_px"] = (mid + 1.5 * TICK)[:, None] + steps
    rows["bid_sz"], rows["ask_sz"] = 1 + np.arange(LEVELS), 3 + 3 * np.arange(LEVELS)
    return rows


def fed(part: Any, rows: RowArray) -> Any:
    ends = [0, 1, 7, len(rows) // 2, len(rows)]
    for a, b in pairwise(ends):
        part.add(rows[a:b])
    return part


# --------------------------------------------------------------------------------------------------- price


def test_a_gaussian_walk_has_no_fat_tails_no_memory_and_a_flat_signature() -> None:
    mid = 50_000 * np.exp(np.random.default_rng(1).normal(size=80_000).cumsum() * 0.5e-4)
    part = fed(PriceFacts(TICK, PERIOD), rows_with(mid))
    found, lines = part.facts(), part.lines()
    assert found["sd_100ms"].value == pytest.approx(0.5, rel=0.02)
    assert found["sd_10s"].value == pytest.approx(5.0, rel=0.1)
    for h in ("100ms", "1s"):
        assert found[f"kurtosis_{h}"].value == pytest.approx(3.0, abs=0.2)
    assert found["signature"].value == pytest.approx(1.0, abs=0.25)
    assert found["hill"].value > 4
    for key in ("return_acf_1", "absolute_acf_1", "absolute_acf_60"):
        assert found[key].low <= 0 <= found[key].high
    assert lines["signature_plot"].y[:6] == pytest.approx(np.full(6, 2.5), rel=0.1)
    assert found["sd_60s"].n == pytest.approx(8_000 / 60, rel=0.02)


def test_returns_are_the_naive_ones() -> None:
    mid = 100 + np.random.default_rng(2).normal(size=3_000).cumsum() * 0.01
    mid[1_000:1_020] = np.nan
    part = fed(PriceFacts(TICK, PERIOD), rows_with(mid))
    found = part.facts()
    log = np.log(mid) * 1e4
    for h, k in (("100ms", 1), ("1s", 10), ("5s", 50)):
        r = log[k:] - log[:-k]
        r = r[np.isfinite(r)]
        assert found[f"sd_{h}"].value == pytest.approx(math.sqrt(np.mean(r**2)))
        assert found[f"kurtosis_{h}"].value == pytest.approx(np.mean(r**4) / np.mean(r**2) ** 2)
    moves = np.abs(np.diff(mid))
    assert found["jump_ticks"].value == pytest.approx(np.nanmean(moves[moves > 0]) / TICK, rel=1e-4)


def test_moves_reversals_and_stillness() -> None:
    mid = np.repeat(1000.0 + np.arange(60) * TICK, 20)  # a tick every two seconds
    rows = rows_with(mid)
    rows["mid_moves"] = np.diff(mid, prepend=mid[0]) != 0
    rows["mid_reversals"][100::40] = rows["mid_moves"][100::40]
    found = fed(PriceFacts(TICK, PERIOD), rows).facts()
    assert found["moves"].value == pytest.approx(0.5, rel=0.03)
    assert found["reversals"].value == pytest.approx(rows["mid_reversals"].sum() / 59)
    assert found["jump_ticks"].value == pytest.approx(1.0)
    assert found["still"].value == pytest.approx(0.5, rel=0.02)


# ------------------------------------------------------------------------------------------------ the book


def test_spread_and_depth() -> None:
    rows = rows_with(np.full(1_000, 1000.0))
    rows["ask_px"][:10] += 2 * TICK  # wider for a moment; the mid is left where it is
    found, lines = (part := fed(BookFacts(TICK, PERIOD), rows)).facts(), part.lines()
    assert found["spread_ticks"].value == pytest.approx(3.02)
    assert found["spread_bps"].value == pytest.approx(3.02 * TICK / 1000 * 1e4)
    assert found["spread_one"].value == 0
    assert found["spread_p99"].value == 3
    assert lines["spread_tail"].x.tolist() == [3, 5] and lines["spread_tail"].y == pytest.approx([1, 0.01])
    assert found["best_size"].value == pytest.approx(2.0)  # 1 and 3
    assert found["best_size_cv"].value == pytest.approx(0.5)
    assert found["best_share"].value == pytest.approx(2 / (2 * 210))
    assert found["gap_ticks"].value == pytest.approx(2.0)
    assert found["reach_bps"].value == pytest.approx((1.5 + 38 + 0.01) * TICK / 1000 * 1e4, rel=1e-3)
    assert lines["depth_mean"].y == pytest.approx(2 * np.arange(1, 21))


def test_thin_and_unusable_rows_are_left_out_of_the_depth() -> None:
    rows = rows_with(np.full(100, 1000.0))
    rows["ask_sz"][:50, 10:], rows["ask_px"][:50, 10:] = np.nan, np.nan
    rows["mid"][:20] = np.nan
    found = fed(BookFacts(TICK, PERIOD), rows).facts()
    assert found["spread_ticks"].n == 80
    assert found["best_size_median"].n == 8 + 5  # once a second


# ---------------------------------------------------------------------------------------------------- flow


def test_order_flow_that_moves_the_price() -> None:
    rng = np.random.default_rng(3)
    ofi = rng.normal(size=40_000)
    r = 0.2 * ofi + rng.normal(size=40_000) * 0.1  # bps; R² = 0.8 at every window
    rows = rows_with(50_000 * np.exp(r.cumsum() * 1e-4))
    rows["ofi"][:, 0] = ofi
    rows["buy_volume"], rows["sell_volume"] = np.maximum(ofi, 0), np.maximum(-ofi, 0)
    rows["bid_sz"][:-10, 0] = 2 + (sign := np.sign(rows["mid"][10:] - rows["mid"][:-10]))
    rows["ask_sz"][:-10, 0] = 2 - sign
    found, lines = (part := fed(FlowFacts(PERIOD), rows)).facts(), part.lines()
    for h in ("1s", "10s"):
        assert found[f"ofi_corr_{h}"].value == pytest.approx(math.sqrt(0.8), abs=0.02)
        assert found[f"ofi_r2_{h}"].value == pytest.approx(0.8, abs=0.03)
        assert found[f"ofi_slope_{h}"].value == pytest.approx(0.2, rel=0.03)
        assert found[f"volume_corr_{h}"].value == pytest.approx(math.sqrt(0.8), abs=0.02)
        assert found[f"ofi10_corr_{h}"] == pytest.approx(found[f"ofi_corr_{h}"])
    assert found["imbalance_corr_1s"].value == pytest.approx(
        math.sqrt(2 / math.pi), abs=0.02
    )  # E|z| of a Gaussian
    line = lines["ofi_1s"]
    assert line.y == pytest.approx(math.sqrt(0.8) * line.x, abs=0.15)
    assert lines["imbalance_1s"].y[0] < 0 < lines["imbalance_1s"].y[-1]


def test_windows_with_unknown_flow_are_left_out() -> None:
    rows = rows_with(50_000 * np.exp(np.random.default_rng(4).normal(size=4_000).cumsum() * 1e-4))
    rows["ofi"] = np.random.default_rng(5).normal(size=(4_000, 10))
    whole = fed(FlowFacts(PERIOD), rows).facts()["ofi_corr_1s"].n
    rows["ofi"][2_000] = np.nan
    assert fed(FlowFacts(PERIOD), rows).facts()["ofi_corr_1s"].n == pytest.approx(whole - 1)


# ------------------------------------------------------------------------------------------------ activity


def test_poisson_orders_have_a_fano_factor_of_one() -> None:
    rng = np.random.default_rng(9)
    rows = rows_with(np.full(60_000, 1000.0))
    orders = START + np.sort(rng.integers(0, 6_000 * NS, size=18_000))
    events = np.zeros(len(orders), EVENT)
    events["local_ts"] = orders
    part = ActivityFacts(PERIOD)
    part.add_events(events[:9_000], orders[:9_000])
    cut = int(np.searchsorted(rows["row_ns"], orders[8_999]))
    part.add(rows[:cut])
    part.add_events(events[9_000:], orders[9_000:])
    part.add(rows[cut:])
    found = part.facts()
    assert found["orders"].value == pytest.approx(3.0, rel=0.01)
    assert found["events"].value == pytest.approx(3.0, rel=0.01)
    assert found["fano_1s"].value == pytest.approx(1.0, abs=0.05)
    assert found["fano_10s"].value == pytest.approx(1.0, abs=0.15)
    assert found["wait_cv"].value == pytest.approx(1.0, abs=0.03)
    assert found["order_acf_1"].low < 0 < found["order_acf_1"].high
    assert len(part.lines()["day_orders"].x) == 0  # less than a day


def test_an_order_on_the_edge_belongs_to_the_row_that_ends_there() -> None:
    rows = rows_with(np.full(20, 1000.0))
    part = ActivityFacts(PERIOD)
    orders = np.array([START - 5 * PERIOD, START + PERIOD, START + PERIOD + 1, START + 30 * PERIOD])
    part.add_events(np.zeros(1, EVENT), orders)
    part.add(rows)
    # one was before the first row, one is after the last
    assert part.facts()["orders"].value == pytest.approx(2 / 2.0)


# --------------------------------------------------------------------------------------------- all together


def test_the_random_walk_is_what_its_settings_say(walked: Facts) -> None:
    found = {key: v.value for key, v in walked.values.items()}
    assert found["spread_ticks"] == found["spread_one"] == 1
    assert found["gap_ticks"] == pytest.approx(1.0)
    assert found["sd_1s"] == pytest.approx(2.0, rel=0.1)
    assert found["signature"] == pytest.approx(1.0, abs=0.4)
    assert found["prints_per_order"] == pytest.approx(1.0, abs=0.01)
    assert found["messages"] == pytest.approx(20.0, rel=0.1)
    assert found["latency_p50"] == pytest.approx(5.0)
    assert abs(found["sign_acf_1"]) < 0.1
    assert walked.values["imbalance_corr_1s"].low <= 0.02  # the book knows nothing
    assert walked.market["rows"] == pytest.approx(12_000, abs=2)
    assert walked.market["unusable"] == 0
    assert walked.name == "BTC/USDT:USDT 2024-01-01"


def test_every_definition_is_measured_and_nothing_else(walked: Facts) -> None:
    assert sorted(walked.values) == sorted(f.key for s in SECTIONS for f in s.facts)
    assert sorted(walked.lines) == sorted(k for s in SECTIONS for f in s.figures for k in f.keys)
    for line in walked.lines.values():
        assert len({len(a) for a in line}) == 1


@pytest.mark.parametrize("batch", [1_000, 7_777])
def test_batches_of_any_size_give_the_same_facts(walked: Facts, batch: int) -> None:
    events = np.concatenate([b.events for b in walk().open(seed=3)])
    again = facts_of(Made(events, batch))
    for key, found in walked.values.items():
        assert again.values[key] == pytest.approx(found, rel=1e-6, abs=1e-9, nan_ok=True), key
    for key, line in walked.lines.items():
        assert again.lines[key].y == pytest.approx(line.y, rel=1e-6, abs=1e-9, nan_ok=True), key


def test_slower_rows_know_fewer_horizons() -> None:
    found = facts_of(walk("2m").open(seed=3), every="1s").values
    assert math.isnan(found["sd_100ms"].value) and math.isnan(found["signature"].value)
    assert not math.isnan(found["sd_1s"].value)
    odd = facts_of(walk("5m").open(seed=3), every="7s").values
    assert math.isnan(odd["sd_1s"].value) and not math.isnan(odd["moves"].value)


def test_a_day_has_a_profile() -> None:
    found = facts_of(RandomWalk("25h", rate=2.0).open(seed=1), every="1s")
    assert found.lines["day_messages"].y == pytest.approx(np.full(24, 2.0), rel=0.1)
    assert found.lines["day_volatility"].y == pytest.approx(
        np.full(24, found.values["sd_1s"].value), rel=0.15
    )


def test_the_hours_of_the_profile_are_those_of_utc() -> None:
    minute = 60 * NS
    rows = rows_with(np.full(1_600, 1000.0))
    rows["row_ns"] = (START // minute + 1 + np.arange(len(rows))) * minute
    rows["messages"] = 600 * (rows["row_ns"] // (60 * minute) % 24 == 7)
    part = ActivityFacts(minute)
    part.add_events(np.zeros(1, EVENT), np.empty(0, np.int64))
    part.add(rows)
    assert part.lines()["day_messages"].y == pytest.approx(np.where(np.arange(24) == 7, 10.0, 0.0))


def test_too_little_data_and_no_book_are_errors() -> None:
    with pytest.raises(DataError, match="too few for facts"):
        facts_of(walk("50s").open(seed=1))
    with pytest.raises(DataError, match="need a book"):
        facts_of(Made(np.zeros(5, EVENT), rows=np.zeros(1, ROW)))


def test_rows_that_are_not_evenly_spaced_are_refused() -> None:
    clock = TimeClock("1s")
    feed = walk("3m").open(seed=1)
    pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
    with pytest.raises(ConfigError, match="not evenly spaced"):
        measure(feed, pipeline, clock.period_ns // 2, lambda n: None)


# ------------------------------------------------------------------------------------------------- the file


def test_the_file_keeps_everything(walked: Facts, tmp_path: Path) -> None:
    text = json.dumps(as_json(walked), allow_nan=False)
    (tmp_path / FILE).write_text(text)
    again = load(tmp_path)
    assert (again.name, again.market) == (walked.name, walked.market)
    for key, found in walked.values.items():
        assert again.values[key] == pytest.approx(found, nan_ok=True)
    for key, line in walked.lines.items():
        for a, b in zip(again.lines[key], line, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "has no facts.json"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"version": 0}', "version 0"),
        ('{"version": 1, "name": "x"}', "is damaged"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=says):
        load(tmp_path)


# ---------------------------------------------------------------------------------------------- real markets


@pytest.mark.shared
def test_a_recorded_session(market_data: Path) -> None:
    """Binance USD-M, 2024-07-18: figures taken from the same events by other means."""
    folder = market_data / "raw-binance"
    names = ("usdm_btcusdt_20240718.gz", "usdm_btcusdt_20240719.gz")
    found = facts_of(BinanceRaw(tuple(str(folder / n) for n in names)).open(seed=0))
    value = {key: v.value for key, v in found.values.items()}
    assert found.market["rows"] == 4_795
    assert value["spread_one"] == pytest.approx(0.99896, abs=1e-5)
    assert value["sd_100ms"] == pytest.approx(0.1248, abs=1e-4)
    assert value["moves"] == pytest.approx(0.5215, abs=1e-3)
    assert value["reversals"] == pytest.approx(0.124, abs=1e-3)
    assert value["imbalance_corr_1s"] == pytest.approx(0.3619, abs=1e-3)
    assert value["print_acf_1"] == pytest.approx(0.741, abs=1e-3)
    assert value["latency_p50"] < 0  # the collector's clock was behind: kept as logged
    assert math.isnan(value["kurtosis_60s"])  # eight minutes do not tell
