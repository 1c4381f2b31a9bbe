"""The decoder's book against the exchange's own and an obvious one, whatever happens to the frames."""

from __future__ import annotations

import random

import numpy as np
import pytest
from bybit_faults import damaged
from bybit_line import FAULTS, Line
from bybit_market import LINEAR, SPOT, Exchange
from driven import Running, property_test
from hypothesis import given
from hypothesis import strategies as st
from naive_bybit import Naive

from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.types import NS, Frame, Instrument, RowFlag

lines = st.tuples(
    st.lists(st.sampled_from(FAULTS), min_size=5, max_size=60),
    st.integers(0, 2**32),
    st.sampled_from([50, 200]),
    st.sampled_from([LINEAR, SPOT]),
    st.booleans(),
)


@property_test
@given(lines)
def test_a_usable_book_is_the_exchanges_whatever_happens_to_the_line(
    line: tuple[list[str], int, int, Instrument, bool],
) -> None:
    happenings, seed, depth, instrument, answers = line
    a = Line(Exchange(seed, depth, instrument), answers)
    a.say(a.exchange.snapshot())
    for what in happenings:
        a.happen(what)
    _same_in_any_portions(a, random.Random(seed))
    _no_bad_row_is_called_good(a)


def _same_in_any_portions(line: Line, draw: random.Random) -> None:
    whole = np.concatenate(line.events)
    decoder = BybitDecoder(line.exchange.instrument, "BTCUSDT", line.exchange.depth)
    parts, at = [], 0
    while at < len(line.frames):
        size = draw.randrange(1, 12)
        parts.append(decoder.push(line.frames[at : at + size]))
        at += size
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert decoder.counters == line.decoder.counters


def _no_bad_row_is_called_good(line: Line) -> None:
    """Rows of 100 ms: one in which the book was lost, or was not there, says so; any other holds the book."""
    pipeline = Pipeline(line.exchange.instrument, TimeClock("100ms"), {}, Running("regime_"))
    events = np.concatenate(
        [*line.events, BybitDecoder(LINEAR, "X", 50).push([Frame(line.now + NS, "~", b"")])]
    )
    pipeline.push(events)
    stamps = [frame.local_ts for frame in line.frames]
    naive = Naive(line.exchange.instrument, line.exchange.depth)
    at = 0
    for row in pipeline.rows:
        begun, sound = at, True
        while at < len(stamps) and stamps[at] <= row["row_ns"]:
            frame = line.frames[at]
            if frame.stream in ("~lost", "~resync", "~connected"):
                naive.interrupt(frame.stream)
            elif not frame.stream:
                naive.push(frame.local_ts, frame.data)
            sound = sound and line.good[at]
            at += 1
        sound = sound and (begun == 0 or line.good[begun - 1])
        marked = bool(row["flags"] & (RowFlag.GAP | RowFlag.PARTIAL))
        assert sound or marked, (row["row_ns"], row["flags"])
        assert bool(row["flags"] & RowFlag.GAP) == (not naive.usable)
        if naive.usable:
            tick, lot = line.exchange.instrument.price, line.exchange.instrument.size
            n = min(20, len(naive.bids))
            assert row["bid_px"][:n].tolist() == [tick(t) for t in sorted(naive.bids, reverse=True)[:20]]
            assert row["ask_sz"][: min(20, len(naive.asks))].tolist() == [
                lot(naive.asks[t]) for t in sorted(naive.asks)[:20]
            ]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_frames_never_make_another_book_than_the_obvious_decoder(seed: int) -> None:
    _damage(seed, 1_500)


@pytest.mark.drill
def test_a_million_damaged_frames_among_good_ones() -> None:
    for seed in range(100):
        _damage(seed, 10_000)


def _damage(seed: int, count: int) -> None:
    draw = random.Random(seed)
    a = Line(Exchange(seed, 50, LINEAR if seed % 2 else SPOT))
    a.say(a.exchange.snapshot())
    for _ in range(count):
        if draw.random() < 0.4:
            a.exchange.move(3)
            a.say(a.exchange.trades() if draw.random() < 0.2 else a.exchange.delta())
        elif a.decoder.wants and draw.random() < 0.3:
            a.say(a.exchange.snapshot())
        else:
            a.deliver(damaged(draw, a.sent[-20:]))
        a.frames.clear()
        a.events.clear()
        a.naive.trades.clear()
    assert a.decoder.counters.malformed > count // 4
    assert a.decoder.counters.resyncs > 10
