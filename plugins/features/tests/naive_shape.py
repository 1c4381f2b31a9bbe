"""The obvious reference of the family shape: one row at a time."""

from __future__ import annotations

import numpy as np

from . import naive
from .naive_pressure import TICK


def distances_and_sizes(rows, side, k, tick):
    b, big_b, a, big_a = naive.levels(rows, k)
    m = naive.mid_of(rows)[:, None]
    return ((m - b) / tick, big_b) if side == "bid" else ((a - m) / tick, big_a)


def slope(rows, side, k, tick=TICK):
    out = np.full(len(rows), np.nan, np.longdouble)
    for t, (d, size) in enumerate(zip(*distances_and_sizes(rows, side, k, tick), strict=True)):
        cumulative = np.cumsum(size)
        dx, dy = d - d.mean(), cumulative - cumulative.mean()
        out[t] = (dx * dy).sum() / (dx**2).sum()
    return out


def slope_asymmetry(rows, k, tick=TICK):
    bid, ask = slope(rows, "bid", k, tick), slope(rows, "ask", k, tick)
    return naive.ratio(bid - ask, bid + ask)


def convexity(rows, side, k, tick=TICK):
    out = np.full(len(rows), np.nan, np.longdouble)
    for t, (d, size) in enumerate(zip(*distances_and_sizes(rows, side, k, tick), strict=True)):
        if np.isnan(d + size).any():
            continue
        x, y = np.r_[0, d], np.r_[0, np.cumsum(size)]
        i = int(np.searchsorted(x, d[-1] / 2))
        middle = y[i - 1] + (y[i] - y[i - 1]) * (d[-1] / 2 - x[i - 1]) / (x[i] - x[i - 1])
        out[t] = 0 if y[-1] == 0 else 2 * middle / y[-1] - 1
    return out


def gap(rows, side, tick=TICK):
    b, _, a, _ = naive.levels(rows, 2)
    return np.rint(((b[:, 0] - b[:, 1]) if side == "bid" else (a[:, 1] - a[:, 0])) / tick)


def entropy(rows, k):
    _, big_b, _, big_a = naive.levels(rows, k)
    sizes = np.concatenate([big_b, big_a], axis=1)
    shares = naive.ratio(sizes, sizes.sum(1)[:, None])
    return -(shares * np.log(np.where(shares == 0, 1, shares))).sum(1) / np.log(np.longdouble(2 * k))


def columns(rows):
    """Every column at the defaults."""
    return {
        "slope_bid": slope(rows, "bid", 10),
        "slope_ask": slope(rows, "ask", 10),
        "slope_asymmetry": slope_asymmetry(rows, 10),
        "convexity_bid": convexity(rows, "bid", 10),
        "convexity_ask": convexity(rows, "ask", 10),
        "gap_bid": gap(rows, "bid"),
        "gap_ask": gap(rows, "ask"),
        "book_entropy": entropy(rows, 20),
    }
