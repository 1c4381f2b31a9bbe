import json
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btcframe.api import Batch
from btcframe.clock_offset import ClockOffset
from btcframe.control import ROUND_TRIP, STEPPED
from btcframe.errors import DataError
from btcframe.types import EVENT, NS, EventFlag, Frame, Kind

US, MS = 1_000, 1_000_000
START = 1_700_000_000 * NS
SPREAD = 5 * MS


class Message(NamedTuple):
    """Received so long after the item before it, sent `delay` earlier, stamped `error` too late."""

    gap: int
    delay: int
    error: int = 0


class RoundTrip(NamedTuple):
    """Answered so long after the item before it; the exchange read its clock after `share` of `took`."""

    gap: int
    took: int
    share: float = 0.5
    error: int = 0


class Step(NamedTuple):
    """One of the clocks is set: ours is ahead by so much more from now on."""

    gap: int
    ns: int


class World:
    """Two clocks, of which ours runs at 1 + ppm/10⁶ of the exchange's, `ahead` at first; whole numbers throughout."""

    def __init__(self, ahead: int, ppm: int) -> None:
        self.now = START  # the exchange's
        self._ahead = ahead
        self._ppm = ppm

    def offset(self, at: int) -> int:
        return self._ahead + (at - START) * self._ppm // 1_000_000

    def local(self, at: int) -> int:
        return at + self.offset(at)

    def batch(self, item) -> Batch:
        """What we consume of an item."""
        self.now += item.gap
        local_ts = self.local(self.now)
        if isinstance(item, Step):
            self._ahead += item.ns
            return Batch()
        if isinstance(item, Message):
            sent = self.now - item.delay + item.error
            return Batch(event(local_ts, sent // MS * MS), [Frame(local_ts, "orderbook", b"{}")])
        sent = self.local(self.now - item.took)
        server = self.now - item.took + int(item.share * item.took) + item.error
        said = {"sent_ns": sent, "took_ns": local_ts - sent, "server_ns": server}
        return Batch(event(local_ts, 0), [Frame(local_ts, ROUND_TRIP, json.dumps(said).encode())])

    def feed(self, clock: ClockOffset, *items) -> None:
        for item in items:
            clock.take(self.batch(item))


def event(local_ts: int, send_ts: int):
    made = np.zeros(1, EVENT)
    made["local_ts"], made["send_ts"], made["flags"] = local_ts, send_ts, EventFlag.END
    made["kind"] = Kind.DEPTH if send_ts else Kind.HEARTBEAT
    return made


errors = st.integers(-4 * MS, 4 * MS)  # and up to 1 ms that a stamp in whole milliseconds loses
messages = st.builds(Message, st.integers(1, 60 * NS), st.integers(0, 3 * NS), errors)
round_trips = st.builds(RoundTrip, st.integers(1, 600 * NS), st.integers(0, NS), st.floats(0, 1), errors)
worlds = st.builds(World, st.integers(-3600 * NS, 3600 * NS), st.integers(-499, 499))


@given(worlds, st.lists(messages | round_trips, max_size=60))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_the_bounds_hold_whatever_the_delays_and_the_drift(world, items):
    clock = ClockOffset(spread_ns=SPREAD)
    asked = False
    for item in items:
        world.feed(clock, item)
        told, truth = clock.offset, world.offset(world.now)
        asked = asked or isinstance(item, RoundTrip)
        assert told.steps == told.slips == 0
        assert told.high_ns >= truth - 1
        assert (told.low_ns is not None) == asked
        if asked:
            assert told.low_ns <= truth + 1
            assert abs(told.ns - truth) <= (told.high_ns - told.low_ns) / 2 + 2
        if isinstance(item, RoundTrip):  # never worse than the one at hand
            assert told.high_ns - told.low_ns <= item.took + 2 * SPREAD + item.took // 1000 + US
        if told.drift_ppm is not None:
            # the exchange's seconds and ours differ by less than a thousandth
            assert abs(told.drift_ppm - world._ppm) <= told.drift_error_ppm * 1.001 + 1


@given(worlds, st.integers(10 * MS, 300 * MS), st.lists(st.integers(0, 300 * MS), min_size=5, max_size=40))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_a_smallest_round_trip_is_what_counts(world, smallest, extra):
    clock = ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, smallest), *(RoundTrip(100 * MS, smallest + more) for more in extra))
    told = clock.offset
    assert (told.round_trip_ns, told.round_trips) == (
        smallest + world._ppm * smallest // 1_000_000,
        len(extra) + 1,
    ) or (abs(told.round_trip_ns - smallest) <= US * 200)
    age = 100 * MS * len(extra)
    assert told.high_ns - told.low_ns <= smallest + 2 * SPREAD + (age + smallest) // 1000 + US


def test_hours_of_drift_are_followed_and_told():
    world, clock = World(3 * NS, 40), ClockOffset(spread_ns=SPREAD)
    for _ in range(6 * 120):
        world.feed(clock, RoundTrip(30 * NS, 180 * MS, 0.6), Message(MS, 95 * MS))
        assert abs(clock.offset_ns - world.offset(world.now)) <= 90 * MS + SPREAD
    told = clock.offset
    assert world.offset(world.now) - 3 * NS == pytest.approx(864 * MS, rel=1e-3)
    assert abs(told.drift_ppm - 40) <= told.drift_error_ppm < 12


steps = st.integers(1500 * MS, 3 * NS) | st.just(2 * NS)
quick = st.lists(
    st.builds(Message, st.integers(MS, 100 * MS), st.integers(MS, 300 * MS), errors), min_size=1, max_size=30
)


@given(worlds, steps, quick, st.integers(20 * MS, 400 * MS))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_a_clock_set_back_is_told_by_the_next_message(world, step, before, took):
    clock = ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, took), *before)
    assert clock.offset.steps == 0
    world.feed(clock, Step(NS, -step), Message(MS, 100 * MS))
    told = clock.offset
    assert told.steps == 1
    assert abs(told.last_step_ns + step) <= 300 * MS + 3 * SPREAD
    assert told.low_ns is None and told.high_ns >= world.offset(world.now) - 1
    world.feed(clock, RoundTrip(NS, took))
    told, truth = clock.offset, world.offset(world.now)
    assert told.steps == 1
    assert told.low_ns - 1 <= truth <= told.high_ns + 1


@given(worlds, steps, quick, st.integers(20 * MS, 400 * MS))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_a_clock_set_ahead_is_doubted_within_two_seconds_and_told_by_the_next_round_trip(
    world, step, before, took
):
    clock = ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, took), *before)
    assert not clock.offset.in_doubt
    after = [Message(100 * MS, 100 * MS)] * 20
    world.feed(clock, Step(MS, step), *after)
    assert clock.offset.in_doubt and clock.offset.steps == 0  # it may be the line
    world.feed(clock, RoundTrip(MS, took))
    told, truth = clock.offset, world.offset(world.now)
    assert told.steps == 1 and not told.in_doubt
    assert abs(told.last_step_ns - step) <= took + 3 * SPREAD
    assert told.low_ns - 1 <= truth <= told.high_ns + 1
    world.feed(clock, *after)
    assert clock.offset.steps == 1 and not clock.offset.in_doubt


def test_a_slow_line_is_doubted_but_no_step():
    world, clock = World(0, 0), ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, 100 * MS), *[Message(100 * MS, 50 * MS)] * 20)
    slow = [Message(100 * MS, 2 * NS)] * 20
    world.feed(clock, *slow)
    assert clock.offset.in_doubt
    world.feed(clock, RoundTrip(MS, 100 * MS))
    assert not clock.offset.in_doubt
    world.feed(clock, *slow, Message(100 * MS, 50 * MS))
    told = clock.offset
    assert (told.steps, told.in_doubt, told.last_step_ns) == (0, False, 0)


def test_a_step_of_our_wall_clock_is_told_and_moves_nothing():
    world, clock = World(NS, 0), ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, 50 * MS))
    then = clock.offset
    for step in (2 * NS, -3 * NS):
        clock.take(Batch(frames=[Frame(START, STEPPED, json.dumps({"step_ns": step}).encode())]))
    assert clock.offset == then._replace(wall_steps=2, wall_stepped_ns=-NS)


def test_machines_that_disagree_slip_and_step_nothing():
    world, clock = World(0, 0), ClockOffset(spread_ns=SPREAD)
    world.feed(clock, RoundTrip(NS, 20 * MS), *[Message(10 * MS, 5 * MS)] * 10)
    world.feed(clock, Message(10 * MS, 5 * MS, error=60 * MS))  # stamped by one that is ahead
    told = clock.offset
    assert (told.slips, told.steps) == (1, 0)
    assert told.high_ns - told.low_ns <= 40 * MS
    assert abs(told.ns + 55 * MS) <= 20 * MS  # what is said now counts
    world.feed(clock, RoundTrip(NS, 20 * MS))
    assert (clock.offset.slips, clock.offset.steps, clock.offset.last_step_ns) == (2, 0, 0)


def test_without_a_round_trip_nothing_is_taken_from_a_stamp():
    world, clock = World(7 * NS, 0), ClockOffset(spread_ns=SPREAD)
    assert clock.offset_ns == 0 and clock.offset.high_ns is None
    world.feed(clock, Message(NS, 100 * MS))
    told = clock.offset
    assert (told.ns, told.low_ns, told.round_trip_ns, told.drift_ppm) == (0, None, None, None)
    assert told.high_ns - 7 * NS == pytest.approx(100 * MS + SPREAD, abs=MS)


def test_an_exchange_that_does_not_tell_its_time_is_no_round_trip():
    clock = ClockOffset()
    clock.take(
        Batch(frames=[Frame(START, ROUND_TRIP, b'{"sent_ns":5,"took_ns":7,"server_ns":0,"error":"429"}')])
    )
    assert clock.offset.round_trips == 0


def test_it_is_plain():
    world, clock = World(0, 10), ClockOffset()
    world.feed(clock, *[RoundTrip(40 * NS, 50 * MS)] * 3)
    assert json.loads(json.dumps(clock.offset.plain())) == clock.offset.plain()


@pytest.mark.parametrize(
    ("stream", "data"), [(ROUND_TRIP, b"{"), (STEPPED, b"{}"), (ROUND_TRIP, b'{"sent_ns":"x"}')]
)
def test_a_damaged_frame_is_named(stream, data):
    with pytest.raises(DataError) as error:
        ClockOffset().take(Batch(frames=[Frame(START, stream, data)]))
    assert f"the frame {stream} is damaged" in str(error.value)


@given(worlds, st.lists(messages | round_trips, max_size=40), st.data())
@settings(max_examples=60, derandomize=True, deadline=None)
def test_any_portions_tell_the_same(world, items, data):
    singles = [world.batch(item) for item in items]
    stamps = [batch.frames[0].local_ts for batch in singles]
    assume(all(a < b for a, b in pairwise(stamps)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(items)), max_size=5)))
    one_by_one, in_portions = ClockOffset(), ClockOffset()
    for batch in singles:
        one_by_one.take(batch)
    for begin, end in zip([0, *cuts], [*cuts, len(items)], strict=True):
        run = singles[begin:end]
        if run:
            events = np.concatenate([batch.events for batch in run])
            in_portions.take(Batch(events, [frame for batch in run for frame in batch.frames]))
    assert in_portions.offset == one_by_one.offset
