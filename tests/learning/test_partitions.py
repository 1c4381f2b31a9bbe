"""Rows made in partitions are those of one pass, to the bit, whatever a source says where it is entered."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import archive_days
import numpy as np
import pytest
from archive_days import CountClock, Misleading

from btcframe.api import Clock
from btcframe.clocks.time import TimeClock
from btcframe.engine import Where
from btcframe.errors import BtcframeError, DataError, StoreError
from btcframe.kernels.flow import INGEST
from btcframe.learning.partitions import Partition, PartitionedFeed, make_rows, partitions_of
from btcframe.pipeline import Pipeline
from btcframe.sources.bybit_archive import BybitArchive
from btcframe.sources.klines import Klines
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import NS, RowArray
from btcframe_regimes.volatility import Volatility

MINUTE, SECOND = 60 * NS, TimeClock()
HERE = Where()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> BybitArchive:
    return archive_days.archive(tmp_path_factory.mktemp("days"))


def whole(source: Any, clock: Clock) -> RowArray:
    """The rows of one pass, with their quality."""
    feed = source.open(seed=0)
    pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
    found = []
    for batch in feed:
        pipeline.push(batch.events)
        found.append(pipeline.rows.copy())
    return np.concatenate(found)


def parted(
    source: Any, clock: Clock, directory: Path, where: Where = HERE, again: list[str] | None = None,
    least: int = 3 * MINUTE,
) -> RowArray:  # fmt: skip
    """The rows that come of partitions; their quality follows in the pipeline that takes them."""
    partitions, why = partitions_of(source, clock, least)
    assert not why

    def told(_: Partition, what: str) -> None:
        assert again is not None
        again.append(what)

    feed = PartitionedFeed(source, clock, partitions, seed=0, where=where, directory=directory, again=told)
    pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
    found = []
    with contextlib.closing(feed):
        for batch in feed:
            assert batch.rows is not None
            pipeline.push_rows(batch.rows)
            found.append(pipeline.rows.copy())
    assert not list(directory.iterdir())
    return np.concatenate(found)


@pytest.mark.parametrize("every", ["1s", "7s"])
def test_the_rows_are_those_of_one_pass(market: BybitArchive, tmp_path: Path, every: str) -> None:
    clock, again = TimeClock(every), list[str]()
    rows = parted(market, clock, tmp_path, again=again)
    assert rows.tobytes() == whole(market, clock).tobytes()
    assert len(rows) * clock.period_ns > 530 * NS and not again
    assert (rows["quality"] < 1).any()


def test_in_processes(market: BybitArchive, tmp_path: Path) -> None:
    again = list[str]()
    rows = parted(market, SECOND, tmp_path, Where(jobs=2), again)
    assert rows.tobytes() == whole(market, SECOND).tobytes() and not again
    with pytest.raises(DataError, match="does not pickle"):
        parted(archive_days.Unsendable(market, ()), SECOND, tmp_path, Where(jobs=2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("at", [(1,), (2,), (1, 2)])
def test_a_partition_that_does_not_follow_is_made_again(
    market: BybitArchive, tmp_path: Path, at: tuple[int, ...]
) -> None:
    again = list[str]()
    rows = parted(Misleading(market, at), SECOND, tmp_path, again=again)
    assert rows.tobytes() == whole(market, SECOND).tobytes()
    assert again == ["the book"] * len(at)


def test_a_clock_that_counts_from_the_beginning_has_all_made_again(
    market: BybitArchive, tmp_path: Path
) -> None:
    again = list[str]()
    rows = parted(market, CountClock(), tmp_path, again=again)
    assert rows.tobytes() == whole(market, CountClock()).tobytes()
    assert len(again) == 2


def test_a_book_that_is_lost_where_a_partition_begins(tmp_path: Path) -> None:
    """Nobody knows what such a source says next: so it is read from where it is known to be right."""
    source = archive_days.archive(tmp_path)
    lines = Path(source.books[1]).read_bytes().splitlines(keepends=True)
    del lines[30]  # in the warm-up: a gap up to the next day
    Path(source.books[1]).write_bytes(b"".join(lines))
    (tmp_path / "run").mkdir()
    again = list[str]()
    rows = parted(source, SECOND, tmp_path / "run", again=again)
    assert rows.tobytes() == whole(source, SECOND).tobytes()
    assert again == ["the book"]


def test_a_day_that_is_over_before_its_rows_begin(tmp_path: Path) -> None:
    source = archive_days.archive(tmp_path, days=2)
    lines = Path(source.books[1]).read_bytes().splitlines(keepends=True)
    Path(source.books[1]).write_bytes(b"".join(lines[:20]))
    source = BybitArchive(source.books, source.trades[:1])
    (tmp_path / "run").mkdir()
    assert parted(source, SECOND, tmp_path / "run").tobytes() == whole(source, SECOND).tobytes()


def test_what_cannot_be_read_is_told_as_in_one_pass(tmp_path: Path) -> None:
    source = archive_days.archive(tmp_path)
    lines = Path(source.books[2]).read_bytes().splitlines(keepends=True)
    lines[150] = b"hello\n"
    Path(source.books[2]).write_bytes(b"".join(lines))
    (tmp_path / "run").mkdir()
    told = []
    for rows in (lambda: whole(source, SECOND), lambda: parted(source, SECOND, tmp_path / "run")):
        with pytest.raises(BtcframeError) as caught:
            rows()
        told.append((type(caught.value), str(caught.value)))
    assert told[0] == told[1]
    assert not list((tmp_path / "run").iterdir())


def test_a_disk_without_room(market: BybitArchive, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with pytest.raises(StoreError, match="the rows of a partition cannot be written"):
        make_rows(market, SECOND, 0, Partition(), Path("/dev/full"))


# ------------------------------------------------------------------------------------------------ how it is cut


class Places:
    """A source that can be entered at places that are told."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = seconds

    def openings(self) -> tuple[int, ...]:
        return tuple(round(second * NS) for second in self.seconds)

    def enter(self, opening: int, *, seed: int) -> Any: ...


def cut(*seconds: float, least: str = "1d", clock: str = "1s") -> list[int]:
    from btcframe.types import duration_ns

    partitions, _ = partitions_of(Places(*seconds), TimeClock(clock), duration_ns(least, zero=True))
    assert [p.end for p in partitions[:-1]] == [p.begin for p in partitions[1:]]
    assert partitions[0] == Partition(end=partitions[0].end) and partitions[-1].end == 2**63 - 1
    return [round((p.begin - (p.enter or 0)) / NS) for p in partitions[1:]]


def test_partitions() -> None:
    day = 86_400
    assert cut(0, day, 2 * day) == [60, 60]
    assert cut(0.3, day + 0.1, 2 * day) == [60, 60]  # the first message comes a little later or earlier
    assert cut(0, day / 2, day, 1.5 * day) == [60]
    assert cut(0, day, clock="10m") == [1200]  # two rows
    assert cut(0, 100, 200, 300, least="0s") == [60]  # never shorter than twice the warm-up
    assert cut(0, day / 2) == [] == cut(0) == cut()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (RandomWalk(), "its source cannot be entered in its middle"),
        (Places(0, 60), "it can be entered at no place 1d behind its beginning"),
    ],
)
def test_one_pass(source: Any, why: str) -> None:
    assert partitions_of(source, SECOND, 86_400 * NS) == ([Partition()], why)


def test_rows_and_truth_are_not_carried() -> None:
    class Bars(Places):
        row_period_ns = Klines.row_period_ns

    class Telling(Places):
        def oracle(self, truth: Any, horizons_ns: Any) -> Any: ...

    for source in (Bars(0, 86_400), Telling(0, 86_400)):
        partitions, why = partitions_of(source, SECOND, 0)
        assert partitions == [Partition()] and re.search("rows or truth", why)


def test_no_number_of_what_closes_a_row_is_left_out() -> None:
    """A new field of INGEST that is no scratch is compared as it is: `agreement` names those that are not."""
    from btcframe.pipeline.agreement import _FROM_ROWS, _SCRATCH

    assert set(_FROM_ROWS) | set(_SCRATCH) <= set(INGEST.names or ())
