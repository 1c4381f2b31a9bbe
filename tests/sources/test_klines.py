"""Bars from files: what becomes of each, which periods have none, and what cannot be bars."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_bars import HEADER, KNOWN, MINUTE, QUIET, START, bar, refused, rows_of, write

from btcframe.sources import kline_files
from btcframe.sources.klines import Klines
from btcframe.testing import RowSourceSuite
from btcframe.types import NS, ROW, RowFlag

# ------------------------------------------------------------------------------------------------------ one bar


def test_a_bar_becomes_the_row_that_ends_with_it(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "b.csv", bar(0), bar(1, **QUIET)))
    first, quiet = rows
    assert rows["row_ns"].tolist() == [(START + 60) * NS, (START + 120) * NS]
    assert (first["flags"], quiet["flags"]) == (RowFlag.BAR, RowFlag.BAR | RowFlag.NO_EVENTS)
    assert (first["mid"], first["mid_high"], first["mid_low"]) == (101.5, 102, 99.5)
    assert (first["buy_volume"], first["sell_volume"]) == (0.5, 2.0)
    assert (first["buy_notional"], first["sell_notional"]) == (50.7, 253.1 - 50.7)
    assert (first["buy_count"], first["sell_count"]) == (2, 8)  # of ten, as the volume
    assert [quiet[name] for name in ("buy_volume", "sell_volume", "buy_count", "sell_notional")] == [
        0,
        0,
        0,
        0,
    ]
    assert first["first_exch_ts"] == first["last_exch_ts"] == first["latency_ns"] == 0
    for name in set(ROW.names or ()) - KNOWN:
        assert np.isnan(rows[name]).all(), name


def test_the_age_of_a_bar_counts_from_the_last_one_with_a_trade(tmp_path: Path) -> None:
    lines = [bar(0, **QUIET), bar(1), bar(2, **QUIET), bar(4, **QUIET), bar(5), bar(6, **QUIET)]
    rows = rows_of(write(tmp_path / "b.csv", *lines), batch=2)
    assert (rows["age_ns"] // (60 * NS)).tolist() == [1, 0, 1, 2, 3, 0, 1]  # the first from its own beginning
    assert np.isnan(rows["quality"]).all()  # the pipeline's to say


def test_without_the_takers_quote_volume_quote_is_split_as_the_coins_are(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    lines = (
        "open_time,open,high,low,close,volume,quote_volume,trades,taker_buy_base",
        "1735689600,1,1,1,1,4,8,2,1",
    )
    row = rows_of(write(path, *lines), period="1m")[0]
    assert (row["buy_notional"], row["sell_notional"], row["buy_count"], row["sell_count"]) == (
        2,
        6,
        0.5,
        1.5,
    )


def test_what_a_file_has_no_column_for_is_unknown(tmp_path: Path) -> None:
    row = rows_of(write(tmp_path / "b.csv", "time,o,h,l,c,v", "1735689600,1,3,1,2,4"), period="1m")[0]
    assert (row["mid"], row["mid_high"], row["flags"]) == (2, 3, RowFlag.BAR)
    for name in ("buy_volume", "sell_volume", "buy_count", "sell_count", "buy_notional", "sell_notional"):
        assert np.isnan(row[name]), name


# ------------------------------------------------------------------------------------------------------- stamps


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_a_time_shows_in_its_size(tmp_path: Path, unit: int) -> None:
    rows = rows_of(write(tmp_path / "b.csv", *(bar(i, unit=unit) for i in range(4))))
    assert rows["row_ns"].tolist() == [(START + 60 * i) * NS for i in range(1, 5)]


def test_the_change_from_ms_to_us_at_the_turn_of_2025(tmp_path: Path) -> None:
    write(tmp_path / "BTCUSDT-1m-2024-12.zip", *(bar(i) for i in range(2)))
    write(tmp_path / "BTCUSDT-1m-2025-01.zip", *(bar(i, unit=10**6) for i in range(2, 5)))
    of_files = rows_of(tmp_path / "BTCUSDT-1m-*.zip", symbol="")
    in_one = [bar(i, unit=10**3 if i < 2 else 10**6) for i in range(5)]
    assert of_files.tobytes() == rows_of(write(tmp_path / "joined.csv", *in_one)).tobytes()
    assert (np.diff(of_files["row_ns"]) == MINUTE).all() and len(of_files) == 5


# ------------------------------------------------------------------------------------------------------- formats


def test_every_format_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [bar(i, 101.5 + i / 8) for i in range(40) if i not in (7, 8)]
    plain = rows_of(write(tmp_path / "b.csv", *lines))
    names = (
        "Open Time,Open,High,Low,Close,Volume,Close Time,Quote Asset Volume,Number of Trades,Taker buy base asset volume,"
        "Taker buy quote asset volume,Ignore"
    )
    cells = [[float(cell) for cell in line.split(",")] for line in lines]
    columns = dict(zip(HEADER.split(","), map(list, zip(*cells, strict=True)), strict=True))
    stamps = pa.array(columns["open_time"], pa.float64()).cast(pa.int64())
    for kind in (pa.int64(), pa.timestamp("ms"), pa.timestamp("ms", "UTC")):
        table = pa.table(columns | {"open_time": stamps.cast(kind)})
        pq.write_table(table, tmp_path / f"{kind}.parquet", row_group_size=9)
        assert rows_of(tmp_path / f"{kind}.parquet").tobytes() == plain.tobytes(), kind
    for name, *content in (
        ("b.gz", *lines),
        ("b.zip", *lines),
        ("head.csv", HEADER, *lines),
        ("api.csv", "\ufeff" + names, *lines),
        ("crlf.csv", *(line + "\r" for line in lines)),
    ):
        assert rows_of(write(tmp_path / name, *content)).tobytes() == plain.tobytes(), name
    (tmp_path / "no_newline.csv").write_text("\n".join(lines))
    monkeypatch.setattr(kline_files, "CHUNK", 300)
    for name in ("no_newline.csv", "b.gz", "b.zip", "head.csv"):
        assert rows_of(tmp_path / name).tobytes() == plain.tobytes(), name


def test_files_are_read_in_the_order_of_their_first_bars(tmp_path: Path) -> None:
    late = write(tmp_path / "a.csv", *(bar(i) for i in range(5, 9)))
    early = write(tmp_path / "b.csv", *(bar(i) for i in range(5)))
    whole = rows_of(write(tmp_path / "whole", *(bar(i) for i in range(9)))).tobytes()
    assert rows_of(late, early).tobytes() == rows_of(early, late).tobytes() == whole


def test_the_fingerprint_is_of_the_contents(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, bar(0), bar(1)) for name in ("b0.csv", "b1.csv"))
    marks = [Klines((path,)).fingerprint() for path in (one, other, str(tmp_path / "b*"))]
    assert marks[0] == marks[1] != marks[2] and len(marks[0]) == 64
    write(tmp_path / "b1.csv", bar(0), bar(1, 100))
    assert Klines((other,)).fingerprint() != marks[0]


# ---------------------------------------------------------------------------------------------------------- gaps


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    batch=st.integers(1, 50),
    cut=st.integers(0, 40),
)
def test_every_period_is_a_row_whatever_is_missing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], batch: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("bars")
    minutes = [0, 1, *(1 + at for at in itertools.accumulate(steps))]
    lines = [bar(minute, 100 + minute / 4, high=200) for minute in minutes]
    paths = [write(folder / name, *part) for name, part in (("a", lines[:cut]), ("b", lines[cut:])) if part]
    source = Klines(tuple(paths), symbol="BTC/USDT", period="1m", batch=batch)
    if all(step > 1 for step in steps[-20:]) and len(steps) >= 20:
        return  # twenty equal steps among them could be bars of another length
    batches = [b.rows for b in source.open(seed=0)]
    rows = np.concatenate(batches)
    assert max(map(len, batches)) <= batch and all(len(b) for b in batches)
    traded = 0
    for minute, row in enumerate(rows):
        there = minute in minutes
        traded = minute if there else traded
        assert row["age_ns"] == 60 * NS * (minute - traded)
        assert row["row_ns"] == (START + 60 * (minute + 1)) * NS
        assert row["flags"] == (RowFlag.BAR if there else RowFlag.GAP | RowFlag.NO_EVENTS)
        assert row["mid"] == 100 + minute / 4 if there else np.isnan(row["mid"])
        assert row["buy_volume"] == 0.5 if there else np.isnan(row["buy_volume"])
    assert len(rows) == minutes[-1] + 1


def test_a_gap_of_a_year_comes_in_pieces(tmp_path: Path) -> None:
    year = 365 * 24 * 60
    path = write(tmp_path / "b.csv", bar(0), bar(1), bar(1 + year))
    sizes, gaps = [], 0
    for batch in Klines((path,), symbol="BTC/USDT", batch=1000).open(seed=0):
        sizes.append(len(batch.rows))
        gaps += int(np.count_nonzero(batch.rows["flags"] & RowFlag.GAP))
    assert (max(sizes), sum(sizes), gaps) == (1000, year + 2, year - 1)


# -------------------------------------------------------------------------------------------- symbol and period


def test_the_symbol_stands_in_the_names(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m-2023-03-24.csv", bar(0), bar(1))
    told = Klines((path,)).open(seed=0).instrument
    assert (told.symbol, told.contract, told.tick, told.lot) == (
        "BTC/USDT",
        "spot",
        Decimal("0.01"),
        Decimal("0.000001"),
    )
    swap = Klines((path,), symbol="BTC/USDT:USDT", tick=0.5).open(seed=0).instrument
    assert (swap.contract, swap.tick, swap.lot) == ("linear", Decimal("0.5"), Decimal("0.001"))
    other = write(tmp_path / "ETHUSDT-1m-2023-03-24.csv", bar(2), bar(3))
    assert "the files are of several symbols, as their names tell: BTCUSDT, ETHUSDT" in refused(
        path, other, symbol=""
    )
    nameless = write(tmp_path / "bars.csv", bar(0), bar(1))
    assert "source.symbol: the files' names tell no symbol\nWrite it as ccxt does" in refused(
        nameless, symbol=""
    )


def test_the_period_is_the_shortest_step(tmp_path: Path) -> None:
    minutes = write(tmp_path / "m.csv", bar(0), bar(3), bar(4))
    assert Klines((minutes,)).row_period_ns() == MINUTE
    fives = write(tmp_path / "f.csv", *(bar(i) for i in range(5, 205, 5)))
    assert Klines((fives,)).row_period_ns() == 5 * MINUTE
    assert f"bars of 5m among bars of 1m ({fives}, line 2)" in refused(minutes, fives)
    assert f"bars of 5m among bars of 1m ({fives}, line 2)" in refused(fives, period="1m")
    assert "comes 3m after the one before it, which is no number of bars of 5m" in refused(
        minutes, period="5m"
    )
    joined = write(tmp_path / "j.csv", *(bar(i) for i in (*range(30), *range(30, 160, 5))))
    assert "bars of 5m among bars of 1m" in refused(joined)
    single = write(tmp_path / "s.csv", bar(0))
    assert "how long a bar is cannot be told" in refused(single) and len(rows_of(single, period="1m")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbol": "BTCUSDT"}, "symbol: 'BTCUSDT' is not ccxt's"),
        ({"symbol": "BTC/USD:BTC"}, "is inverse, and its bars count contracts"),
        ({"period": "1 minute"}, "period: '1 minute' is not a duration"),
        ({"batch": 0}, "batch: 0 is not"),
        ({"tick": -1.0}, "tick: -1.0 is not"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Klines(**options)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- the contract


class TestContract(RowSourceSuite):
    @pytest.fixture(autouse=True)
    def bars(self, tmp_path: Path) -> None:
        lines = [bar(i, **QUIET if i % 7 == 0 else {}) for i in range(200) if not 50 < i < 60]
        self.path = write(tmp_path / "BTCUSDT-1m.csv", *lines)

    def make(self) -> Klines:
        return Klines((self.path,), batch=64)


# ------------------------------------------------------------------------------------------------- recorded data


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "bars", "missing", "quiet"),
    [
        ("binance_spot_BTCUSDT_1m_2022-07_2024-06.parquet", 1_052_560, [80], 72),
        ("binance_spot_BTCUSDT_1m_2020H1_with_gaps.parquet", 261_178, [60, 354, 128, 150, 210], 0),
        ("BTCUSDT-1m-2023-03-24.csv.gz", 1_360, [80], 72),
    ],
)
def test_recorded_bars(market_data: Path, name: str, bars: int, missing: list[int], quiet: int) -> None:
    source = Klines((str(market_data / "klines" / name),))
    feed = source.open(seed=0)
    flags, ends = [], []
    for batch in feed:
        flags.append(batch.rows["flags"].copy())
        ends.append(batch.rows["row_ns"].copy())
    whole, row_ns = np.concatenate(flags), np.concatenate(ends)
    gap, silent = (whole & int(flag) != 0 for flag in (RowFlag.GAP, RowFlag.NO_EVENTS))
    edges = np.flatnonzero(np.diff(np.r_[False, gap, False]))
    assert feed.instrument.symbol == "BTC/USDT" and source.row_period_ns() == MINUTE
    assert (np.diff(row_ns) == MINUTE).all()
    assert (int(np.count_nonzero(~gap)), (edges[1::2] - edges[::2]).tolist()) == (bars, missing)
    assert int(np.count_nonzero(silent & ~gap)) == quiet


@pytest.mark.shared
def test_the_same_day_from_csv_and_parquet(market_data: Path) -> None:
    folder = market_data / "klines"
    csv = rows_of(folder / "BTCUSDT-1m-2023-03-24.csv.gz")
    source = Klines((str(folder / "binance_spot_BTCUSDT_1m_2022-07_2024-06.parquet"),))
    of_day = [b.rows[np.isin(b.rows["row_ns"], csv["row_ns"])] for b in source.open(seed=0)]
    parquet = np.concatenate(of_day)
    for name in ("row_ns", "flags", "mid", "mid_high", "mid_low", "buy_volume", "sell_volume"):
        np.testing.assert_array_equal(parquet[name], csv[name])
    for rows in (
        csv,
        parquet,
    ):  # the parquet has no taker quote volume: the whole is the same, the split close
        np.testing.assert_allclose(
            rows["buy_notional"] + rows["sell_notional"],
            csv["buy_notional"] + csv["sell_notional"],
            rtol=1e-6,
        )
    np.testing.assert_allclose(parquet["buy_notional"], csv["buy_notional"], rtol=2e-3)
