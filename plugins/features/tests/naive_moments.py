"""Reference of the moments: long double, every window anew, by the words of the definition."""

from __future__ import annotations

import numpy as np

from .naive_volatility import log_moves
from .naive_windows import long, roll


def zscore(rows, n):
    def value(x):
        return 0 if x.max() == x.min() else (x[-1] - x.mean()) / x.std(ddof=1)

    return roll(rows, n, value, np.log(long(rows, "mid")), warmup=n - 1)


def central(x, power):
    return ((x - x.mean()) ** power).mean()


def skew(rows, n):
    def value(r):
        return 0 if r.max() == r.min() else central(r, 3) / central(r, 2) ** np.longdouble(1.5)

    return roll(rows, n, value, log_moves(rows))


def kurt(rows, n):
    def value(r):
        return 0 if r.max() == r.min() else central(r, 4) / central(r, 2) ** 2 - 3

    return roll(rows, n, value, log_moves(rows))


def autocorr(rows, n):
    def value(x, y):
        if x.max() == x.min() or y.max() == y.min():
            return 0
        a, b = x - x.mean(), y - y.mean()
        return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())

    r = log_moves(rows)
    before = np.concatenate([[np.longdouble(np.nan)], r[:-1]])
    return roll(rows, n, value, r, before, warmup=n + 1)
