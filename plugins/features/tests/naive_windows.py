"""The rules for windows, in the plainest way: every window anew, from FEATURES.md §2."""

from __future__ import annotations

import numpy as np


def long(rows, name):
    return rows[name].astype(np.longdouble)


def start_of(rows):
    """First row with a mid: warm-ups are counted from it."""
    with_mid = np.flatnonzero(~np.isnan(rows["mid"]))
    return int(with_mid[0]) if len(with_mid) else len(rows)


def roll(rows, n, statistic, *entries, warmup=None):
    """statistic(valid entries of the last n rows); a row is valid where all `entries` are known.

    NaN if the row's own entry is, if fewer than ⌈0.8 n⌉ are valid, and before row `warmup` (default n).
    """
    out = np.full(len(rows), np.nan, np.longdouble)
    known = ~np.isnan(np.stack(entries)).any(axis=0)
    first = start_of(rows)
    for t in range(first + (n if warmup is None else warmup), len(rows)):
        window = np.arange(max(t - n + 1, first), t + 1)
        window = window[known[window]]
        if known[t] and len(window) >= -(-8 * n // 10):
            out[t] = statistic(*(entry[window] for entry in entries))
    return out


def over(numerator, denominator):
    """A ratio whose empty denominator gives 0."""
    return numerator / denominator if denominator != 0 else np.longdouble(0)
