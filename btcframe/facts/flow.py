"""How the price answers to order flow, and what the book's imbalance says of the price that comes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from btcframe.facts.definitions import Fact, Figure, Section
from btcframe.facts.statistics import (
    CORRELATION,
    PLAIN,
    SHARE,
    Curve,
    Line,
    Measured,
    Scale,
    Sums,
    Tail,
    correlation,
    lagged,
    moments,
    slope,
)
from btcframe.types import Floats, RowArray, duration_ns

WINDOWS = ("1s", "10s")
AHEAD = ("1s", "5s")
BINS = 21
MIN_WINDOWS = 20
"""With fewer windows that do not overlap there is no figure."""

_CONT = "(Cont, Kukanov & Stoikov 2014)"

SECTION = Section(
    "Order flow and price",
    (
        *(Fact(f"ofi_corr_{h}", f"OFI corr., {h}", "1",
               f"correlation of order-flow imbalance, e_1 summed over {h}, and the mid's return over the same {h} {_CONT}") for h in WINDOWS),
        *(Fact(f"ofi_r2_{h}", f"OFI R², {h}", "share", f"of the regression of the return on e_1 {_CONT}")
          for h in WINDOWS),
        *(Fact(f"ofi_slope_{h}", f"OFI slope, {h}", "bps/base", "of the same regression: price impact")
          for h in WINDOWS),
        *(Fact(f"ofi10_corr_{h}", f"OFI of 10 levels corr., {h}", "1", "correlation of e_1 + … + e_10 and the return")
          for h in WINDOWS),
        *(Fact(f"volume_corr_{h}", f"signed volume corr., {h}", "1", "correlation of Σ s·q over the trades and the return")
          for h in WINDOWS),
        *(Fact(f"imbalance_corr_{h}", f"imbalance corr., next {h}", "1",
               f"correlation of (B₁ − A₁)/(B₁ + A₁) at a row's end and the return over the {h} after it (Gould & Bonart 2016)")
          for h in AHEAD),
        *(Fact(f"imbalance_slope_{h}", f"imbalance slope, next {h}", "bps", "of the same regression: return by imbalance") for h in AHEAD),
    ),
    (
        *(Figure((f"ofi_{h}",), f"Order flow and price over {h}", "imbalance / standard deviation",
                 "return / standard deviation", "means in bins of equal counts; 95 % intervals from their spread")
          for h in WINDOWS),
        *(Figure((f"imbalance_{h}",), f"Queue imbalance and the next {h}", "(B₁ − A₁)/(B₁ + A₁)", "return, bps",
                 "means in bins of equal counts; 95 % intervals from their spread") for h in AHEAD),
    ),
)  # fmt: skip


class FlowFacts:
    """Order flow and imbalance against returns, from a stream of evenly spaced rows.

    Parameters
    ----------
    period_ns : int     length of a row
    """

    def __init__(self, period_ns: int) -> None:
        self._rows_of = {
            h: duration_ns(h) // period_ns
            for h in dict.fromkeys([*WINDOWS, *AHEAD])
            if duration_ns(h) % period_ns == 0
        }
        self._tail = Tail(max(self._rows_of.values(), default=1), 6)
        self._running = np.zeros(4)  # e_1, e_1 + … + e_10, signed volume, rows without them: summed so far
        kinds = ("ofi", "ofi10", "volume")
        self._windows = {(kind, h): Sums(6) for kind in kinds for h in WINDOWS if h in self._rows_of}
        self._ahead = {h: Sums(6) for h in AHEAD if h in self._rows_of}
        self._curves = {h: Curve() for h in WINDOWS}
        self._imbalances = {h: Curve() for h in AHEAD}

    def add(self, rows: RowArray) -> None:
        """Add the rows of a chunk."""
        ns = np.ascontiguousarray(rows["row_ns"])
        bid, ask = rows["bid_sz"][:, 0], rows["ask_sz"][:, 0]
        flow = np.column_stack(
            (rows["ofi"][:, 0], rows["ofi"].sum(axis=1), rows["buy_volume"] - rows["sell_volume"])
        )
        missing = ~np.isfinite(flow).all(axis=1)
        flow[missing] = 0.0
        running = self._running + np.cumsum(np.column_stack((flow, missing)), axis=0)
        self._running = running[-1].copy()
        chunk = np.column_stack((np.log(rows["mid"]) * 1e4, (bid - ask) / (bid + ask), running))
        joined, kept = self._tail.join(chunk)
        for h, lag in self._rows_of.items():
            now, then = lagged(joined, kept, lag)
            at = ns[len(ns) - len(now) :]
            change = now - then
            if h in WINDOWS:
                known = np.isfinite(change[:, 0]) & (change[:, 5] == 0)
                for column, kind in enumerate(("ofi", "ofi10", "volume"), start=2):
                    self._windows[kind, h].add(at, moments(change[:, column], change[:, 0], known))
                self._curves[h].add(change[known, 2], change[known, 0])
            if h in AHEAD:
                known = np.isfinite(change[:, 0]) & np.isfinite(then[:, 1])
                self._ahead[h].add(at, moments(then[:, 1], change[:, 0], known))
                self._imbalances[h].add(then[known, 1], change[known, 0])

    def facts(self) -> dict[str, Measured]:
        """The facts of `SECTION` by key."""
        found = {}
        for h in WINDOWS:
            found[f"ofi_corr_{h}"] = self._window("ofi", h, correlation, CORRELATION)
            found[f"ofi_r2_{h}"] = self._window("ofi", h, lambda s: correlation(s) ** 2, SHARE)
            found[f"ofi_slope_{h}"] = self._window("ofi", h, slope, PLAIN)
            found[f"ofi10_corr_{h}"] = self._window("ofi10", h, correlation, CORRELATION)
            found[f"volume_corr_{h}"] = self._window("volume", h, correlation, CORRELATION)
        for h in AHEAD:
            found[f"imbalance_corr_{h}"] = self._measured(self._ahead.get(h), h, correlation, CORRELATION)
            found[f"imbalance_slope_{h}"] = self._measured(self._ahead.get(h), h, slope, PLAIN)
        return found

    def lines(self) -> dict[str, Line]:
        """The curves of `SECTION` by key."""
        found = {}
        for h in WINDOWS:
            line = self._curves[h].line(BINS, self._rows_of.get(h, 1))
            sums = self._windows.get(("ofi", h))
            n, x, y, xx, yy, _ = sums.total if sums else np.ones(6)
            if len(line.x) and n:
                sd_x, sd_y = math.sqrt(xx / n - (x / n) ** 2) or 1.0, math.sqrt(yy / n - (y / n) ** 2) or 1.0
                line = Line(line.x / sd_x, line.y / sd_y, line.low / sd_y, line.high / sd_y, line.n)
            found[f"ofi_{h}"] = line
        for h in AHEAD:
            found[f"imbalance_{h}"] = self._imbalances[h].line(BINS, self._rows_of.get(h, 1))
        return found

    def _window(self, kind: str, h: str, of: Callable[[Floats], Floats], scale: Scale) -> Measured:
        return self._measured(self._windows.get((kind, h)), h, of, scale)

    def _measured(self, sums: Sums | None, h: str, of: Callable[[Floats], Floats], scale: Scale) -> Measured:
        n = float(sums.total[0]) / self._rows_of[h] if sums else 0.0
        if sums is None or n < MIN_WINDOWS:
            return Measured(math.nan, n=n)
        return sums.measured(of, n, duration_ns(h), scale)
