from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import archive_days
import numpy as np
import pytest
from bybit_market import LINEAR, SPOT, START_MS, Exchange

from btcframe.errors import BtcframeError, ConfigError, DataError
from btcframe.kernels.bybit_stream import SLOTS
from btcframe.sources.bybit_archive import _REMEMBERED, BybitArchive
from btcframe.testing import EnterableSuite, SourceSuite
from btcframe.types import EventArray, Instrument, Kind

MS = 1_000_000
LATENCY = 20 * MS
DERIVATIVE = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,RPI"
)
SPOTS = "id,timestamp,price,volume,side,rpi"


def day(exchange: Exchange, count: int = 5) -> list[bytes]:
    """A day's messages: a snapshot, then deltas."""
    lines = [exchange.snapshot()]
    for _ in range(count):
        exchange.move()
        lines.append(exchange.delta())
    return lines


def book(path: Path, lines: Sequence[bytes], end: bytes = b"\n") -> str:
    """A file of the book, as its name says: zip, or plain."""
    text = end.join(lines) + end
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem, text)
    else:
        path.write_bytes(text)
    return str(path)


def trade(ms: int, ident: str = "a9188a0a-82bc-50de-be60-03eedbe3cdd7", **other: str) -> str:
    of = {"symbol": "BTCUSDT", "side": "Sell", "size": "0.004", "price": "65000.10", **other}
    return f"{ms / 1000:.4f},{of['symbol']},{of['side']},{of['size']},{of['price']},PlusTick,{ident},4e8,0.004,260,0"


def trades(path: Path, rows: Sequence[str], header: str = DERIVATIVE) -> str:
    """A file of trades, as its name says: gzip, or plain."""
    text = ("\n".join([header, *rows]) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def events_of(source: BybitArchive) -> EventArray:
    return np.concatenate([batch.events for batch in source.open(seed=0)])


def refused(source: BybitArchive) -> BtcframeError:
    with pytest.raises(BtcframeError) as error:
        events_of(source)
    return error.value


class TestContract(SourceSuite):
    @pytest.fixture(autouse=True)
    def _archive(self, tmp_path: Path) -> None:
        exchange = Exchange(1, 200)
        self.books = (book(tmp_path / "2025-09-01_BTCUSDT_ob200.data.zip", day(exchange, 40)),)
        self.trades = (trades(tmp_path / "a.csv.gz", [trade(START_MS + 100 * k, str(k)) for k in range(40)]),)

    def make(self) -> BybitArchive:
        return BybitArchive(self.books, self.trades)


@pytest.mark.parametrize("name", ["b.data.zip", "b.data"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_stamps_are_the_exchanges_and_ours_are_later_by_the_latency(
    tmp_path: Path, name: str, end: bytes
) -> None:
    exchange = Exchange(1)
    path = book(tmp_path / name, day(exchange, 1), end)
    events = events_of(BybitArchive((path,), latency="7ms"))
    book_events = events[events["kind"] != Kind.HEARTBEAT]
    assert set(book_events["local_ts"]) == {(START_MS + 107) * MS, (START_MS + 207) * MS}
    assert set(book_events["send_ts"]) == {(START_MS + 100) * MS, (START_MS + 200) * MS}
    assert set(book_events["exch_ts"]) == {(START_MS + 97) * MS, (START_MS + 197) * MS}
    feed = BybitArchive((path,)).open(seed=0)
    list(feed)
    assert feed.decoder.counters.refused == 0  # all of it went the fast way


def test_trades_come_between_and_before_the_book_of_their_moment(tmp_path: Path) -> None:
    exchange = Exchange(1)
    books = book(tmp_path / "b", day(exchange, 2))
    rows = [trade(START_MS + 50, "a"), trade(START_MS + 200, "b", side="Buy"), trade(START_MS + 200, "c")]
    events = events_of(BybitArchive((books,), (trades(tmp_path / "t.csv.gz", rows),)))
    kinds = [
        Kind(kind).name for kind, flags in zip(events["kind"], events["flags"], strict=True) if flags & 1
    ]
    assert kinds == ["HEARTBEAT", "TRADE", "DEPTH", "TRADE", "TRADE", "DEPTH", "DEPTH"]
    of = events[events["kind"] == Kind.TRADE]
    assert of["side"].tolist() == [-1, 1, -1]
    assert (of["ticks"].tolist(), of["lots"].tolist()) == ([650001] * 3, [4] * 3)
    assert of["exch_ts"].tolist() == [(START_MS + 50) * MS, *[(START_MS + 200) * MS] * 2]
    assert of["local_ts"].tolist() == [stamp + LATENCY for stamp in of["exch_ts"].tolist()]


def test_spot(tmp_path: Path) -> None:
    exchange = Exchange(1, 200, SPOT)
    books = book(tmp_path / "b", day(exchange))
    rows = [f"{k},{START_MS + 150 + k},65000.1,0.003718,sell,0" for k in (1, 2)]
    two_days = tuple(trades(tmp_path / f"t{n}.csv.gz", rows, SPOTS) for n in range(2))
    feed = BybitArchive((books,), two_days, "BTC/USDT").open(seed=0)
    events = np.concatenate([batch.events for batch in feed])
    of = events[events["kind"] == Kind.TRADE]
    assert of["lots"].tolist() == [3718] * 4  # numbers begin anew every day: none of them is a duplicate
    assert of["ticks"].tolist() == [6_500_010] * 4
    assert feed.instrument.contract == "spot"


def test_a_second_day_goes_on_with_its_own_snapshot(tmp_path: Path) -> None:
    exchange = Exchange(1)
    first = book(tmp_path / "b1", day(exchange))
    second = book(tmp_path / "b2.zip", day(exchange))
    events = events_of(BybitArchive((first, second)))
    assert (events["kind"] == Kind.CLEAR).sum() == 2
    assert (events["kind"] == Kind.GAP).sum() == 0
    assert "goes back by" in refused(BybitArchive((second, first))).what


def test_a_missing_line_is_a_gap_until_the_next_snapshot(tmp_path: Path) -> None:
    exchange = Exchange(1)
    lines = day(exchange)
    del lines[2]
    events = events_of(BybitArchive((book(tmp_path / "b", [*lines, exchange.snapshot()]),)))
    assert (events["kind"] == Kind.GAP).sum() == 1
    assert (events["kind"] == Kind.CLEAR).sum() == 2


def test_a_log_of_it_gives_the_same_events(tmp_path: Path) -> None:
    exchange = Exchange(1)
    books = book(tmp_path / "b.zip", day(exchange, 3000))
    rows = trades(tmp_path / "t.csv", [trade(START_MS + 70 * k, str(k)) for k in range(3000)])
    batches = list(BybitArchive((books,), (rows,)).open(seed=0))
    assert len(batches) == 4  # the market's own frame, and 6,001 others
    again = BybitArchive().decode(list(batch.frames) for batch in batches)
    assert again.instrument.symbol == "BTC/USDT:USDT"
    events = np.concatenate([batch.events for batch in again])
    assert events.tobytes() == np.concatenate([batch.events for batch in batches]).tobytes()


# ------------------------------------------------------------------------------------------ entered in the middle


def test_entered_at_a_day_it_says_what_it_says_from_its_beginning(tmp_path: Path) -> None:
    source = archive_days.archive(tmp_path, days=3, seconds=100)
    everything = events_of(source)
    openings = source.openings()
    assert len(openings) == 3 and openings[0] == everything["local_ts"][0]
    for opening in openings[1:]:
        feed = source.enter(opening, seed=0)
        events = np.concatenate([batch.events for batch in feed])
        assert opening <= events["local_ts"][0] < opening + 1000 * MS
        later, of = (each[each["local_ts"] >= opening + 60_000 * MS] for each in (events, everything))
        assert len(later) > 200 and later.tobytes() == of.tobytes()
        assert feed.decoder.counters.gaps == 0


def test_a_trade_that_comes_again_counts_once_wherever_the_files_are_entered(tmp_path: Path) -> None:
    """The decoder alone would know of 8,192 to 16,384 trades, depending on how many had come before."""
    assert _REMEMBERED == SLOTS
    exchange = Exchange(1)
    books = book(tmp_path / "b1", day(exchange)), book(tmp_path / "b2", day(exchange))
    opening = BybitArchive(books).openings()[1]
    since = (opening - LATENCY) // MS
    idents = [*map(str, range(9000)), "0"]
    rows = [trade(since + 50 + n // 10, ident) for n, ident in enumerate(idents)]
    first = trades(tmp_path / "t1", [trade(START_MS + 50 + n // 100, f"a{n}") for n in range(7500)])
    source = BybitArchive(books, (first, trades(tmp_path / "t2", rows)))
    whole = events_of(source)
    entered = np.concatenate([batch.events for batch in source.enter(opening, seed=0)])
    for events in (whole[whole["local_ts"] >= opening], entered):
        assert (events["kind"] == Kind.TRADE).sum() == 9000


class TestEntered(EnterableSuite):
    @pytest.fixture(autouse=True)
    def _archive(self, tmp_path: Path) -> None:
        self.days = archive_days.archive(tmp_path, days=2, seconds=80)

    def make(self) -> BybitArchive:
        return self.days


def test_trades_of_all_days_in_one_file(tmp_path: Path) -> None:
    days = archive_days.archive(tmp_path, days=2, seconds=100)
    rows = [gzip.decompress(Path(path).read_bytes()).decode().splitlines() for path in days.trades]
    one = trades(tmp_path / "all.csv", [row for day in rows for row in day[1:]])
    source = BybitArchive(days.books, (one,))
    opening = source.openings()[1]
    events = np.concatenate([batch.events for batch in source.enter(opening, seed=0)])
    everything = events_of(source)
    assert events["local_ts"][0] >= opening
    later, of = (each[each["local_ts"] >= opening + 60_000 * MS] for each in (events, everything))
    assert (later["kind"] == Kind.TRADE).any() and later.tobytes() == of.tobytes()


def test_only_a_snapshot_opens_a_day_and_only_files_in_order(tmp_path: Path) -> None:
    days = archive_days.archive(tmp_path, days=3, seconds=5)
    begins = days.openings()
    lines = Path(days.books[1]).read_bytes().splitlines(keepends=True)
    Path(days.books[1]).write_bytes(b"".join(lines[1:]))
    assert days.openings() == (begins[0], begins[2])
    assert BybitArchive(days.books[::-1], days.trades).openings() == ()
    assert BybitArchive(days.books, days.trades[::-1]).openings() == ()
    with pytest.raises(ConfigError, match="no book of the archive is named"):
        BybitArchive().openings()
    Path(days.trades[0]).write_bytes(gzip.compress(f"{DERIVATIVE}\n".encode()))
    assert days.openings() == (begins[0], begins[2])  # nobody traded on the first day


# ------------------------------------------------------------------------------------------------------- refused


def test_no_book_is_named() -> None:
    assert isinstance(refused(BybitArchive()), ConfigError)
    assert "no book of the archive is named" in refused(BybitArchive()).what


@pytest.mark.parametrize(
    ("lines", "what", "place"),
    [
        ([b"hello"], "is no book of Bybit's archive", ":1"),
        (
            [b'{"topic":"orderbook.200.ETHUSDT","type":"snapshot","ts":1}'],
            "the file is of ETHUSDT, not of BTCUSDT",
            "",
        ),
        ([None, b"{}"], "the line has no stamp `ts`", ":2"),
        ([None, b""], "the line has no stamp `ts`", ":2"),
        ([None, b'{"ts":1786310818130,'], "the message cannot be read", ":2"),
        ([None, None, b'{"ts":1786310818130,"topic":7}'], "the message cannot be read", ":3"),
    ],
)
def test_a_line_that_is_no_message(tmp_path: Path, lines: list[bytes | None], what: str, place: str) -> None:
    exchange = Exchange(1)
    good = iter(day(exchange))
    path = book(tmp_path / "b", [next(good) if line is None else line for line in lines])
    error = refused(BybitArchive((path,)))
    assert what in error.what
    assert error.where == f"{path}{place}"


@pytest.mark.parametrize(
    ("instrument", "settings", "what"),
    [
        (LINEAR, {"tick": 0.5}, "is no multiple of 0.5"),
        (LINEAR, {"lot": 0.1}, "is no multiple of 0.1"),
        (SPOT, {}, "is no multiple of 0.001"),
    ],
)
def test_other_steps_are_an_error_that_names_the_line(
    tmp_path: Path, instrument: Instrument, settings: dict[str, float], what: str
) -> None:
    path = book(tmp_path / "b", day(Exchange(1, 50, instrument)))
    error = refused(BybitArchive((path,), **settings))
    assert what in error.what
    assert error.where == f"{path}:1"
    assert "Set source.tick and source.lot" in error.hint


def test_books_of_several_depths(tmp_path: Path) -> None:
    paths = tuple(book(tmp_path / str(depth), day(Exchange(1, depth))) for depth in (200, 500))
    assert "books of several depths: 200, 500" in refused(BybitArchive(paths)).what


@pytest.mark.parametrize(
    ("rows", "header", "what", "place"),
    [
        ([], SPOTS, "it has no column size, trdMatchID", ":1"),
        ([trade(START_MS, symbol="ETHUSDT")], DERIVATIVE, "the trade is of ETHUSDT, not of BTCUSDT", ":2"),
        ([trade(START_MS), trade(START_MS, side="None")], DERIVATIVE, "no trade", ":3"),
        ([trade(START_MS, price="6.5e4")], DERIVATIVE, "no trade", ":2"),
        ([trade(START_MS, size="")], DERIVATIVE, "no trade", ":2"),
        ([trade(START_MS, price="65000.15")], DERIVATIVE, "65000.15 is no multiple of 0.1", ":2"),
        ([trade(START_MS), trade(START_MS - 5000)], DERIVATIVE, "the stamp goes back by 5.0 s", ":3"),
        ([trade(START_MS)[:-5]], DERIVATIVE, "the line has 10 fields, not 11", ":2"),
        (['"' + trade(START_MS)], DERIVATIVE, "the line is no CSV", ":2"),
        (["x" + trade(START_MS)], DERIVATIVE, "is no time of a trade", ":2"),
        ([trade(START_MS * 1000)], DERIVATIVE, "is no time of a trade", ":2"),
    ],
)
def test_a_line_that_is_no_trade(tmp_path: Path, rows: list[str], header: str, what: str, place: str) -> None:
    books = book(tmp_path / "b", day(Exchange(1)))
    path = trades(tmp_path / "t.csv.gz", rows, header)
    error = refused(BybitArchive((books,), (path,)))
    assert what in error.what
    assert error.where == f"{path}{place}"


def test_files_that_are_none(tmp_path: Path) -> None:
    whole = Path(book(tmp_path / "b.zip", day(Exchange(1), 200))).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "the zip file is cut or damaged" in refused(BybitArchive((str(tmp_path / "cut.zip"),))).what
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", b"x")
        archive.writestr("b", b"x")
    error = refused(BybitArchive((str(tmp_path / "two.zip"),)))
    assert "the zip file holds 2 files" in error.what
    assert "a, b" in error.hint
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    assert "the zip file holds 0 files" in refused(BybitArchive((str(tmp_path / "none.zip"),))).what
    assert "does not exist" in refused(BybitArchive((str(tmp_path / "b.zipp"),))).what
    good = str(tmp_path / "b.zip")
    assert "does not exist" in refused(BybitArchive((good,), (str(tmp_path / "t.csv"),))).what
    with pytest.raises(DataError, match="does not exist"):
        BybitArchive((good,), (str(tmp_path / "t.csv"),)).fingerprint()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"tick": 0.0}, "tick: 0.0 is not a positive step"),
        ({"lot": -1.0}, "lot: -1.0 is not a positive step"),
        ({"latency": "soon"}, "latency: 'soon' is not a duration"),
    ],
)
def test_settings(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        BybitArchive(**settings)


def test_no_latency_is_a_latency(tmp_path: Path) -> None:
    path = book(tmp_path / "b", day(Exchange(1), 0))
    assert events_of(BybitArchive((path,), latency="0s"))["local_ts"][0] == (START_MS + 100) * MS


@pytest.mark.shared
def test_the_recorded_sample_of_an_archive(market_data: Path) -> None:
    path = market_data / "bybit" / "2024-12-01_XRPUSDT_ob500.data.zip"
    feed = BybitArchive((str(path),), symbol="XRP/USDT:USDT", tick=0.0001, lot=1).open(seed=0)
    frames = [frame for batch in feed for frame in batch.frames]
    counters = feed.decoder.counters
    assert (counters.snapshots, counters.deltas, counters.refused, counters.gaps) == (1, 49, 0, 0)
    assert feed.decoder.book["n"].tolist() == [[500, 500]]
    assert json.loads(frames[-1].data)["data"]["u"] == feed.decoder.update_id
