"""What is left out under overload: in which order, told where, and never what was consumed."""

from __future__ import annotations

import json

from bybit_market import Exchange
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.control import CONNECTED, HEARTBEAT, SHED, SPARED
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.sources.live.valve import FULL, SHEDDING, SPARING, ShedCounters, Valve
from btcframe.types import Frame, Kind

MS = 1_000_000
LAG_NS = 1_000 * MS
BOOK, TICKERS = "orderbook.50.BTCUSDT", "tickers.BTCUSDT"


class Driven:
    """A valve, its pressure set by hand, and all that went in and came out. A frame a millisecond."""

    def __init__(self) -> None:
        self.pressure = 0.0
        self.valve = Valve(lambda: self.pressure, LAG_NS, [TICKERS])
        self.given: list[Frame] = []
        self.kept: list[Frame] = []
        self.mono: list[int] = []

    def put(self, *streams: str, pressure: float, late_ns: int = 0) -> list[Frame]:
        first = len(self.given) + 1
        frames = [Frame(n * MS, stream, b"x" * 10) for n, stream in enumerate(streams, first)]
        stamps = [n * MS for n in range(first, first + len(frames))]
        self.pressure = pressure
        kept, mono = self.valve.admit(frames, stamps, stamps[0] + late_ns)
        assert len(kept) == len(mono)
        self.given += frames
        self.kept += kept
        self.mono += mono
        return list(kept)


def streams(frames: list[Frame]) -> list[str]:
    return [frame.stream for frame in frames]


def told(frames: list[Frame]) -> int:
    """Frames that those left in place of others tell of."""
    return sum(json.loads(frame.data)["frames"] for frame in frames if frame.stream in (SHED, SPARED))


def test_without_pressure_everything_passes_as_it_is() -> None:
    driven = Driven()
    given = [BOOK, TICKERS, HEARTBEAT]
    assert streams(driven.put(*given, pressure=0.49)) == given
    assert driven.valve.counters == ShedCounters()


def test_optional_topics_go_first_and_the_book_stands() -> None:
    driven = Driven()
    kept = driven.put(BOOK, TICKERS, BOOK, TICKERS, HEARTBEAT, pressure=SPARING)
    assert streams(kept) == [BOOK, SPARED, BOOK, HEARTBEAT]
    assert driven.valve.counters == ShedCounters(spared=2, bytes=20)
    assert streams(driven.put(TICKERS, pressure=0.0)) == [TICKERS]


def test_the_market_goes_next_and_comes_back_behind_the_telling_of_it() -> None:
    driven = Driven()
    assert streams(driven.put(BOOK, BOOK, HEARTBEAT, BOOK, pressure=SHEDDING)) == [SHED, HEARTBEAT]
    assert streams(driven.put(CONNECTED, BOOK, pressure=0.6)) == [CONNECTED], (
        "it stays shut until it is well below"
    )
    assert streams(driven.put(BOOK, TICKERS, pressure=0.4)) == [BOOK, TICKERS]
    assert told(driven.kept) == 1, "the rest of them would have been told of 100 ms later"
    assert driven.valve.counters == ShedCounters(shed=4, bytes=40, times=1)


def test_it_is_told_of_again_and_again_so_that_rows_close() -> None:
    driven = Driven()
    for _ in range(350):
        driven.put(BOOK, pressure=0.95)
    assert [frame.local_ts // MS for frame in driven.kept] == [1, 101, 201, 301]
    assert told(driven.kept) == 301
    assert driven.valve.counters.shut == 1


def test_when_there_is_no_memory_left_nothing_is_consumed_and_the_loss_is_told_first() -> None:
    driven = Driven()
    assert driven.put(HEARTBEAT, BOOK, CONNECTED, pressure=FULL) == []
    assert streams(driven.put(HEARTBEAT, BOOK, pressure=0.95)) == [SHED, HEARTBEAT]
    assert driven.valve.counters.shed == 4
    other = Driven()
    assert other.put(BOOK, BOOK, pressure=FULL) == []
    assert streams(other.put(BOOK, pressure=0.0)) == [SHED, BOOK], "it was never told"


def test_what_has_waited_too_long_is_left_out_too() -> None:
    driven = Driven()
    assert streams(driven.put(BOOK, TICKERS, pressure=0.0, late_ns=LAG_NS * 6 // 10)) == [BOOK, SPARED]
    assert streams(driven.put(BOOK, pressure=0.0, late_ns=LAG_NS)) == [SHED]
    assert streams(driven.put(HEARTBEAT, pressure=0.0, late_ns=10 * LAG_NS)) == [HEARTBEAT], "time goes on"
    assert streams(driven.put(BOOK, pressure=0.0)) == [BOOK]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([BOOK, TICKERS, HEARTBEAT]), min_size=1, max_size=30),
            st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0, 2.0]),
        ),
        max_size=30,
    )
)
def test_whatever_the_pressure(chunks: list[tuple[list[str], float]]) -> None:
    """Order and stamps hold, nothing is invented, each loss is told before anything of the market that follows it."""
    driven = Driven()
    for frames, pressure in chunks:
        driven.put(*frames, pressure=pressure)
    stamps = [frame.local_ts for frame in driven.kept]
    assert stamps == sorted(set(stamps))
    by_stamp = {frame.local_ts: frame for frame in driven.given}
    assert all(
        frame == by_stamp[frame.local_ts] for frame in driven.kept if frame.stream not in (SHED, SPARED)
    )
    counters, kept = driven.valve.counters, {frame.local_ts: frame for frame in driven.kept}
    left_out = [f for f in driven.given if kept.get(f.local_ts) != f]
    assert len(left_out) == counters.shed + counters.spared
    lost = said = False  # since the last frame of the market that came through
    for frame in driven.given:
        here = kept.get(frame.local_ts)
        said = said or (here is not None and here.stream == SHED)
        if here is None or here.stream == SHED:
            lost = lost or frame.stream == BOOK
        elif here.stream != SPARED:
            assert said or not lost, "it goes on as if nothing had been left out"
            if frame.stream == BOOK:
                lost = said = False


def test_the_decoder_takes_it_for_a_loss_until_the_next_snapshot() -> None:
    exchange = Exchange(3)
    frames = [Frame(MS, "", exchange.snapshot())]
    for n in range(2, 40):
        exchange.move()
        frames.append(Frame(n * MS, "", exchange.delta()))
    pressure = [0.0]
    valve, decoder = Valve(lambda: pressure[0], LAG_NS, []), BybitDecoder(exchange.instrument, "BTCUSDT", 50)
    kinds = []
    for n, frame in enumerate(frames):
        pressure[0] = 0.95 if 10 <= n < 20 else 0.0
        kept, _ = valve.admit([frame], [frame.local_ts], frame.local_ts)
        if kept:
            kinds += decoder.push(kept)["kind"].tolist()
        assert decoder.usable == (n < 10)
    assert kinds.count(int(Kind.GAP)) == 1 and decoder.wants == (exchange.topic,)
    decoder.push([Frame(41 * MS, "", exchange.snapshot())])
    assert decoder.usable
