"""Rows to compare a component with its reference on: ordinary ones, every kind of bad one, recorded ones."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.sources.synthetic import Synthetic
from btcframe.testing import markets
from btcframe.types import RowFlag

from . import naive

MARKET_DATA = Path(__file__).parents[4] / "shared" / "market-data" / "raw-binance"


def rows_of(feed, period):
    pipeline = Pipeline(feed.instrument, TimeClock(period), {}, markets.NoRegime())
    rows = []
    for batch in feed:
        consumed = 0
        while consumed < len(batch.events):
            consumed, _ = pipeline.push(batch.events, consumed)
            rows.append(pipeline.rows.copy())
    feed.close()
    return np.concatenate(rows)


@functools.cache
def synthetic():
    return rows_of(Synthetic(duration="3000s").open(seed=5), "1s")


@functools.cache
def random_walk():
    return rows_of(RandomWalk(duration="2000s").open(seed=2), "1s")


@functools.cache
def recorded():
    """One recorded session over midnight, as 100 ms rows."""
    paths = [MARKET_DATA / f"usdm_btcusdt_2024071{day}.gz" for day in (8, 9)]
    if not all(path.exists() for path in paths):
        pytest.skip(f"no recorded market data in {MARKET_DATA}")
    return rows_of(BinanceRaw(paths=tuple(map(str, paths))).open(seed=0), "100ms")


def spoiled(rows, seed):
    """The rows with every kind of bad row in them: what `spoil` knows, and what only a pipeline makes."""
    rows = rows.copy()
    rng = np.random.default_rng([seed, 0x5B])
    kinds = [*markets.BAD_KINDS, "still", "cut", "unknown_cost", "time", "lost"]
    at, turn = 130, 0
    while at < len(rows) - 100:
        kind, length = kinds[turn % len(kinds)], int(rng.integers(1, 16))
        part = rows[at : at + length]
        if kind == "still":  # nothing trades for longer than a window
            part = rows[at : at + 75]
            for name in ("volume", "count", "notional"):
                part[f"buy_{name}"] = part[f"sell_{name}"] = 0.0
            part["max_trade"] = part["signed_cost"] = 0.0
            length = 75
        elif kind == "cut":  # a message with more changes than are tracked
            part["flags"] |= np.uint32(RowFlag.FLOW_CUT)
            for name in ("add_bid", "add_ask", "rem_bid", "rem_ask", "rem1_bid", "rem1_ask", "changes"):
                part[name] = np.nan
        elif kind == "unknown_cost":  # a trade before there was a mid
            part["signed_cost"] = np.nan
        elif kind == "time":  # stamps equal, or backwards
            part["row_ns"] = part["row_ns"][0]
            part["last_exch_ts"] -= 10**10
        elif kind == "lost":
            rows = np.delete(rows, np.arange(at, at + length))
        else:
            markets.spoil(rows, kind, at, length)
        at, turn = at + length + int(rng.integers(5, 90)), turn + 1
    return rows


def compute(component, rows, cuts=()):
    out = np.full((len(rows), len(component.columns())), np.nan)
    state = component.state(markets.INSTRUMENT)
    for part, into in zip(np.split(rows, cuts), np.split(out, cuts), strict=True):
        component.update(part, state, into)
    return {column.name: out[:, j] for j, column in enumerate(component.columns())}


def market(name):
    """Rows by name: synthetic, random_walk, recorded, rough; with -bad0 or -bad1 spoiled."""
    name, _, bad = name.partition("-bad")
    makers = {"synthetic": synthetic, "random_walk": random_walk, "recorded": recorded}
    rows = makers[name]() if name in makers else markets.rough_rows(2000, seed=1)
    return spoiled(rows, int(bad)) if bad else rows


EASY = ("synthetic", "random_walk", "synthetic-bad0", "synthetic-bad1", "random_walk-bad0", "rough")
RECORDED = ("recorded", "recorded-bad0")


@functools.cache
def usual_spread(reference):
    """std of every column in an ordinary market."""
    values = {name: np.asarray(v, np.float64) for name, v in reference(markets.clean_rows(1000)).items()}
    return {name: float(np.nanstd(v)) for name, v in values.items()}


def assert_is_reference(component, reference, rows):
    """All columns are the reference's, within 1e-8 of their std in an ordinary market.

    A size of 1e12 blows up a column's own std: a tolerance made of it would forgive everything.

    Parameters
    ----------
    reference : callable    rows → columns by name
    """
    got, expected = compute(component, rows), reference(rows)
    assert list(got) == list(expected)
    for name, values in expected.items():
        naive.assert_close(got[name], values, name, reach=usual_spread(reference)[name])
