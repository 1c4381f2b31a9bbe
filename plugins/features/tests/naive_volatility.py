"""Reference of the volatility columns: long double, every window anew, by the words of the definition."""

from __future__ import annotations

import numpy as np

from .naive_windows import long, roll


def log_moves(rows):
    """r_t = ln m_t − ln m_{t−1}, NaN in the first row."""
    log = np.log(long(rows, "mid"))
    return np.concatenate([[np.longdouble(np.nan)], np.diff(log)])


def rv(rows, n):
    return roll(rows, n, lambda r: np.sqrt(n * (r**2).mean()), log_moves(rows))


def vol_ratio(rows, n, wide):
    near, far = rv(rows, n), rv(rows, wide)
    still = far == 0
    value = near / np.sqrt(np.longdouble(n)) / (np.where(still, 1, far) / np.sqrt(np.longdouble(wide)))
    return np.where(still & ~np.isnan(near), 1, value)


def bipower(rows, n):
    def value(r):
        moves = np.abs(r[r != 0])
        k = len(moves)
        if k < 2:
            return np.sqrt(n * (r**2).mean())
        products = (moves[1:] * moves[:-1]).sum() * n / np.longdouble(len(r))
        return np.sqrt(np.longdouble(np.pi) / 2 * k / (k - 1) * products)

    return roll(rows, n, value, log_moves(rows))


def jump_share(rows, n):
    both, all_of_it = bipower(rows, n) ** 2, rv(rows, n) ** 2
    still = all_of_it == 0
    return np.where(still, 0, np.maximum(0, 1 - both / np.where(still, 1, all_of_it)))


def parkinson(rows, n):
    def value(high, low):
        return np.log(high.max() / low.min()) / np.sqrt(4 * np.log(np.longdouble(2)))

    return roll(rows, n, value, long(rows, "mid_high"), long(rows, "mid_low"))


def vol_of_vol(rows, n, of):
    return roll(rows, n, lambda v: v.std(ddof=1), rv(rows, of), warmup=of + n - 1)
