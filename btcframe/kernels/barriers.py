"""Which of three barriers a price touches first: two in the price, one in time."""

from __future__ import annotations

import math

from btcframe.kernels import kernel


@kernel
def past_volatility(row_ns, price, lookback, out):
    """σ(t) = √(Σ r²/Σ Δ): r log returns from row to row, Δ their durations in s, of the rows in [t − lookback, t].

    Parameters
    ----------
    row_ns : int64[n]      increasing
    price : float64[n]     NaN where there is none: the returns from it and to it are left out
    lookback : int         ns
    out : float64[n]       filled, 1/√s; NaN where less than half of the time is covered
    """
    first = 0
    for t in range(len(row_ns)):
        while row_ns[first] < row_ns[t] - lookback:
            first += 1
        squares, covered = 0.0, 0
        for s in range(
            first + 1, t + 1
        ):  # summed anew: what lies before the window leaves no rounding behind
            r = math.log(price[s] / price[s - 1])
            if not math.isnan(r):
                squares += r * r
                covered += row_ns[s] - row_ns[s - 1]
        out[t] = math.sqrt(squares / (covered * 1e-9)) if 2 * covered >= lookback else math.nan


@kernel
def first_touch(row_ns, price, sigma, horizons, up, down, max_age, y, t_end):
    """The log return at the first barrier that is touched, and when that is.

    The barriers of row t and horizon h lie at ln p(t) + up·σ√h, ln p(t) − down·σ√h, and at the time t + h.

    Parameters
    ----------
    row_ns : int64[n]      increasing
    price : float64[n]     NaN where there is none
    sigma : float64[n]     volatility, 1/√s
    horizons : int64[h]    ns
    up, down : float       widths, standard deviations over the horizon; 0 for no such barrier
    max_age : int          ns; where no price is known for longer than that, what was touched is not known either
    y : float64[n, h]      bps; filled where known, otherwise left alone
    t_end : int64[n, h]    filled: when it was touched; t + h where none was, or where it is not known
    """
    n = len(row_ns)
    for k in range(len(horizons)):
        for t in range(n):
            end = row_ns[t] + horizons[k]
            t_end[t, k] = end
            width = sigma[t] * math.sqrt(horizons[k] * 1e-9)
            if not width >= 0.0 or math.isnan(price[t]):
                continue
            high = price[t] * math.exp(up * width) if up > 0.0 else math.inf
            low = price[t] * math.exp(-down * width) if down > 0.0 else 0.0
            last, s = t, t + 1  # the last row with a price, and the one to look at
            while s < n and row_ns[s] <= end:
                if not math.isnan(price[s]):
                    if row_ns[s] - row_ns[last] > max_age:
                        break
                    last = s
                    if price[s] >= high or price[s] <= low:
                        break
                s += 1
            touched = last > t and (price[last] >= high or price[last] <= low)
            if touched:
                t_end[t, k] = row_ns[last]
            elif end > row_ns[n - 1] or end - row_ns[last] > max_age:
                continue
            y[t, k] = 1e4 * math.log(price[last] / price[t])
