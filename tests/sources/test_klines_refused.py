"""Files that are no bars, and what is said of them."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_bars import HEADER, START, bar, refused, rows_of, write

from btcframe.errors import BtcframeError, ConfigError
from btcframe.sources.klines import Klines


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["time,price", "1735689600,1"], "there is no column open, high, low, close, volume"),
        (["1735689600,1,1,1,1"], "no header, and 5 columns where Binance's bars have 12 (FILE, line 1)"),
        ([HEADER], "holds no bar"),
        ([HEADER + ",Open", bar(0) + ",1"], "columns open and Open are both open"),
        ([bar(0), bar(1)[:40]], "the line has 7 columns, and those before 12"),
        ([bar(0), "", bar(1)], "the line has 0 columns, and those before 12: '' (FILE, line 2)"),
        ([bar(0), bar(1, volume="much")], "volume is 'much', which is not a number (FILE, line 2)"),
        ([HEADER, bar(0), bar(1, open_time="2025-01-01")], "open_time is '2025-01-01', which is not a whole number of s, ms, us or ns (FILE, line 3)"),
        ([bar(0), bar(1).replace(",101.5,", ",,")], "close is '', which is not a number"),
        ([bar(0), bar(1).replace(",101.5,", ",nan,")], "its close is nan, not a positive price (FILE, line 2)"),
        ([bar(0), bar(1, low=-3)], "its low is -3, not a positive price"),
        ([bar(0), bar(1, high="inf")], "its high is inf, not a positive price"),
        ([bar(0), bar(1, high=99, low=101)], "its high 99 is below its low 101"),
        ([bar(0), bar(1, high=101)], "its high 101 is below its open 100.25 or close 101.5"),
        ([bar(0), bar(1, low=101)], "its low 101 is above its open 100.25 or close 101.5"),
        ([bar(0), bar(1, volume=-1)], "its volume is -1"),
        ([bar(0), bar(1, count=-1)], "its number of trades is -1"),
        ([bar(0), bar(1, taker_buy_volume=3)], "takers bought 3 of its volume 2.5"),
        ([bar(0), bar(1, quote_volume=-2, taker_buy_quote_volume=0)], "its volume is -2 of quote"),
        ([bar(0), bar(1, taker_buy_quote_volume=300)], "takers bought for 300 of its 253.1 of quote"),
        ([bar(0), bar(1, open_time=1735)], "its time is not one from 2009 to 2099"),
        ([bar(0), bar(1), bar(1)], "the bar of 2024-12-31T23:59:00Z is there twice (FILE, line 3)"),
        ([HEADER, bar(0), bar(2), bar(1)], "the bar of 2024-12-31T23:59:00Z comes after a later one (FILE, line 4)"),
        ([bar(0), bar(1), bar(2, open_time=(START + 130) * 1000)], "comes 70s after the one before it, which is no number of bars of 1m"),
    ],
)  # fmt: skip
def test_what_is_no_bar_is_named_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write(tmp_path / "b.csv", *lines)
    assert message.replace("FILE", path) in refused(path)


def test_files_that_are_missing_empty_cut_or_something_else(tmp_path: Path) -> None:
    good = write(tmp_path / "BTCUSDT.csv", *(bar(i) for i in range(2000)))
    assert "BTCUSDT.cvs does not exist" in refused(tmp_path / "BTCUSDT.cvs")
    assert f"Did you mean {good}?" in refused(tmp_path / "BTCUSDT.cv*s")
    assert "is a directory" in refused(tmp_path)
    (tmp_path / "empty.csv").touch()
    assert "empty.csv is empty" in refused(tmp_path / "empty.csv")
    (tmp_path / "blank.csv").write_text("\n\n")
    assert "no header, and 0 columns" in refused(tmp_path / "blank.csv")
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "columns" in refused(tmp_path / "noise")
    packed = gzip.compress(Path(good).read_bytes())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    assert "the packed file is cut or damaged" in refused(tmp_path / "cut.gz")
    whole = Path(write(tmp_path / "b.zip", bar(0), bar(1))).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "the packed file is cut or damaged" in refused(tmp_path / "cut.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", bar(0))
        archive.writestr("b.csv", bar(1))
    assert "the archive holds 2 files, and one was expected: a.csv, b.csv" in refused(tmp_path / "two.zip")
    with pytest.raises(ConfigError, match=r"source\.paths: no file of bars is named"):
        Klines().open(seed=0)


def test_parquet_that_is_damaged_or_holds_something_else(tmp_path: Path) -> None:
    columns = {name: [1.0, 1.0] for name in ("open", "high", "low", "close", "volume")}
    good = tmp_path / "b.parquet"
    pq.write_table(pa.table({"open_time": [START, START + 60], **columns}), good)
    assert len(rows_of(good)) == 2
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:400])
    assert "the parquet file cannot be read" in refused(tmp_path / "cut.parquet")
    for name, bad, message in (
        ("open_time", ["2025", "2026"], "column open_time holds string, not numbers"),
        ("close", [None, 1.0], "its close is nan, not a positive price"),
        ("open_time", [None, START], "its time is not one from 2009 to 2099"),
        ("open_time", [START + 0.5, START + 60.0], "truncated"),
    ):
        path = tmp_path / "bad.parquet"
        pq.write_table(pa.table({"open_time": [START, START + 60], **columns} | {name: bad}), path)
        assert message in refused(path)
    pq.write_table(
        pa.table({"open_time": pa.array([], pa.int64()), **{n: pa.array([], pa.float64()) for n in columns}}),
        path,
    )
    assert "holds no bar" in refused(path)


def test_files_that_overlap(tmp_path: Path) -> None:
    month = write(tmp_path / "month.csv", *(bar(i) for i in range(100)))
    day = write(tmp_path / "day.csv", *(bar(i) for i in range(90, 130)))
    assert (
        f"{day} begins at 2025-01-01T01:28:00Z, before {month} ends at 2025-01-01T01:37:00Z (source.paths).\n"
        "Files must not overlap: leave one of them out."
    ) in refused(day, month)
    assert "begin with the same bar" in refused(day, day)


def test_a_file_of_something_else_is_not_read_out(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    path.write_text("stamp, " + "a word of it, " * 500 + "\n1\n")
    with pytest.raises(BtcframeError, match="not a file of bars") as error:
        Klines(paths=(str(path),)).row_period_ns()
    assert "It has: stamp, a word" in str(error.value) and len(str(error.value)) < 500 + len(str(path))
