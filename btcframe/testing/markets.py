"""Seeded synthetic rows for the checks: an ordinary market, and every kind of bad row.

Rows are made directly, not from events: a check of a feature must not depend on a source or a pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from btcframe.api import Column, Labeler
from btcframe.types import (
    ACCUMULATORS,
    EVENT,
    FLOW_LEVELS,
    LEVELS,
    NS,
    ROW,
    EventArray,
    EventFlag,
    Floats,
    Instrument,
    Kind,
    RowArray,
    RowFlag,
    StateArray,
)

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"), "linear", 5.0)
START_NS = 1_721_260_800 * NS
"""Row edge before the first row: 2024-07-18 00:00 UTC."""


@dataclass(frozen=True)
class NoRegime:
    """A pipeline needs a regime; this one writes nothing."""

    def columns(self) -> tuple[Column, ...]:
        return ()

    def state(self, instrument: Instrument) -> StateArray:
        return np.zeros(1, [("none", "u1")])

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        pass

    def fit(self, descriptors: Floats, *, seed: int) -> Labeler:
        raise NotImplementedError("there is nothing to fit")

    def load(self, directory: Path) -> Labeler:
        raise NotImplementedError("there is nothing to load")


BOOK_FIELDS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "mid", "microprice")


def clean_rows(n: int, seed: int = 0, price: float = 60_000.0) -> RowArray:
    """Rows of an ordinary, busy market, one a second: the first PARTIAL, every other one good.

    Parameters
    ----------
    n : int
    seed : int
    price : float    where the mid starts, quote

    Returns
    -------
    ROW[n]
    """
    rng = np.random.default_rng([seed, 0xB0])
    tick = float(INSTRUMENT.tick)
    rows = np.zeros(n, ROW)
    rows["row_ns"] = START_NS + NS * np.arange(1, n + 1)
    rows["messages"] = rng.integers(5, 40, n)
    steps = rng.choice([-3, -1, 0, 1, 3], n, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    best = round(price / tick) + np.cumsum(steps)
    for side, sign in (("bid", -1), ("ask", 1)):
        gaps = rng.geometric(0.7, (n, LEVELS))
        gaps[:, 0] = rng.geometric(0.9, n) - 1 + (side == "ask")  # the spread is a tick or more
        rows[f"{side}_px"] = (best[:, None] + sign * np.cumsum(gaps, axis=1)) * tick
        rows[f"{side}_sz"] = np.round(rng.lognormal(0.0, 1.2, (n, LEVELS)), 3) + 0.001
    set_mid(rows)
    _flow(rows, rng)
    rows["last_exch_ts"] = rows["row_ns"] - rng.integers(1, NS // 10, n)
    rows["first_exch_ts"] = rows["last_exch_ts"] - NS // 2
    rows["latency_ns"] = rng.integers(NS // 1000, NS // 20, n)
    rows["age_ns"] = rng.integers(1, NS // 10, n)
    rows["quality"] = 1.0
    if n:
        _partial(rows[:1])
    return rows


def _flow(rows: RowArray, rng: np.random.Generator) -> None:
    """Accumulators that fit together; every row trades on both sides."""
    n = len(rows)
    rows["ofi"] = rng.normal(0.0, 3.0, (n, FLOW_LEVELS))
    for side in ("bid", "ask"):
        rows[f"add_{side}"] = rng.exponential(5.0, n)
        rows[f"rem_{side}"] = rng.exponential(5.0, n)
        rows[f"rem1_{side}"] = rows[f"rem_{side}"] * rng.random(n)
    rows["changes"] = rng.integers(10, 200, n)
    rows["mid_moves"] = rng.integers(1, 10, n)
    rows["mid_reversals"] = np.floor(rows["mid_moves"] * rng.random(n))
    opening = np.r_[rows["mid"][:1], rows["mid"][:-1]]
    rows["mid_high"] = np.maximum(opening, rows["mid"]) + 0.1 * rng.integers(0, 3, n)
    rows["mid_low"] = np.minimum(opening, rows["mid"]) - 0.1 * rng.integers(0, 3, n)
    for side in ("buy", "sell"):
        rows[f"{side}_count"] = rng.integers(1, 20, n)
        rows[f"{side}_volume"] = np.round(rows[f"{side}_count"] * rng.lognormal(-3.0, 1.0, n), 3) + 0.001
        rows[f"{side}_notional"] = rows[f"{side}_volume"] * rows["mid"]
    rows["max_trade"] = np.maximum(rows["buy_volume"], rows["sell_volume"]) * 0.5
    rows["signed_cost"] = (rows["buy_volume"] + rows["sell_volume"]) * rng.normal(0.05, 0.05, n)


def set_mid(rows: RowArray) -> None:
    """Set mid and microprice from level 1: NaN where a side is missing."""
    b, a, big_b, big_a = (rows[f][:, 0] for f in ("bid_px", "ask_px", "bid_sz", "ask_sz"))
    rows["mid"] = (b + a) / 2
    total = big_b + big_a
    rows["microprice"] = np.where(
        total > 0, (a * big_b + b * big_a) / np.where(total > 0, total, 1), rows["mid"]
    )


def _partial(rows: RowArray) -> None:
    rows["flags"] |= np.uint32(RowFlag.PARTIAL)
    rows["quality"] = 0.5
    for name in ACCUMULATORS:
        rows[name] = np.nan


def spoil(rows: RowArray, kind: str, start: int, length: int = 1) -> None:
    """Make rows[start:start+length] bad, in place, as the pipeline would write them.

    Parameters
    ----------
    kind : str    one of BAD_KINDS
    """
    bad = rows[start : start + length]
    if kind == "gap":  # the book is lost, and comes back in a PARTIAL row
        bad["flags"] |= np.uint32(RowFlag.GAP)
        for name in (*BOOK_FIELDS, *ACCUMULATORS):
            bad[name] = np.nan
        _partial(rows[start + length : start + length + 1])
    elif kind == "crossed":
        bad["flags"] |= np.uint32(RowFlag.CROSSED)
        for name in BOOK_FIELDS:
            bad[name] = np.nan
    elif kind == "one_sided":
        bad["flags"] |= np.uint32(RowFlag.ONE_SIDED | RowFlag.THIN)
        for name in ("ask_px", "ask_sz", "mid", "microprice"):
            bad[name] = np.nan
    elif kind == "one_level":
        bad["flags"] |= np.uint32(RowFlag.THIN)
        for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
            bad[name][:, 1:] = np.nan
    elif kind == "thin":
        bad["flags"] |= np.uint32(RowFlag.THIN)
        for name in ("bid_px", "bid_sz"):
            bad[name][:, 7:] = np.nan
    elif kind == "quiet":  # nothing happened: levels carried, accumulators 0
        before = rows[start - 1 : start].copy()
        bad["flags"] |= np.uint32(RowFlag.NO_EVENTS)
        bad["messages"] = 0
        for name in BOOK_FIELDS:
            bad[name] = before[name]
        for name in ACCUMULATORS:
            bad[name] = 0.0
        bad["mid_high"] = bad["mid_low"] = before["mid"]
    elif kind == "jump":  # 20 % within the row, for good
        moved = rows[start:]
        for name in (
            "bid_px",
            "ask_px",
            "mid",
            "microprice",
            "mid_high",
            "mid_low",
            "buy_notional",
            "sell_notional",
        ):
            moved[name] *= 1.2
        bad["mid_low"][:1] = rows["mid"][start - 1]
    elif kind == "huge":
        for name in ("bid_sz", "ask_sz"):
            bad[name][:, 3] = 1e12
        bad["buy_volume"] = bad["max_trade"] = 1e12
        bad["buy_notional"] = bad["buy_volume"] * bad["mid"]
    elif kind == "empty_levels":  # sizes of 0, which no venue should send
        for name in ("bid_sz", "ask_sz"):
            bad[name] = 0.0
        bad["microprice"] = bad["mid"]
    else:
        raise ValueError(f"kind: {kind!r} is not one of {', '.join(BAD_KINDS)}")
    bad["quality"][np.isnan(bad["mid"])] = 0.0


BAD_KINDS = ("gap", "crossed", "one_sided", "one_level", "thin", "quiet", "jump", "huge", "empty_levels")
"""What `spoil` can do to a row."""


def rough_rows(n: int, seed: int = 0) -> RowArray:
    """Rows with every kind of bad row in them, alone and in runs, the first after 40 good ones."""
    rows = clean_rows(n, seed)
    rng = np.random.default_rng([seed, 0xBAD])
    kinds = _endless(rng)
    at = 40
    while at < n - 12:
        spoil(rows, next(kinds), at, int(rng.integers(1, 8)))
        at += int(rng.integers(15, 60))
    return rows


def _endless(rng: np.random.Generator) -> Iterator[str]:
    while True:
        yield from rng.permutation(np.array(BAD_KINDS)).tolist()


def other_future(rows: RowArray, after: int, seed: int = 1) -> RowArray:
    """A copy in which everything behind row `after` went differently; only the edges of the rows are the same."""
    changed = rows.copy()
    future = rough_rows(len(rows), seed + 1000)[after + 1 :]
    for name in ("bid_px", "ask_px", "mid", "microprice", "mid_high", "mid_low"):
        future[name] *= 1.3
    changed[after + 1 :] = future
    changed["row_ns"] = rows["row_ns"]
    return changed


def events(n: int, seed: int = 0) -> EventArray:
    """A plain market as EVENTs: one snapshot, then single-event messages 10 ms apart.

    One message in eight is a trade that eats from the best level and is followed by the diff that shows it; the
    others set a size near the best price. The book is never crossed or empty.

    Parameters
    ----------
    n : int     at least 50: the snapshot is 2·20 + 1 events

    Returns
    -------
    EVENT[n]
    """
    rng = np.random.default_rng([seed, 0xE7])
    out = np.zeros(n, EVENT)
    best = {1: 600_000, -1: 600_001}
    out[0]["kind"], out[0]["flags"] = Kind.CLEAR, EventFlag.SNAPSHOT
    book = [(side, best[side] - side * k) for side in (1, -1) for k in range(LEVELS)]
    for i, (side, ticks) in enumerate(book, 1):
        out[i]["kind"], out[i]["flags"] = Kind.DEPTH, EventFlag.SNAPSHOT
        out[i]["side"], out[i]["ticks"], out[i]["lots"] = side, ticks, 1000
    out[len(book)]["flags"] = EventFlag.SNAPSHOT | EventFlag.END
    rest = out[len(book) + 1 :]
    rest["flags"] = EventFlag.END
    sides = rng.choice([1, -1], len(rest))
    levels = rng.integers(0, LEVELS, len(rest))
    rest["kind"] = Kind.DEPTH
    rest["side"] = sides
    rest["ticks"] = np.where(sides > 0, best[1] - levels, best[-1] + levels)
    rest["lots"] = rng.integers(100, 2000, len(rest))
    trades = rest[::8]
    trades["kind"] = Kind.TRADE
    trades["ticks"] = np.where(trades["side"] > 0, best[-1], best[1])  # a buyer hits the ask
    trades["lots"] = rng.integers(1, 50, len(trades))
    out["update_id"] = np.arange(n)
    step = np.r_[np.zeros(len(book) + 1, np.int64), np.arange(1, len(rest) + 1)] * (NS // 100)
    out["local_ts"] = START_NS + step
    out["exch_ts"] = out["send_ts"] = out["local_ts"] - NS // 1000
    return out
