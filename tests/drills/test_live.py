"""A live session against the local exchange with everything going wrong that can; a sample with every test run.

The exchange keeps a book of its own, in plain dictionaries, and remembers what it was at every update. While a session
lasts `live_market` holds every row against it; here are the faults, and what must be told of them.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import NamedTuple

import pytest
from live_market import TOPIC, Market, market

from btcframe.sources.live.link import Limits
from btcframe.types import NS

LIMITS = Limits(connect=2.0, answer=2.0, probe=0.5, settled=1.0)
QUIET_ROWS = 25
"""Between two faults, for a topic is not subscribed anew more often than every two seconds …"""

QUICK, QUICK_ROWS = replace(LIMITS, resync=0.2, settled=0.1), 3
"""… but in the sample."""


class Case(NamedTuple):
    """One kind of fault.

    Parameters
    ----------
    name : str              for the table
    faults : tuple          as the local exchange has them
    told : dict             counters, and by how much each goes up at least
    loses : bool            whether the book is lost by it
    """

    name: str
    faults: tuple[str, ...]
    told: dict[str, int]
    loses: bool = True


CASES = (
    Case("connection dropped", ("drop",), {"live.lost": 1, "live.connections": 1, "losses": 1, "resyncs": 1}),
    Case(
        "half-open socket",
        ("half_open",),
        {"live.dead": 1, "live.lost": 1, "live.connections": 1, "losses": 1},
    ),
    Case("one topic silent", (f"half_open+10s:{TOPIC}",), {"live.silent": 1, "losses": 1, "resyncs": 1}),
    Case("one delta missing", (f"gap:{TOPIC}",), {"gaps": 1, "live.resubscribed": 1, "resyncs": 1}),
    Case("twenty deltas missing", (f"gap*20:{TOPIC}",), {"gaps": 1, "live.resubscribed": 1, "resyncs": 1}),
    Case("a message twice", ("duplicate*3",), {"duplicates": 3}, loses=False),
    Case("two messages change places", ("reorder",), {"gaps": 1, "stale": 1, "resyncs": 1}),
    Case("u = 1, snapshot", ("restart",), {"snapshots": 1}, loses=False),
    Case("u = 1, delta", ("restart_delta",), {"snapshots": 1}, loses=False),
    Case("crossed book", ("crossed",), {"crossed": 1, "resyncs": 1}),
    Case("garbage", ("malformed",), {"malformed": 1, "resyncs": 1}),
    Case("truncated message", ("truncated",), {"malformed": 1, "resyncs": 1}),
    Case("binary frames", ("binary*3",), {"malformed": 3, "resyncs": 1}),
    Case(
        "a message of 8 MB",
        ("oversized",),
        {"live.oversized": 1, "live.lost": 1, "live.connections": 1, "resyncs": 1},
    ),
    Case("exchange down for 0.6 s", ("outage+3s",), {"live.failed": 1, "live.connections": 1, "losses": 1}),
    Case("subscription refused", ("refuse", "drop"), {"live.refused": 1, "live.connections": 2, "losses": 1}),
    Case("subscription answered late", ("late_ack*20000", "drop"), {"live.late": 1, "live.connections": 1}),
    Case("HTTP 429", ("too_many", "drop"), {"live.forbidden": 1, "live.failed": 1, "live.connections": 1}),
    Case("HTTP 403", ("forbidden", "drop"), {"live.forbidden": 1, "live.failed": 1, "live.connections": 1}),
)
SAMPLE = ("connection dropped", "one delta missing", "a message twice", "crossed book", "garbage")


class Survived(NamedTuple):
    """What one fault did. Times in seconds from when it was put in; None where the book was not lost."""

    detected: float | None
    recovered: float | None
    bad: int
    unseen: int = 0  # rows with something in them that look good, from the fault until it was detected


def survive(session: Market, case: Case, quiet: int = QUIET_ROWS) -> Survived:
    """Let a fault happen after some quiet rows, and see the session through it."""
    session.rows_on(quiet)
    before, lost, bad, since = session.told(), len(session.unusable), session.bad(), session.now_ns
    start = time.monotonic()
    for fault in case.faults:
        session.inject(fault)
    detected = recovered = None
    unseen = 0
    if case.loses:
        session.until(lambda: len(session.unusable) > lost)
        detected = time.monotonic() - start
        session.until(session.recovered)
        recovered = time.monotonic() - start
        unseen = session.looked_good(since, session.unusable[lost][0])
    session.until(
        lambda: all(session.told()[name] >= before[name] + more for name, more in case.told.items())
    )
    session.until(session.recovered)
    session.rows_on(5)
    assert session.good_in_damaged_windows() == 0
    if not case.loses:
        assert len(session.unusable) == lost
        assert session.bad() == bad
    if case.name == "half-open socket":  # nothing comes, and the rows say so
        assert unseen <= 3
    return Survived(detected, recovered, session.bad() - bad, unseen)


def line(name: str, found: list[Survived]) -> str:
    """A line of the table in docs/drills.md."""
    cells = []
    for times in ([one.detected for one in found], [one.recovered for one in found]):
        known = [t for t in times if t is not None]
        cells.append(f"{statistics.median(known):.2f} s ({max(known):.2f})" if known else "not lost")
    bad = [one.bad for one in found]
    unseen = max(one.unseen for one in found)
    return f"| {name} | {' | '.join(cells)} | {statistics.median(bad):g} ({max(bad)}) | 0 | {unseen} |"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if case.name in SAMPLE])
def test_a_fault_is_told_and_survived(case: Case) -> None:
    with market(QUICK) as session:
        survive(session, case, QUICK_ROWS)
        session.replays()


@pytest.mark.drill
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_fault_is_told_and_survived_again_and_again(case: Case) -> None:
    with market(LIMITS) as session:
        print(line(case.name, [survive(session, case) for _ in range(5)]))
        session.replays()


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.drill)])
def test_a_connection_dropped_again_and_again(times: int) -> None:
    found = []
    with market(Limits(connect=2.0, settled=0.0)) as session:
        for _ in range(times):
            lost, bad, start = len(session.unusable), session.bad(), time.monotonic()
            session.inject("drop")
            session.until(lambda lost=lost: len(session.unusable) > lost)
            detected = time.monotonic() - start
            session.until(session.recovered)
            recovered = time.monotonic() - start
            session.rows_on(2)
            found.append(Survived(detected, recovered, session.bad() - bad))
        told = session.told()
        assert (told["live.lost"], told["live.connections"], told["live.failed"]) == (times, times + 1, 0)
        assert session.good_in_damaged_windows() == 0
        session.replays()
    print(line(f"connection dropped {times} times", found))


@pytest.mark.drill
def test_a_slow_line_is_told_by_the_latency() -> None:
    with market(LIMITS) as session:
        session.until(lambda: session.clock.offset.round_trips >= 3)
        lost, bad = len(session.unusable), session.bad()
        session.inject("slow+50s")
        session.rows_on(110)
        assert session.latency.summary()["wire"].p90_ns > NS // 12
        session.until(session.recovered)
        assert (len(session.unusable), session.bad()) == (lost, bad)
        session.replays()
    print("| messages 100 ms late | by the latency | not lost | 0 | 0 | 0 |")


@pytest.mark.drill
@pytest.mark.parametrize("step_ms", [2000, -2000])
def test_the_exchange_s_clock_is_stepped(step_ms: int) -> None:
    with market(LIMITS) as session:
        session.until(lambda: session.clock.offset.round_trips >= 3)
        lost, bad, start = len(session.unusable), session.bad(), time.monotonic()
        session.inject(f"skew*{step_ms}")
        session.until(lambda: session.clock.offset.steps == 1)
        told_in = time.monotonic() - start
        trips = session.clock.offset.round_trips
        session.until(lambda: session.clock.offset.round_trips > trips + 2)
        assert abs(session.clock.offset.last_step_ns + step_ms * 1_000_000) < NS // 2
        session.until(session.recovered)
        assert (session.clock.offset.steps, len(session.unusable), session.bad()) == (1, lost, bad)
    print(f"| exchange's clock stepped by {step_ms / 1000:+g} s | {told_in:.2f} s | not lost | 0 | 0 | 0 |")


@pytest.mark.parametrize("step_ns", [pytest.param(2 * NS, marks=pytest.mark.drill), -2 * NS])
def test_our_wall_clock_is_stepped(step_ns: int) -> None:
    with market(LIMITS) as session:
        session.until(lambda: session.clock.offset.round_trips >= 1)
        lost, bad, start = len(session.unusable), session.bad(), time.monotonic()
        session.wall.set_ahead_ns += step_ns
        session.until(lambda: session.clock.offset.wall_steps == 1)
        told_in = time.monotonic() - start
        assert abs(session.clock.offset.wall_stepped_ns - step_ns) < NS // 10
        session.rows_on(5)
        session.until(session.recovered)
        assert session.told()["live.clock_steps"] == 1
        assert (session.clock.offset.steps, len(session.unusable), session.bad()) == (0, lost, bad)
    print(f"| our wall clock stepped by {step_ns / NS:+g} s | {told_in:.2f} s | not lost | 0 | 0 | 0 |")
