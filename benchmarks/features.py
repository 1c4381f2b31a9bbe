"""Claim: features `book` and `returns` cost a fraction of pandas in a batch, and a few µs for one row.

Peer: the same columns written with pandas and NumPy, as one does in a notebook; it must agree within 1e-8 of each
value or its column's standard deviation, or nothing is timed.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.frame import first, ratio, table, take_turns
from benchmarks.inputs import SEED
from btcframe.testing import markets
from btcframe_features import Book, Returns

ROWS = 100_000
ONE = 5000  # rows given one at a time


def ours(rows, component):
    out = np.full((len(rows), len(component.columns())), np.nan)
    component.update(rows, component.state(markets.INSTRUMENT), out)
    return out


def pandas_book(rows):
    bid_px, bid_sz, ask_px, ask_sz = (rows[f] for f in ("bid_px", "bid_sz", "ask_px", "ask_sz"))
    mid = rows["mid"]
    bid_value, ask_value = bid_px * bid_sz, ask_px * ask_sz
    out = {"spread_bps": 1e4 * (ask_px[:, 0] - bid_px[:, 0]) / mid}
    bids, asks = bid_sz[:, :5].sum(1), ask_sz[:, :5].sum(1)
    vwap_bid, vwap_ask = bid_value[:, :5].sum(1) / bids, ask_value[:, :5].sum(1) / asks
    out["microprice_5_gap_bps"] = 1e4 * ((vwap_ask * bids + vwap_bid * asks) / (bids + asks) - mid) / mid
    for low, high in ((1, 1), (2, 3), (4, 5), (6, 10), (11, 20)):
        bids, asks = bid_sz[:, low - 1 : high].sum(1), ask_sz[:, low - 1 : high].sum(1)
        out[f"imbalance_{low}_{high}"] = (bids - asks) / (bids + asks)
    for k in (5, 20):
        out[f"depth_bid_{k}"] = np.log1p(bid_value[:, :k].sum(1))
        out[f"depth_ask_{k}"] = np.log1p(ask_value[:, :k].sum(1))
    near, wide = (bid_value[:, :k].sum(1) + ask_value[:, :k].sum(1) for k in (5, 20))
    out["depth_ratio_5_20"] = near / wide
    out["vwap_gap_bid"] = 1e4 * (mid - bid_value[:, :10].sum(1) / bid_sz[:, :10].sum(1)) / mid
    out["vwap_gap_ask"] = 1e4 * (ask_value[:, :10].sum(1) / ask_sz[:, :10].sum(1) - mid) / mid
    out["wall"] = bid_sz.max(1) / bid_sz.sum(1) - ask_sz.max(1) / ask_sz.sum(1)
    return pd.DataFrame(out).to_numpy()


def pandas_returns(rows):
    mid = pd.Series(rows["mid"])
    log = np.log(mid)
    out = {f"log_return_{n}": log.diff(n) for n in (1, 5, 10, 30, 60, 300)}
    means = {h: mid.ewm(halflife=h).mean().where(mid.notna()) for h in (10, 60, 600)}
    for fast, slow in ((10, 60), (60, 600)):
        gap = np.log(means[fast] / means[slow])
        gap.iloc[: slow - 1] = np.nan
        out[f"ema_gap_{fast}"] = gap
    return pd.DataFrame(out).to_numpy()


def check(name, got, reference):
    assert (np.isnan(got) == np.isnan(reference)).all(), f"{name}: NaN in other places"
    error = np.abs(got - reference) / np.maximum(np.abs(reference), np.nanstd(reference, axis=0))
    worst = float(np.nanmax(error))
    assert worst <= 1e-8, f"{name}: {worst:.1e}"
    return worst


def one_row_us(rows, component):
    """Microseconds of each row given alone."""
    state = component.state(markets.INSTRUMENT)
    out = np.full((1, len(component.columns())), np.nan)
    taken = []
    for t in range(len(rows)):
        row = rows[t : t + 1]
        start = time.perf_counter_ns()
        component.update(row, state, out)
        taken.append((time.perf_counter_ns() - start) / 1000)
    return np.percentile(taken, (50, 99))


def main() -> None:
    rows = markets.clean_rows(ROWS, SEED)
    shown, notes = [], []
    for name, component, rival in (("book", Book(), pandas_book), ("returns", Returns(), pandas_returns)):
        started, got = first(partial(ours, rows, component))
        parity = check(name, got, rival(rows))
        fast, slow = take_turns(partial(ours, rows, component), partial(rival, rows))
        p50, p99 = one_row_us(rows[:ONE], component)
        shown += [
            (f"{name}, {got.shape[1]} columns", fast.rate(ROWS), ratio(fast, slow), f"{p50:.1f} µs", f"{p99:.1f} µs"),
            ("  pandas", slow.rate(ROWS), "1×", "", ""),
        ]  # fmt: skip
        notes.append(f"{name} agrees within {parity:.0e}. {started}")
    table(
        f"Features, {ROWS:,} rows in one call, one thread", "feature", "rows", "× pandas", "one row, median", "99 %",
        rows=shown, note="\n".join(notes),
    )  # fmt: skip
