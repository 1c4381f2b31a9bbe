"""The obvious reference of the family toxicity, from FEATURES.md §4: every window anew, long double, exact buckets."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from btcframe.testing import markets

from .naive_windows import long, over, roll, start_of


def whole_lots(volume, lot):
    return round(Fraction(float(volume)) / Fraction(lot))


def vpin(rows, n, bucket=10.0, lot=markets.INSTRUMENT.lot):
    """Buckets as lists of exact imbalances; of a row that fills thousands of them, the last n are kept."""
    out = np.full(len(rows), np.nan, np.longdouble)
    size = round(Fraction(Decimal(str(bucket))) / Fraction(lot))
    full, filled, net = [], 0, Fraction(0)
    for t in range(start_of(rows), len(rows)):
        buy, sell = float(rows["buy_volume"][t]), float(rows["sell_volume"][t])
        if np.isnan(buy) or np.isnan(sell):
            continue
        volume = Fraction(buy) + Fraction(sell)
        if volume > 0:
            share, left = (Fraction(buy) - Fraction(sell)) / volume, whole_lots(volume, lot)
            while left > 0:
                if filled == 0 and left > size * (n + 1):  # equal buckets, one after the other
                    full += [abs(share)] * n
                    left -= (left // size) * size
                    continue
                taken = min(left, size - filled)
                filled, net, left = filled + taken, net + share * taken, left - taken
                if filled == size:
                    full.append(abs(net) / size)
                    filled, net = 0, Fraction(0)
            full = full[-n:]
        if len(full) == n and t > start_of(rows):
            out[t] = sum(np.longdouble(f.numerator) / np.longdouble(f.denominator) for f in full) / n
    return out


def cancel_rate(rows, side, n):
    hit_by = "sell" if side == "bid" else "buy"

    def rate(removed, traded):
        return max(np.longdouble(0), over(removed.sum() - traded.sum(), removed.sum()))

    return roll(rows, n, rate, long(rows, f"rem_{side}"), long(rows, f"{hit_by}_volume"))


def order_to_trade(rows, n):
    number = long(rows, "buy_count") + long(rows, "sell_count")
    return roll(rows, n, lambda c, k: c.sum() / max(np.longdouble(1), k.sum()), long(rows, "changes"), number)


def quote_flicker(rows, n):
    return roll(
        rows,
        n,
        lambda back, moves: over(back.sum(), moves.sum()),
        long(rows, "mid_reversals"),
        long(rows, "mid_moves"),
    )


def all_of(rows):
    """The five columns at the defaults."""
    return {
        "vpin_50": vpin(rows, 50),
        "cancel_rate_bid": cancel_rate(rows, "bid", 60),
        "cancel_rate_ask": cancel_rate(rows, "ask", 60),
        "order_to_trade_60": order_to_trade(rows, 60),
        "quote_flicker_60": quote_flicker(rows, 60),
    }
