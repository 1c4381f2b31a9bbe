"""What a finished run keeps, and what `btcframe db` does with it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from spool.spooled import Clock, MemoryStore, down, entry, records, section, settings, stamps

from btcframe.errors import ConfigError, RefusedError, StoreError
from btcframe.sections import Spool as Section
from btcframe.settings import check_spool
from btcframe.spool import Spool, drain, keep, status
from btcframe.spool.segment import segments
from btcframe.spool.settings import address_of
from btcframe.stores.delta import Delta
from btcframe.stores.timescale import Timescale


def test_what_is_kept_is_drained_once(tmp_path: Path) -> None:
    store, told = MemoryStore(), []
    keep(section(tmp_path), store, [records(0, 3), records(3, 2), entry(0, 4)])
    keep(section(tmp_path), store, [entry(4, 4)])
    there = status(section(tmp_path))
    assert (there.rows, there.batches, there.stores) == (13, 4, {"memory": 13})
    done = drain(section(tmp_path), store, told=told.append)
    assert done == (13, 4, 0, 0, "")
    assert store.stamps("fills") == list(range(5))
    assert store.stamps() == stamps(0, 8)
    assert told == [13]
    assert drain(section(tmp_path), store) == (0, 0, 0, 0, "")
    assert status(section(tmp_path)).rows == 0


def test_a_spool_that_is_not_there_is_empty(tmp_path: Path) -> None:
    nowhere = section(tmp_path / "none")
    assert status(nowhere).rows == 0
    assert drain(nowhere, MemoryStore()) == (0, 0, 0, 0, "")
    assert not (tmp_path / "none").exists()


def test_a_store_that_is_still_down(tmp_path: Path) -> None:
    keep(section(tmp_path), MemoryStore(), [entry(0, 4)])
    done = drain(section(tmp_path), MemoryStore(down))
    assert done == (0, 0, 0, 4, "the server is not there")
    assert (status(section(tmp_path)).failures, status(section(tmp_path)).error) == (2, done.error)


def test_what_was_refused_is_told_and_tried_again_when_asked(tmp_path: Path) -> None:
    def refuses(table: str, rows: object) -> None:
        if table == "u":
            raise RefusedError("its type has changed")

    store = MemoryStore(refuses)
    keep(section(tmp_path), store, [entry(0), entry(0, 2, table="u"), entry(1)])
    assert drain(section(tmp_path), store) == (2, 2, 2, 0, "")
    there = status(section(tmp_path))
    assert (there.rows, there.apart, there.refusals) == (0, 2, ("its type has changed",))
    assert drain(section(tmp_path), store) == (0, 0, 0, 0, "")
    store.fails = lambda table, rows: None
    assert drain(section(tmp_path), store, retry=True) == (2, 1, 0, 0, "")
    assert store.stamps("u") == stamps(0, 2)
    assert status(section(tmp_path)).apart == 0


def test_what_fails_alone_lets_the_rest_pass(tmp_path: Path) -> None:
    def fails(table: str, rows: object) -> None:
        if table == "t":
            raise StoreError("no right to write this table")

    keep(section(tmp_path), MemoryStore(), [entry(0), entry(0, 2, table="u")])
    assert drain(section(tmp_path), MemoryStore(fails)) == (2, 1, 1, 0, "")
    assert status(section(tmp_path)).refusals == ("no right to write this table",)


def test_rows_for_another_store(tmp_path: Path) -> None:
    keep(section(tmp_path), Delta(str(tmp_path / "lake")), [entry(0, 4)])
    store = MemoryStore()
    with pytest.raises(StoreError, match="what waits is for another store: delta /") as raised:
        drain(section(tmp_path), store)
    assert "This one is memory." in str(raised.value)
    assert "--anyway" in str(raised.value)
    keep(section(tmp_path), store, [entry(9)])
    assert drain(section(tmp_path), store).rows == 1
    assert status(section(tmp_path)).rows == 4
    assert drain(section(tmp_path), store, anyway=True).rows == 4


def test_while_a_session_uses_it(tmp_path: Path) -> None:
    store = MemoryStore()
    spool = Spool(store, settings(tmp_path), now_ns=Clock())
    with pytest.raises(StoreError, match=f"process {os.getpid()} uses this spool"):
        drain(section(tmp_path), store)
    keep(section(tmp_path), store, [entry(0, 4)])  # needs no lock
    assert status(section(tmp_path)).rows == 4
    spool.put(entry(4))
    spool.close()
    assert sorted(store.stamps()) == stamps(0, 5)


def test_the_limit(tmp_path: Path) -> None:
    small = section(tmp_path, limit=1_000_000)
    keep(small, MemoryStore(), [entry(0, 4)])
    with pytest.raises(StoreError, match="it would hold more than 1,000,000 bytes") as raised:
        keep(small, MemoryStore(), [entry(0, 50_000)])
    assert "spool.limit=" in str(raised.value)
    assert len(segments(tmp_path)) == 1
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the spool cannot be used: Not a directory"):
        keep(section(tmp_path / "file" / "spool"), MemoryStore(), [entry(0)])


def test_addresses_tell_where_and_not_how() -> None:
    assert address_of(Timescale(chunk="1d")) == address_of(Timescale(chunk="7d"))
    assert address_of(Timescale(database="a")) != address_of(Timescale(database="b"))
    assert address_of(Delta("s3://bucket/lake")) == "delta s3://bucket/lake"
    assert address_of(Delta("lake")) == f"delta {Path('lake').absolute()}"


def test_a_store_that_has_no_address_is_told_by_its_settings() -> None:
    @dataclasses.dataclass(frozen=True)
    class Theirs:
        place: str

    assert address_of(Theirs("here")) != address_of(Theirs("there"))  # type: ignore[arg-type]
    assert "here" in address_of(Theirs("here"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"path": " "}, "spool.path: it is empty"),
        ({"fsync": "sometimes"}, "spool.fsync: 'sometimes' is none of always, interval, never"),
        ({"every": "soon"}, "spool.every: "),
        ({"interval": "-1s"}, "spool.interval: "),
        ({"batch": 0}, "spool.batch: 0 is too little: it starts at 1"),
        ({"queue": 0}, "spool.queue: 0 is too little"),
        ({"limit": 5}, "spool.limit: 5 is too little: it starts at 1,000,000"),
    ],
)
def test_settings_that_make_no_sense(setting: dict[str, object], message: str) -> None:
    check_spool({"spool": dataclasses.asdict(Section())})
    with pytest.raises(ConfigError, match=message):
        check_spool({"spool": dataclasses.asdict(Section()) | setting})
