"""The obvious reference of every column, written from the formulas: NumPy, whole arrays, long double, no memory."""

from __future__ import annotations

import numpy as np


def levels(rows, k, first=1):
    """b, B, a, A of levels first…k."""
    fields = (rows["bid_px"], rows["bid_sz"], rows["ask_px"], rows["ask_sz"])
    return tuple(f[:, first - 1 : k].astype(np.longdouble) for f in fields)


def ratio(over, under):
    empty = under == 0
    return np.where(empty, 0, over / np.where(empty, 1, under))


def mid_of(rows):
    return rows["mid"].astype(np.longdouble)


def spread_bps(rows):
    b, _, a, _ = levels(rows, 1)
    return 1e4 * (a - b)[:, 0] / mid_of(rows)


def microprice_gap_bps(rows, k):
    b, big_b, a, big_a = levels(rows, k)
    sum_b, sum_a = big_b.sum(1), big_a.sum(1)
    m = mid_of(rows)
    vwap_bid = np.where(sum_b == 0, m, ratio((b * big_b).sum(1), sum_b))
    vwap_ask = np.where(sum_a == 0, m, ratio((a * big_a).sum(1), sum_a))
    value = (vwap_ask * sum_b + vwap_bid * sum_a) / np.where(sum_b + sum_a == 0, 1, sum_b + sum_a)
    value = np.where(sum_b + sum_a == 0, m, value)
    return 1e4 * (value - m) / m


def imbalance(rows, first, last):
    _, big_b, _, big_a = levels(rows, last, first)
    return ratio(big_b.sum(1) - big_a.sum(1), big_b.sum(1) + big_a.sum(1))


def notionals(rows, k):
    b, big_b, a, big_a = levels(rows, k)
    return (b * big_b).sum(1), (a * big_a).sum(1)


def depth(rows, side, k):
    return np.log(1 + notionals(rows, k)[0 if side == "bid" else 1])


def depth_ratio(rows, near, wide):
    return ratio(sum(notionals(rows, near)), sum(notionals(rows, wide)))


def vwap_gap_bps(rows, side, k):
    b, big_b, a, big_a = levels(rows, k)
    price, size, sign = (b, big_b, 1) if side == "bid" else (a, big_a, -1)
    m = mid_of(rows)
    vwap = np.where(size.sum(1) == 0, m, ratio((price * size).sum(1), size.sum(1)))
    return sign * 1e4 * (m - vwap) / m


def wall_imbalance(rows, k):
    _, big_b, _, big_a = levels(rows, k)
    return ratio(big_b.max(1), big_b.sum(1)) - ratio(big_a.max(1), big_a.sum(1))


def log_return(rows, n):
    log = np.log(mid_of(rows))
    out = np.full(len(rows), np.nan, np.longdouble)
    out[n:] = log[n:] - log[:-n]
    return out


def ewm(x, half_life):
    """Every row anew: mean of all valid rows so far, weighted 0.5^(age/h); NaN where the row's own value is."""
    out = np.full(len(x), np.nan, np.longdouble)
    by_age = np.longdouble(0.5) ** (np.arange(len(x)) / np.longdouble(half_life))
    for t in np.flatnonzero(~np.isnan(x)):
        past, weight = x[: t + 1], by_age[t::-1]
        valid = ~np.isnan(past)
        out[t] = (past[valid] * weight[valid]).sum() / weight[valid].sum()
    return out


def ema_gap(rows, fast, slow):
    mid = mid_of(rows)
    started = np.flatnonzero(~np.isnan(mid))
    out = np.log(ewm(mid, fast) / ewm(mid, slow))
    out[: (started[0] if len(started) else len(rows)) + slow - 1] = np.nan
    return out


def assert_close(got, reference, name, reach=None):
    """|x − ref| <= 1e-8·max(|ref|, std of the column), NaN in the same rows (FEATURES.md §2).

    `reach` is the std where the reference is too short to have one of its own.
    """
    reference = np.asarray(reference, np.float64)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(reference), err_msg=f"{name}: NaN in other rows")
    valid = ~np.isnan(reference)
    if not valid.any():
        return
    spread = reference[valid].std() if reach is None else reach
    error = np.abs(got[valid] - reference[valid]) / np.maximum(np.abs(reference[valid]), max(spread, 1e-300))
    worst = int(np.argmax(error))
    row = np.flatnonzero(valid)[worst]
    assert error[worst] <= 1e-8, (
        f"{name}, row {row}: {got[row]!r} against {reference[row]!r}: {error[worst]:.1e}"
    )
