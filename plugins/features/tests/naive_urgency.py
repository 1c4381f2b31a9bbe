"""The obvious reference of the family urgency."""

from __future__ import annotations

import numpy as np

from . import naive
from .naive_flow import field, gate, lag
from .naive_impact import effective_spread_bps
from .naive_pressure import weighted_imbalance
from .naive_windows import roll, start_of


def fill_probability(rows, side, horizon, h):
    volume = field(rows, "sell_volume" if side == "bid" else "buy_volume")
    queue = rows[f"{side}_sz"][:, 0].astype(np.longdouble)
    taken = naive.ewm(volume, h)
    empty = np.where(np.isnan(taken), taken, taken > 0)  # the limit: the first trade fills it
    expected = 1 - np.exp(-horizon * naive.ratio(taken, queue))
    return gate(rows, np.where(queue == 0, empty, expected), h)


def adverse_selection_bps(rows, horizon, h):
    m = gate(rows, naive.mid_of(rows), 0)
    signed = lag(field(rows, "buy_volume") - field(rows, "sell_volume"), horizon)
    x = np.sign(signed) * 1e4 * (m - lag(m, horizon)) / m
    out = np.full(len(rows), np.nan, np.longdouble)
    by_age = np.longdouble(0.5) ** (np.arange(len(x)) / np.longdouble(h))
    for t in np.flatnonzero(~np.isnan(x)):
        counts = ~np.isnan(x[: t + 1]) & (signed[: t + 1] != 0)
        weight = by_age[t::-1][counts]
        out[t] = (x[: t + 1][counts] * weight).sum() / weight.sum() if counts.any() else 0
    return gate(rows, out, horizon + h)


def mid_age(rows):
    m = naive.mid_of(rows)
    out = np.full(len(rows), np.nan, np.longdouble)
    last, changed = np.nan, 0
    for t in range(start_of(rows), len(rows)):
        if np.isnan(m[t]):
            continue
        if m[t] != last:
            last, changed = m[t], t
        out[t] = np.log(np.longdouble(1 + t - changed))
    return gate(rows, out, 1)


def execution_urgency(rows, horizon=10, h=60, window=30, levels=5, weights=(1, 1, 1)):
    m = gate(rows, naive.mid_of(rows), 0)
    r = np.log(m) - np.log(lag(m, 1))
    rv = roll(rows, window, lambda x: np.sqrt((x**2).mean() * window), r)
    p = weighted_imbalance(rows, 1, levels)
    x = weights[0] * abs(p) * 1e4 * rv * np.sqrt(np.longdouble(horizon) / window)
    x += weights[1] * adverse_selection_bps(rows, horizon, h) - weights[2] * effective_spread_bps(rows) / 2
    return gate(rows, 1 / (1 + np.exp(-x)), max(horizon + h, window))


def columns(rows):
    """Every column at the defaults."""
    return {
        "fill_probability_bid": fill_probability(rows, "bid", 10, 30),
        "fill_probability_ask": fill_probability(rows, "ask", 10, 30),
        "adverse_selection_10_bps": adverse_selection_bps(rows, 10, 60),
        "mid_age": mid_age(rows),
        "execution_urgency": execution_urgency(rows),
    }
