"""What happened after a row: the kernels of labels."""

from __future__ import annotations

import math

from btcframe.kernels import kernel


@kernel
def forward_returns(row_ns, price, horizons, max_age, y, t_end):
    """y = 1e4·ln(p(t + h)/p(t)), p(t + h) that of the last row with row_ns ≤ t + h, if not older than max_age.

    Parameters
    ----------
    row_ns : int64[n]      increasing
    price : float64[n]     NaN where there is none
    horizons : int64[h]    ns
    max_age : int          ns
    y : float64[n, h]      filled where known, otherwise left alone
    t_end : int64[n, h]    filled
    """
    n = len(row_ns)
    for k in range(len(horizons)):
        last = 0  # last row known at the end of the horizon; it only moves forward with t
        for t in range(n):
            end = row_ns[t] + horizons[k]
            t_end[t, k] = end
            if end > row_ns[n - 1]:
                continue
            while last + 1 < n and row_ns[last + 1] <= end:
                last += 1
            if end - row_ns[last] <= max_age:
                y[t, k] = 1e4 * math.log(price[last] / price[t])
