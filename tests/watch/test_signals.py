"""What is known now: the numbers against plain formulas, the ages against a clock, many readers against one writer."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import numpy as np
import pytest
import small_trader
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import INSTRUMENT, NOW_NS, Clock, account, ladder, market, seen, timed

from btcframe.api import Wakes
from btcframe.clocks.time import TimeClock
from btcframe.latency import Latency
from btcframe.models.production import Standing
from btcframe.pipeline import Pipeline
from btcframe.plugins import discover
from btcframe.sources.synthetic import Synthetic
from btcframe.types import NS
from btcframe.watch.signals import ExecutionSignals, Signals

MS = 1_000_000
BOOK = (
    "bid", "ask", "bid_size", "ask_size", "mid", "spread_bps", "microprice_gap_bps", "price_pressure", "slope_bid",
    "slope_ask", "slope_asymmetry",
)  # fmt: skip


def read(clock: Clock | None = None, **changes: Any) -> ExecutionSignals:
    clock = clock or Clock()
    signals = Signals(Latency(clock), clock)
    signals.publish(seen(clock(), **changes))
    told = signals.read()
    assert told is not None
    return told


def plainly(market: Any) -> dict[str, float]:
    """The formulas of the docstring, a level at a time, in quote and base coin."""
    tick, lot = float(INSTRUMENT.tick), float(INSTRUMENT.lot)
    bids = [(t * tick, n * lot) for t, n in zip(market.bid_ticks, market.bid_lots, strict=True)]
    asks = [(t * tick, n * lot) for t, n in zip(market.ask_ticks, market.ask_lots, strict=True)]
    (b, big), (a, ask_size) = bids[0], asks[0]
    m = (a + b) / 2

    def weighed(side: Any) -> float:
        return sum(size / (1 + abs(price - m) / tick) for price, size in side[:5])

    def slope(side: Any) -> float:
        d = [abs(price - m) / tick for price, _ in side[:10]]
        return float(np.polyfit(d, np.cumsum([size for _, size in side[:10]]), 1)[0])

    bid, ask = weighed(bids), weighed(asks)
    up, down = slope(bids), slope(asks)
    micro = (a * big + b * ask_size) / (big + ask_size)
    return {
        "bid": b, "ask": a, "bid_size": big, "ask_size": ask_size, "mid": m, "spread_bps": 1e4 * (a - b) / m,
        "microprice_gap_bps": 1e4 * (micro - m) / m, "price_pressure": (bid - ask) / (bid + ask), "slope_bid": up,
        "slope_ask": down, "slope_asymmetry": (up - down) / (up + down),
    }  # fmt: skip


levels = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10**7)), min_size=10, max_size=20)


@given(st.integers(10**4, 10**7), st.integers(1, 50), levels, levels)
@settings(max_examples=60, derandomize=True, deadline=None)
def test_what_the_book_says(best: int, spread: int, below: Any, above: Any) -> None:
    bids = [(best - sum(gap for gap, _ in below[1 : i + 1]), n) for i, (_, n) in enumerate(below)]
    asks = [(best + spread + sum(gap for gap, _ in above[1 : i + 1]), n) for i, (_, n) in enumerate(above)]
    at = market(bids, asks)
    told, true = read(market=at), plainly(at)
    for name in BOOK:
        # what the reference computes as a difference of prices has lost digits
        assert getattr(told, name) == pytest.approx(true[name], rel=1e-6, abs=1e-6), name


def test_they_are_the_columns_of_the_same_names() -> None:
    """Read at the edge of a row, the signals are what the features say of it."""
    catalog = discover()
    features = {
        name: catalog.build("features", {"plugin": name}) for name in ("shape", "urgency", "pressure", "book")
    }
    source = Synthetic(duration="3m")
    feed = source.open(seed=4)
    pipeline = Pipeline(
        feed.instrument, TimeClock("1s"), features, small_trader.Flat(), wakes=Wakes(best=True)
    )
    names = tuple(column.name for column in pipeline.columns)
    compared = 0
    for batch in feed:
        at = 0
        while at < len(batch.events):
            at, _ = pipeline.push(batch.events, at)
            if not len(pipeline.rows) or not pipeline.top()[0]:
                continue
            row, x = pipeline.rows[0].copy(), pipeline.x[0].copy()
            usable, *sides = pipeline.top()
            last = market([], [])._replace(
                instrument=feed.instrument, usable=usable, bid_ticks=sides[0], bid_lots=sides[1],
                ask_ticks=sides[2], ask_lots=sides[3], row=row, x=x, columns=names,
            )  # fmt: skip
            told = read(market=last)
            columns = dict(zip(names, x.tolist(), strict=True))
            for name in ("slope_bid", "slope_ask", "slope_asymmetry"):
                assert getattr(told, name) == pytest.approx(columns[name], rel=1e-9, nan_ok=True), name
            assert told.spread_bps == pytest.approx(columns["spread_bps"], rel=1e-9)
            assert told.mid == pytest.approx(row["mid"], rel=1e-15) and told.quality == row["quality"]
            assert told.urgency == columns["execution_urgency"] or math.isnan(told.urgency)
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("bids", "asks"), [([], ladder(1002, 1)), (ladder(1000, -1), []), (ladder(1003, -1), ladder(1002, 1))]
)
def test_a_book_that_is_none_says_nothing(bids: Any, asks: Any) -> None:
    told = read(market=market(bids, asks))
    assert not told.usable and all(math.isnan(getattr(told, name)) for name in BOOK)
    assert told.predictions and told.quality == 0.75  # those are of the row


def test_a_thin_book_says_what_it_can() -> None:
    told = read(market=market(ladder(1000, -1, levels=6), ladder(1002, 1)))
    assert told.price_pressure == told.price_pressure and told.slope_ask == told.slope_ask
    assert math.isnan(told.slope_bid) and math.isnan(told.slope_asymmetry)
    told = read(market=market(ladder(1000, -1), ladder(1002, 1, levels=4)))
    assert math.isnan(told.price_pressure) and told.microprice_gap_bps == 0.0


def test_every_age_is_of_the_moment_of_the_call() -> None:
    clock = Clock()
    signals = Signals(Latency(clock), clock)
    assert signals.read() is None
    clock.ns += 2 * MS  # it waited for the trader
    signals.publish(seen(clock() - 2 * MS))
    for later in (0, 7 * MS, 3600 * NS):  # the trader stands still, and it shows
        clock.ns += later
        told = signals.read()
        assert told is not None
        waited = clock.ns - 5 * NS
        assert told.age_ns == waited and told.idle_ns == waited - 2 * MS
        assert told.staleness_ns == 40 * MS + waited and told.row_age_ns == NS + waited
        assert told.as_of_ns == NOW_NS


def test_what_is_not_there_yet_has_no_age() -> None:
    bare = market(ladder(1000, -1), ladder(1002, 1))._replace(
        row=None, x=np.empty(0), regime=np.empty(0), regimes=(), prediction=market([], []).prediction[:0]
    )
    told = read(market=bare, book_ns=0)
    assert told.staleness_ns is None and told.row_age_ns is None
    assert math.isnan(told.quality) and math.isnan(told.urgency)
    assert (told.predictions, told.model, told.regime) == ((), -1, {})


def test_the_column_of_urgency_may_be_left_out() -> None:
    at = market(ladder(1000, -1), ladder(1002, 1))
    assert read(market=at).urgency == 0.875
    assert math.isnan(read(market=at._replace(columns=("a", "b"))).urgency)


def test_prediction_regime_position_and_money() -> None:
    told = read(cause="drawdown", contained={"features.ofi": "ValueError: 3"})
    assert [(p.horizon_ns, p.mean_bps, p.p_up, p.high_bps) for p in told.predictions] == [
        (NS, 1.5, 0.6, 9.0), (5 * NS, -2.5, 0.6, 9.0),
    ]  # fmt: skip
    assert told.model == 4 and told.regime == {"calm": 0.25, "wild": 0.75}
    assert (told.position, told.position_lots, told.average_price, told.working) == (-0.002, -2, 100.0, 0)
    assert (told.equity, told.day_profit, told.drawdown, told.fees) == (950.0, 10.0, 0.5, 3.5)
    assert (told.state, told.cause, told.contained) == (
        "active",
        "drawdown",
        {"features.ofi": "ValueError: 3"},
    )
    assert read(account=account(lots=0)).position == 0.0


def test_latencies_say_how_old_they_are_and_are_made_anew_each_second() -> None:
    clock = Clock()
    latency = Latency(clock)
    signals = Signals(latency, clock)
    timed(latency, clock() - MS)
    signals.publish(seen(clock()))
    first = signals.read()
    assert first is not None and first.latency["decode"].n == 1 and first.latency_age_ns == 0
    assert set(first.latency) == {"venue", "wire", "decode", "book", "row", "signal", "total"}
    timed(latency, clock() - MS)
    clock.ns += NS
    second = signals.read()
    assert second is not None and second.latency["decode"].n == 1 and second.latency_age_ns == NS
    clock.ns += 1
    third = signals.read()
    assert third is not None and third.latency["decode"].n == 2 and third.latency_age_ns == 0


def test_which_model_it_is_and_how_old_its_data_are() -> None:
    told = read()
    assert (told.step, told.step_why, told.mock, told.model_age_ns) == ("", "", False, None)
    clock = Clock()
    signals = Signals(Latency(clock), clock)
    known = market(ladder(1000, -1), ladder(1002, 1))._replace(model_ns=NOW_NS - 30 * NS)
    signals.publish(seen(clock(), market=known, standing=Standing("previous", "it raised", "ab", mock=True)))
    clock.ns += 2 * NS
    later = signals.read()
    assert later is not None and (later.step, later.step_why, later.mock) == ("previous", "it raised", True)
    assert later.model_age_ns == 32 * NS


def test_plain_is_json() -> None:
    told = json.loads(json.dumps(read(market=market([], [])).plain(), allow_nan=False))
    assert set(told) == set(ExecutionSignals._fields)
    assert told["mid"] is None and told["predictions"][0]["low_bps"] is None
    assert told["predictions"][1]["mean_bps"] == -2.5 and told["regime"] == {"calm": 0.25, "wild": 0.75}


def test_every_field_is_documented() -> None:
    text = ExecutionSignals.__doc__ or ""
    named = {
        name.strip()
        for line in text.splitlines()
        if " : " in line
        for name in line.split(" : ")[0].split(",")
    }
    assert set(ExecutionSignals._fields) <= named


def test_two_readers_and_a_writer_that_never_waits() -> None:
    """Everything in a snapshot is made from one number: a reading that mixed two would show."""
    signals = Signals(Latency())
    wrong: list[str] = []
    readings = [0, 0]
    stop = threading.Event()

    def snapshot(n: int) -> Any:
        at = market([(1000 + n, n)], [(1002 + n, n)])
        at = at._replace(x=np.array([0.0, float(n)]), regime=np.array([n, -n], float))
        return seen(
            signals.now(), now_ns=n, book_ns=n, market=at, account=account(n, equity=float(n), fees=float(n)), cause=str(n)
        )  # fmt: skip

    def reader(which: int) -> None:
        before = -1
        while not stop.is_set():
            told = signals.read()
            if told is None:
                continue
            readings[which] += 1
            n = told.as_of_ns
            of_one = {
                told.position_lots, int(told.equity), int(told.fees), int(told.urgency), int(told.cause),
                int(told.regime["calm"]), -int(told.regime["wild"]), round(told.bid_size * 1000), round(told.bid * 10) - 1000,
            }  # fmt: skip
            if of_one != {n} or n < before or told.idle_ns < 0 or told.age_ns < told.idle_ns:
                wrong.append(f"{n} after {before}: {told}")
                return
            before = n

    readers = [threading.Thread(target=reader, args=(which,)) for which in (0, 1)]
    for thread in readers:
        thread.start()
    n = 0
    while (n < 3000 or min(readings) < 300) and not wrong:
        n += 1
        signals.publish(snapshot(n))
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong, wrong[0]


def test_readers_see_what_a_trader_had_and_do_not_change_what_it_does() -> None:
    """A real trader, a message at a time, with two readers at it: the same intents, and no reading of what never was."""
    alone = small_trader.play(small_trader.trader(small_trader.CHASE))
    watched = small_trader.trader(small_trader.CHASE)
    signals = Signals(Latency())
    was: dict[int, set[tuple[Any, ...]]] = {}
    read: list[list[tuple[int, tuple[Any, ...]]]] = [[], []]
    stop = threading.Event()

    def reader(into: list[tuple[int, tuple[Any, ...]]]) -> None:
        while not stop.is_set():
            told = signals.read()
            if told is not None:
                into.append(
                    (told.as_of_ns, (told.bid, told.position_lots, told.equity, told.model, told.fees))
                )

    readers = [threading.Thread(target=reader, args=(into,)) for into in read]
    for thread in readers:
        thread.start()
    for start in range(0, len(small_trader.EVENTS), 10):
        events = small_trader.EVENTS[start : start + 10]
        watched.consume(events)
        at = watched.market()
        if at is None:
            continue
        now_ns, money = int(events["local_ts"][-1]), watched.account()
        bid = at.instrument.price(int(at.bid_ticks[0]))
        was.setdefault(now_ns, set()).add(
            (bid, money.position.lots, money.equity, int(at.prediction["model"][0]), money.fees)
        )
        signals.publish(seen(signals.now(), now_ns=now_ns, market=at, account=money))
    stop.set()
    for thread in readers:
        thread.join()
    watched.finish()
    assert sum(map(len, read)) > 20 and len(was) > 100
    for now_ns, told in (*read[0], *read[1]):
        assert told in was[now_ns]
    assert watched.audit.intents.records.tobytes() == alone.audit.intents.records.tobytes()
