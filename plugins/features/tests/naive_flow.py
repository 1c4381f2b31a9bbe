"""The obvious reference of the family flow, in long double, and what pressure and urgency share with it."""

from __future__ import annotations

import numpy as np

from . import naive
from .naive_windows import roll, start_of


def field(rows, *names):
    """A field as long double; NaN before the start. field(rows, "ofi", 0) is e_1."""
    x = rows[names[0]].astype(np.longdouble)
    for index in names[1:]:
        x = x[:, index]
    x[: start_of(rows)] = np.nan
    return x


def gate(rows, values, warmup):
    """NaN before the first row that can be valid."""
    values = np.array(values, np.longdouble)
    values[: start_of(rows) + warmup] = np.nan
    return values


def lag(x, n):
    out = np.full(len(x), np.nan, np.longdouble)
    out[n:] = x[: max(len(x) - n, 0)]
    return out


def correlation(x, y):
    if x.max() == x.min() or y.max() == y.min():
        return 0
    dx, dy = x - x.mean(), y - y.mean()
    return (dx * dy).sum() / np.sqrt((dx**2).sum() * (dy**2).sum())


def z(x):
    """Of the last one."""
    return 0 if x.max() == x.min() else (x[-1] - x.mean()) / x.std(ddof=1)


def mean_ofi(rows, k):
    return field(rows, "ofi")[:, :k].mean(1)


def ofi(rows, k):
    return gate(rows, mean_ofi(rows, k), 1)


def ofi_norm(rows, k, n):
    _, big_b, _, big_a = naive.levels(rows, k)
    depth = (big_b.sum(1) + big_a.sum(1)) / (2 * k)
    depth[: start_of(rows)] = np.nan
    return gate(rows, naive.ratio(mean_ofi(rows, k), roll(rows, n, np.mean, depth, warmup=n - 1)), 1)


def net_flow(rows, h):
    added_b, removed_b, added_a, removed_a = (
        field(rows, f) for f in ("add_bid", "rem_bid", "add_ask", "rem_ask")
    )
    net = naive.ewm(added_b - removed_b - added_a + removed_a, h)
    return gate(rows, naive.ratio(net, naive.ewm(added_b + removed_b + added_a + removed_a, h)), h)


def ofi_z(rows, n):
    return roll(rows, n, z, field(rows, "ofi", 0))


def ofi_ewm(rows, h):
    return gate(rows, naive.ewm(field(rows, "ofi", 0), h), h)


def ofi_persistence(rows, n):
    x = field(rows, "ofi", 0)
    return roll(rows, n, correlation, x, lag(x, 1), warmup=n + 1)


def depletion(rows):
    _, big_b, _, big_a = naive.levels(rows, 1)
    bids, asks = field(rows, "rem1_bid"), field(rows, "rem1_ask")
    return gate(rows, naive.ratio(asks, big_a[:, 0] + asks) - naive.ratio(bids, big_b[:, 0] + bids), 1)


def columns(rows):
    """Every column at the defaults."""
    return {
        "ofi_1": ofi(rows, 1),
        "ofi_5": ofi(rows, 5),
        "ofi_norm_10": ofi_norm(rows, 10, 60),
        "net_flow_10": net_flow(rows, 5),
        "ofi_z_60": ofi_z(rows, 60),
        "ofi_ewm_5": ofi_ewm(rows, 5),
        "ofi_ewm_30": ofi_ewm(rows, 30),
        "ofi_persistence_60": ofi_persistence(rows, 60),
        "depletion_asymmetry": depletion(rows),
    }
