"""Trades: who follows whom, how large, how late.

An exchange prints a market order once for every resting order it meets. Prints in a row of one side with one
exchange stamp are taken for one market order, as Lillo & Farmer (2004) do.
"""

from __future__ import annotations

import math

import numpy as np

from btcframe.facts.definitions import Fact, Figure, Section
from btcframe.facts.statistics import Autocorrelation, Line, LogHistogram, Measured, Sample
from btcframe.types import EventArray, Floats, Ints, Kind

LAGS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 57, 80, 100, 140, 200)
LATER = np.geomspace(0.95, 1e-3, 40)
"""Shares of events at which the latency is drawn."""

SECTION = Section(
    "Trades and latency",
    (
        *(Fact(f"sign_acf_{k}", f"sign ACF, lag {k}", "1",
               f"autocorrelation of the side (±1) of market orders, {k} orders apart (Lillo & Farmer 2004)") for k in (1, 10, 100)),
        Fact("sign_decay", "sign ACF, decay", "1", "minus the slope of ln ρ on ln lag over lags 1 to 100 with ρ > 0; "
             "0.4 to 0.7 in most markets"),
        Fact("print_acf_1", "print sign ACF, lag 1", "1", "autocorrelation of the side of prints, one apart"),
        Fact("buys", "buyer-initiated", "share", "of the market orders"),
        Fact("prints_per_order", "prints per order", "1", "mean"),
        Fact("order_mean", "order size, mean", "base", "size, all its prints together"),
        *(Fact(f"order_p{name}", f"order size, {name} %", "base", "quantile of the size, to 0.5 %")
          for name in ("50", "90", "99", "99.9")),
        Fact("order_tail", "order size, tail index", "1", "Hill (1975) over the largest 1 % of the sizes"),
        Fact("latency_p50", "latency, median", "ms", "local_ts − exch_ts as logged: the clocks' difference included"),
        Fact("latency_low", "latency, 50 − 1 %", "ms", "median less 1 % quantile: no clock enters it"),
        Fact("latency_high", "latency, 99 − 50 %", "ms", "99 % quantile less median: no clock enters it"),
    ),
    (
        Figure(("sign_acf", "print_acf"), "Persistence of trade signs", "lag, orders", "autocorrelation",
               "solid: market orders; dotted: prints", "xy"),
        Figure(("order_size", "print_size"), "Trade size", "size, base coin", "share at least as large",
               "solid: market orders; dotted: prints", "xy"),
        Figure(("latency",), "Latency", "ms more than 1 % of the events have", "share of events at least as late",
               "local_ts − exch_ts less its 1 % quantile: no clock enters it", "xy"),
    ),
)  # fmt: skip

_TRADE = int(Kind.TRADE)


class TradeFacts:
    """Facts of the trades in a stream of events.

    Parameters
    ----------
    lot : float     size step, base coin
    """

    def __init__(self, lot: float) -> None:
        self._lot = lot
        self._last = (0, 0)  # side and stamp of the order that may go on
        self._open = 0.0  # its size so far, lots
        self._orders, self._prints, self._buys = 0, 0, 0
        self._signs, self._print_signs = Autocorrelation(LAGS), Autocorrelation(LAGS)
        self._order_sizes, self._print_sizes = LogHistogram(), LogHistogram()
        self._latency = Sample()

    def add(self, events: EventArray) -> Ints:
        """Add the events of a chunk.

        Returns
        -------
        int64[n]    local_ts of the market orders that begin in it
        """
        exch = events["exch_ts"]
        self._latency.add(((events["local_ts"] - exch) / 1e6)[exch != 0])
        trades = events[events["kind"] == _TRADE]
        if not len(trades):
            return np.empty(0, np.int64)
        side = trades["side"].astype(np.int64)
        stamp = np.where(trades["exch_ts"] != 0, trades["exch_ts"], trades["local_ts"])
        before = np.concatenate([[self._last[0]], side[:-1]]), np.concatenate([[self._last[1]], stamp[:-1]])
        begins = (side != before[0]) | (stamp != before[1])
        self._last = int(side[-1]), int(stamp[-1])
        starts = np.flatnonzero(begins)
        self._count(side, starts)
        self._add_sizes(trades["lots"].astype(float), starts)
        local = trades["local_ts"]
        self._signs.add(local[starts], side[starts].astype(float))
        self._print_signs.add(local, side.astype(float))
        return np.ascontiguousarray(local[starts])

    def _count(self, side: Ints, starts: Ints) -> None:
        self._orders += len(starts)
        self._prints += len(side)
        self._buys += int((side[starts] > 0).sum())

    def _add_sizes(self, lots: Floats, starts: Ints) -> None:
        """The order at the end stays open: the next chunk may begin with more of it."""
        self._print_sizes.add(lots * self._lot)
        parts = np.add.reduceat(lots, np.concatenate([[0], starts[starts > 0]]))
        continued = not len(starts) or starts[0] > 0
        if continued:
            parts[0] += self._open
        else:
            parts = np.concatenate([[self._open], parts])
        self._order_sizes.add(parts[:-1][parts[:-1] > 0] * self._lot)
        self._open = float(parts[-1])

    def facts(self) -> dict[str, Measured]:
        """The facts of `SECTION` by key."""
        orders, sizes, latency = float(self._orders), self._order_sizes, self._latency.values
        tail, largest = sizes.hill(0.01)
        low, middle, high = map(
            float, np.quantile(latency, (0.01, 0.5, 0.99)) if len(latency) else [math.nan] * 3
        )
        seen = float(len(latency))
        return {
            **{f"sign_acf_{k}": self._signs.at(k) for k in (1, 10, 100)},
            "sign_decay": Measured(self._decay(), n=orders),
            "print_acf_1": self._print_signs.at(1),
            "buys": Measured(self._buys / orders if orders else math.nan, n=orders),
            "prints_per_order": Measured(self._prints / orders if orders else math.nan, n=orders),
            "order_mean": Measured(sizes.mean, n=sizes.n),
            **{f"order_p{q}": Measured(sizes.quantile(q / 100), n=sizes.n) for q in (50, 90, 99)},
            "order_p99.9": Measured(sizes.quantile(0.999) if sizes.n >= 10_000 else math.nan, n=sizes.n),
            "order_tail": Measured(tail if largest >= 20 else math.nan, n=largest),
            "latency_p50": Measured(middle, n=seen),
            "latency_low": Measured(middle - low, n=seen),
            "latency_high": Measured(high - middle, n=seen),
        }

    def lines(self) -> dict[str, Line]:
        """The curves of `SECTION` by key."""
        found = {"sign_acf": self._signs.line(), "print_acf": self._print_signs.line()}
        for key, sizes in (("order_size", self._order_sizes), ("print_size", self._print_sizes)):
            found[key] = Line.of(*sizes.tail(), sizes.n)
        latency = self._latency.values
        late = np.quantile(latency, 1 - LATER) - np.quantile(latency, 0.01) if len(latency) else np.empty(0)
        found["latency"] = Line.of(late, LATER[: len(late)], float(len(latency)))
        return found

    def _decay(self) -> float:
        line = self._signs.line()
        used = (line.x <= 100) & (line.y > 0)
        if used.sum() < 5:
            return math.nan
        x, y = np.log(line.x[used]), np.log(line.y[used])
        x = x - x.mean()
        return -float(x @ y) / float(x @ x)
