"""The obvious reference of the family trades, from FEATURES.md §3: every window anew, long double."""

from __future__ import annotations

import numpy as np

from .naive_windows import long, over, roll, start_of


def both(rows, what):
    return long(rows, f"buy_{what}") + long(rows, f"sell_{what}")


def signed_volume(rows):
    return long(rows, "buy_volume") - long(rows, "sell_volume")


def trade_imbalance(rows, n):
    return roll(rows, n, lambda net, v: over(net.sum(), v.sum()), signed_volume(rows), both(rows, "volume"))


def trade_intensity(rows, n):
    return roll(rows, n, np.mean, both(rows, "count"))


def mean_trade_size(rows, n):
    return roll(
        rows, n, lambda v, count: over(v.sum(), count.sum()), both(rows, "volume"), both(rows, "count")
    )


def large_trade_share(rows, n):
    return roll(
        rows, n, lambda most, v: over(most.max(), v.sum()), long(rows, "max_trade"), both(rows, "volume")
    )


def trade_vwap_gap_bps(rows, n):
    m = long(rows, "mid")
    volume, notional = both(rows, "volume"), both(rows, "notional")
    traded = roll(rows, n, lambda v: v.sum(), volume)
    vwap = roll(rows, n, lambda q, v: over(q.sum(), v.sum()), notional, volume)
    return 1e4 * (m - np.where(traded == 0, m, vwap)) / m + 0 * traded


def signed_volume_z(rows, n):
    net = signed_volume(rows)

    def z(x):
        return np.longdouble(0) if x.max() == x.min() else (x[-1] - x.mean()) / x.std(ddof=1)

    return roll(rows, n, z, net)


def trade_run_length(rows):
    out = np.full(len(rows), np.nan)
    net, run = signed_volume(rows), 0
    for t in range(start_of(rows), len(rows)):
        if np.isnan(net[t]):
            run = 0
        elif net[t] != 0:
            sign = 1 if net[t] > 0 else -1
            run = run + sign if run * sign > 0 else sign
        if t > start_of(rows) and not np.isnan(net[t]):
            out[t] = run
    return out


def all_of(rows):
    """The ten columns at the defaults."""
    return {
        "trade_imbalance_1": trade_imbalance(rows, 1),
        "trade_imbalance_10": trade_imbalance(rows, 10),
        "trade_imbalance_60": trade_imbalance(rows, 60),
        "trade_intensity_10": trade_intensity(rows, 10),
        "trade_intensity_60": trade_intensity(rows, 60),
        "mean_trade_size_60": mean_trade_size(rows, 60),
        "large_trade_share_60": large_trade_share(rows, 60),
        "trade_vwap_gap_60_bps": trade_vwap_gap_bps(rows, 60),
        "signed_volume_z_60": signed_volume_z(rows, 60),
        "trade_run_length": trade_run_length(rows),
    }
