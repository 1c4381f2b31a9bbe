"""The obvious reference of the family pressure."""

from __future__ import annotations

import numpy as np

from btcframe.testing import markets

from . import naive
from .naive_flow import field, gate, lag
from .naive_windows import over, roll

TICK = np.longdouble(1) / 10
"""Of the instrument that the tests' rows are of."""


def weighted_imbalance(rows, first, last, tick=TICK):
    """(Σw_iB_i − Σw_iA_i)/(Σw_iB_i + Σw_iA_i), w_i = 1/(1 + ticks from m), levels first…last."""
    b, big_b, a, big_a = naive.levels(rows, last, first)
    m = naive.mid_of(rows)[:, None]
    bids, asks = (big_b / (1 + (m - b) / tick)).sum(1), (big_a / (1 + (a - m) / tick)).sum(1)
    return naive.ratio(bids - asks, bids + asks)


def microprice_gap_change_bps(rows):
    b, big_b, a, big_a = (x[:, 0] for x in naive.levels(rows, 1))
    m = naive.mid_of(rows)
    mp = np.where(big_b + big_a == 0, m, naive.ratio(a * big_b + b * big_a, big_b + big_a))
    gap = 1e4 * (mp - m) / m
    return gate(rows, gap - lag(gap, 1), 1)


def imbalance_velocity(rows, h):
    x = gate(rows, naive.imbalance(rows, 1, 5), 0)
    return gate(rows, x - naive.ewm(x, h), h - 1)


def replenishment(rows, side, n):
    added, removed = field(rows, f"add_{side}"), field(rows, f"rem_{side}")

    def share(x, y):
        return over(x.sum() - y.sum(), x.sum() + y.sum())

    return roll(rows, n, share, added, removed)


def columns(rows):
    """Every column at the defaults."""
    assert float(markets.INSTRUMENT.tick) == float(TICK)
    return {
        "price_pressure_2_5": weighted_imbalance(rows, 2, 5),
        "price_pressure_2_10": weighted_imbalance(rows, 2, 10),
        "microprice_gap_change_bps": microprice_gap_change_bps(rows),
        "imbalance_velocity": imbalance_velocity(rows, 10),
        "replenishment_bid": replenishment(rows, "bid", 10),
        "replenishment_ask": replenishment(rows, "ask", 10),
    }
