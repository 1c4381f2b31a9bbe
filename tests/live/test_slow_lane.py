"""The slow lane: whatever fails and however often, all that was put arrives once and in order, and nobody waits for it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from btcframe.api import Batch
from btcframe.errors import StoreError
from btcframe.live.lanes import COST, Item, Lane
from btcframe.live.pace import Bounds, Pace
from btcframe.live.slow_lane import ACCOUNT, COMMAND, ROW, SlowLane
from btcframe.types import FILL, Frame
from btcframe.types import ROW as ROW_DTYPE

BOUNDS = Bounds(soonest_ns=1_000_000, latest_ns=20_000_000, least=8, most=64)


class Kept:
    """A sink in memory. `fails` is asked before it writes."""

    def __init__(self, *kinds: str, fails: Callable[[], None] = lambda: None) -> None:
        self.kinds, self.fails = kinds, fails
        self.waiting: list[Item] = []
        self.there: list[Any] = []
        self.calls = 0

    @property
    def held(self) -> int:
        return sum(item.size for item in self.waiting)

    def take(self, item: Item) -> None:
        self.waiting.append(item)

    def write(self, everything: bool) -> None:
        self.calls += 1
        self.fails()
        self.there += [item.what for item in self.waiting]
        self.waiting.clear()


def full() -> None:
    raise StoreError("there is no room")


def lane(*groups: list[Kept], limit: int = 10**6, **options: Any) -> SlowLane:
    return SlowLane(groups, Pace(BOUNDS), limit, **options)


def commands(slow: SlowLane, n: int, first: int = 0) -> None:
    for i in range(first, first + n):
        slow.command(i, "halt", why=str(i))


def numbers(sink: Kept) -> list[int]:
    return [item.ts for item in sink.there]


def within(seconds: float, done: Callable[[], bool]) -> None:
    """Wait, and look often."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it has not come"
        threading.Event().wait(0.002)


def test_what_is_put_is_counted_until_it_is_written() -> None:
    sink = Kept(COMMAND)
    slow = lane([sink])
    assert slow.pressure() == 0.0
    commands(slow, 3)
    assert slow.held == 3 * 2 * COST
    sink.fails = full
    slow.step()
    assert (slow.held, sink.there, slow.counters.waiting) == (3 * 2 * COST, [], 0)
    sink.fails = lambda: None
    slow.step()
    assert slow.held == 0 and numbers(sink) == [0, 1, 2]
    assert slow.counters.most_bytes == 3 * 2 * COST


def test_frames_count_with_their_contents_and_what_they_take_beside() -> None:
    slow = lane([Kept("batch")], limit=10_000)
    slow.batch(Batch(frames=[Frame(1, "s", b"x" * 1000), Frame(2, "s", b"y" * 500)]))
    slow.batch(Batch())
    slow.fills(np.zeros(0, FILL))
    assert slow.held == 1500 + 3 * COST
    assert slow.pressure() == pytest.approx(0.24)
    assert slow.counters.items == 1


def test_no_file_tells_of_more_than_the_one_ahead_of_it_in_its_group() -> None:
    log, memory, store = Kept(COMMAND, fails=full), Kept(ACCOUNT), Kept(COMMAND)
    told: list[str] = []
    slow = lane([log, memory], [store], tell=lambda kind, **data: told.append(kind))
    commands(slow, 2)
    slow.account({"orders": 1})
    slow.step()
    slow.step()
    assert (log.there, memory.there, numbers(store)) == ([], [], [0, 1]), "the store is apart"
    assert (slow.error, slow.counters.failures) == ("there is no room", 2)
    log.fails = lambda: None
    slow.step()
    assert (numbers(log), memory.there) == ([0, 1], [{"orders": 1}])
    assert (slow.error, slow.counters.failures) == ("", 0)
    assert told == ["lane_waits", "lane_flows"]


def test_rows_set_the_pace() -> None:
    class Told(Pace):
        rows: list[tuple[int, float]]

        def row(self, row_ns: int, mid: float) -> None:
            self.rows.append((row_ns, mid))

    pace = Told(BOUNDS)
    pace.rows = []
    slow = SlowLane([[Kept(ROW)]], pace, 10**6)
    row = np.zeros(1, ROW_DTYPE)
    row["row_ns"], row["mid"] = 5, 60_000.0
    slow.row(row)
    slow.step()
    assert pace.rows == [(5, 60_000.0)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("seed", range(4))
def test_a_thread_whose_sinks_fail_and_that_dies_loses_nothing(seed: int) -> None:
    """A write that raises what nobody expects, a full disk, a thread that is gone: all arrives once, in order."""
    draw = random.Random(seed)

    def fault() -> None:
        which = draw.random()
        if which < 0.2:
            full()
        if which < 0.3:
            raise ZeroDivisionError("a bug")
        if which < 0.4:
            raise SystemExit  # the thread ends, silently

    sink = Kept(COMMAND, fails=fault)
    slow = lane([sink])
    slow.again_ns = 1_000_000
    with slow.running():
        for n in range(200):
            commands(slow, 1, n)
            if n % 10 == 0:
                slow.tend()
                within(10, lambda: not len(slow._lane) or not slow._thread.is_alive())  # type: ignore[union-attr]
        sink.fails = lambda: None
        slow.tend()
        within(10, lambda: len(sink.there) == 200)
    assert numbers(sink) == list(range(200))
    assert slow.counters.restarts > 0
    assert slow.held == 0


def test_the_fast_lane_waits_for_nobody() -> None:
    """A sink that hangs holds nothing up but itself; what waits is bounded by whoever asks for the pressure."""
    gate = threading.Event()
    slow = lane([Kept(COMMAND, fails=gate.wait)], limit=100_000)
    with slow.running():
        put = 0
        while slow.pressure() < 0.9:
            commands(slow, 1, put)
            put += 1
        assert slow.counters.writes == 0
        assert 0.9 * 100_000 <= slow.held < 0.92 * 100_000
        gate.set()
    assert slow.held == 0


def test_a_market_that_can_wait_waits_for_room() -> None:
    gate = threading.Event()
    sink = Kept(COMMAND, fails=gate.wait)
    slow = lane([sink], limit=60_000)
    with slow.running():
        commands(slow, 60)
        waiter = threading.Thread(target=slow.wait_for_room)
        waiter.start()
        waiter.join(0.1)
        assert waiter.is_alive()
        gate.set()
        waiter.join(60)
        assert not waiter.is_alive()


def test_what_cannot_be_written_in_the_end_is_an_error_that_says_what_to_do() -> None:
    slow = lane([Kept(COMMAND, fails=full)])
    with (
        pytest.raises(
            StoreError, match="the end of the session cannot be written: there is no room"
        ) as caught,
        slow.running(),
    ):
        commands(slow, 3)
    assert "warm_start=DIR" in caught.value.next


def test_an_error_of_the_session_goes_before_one_of_its_end() -> None:
    slow = lane([Kept(COMMAND, fails=full)])
    with pytest.raises(ValueError, match="the market"), slow.running():
        raise ValueError("the market")


def test_a_lane_gives_what_it_was_given_and_wakes_for_a_full_batch() -> None:
    queue = Lane()
    queue.wait(1, 0.0)
    for n in range(3):
        queue.put("k", n, 10)
    assert (len(queue), queue.bytes, queue.items) == (3, 3 * (10 + COST), 3)
    queue.wait(3, 60.0)  # does not
    for n in range(3):
        item = queue.first()
        assert item is not None and item.what == n
        queue.done()
    assert queue.first() is None and queue.bytes == 0
