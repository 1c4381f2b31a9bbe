"""The obvious reference of the family impact, from FEATURES.md §4: every window anew, long double."""

from __future__ import annotations

import numpy as np

from .naive_windows import long, over, roll


def log_return(rows):
    log = np.log(long(rows, "mid"))
    return np.concatenate([[np.longdouble(np.nan)], np.diff(log)])[: len(rows)]


def net(rows, what):
    return long(rows, f"buy_{what}") - long(rows, f"sell_{what}")


def both(rows, what):
    return long(rows, f"buy_{what}") + long(rows, f"sell_{what}")


def earlier(x, h):
    out = np.full(len(x), np.nan, np.longdouble)
    out[h:] = x[: max(len(x) - h, 0)]
    return out


def kyle_lambda(rows, n):
    def slope(x, y):
        x, y = x - x.mean(), y - y.mean()
        return np.longdouble(0) if x.max() == x.min() or y.max() == y.min() else (x * y).sum() / (x * x).sum()

    return roll(rows, n, slope, net(rows, "volume"), 1e4 * log_return(rows))


def amihud(rows, n):
    moved = abs(log_return(rows))
    return 1e9 * roll(rows, n, lambda r, q: over(r.sum(), q.sum()), moved, both(rows, "notional"))


def effective_spread_bps(rows):
    out = np.full(len(rows), np.nan, np.longdouble)
    cost, volume, m = long(rows, "signed_cost"), both(rows, "volume"), long(rows, "mid")
    last = np.nan
    for t in range(len(rows)):
        if np.isnan(cost[t]) or np.isnan(volume[t]) or np.isnan(m[t]):
            continue
        if volume[t] > 0:
            last = 2e4 * cost[t] / (volume[t] * m[t])
        out[t] = last
    return out


def realized_spread_bps(rows, h, n):
    """Entries stand at the row t = s + h at which they become known."""
    m = long(rows, "mid")
    buys = earlier(long(rows, "buy_notional"), h) - earlier(long(rows, "buy_volume"), h) * m
    sells = earlier(long(rows, "sell_notional"), h) - earlier(long(rows, "sell_volume"), h) * m
    volume = earlier(both(rows, "volume"), h)
    return 2e4 / m * roll(rows, n, lambda x, v: over(x.sum(), v.sum()), buys - sells, volume, warmup=n + h)


def cost_bps(rows, way, notional):
    side, sign = ("ask", 1) if way == "buy" else ("bid", -1)
    out = np.full(len(rows), np.nan, np.longdouble)
    m, price, size = long(rows, "mid"), long(rows, f"{side}_px"), long(rows, f"{side}_sz")
    for t in range(len(rows)):
        if np.isnan(m[t]) or np.isnan(size[t]).any():
            continue
        left, coins = np.longdouble(notional), np.longdouble(0)
        for p, q in zip(price[t], size[t], strict=True):
            spent = min(left, p * q)
            left, coins = left - spent, coins + spent / p
        coins += left / price[t, -1]
        out[t] = sign * 1e4 * (notional / coins - m[t]) / m[t]
    return out


def all_of(rows):
    """The six columns at the defaults."""
    return {
        "kyle_lambda_60": kyle_lambda(rows, 60),
        "amihud_60": amihud(rows, 60),
        "effective_spread_bps": effective_spread_bps(rows),
        "realized_spread_10_bps": realized_spread_bps(rows, 10, 60),
        "cost_to_buy_bps": cost_bps(rows, "buy", 250_000),
        "cost_to_sell_bps": cost_bps(rows, "sell", 250_000),
    }
