"""The drain, step by step: order, gathering, failures, refusals, damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spool.spooled import Clock, MemoryStore, down, drain_of, entry, records, stamps

from btcframe.errors import RefusedError, StoreError
from btcframe.spool import Entry
from btcframe.spool.directory import Journal
from btcframe.spool.drain import LONGEST_NS, PATIENCE
from btcframe.spool.frames import packed
from btcframe.spool.segment import DAMAGED, segments
from btcframe.types import NS


@pytest.fixture
def clock() -> Clock:
    return Clock()


def journal_in(path: Path, **how: Any) -> Journal:
    return Journal(path / "spool", "memory", **{"limit": 10**9} | how)


def add(journal: Journal, clock: Clock, *entries: Entry) -> None:
    journal.append([(packed(each, clock()), each.rows.num_rows, clock()) for each in entries])


def test_all_arrives_in_order_and_nothing_is_left(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    for i in range(30):
        add(journal, clock, entry(i))
    drain, told = drain_of(journal, store, clock, batch=7)
    steps = []
    while (step := drain.step()).wait_ns is not None:
        steps.append((step.rows, step.batches, step.wait_ns))
    assert steps == [(7, 7, 0)] * 4 + [(2, 2, 0)]
    assert store.stamps() == stamps(0, 30)
    assert segments(journal.path) == []
    assert told == []


def test_rows_wait_for_others_but_a_full_batch_does_not(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    drain, _ = drain_of(journal, store, clock, every_ns=60 * NS, batch=5)
    add(journal, clock, entry(0))
    clock.on(20)
    add(journal, clock, entry(1))
    assert drain.step().wait_ns == 40 * NS
    clock.on(40)
    assert drain.step().rows == 2
    add(journal, clock, *(entry(i) for i in range(2, 7)))
    assert drain.step().rows == 5
    add(journal, clock, entry(7))
    assert drain.step().rows == 0
    assert drain.step(hurry=True).rows == 1


def test_tables_that_take_turns_are_gathered_each(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    for i in range(4):
        add(journal, clock, entry(i), entry(i, table="u"), records(3 * i, 3))
    drain, _ = drain_of(journal, store, clock)
    assert drain.step().rows == 20
    assert store.calls == [
        ("rows", "b", "t", stamps(0, 4)),
        ("rows", "b", "u", stamps(0, 4)),
        ("record", "r", "fills", list(range(12))),
    ]


def test_new_columns_in_the_middle(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    add(journal, clock, entry(0), entry(1, g=[1.0]), entry(2, g=[1.0]))
    drain, _ = drain_of(journal, store, clock)
    drain.step()
    assert [call[3] for call in store.calls] == [stamps(0, 1), stamps(1, 2)]


def test_down_for_a_hundred_batches_and_back(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(down), journal_in(tmp_path, segment=5000)
    drain, told = drain_of(journal, store, clock)
    for i in range(100):
        add(journal, clock, entry(10 * i, 10))
        clock.on(60)
        step = drain.step()
        assert (step.rows, step.error) == (0, "the server is not there")
    assert drain.failures == 100
    assert len(segments(journal.path)) > 10
    assert journal.tally()[:2] == (1000, 100)
    store.fails = lambda table, rows: None
    clock.on(60)
    while drain.step().wait_ns == 0:
        pass
    assert store.stamps() == stamps(0, 1000)
    assert sum(len(call[3]) for call in store.calls) == 1000
    assert told == [("spool_waits", {"error": "the server is not there"}), ("spool_flows", {"after": 100})]
    assert (drain.failures, drain.error) == (0, "")


def test_attempts_become_rarer_up_to_a_bound(tmp_path: Path, clock: Clock) -> None:
    journal = journal_in(tmp_path)
    drain, _ = drain_of(journal, MemoryStore(down), clock, uniform=lambda: 1.0)
    add(journal, clock, entry(0))
    waits = []
    for _ in range(10):
        wait = drain.step().wait_ns or 0
        waits.append(wait / NS)
        assert drain.step().wait_ns == wait  # too early: nothing is tried
        assert drain.failures == len(waits)
        clock.ns += wait
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    half, _ = drain_of(journal, MemoryStore(down), clock, uniform=lambda: 0.0)
    assert half.step().wait_ns == NS // 4
    assert half.step(again=True).wait_ns == NS // 2


def test_a_clock_that_is_set_back_delays_nothing_for_long(tmp_path: Path, clock: Clock) -> None:
    journal, store = journal_in(tmp_path), MemoryStore(down)
    drain, _ = drain_of(journal, store, clock, every_ns=60 * NS)
    add(journal, clock, entry(0))
    clock.on(-86_400)
    assert drain.step().error
    store.fails = lambda table, rows: None
    clock.on(-86_400)
    assert drain.step().rows == 1
    assert LONGEST_NS < 86_400 * NS


def refusing(*numbers: int, error: type[Exception] = RefusedError) -> Any:
    """Refuses batches that hold one of these rows."""
    bad = {stamps(i, 1)[0] for i in numbers}

    def fails(table: str, rows: pa.Table) -> None:
        if bad & set(rows["row_ns"].to_pylist()):
            raise error("its type has changed")

    return fails


def test_a_refusal_in_the_middle_is_set_apart_and_can_be_tried_again(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(refusing(3, 7)), journal_in(tmp_path)
    drain, told = drain_of(journal, store, clock)
    add(journal, clock, *(entry(i) for i in range(10)))
    step = drain.step()
    assert (step.rows, step.apart, step.error) == (8, 2, "")
    assert store.stamps() == [s for i, s in enumerate(stamps(0, 10)) if i not in (3, 7)]
    assert told == [
        ("spool_apart", {"rows": 1, "error": "its type has changed", "table": "t", "owner": "b"})
    ] * 2  # fmt: skip
    assert segments(journal.path) == []
    store.fails = lambda table, rows: None
    journal.retry()
    assert drain.step().rows == 2
    assert sorted(store.stamps()) == stamps(0, 10)
    assert list(journal.apart.iterdir()) == []


def test_a_single_refused_entry(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(refusing(0)), journal_in(tmp_path)
    drain, _ = drain_of(journal, store, clock)
    add(journal, clock, entry(0))
    assert drain.step()[:4] == (0, 0, 1, 0)
    assert drain.step().wait_ns is None


@pytest.mark.parametrize("error", [StoreError, KeyError])
def test_what_fails_while_other_rows_pass_is_set_apart_after_a_while(
    tmp_path: Path, clock: Clock, error: type[Exception]
) -> None:
    store, journal = MemoryStore(refusing(1, error=error)), journal_in(tmp_path)
    drain, told = drain_of(journal, store, clock)
    add(journal, clock, entry(0), entry(1), entry(2), entry(7, 2, table="u"))
    for _ in range(PATIENCE):
        assert drain.step().rows == 0
        clock.on(60)
    step = drain.step()
    assert (step.rows, step.apart, step.error) == (4, 1, "")
    assert [kind for kind, _ in told] == ["spool_waits", "spool_apart", "spool_flows"]
    assert segments(journal.path) == []


def test_what_was_written_before_a_failure_is_not_written_again(tmp_path: Path, clock: Clock) -> None:
    def fails(table: str, rows: pa.Table) -> None:
        if table == "u":
            down(table, rows)

    store, journal = MemoryStore(fails), journal_in(tmp_path)
    drain, _ = drain_of(journal, store, clock)
    add(journal, clock, entry(0), entry(0, table="u"), entry(1))
    assert drain.step()[:2] == (2, 2)
    assert journal.tally()[:2] == (2, 2)  # row 1 of t stands behind what failed
    store.fails = lambda table, rows: None
    clock.on(60)
    assert drain.step()[:2] == (1, 1)
    assert [call[2] for call in store.calls] == ["t", "u"]


def test_a_store_that_took_the_rows_and_then_failed_gets_them_again(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    take = store._take

    def cut_off(*arguments: Any) -> None:
        take(*arguments)
        down("t", arguments[3])

    store._take = cut_off  # type: ignore[method-assign]
    drain, _ = drain_of(journal, store, clock)
    add(journal, clock, entry(0, 5))
    assert drain.step().error
    store._take = take  # type: ignore[method-assign]
    clock.on(60)
    assert drain.step().rows == 5
    assert len(store.there) == 5


def test_damage_is_set_apart_and_the_rest_goes_on(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    for i in range(5):
        add(journal, clock, entry(i))
    (path,) = segments(journal.path)
    size = (path.stat().st_size - len(packed(entry(0), 0)) * 5) + len(packed(entry(0), 0)) * 2 + 200
    data = bytearray(path.read_bytes())
    data[size] ^= 16
    path.write_bytes(data)
    drain, told = drain_of(journal, store, clock)
    assert drain.step().rows == 4
    assert store.stamps() == stamps(0, 2) + stamps(3, 2)
    (aside,) = journal.apart.glob(f"*{DAMAGED}")
    assert len(aside.read_bytes()) == len(packed(entry(0), 0))
    ((kind, data_told),) = told
    assert kind == "spool_apart"
    assert f"{path.name} is damaged from byte" in data_told["error"]
    assert segments(journal.path) == []


def test_a_segment_whose_header_is_damaged_is_set_apart(tmp_path: Path, clock: Clock) -> None:
    journal = journal_in(tmp_path)
    add(journal, clock, entry(0))
    journal.close()
    (path,) = segments(journal.path)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    again, store = journal_in(tmp_path), MemoryStore()
    add(again, clock, entry(1))
    drain, _ = drain_of(again, store, clock)
    assert drain.step().rows == 1
    assert (again.apart / f"{path.stem}{DAMAGED}").read_bytes() == data


def test_it_goes_on_where_it_stopped(tmp_path: Path, clock: Clock) -> None:
    store, journal = MemoryStore(), journal_in(tmp_path)
    add(journal, clock, *(entry(i) for i in range(10)))
    drain, _ = drain_of(journal, store, clock, batch=4)
    drain.step()
    journal.close()
    again = journal_in(tmp_path)
    assert again.tally()[:2] == (6, 6)
    add(again, clock, entry(10))
    drain, _ = drain_of(again, store, clock)
    drain.step()
    assert [len(call[3]) for call in store.calls] == [4, 7]
    assert store.stamps() == stamps(0, 11)


def test_what_waits_for_another_store_stays(tmp_path: Path, clock: Clock) -> None:
    other = Journal(tmp_path / "spool", "elsewhere", limit=10**9)
    add(other, clock, entry(0))
    other.close()
    journal, store = journal_in(tmp_path), MemoryStore()
    drain, _ = drain_of(journal, store, clock)
    assert drain.step().wait_ns is None
    journal.close()
    anyway = Journal(tmp_path / "spool", None, limit=10**9)
    drain, _ = drain_of(anyway, store, clock)
    assert drain.step().rows == 1


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    actions=st.lists(
        st.one_of(st.integers(1, 5), st.sampled_from(["up", "down", "step", "reopen", "half"])), max_size=40
    )
)
def test_whatever_happens_every_row_arrives_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, actions: list[int | str]
) -> None:
    path, clock, store = tmp_path_factory.mktemp("any"), Clock(), MemoryStore()
    journal = journal_in(path, segment=4000)
    drain, _ = drain_of(journal, store, clock, batch=6)
    n = 0
    for action in [*actions, "up", "step"]:
        clock.on(100)
        match action:
            case "up":
                store.fails = lambda table, rows: None
            case "down":
                store.fails = down
            case "half":  # only one of the tables
                store.fails = lambda table, rows: down(table, rows) if table == "u" else None
            case "step":
                drain.step()
            case "reopen":
                journal.close()
                journal = journal_in(path, segment=4000)
                drain, _ = drain_of(journal, store, clock, batch=6)
            case int():
                add(journal, clock, entry(n, action), entry(n, action, table="u"))
                n += action
    while (step := drain.step()).wait_ns == 0:
        assert not step.error
    assert store.stamps("t") == store.stamps("u") == stamps(0, n)
    assert journal.tally() == (0, 0, 0, 0)
    assert segments(journal.path) == []
    journal.close()
