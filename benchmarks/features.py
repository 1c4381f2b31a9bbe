"""Claim: features `book` and `returns` cost a fraction of pandas in a batch, and a few µs for one row.

Parity first: the pandas version must agree within 1e-8 of the column's std, or nothing is timed. Both run in the same
process, taking turns; the ratio is that of their medians. Run: python benchmarks/features.py [rows]
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time

import numpy as np

from btcframe.testing import markets
from btcframe_features import Book, Returns

ROWS = 100_000
REPEATS = 5


def ours(rows, component):
    out = np.full((len(rows), len(component.columns())), np.nan)
    component.update(rows, component.state(markets.INSTRUMENT), out)
    return out


def pandas_book(rows):
    import pandas as pd

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
    import pandas as pd

    mid = pd.Series(rows["mid"])
    log = np.log(mid)
    out = {f"log_return_{n}": log.diff(n) for n in (1, 5, 10, 30, 60, 300)}
    means = {h: mid.ewm(halflife=h).mean().where(mid.notna()) for h in (10, 60, 600)}
    for fast, slow in ((10, 60), (60, 600)):
        gap = np.log(means[fast] / means[slow])
        gap.iloc[: slow - 1] = np.nan
        out[f"ema_gap_{fast}"] = gap
    return pd.DataFrame(out).to_numpy()


def assert_parity(name, got, reference):
    assert (np.isnan(got) == np.isnan(reference)).all(), f"{name}: NaN in other places"
    error = np.abs(got - reference) / np.maximum(np.abs(reference), np.nanstd(reference, axis=0))
    worst = float(np.nanmax(error))
    assert worst <= 1e-8, f"{name}: {worst:.1e}"
    return worst


def median_seconds(*calls):
    """Median time of each call, the calls taking turns."""
    times = [[] for _ in calls]
    for _ in range(REPEATS):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def one_row_us(rows, component):
    state = component.state(markets.INSTRUMENT)
    out = np.full((1, len(component.columns())), np.nan)
    taken = []
    for t in range(len(rows)):
        row = rows[t : t + 1]
        start = time.perf_counter_ns()
        component.update(row, state, out)
        taken.append((time.perf_counter_ns() - start) / 1000)
    return np.percentile(taken, (50, 99))


def main():
    rows = markets.clean_rows(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
    compare = importlib.util.find_spec("pandas") is not None
    print(f"{len(rows):,} rows, one thread" + ("" if compare else "; pandas is not installed: no comparison"))
    print(
        f"{'feature':<10}{'columns':>8}{'Mrows/s':>9}{'p50 µs':>8}{'p99 µs':>8}{'pandas Mrows/s':>16}{'ratio':>7}{'parity':>9}"
    )
    for name, component, rival in (("book", Book(), pandas_book), ("returns", Returns(), pandas_returns)):
        got = ours(rows, component)
        p50, p99 = one_row_us(rows[:5000], component)
        line = f"{name:<10}{got.shape[1]:>8}"
        if compare:
            parity = assert_parity(name, got, rival(rows))
            fast, slow = median_seconds(lambda c=component: ours(rows, c), lambda r=rival: r(rows))
            rest = f"{len(rows) / slow / 1e6:>16.2f}{slow / fast:>7.1f}{parity:>9.0e}"
        else:
            (fast,) = median_seconds(lambda c=component: ours(rows, c))
            rest = ""
        print(f"{line}{len(rows) / fast / 1e6:>9.2f}{p50:>8.2f}{p99:>8.2f}{rest}")


if __name__ == "__main__":
    main()
