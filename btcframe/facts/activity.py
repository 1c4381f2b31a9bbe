"""How much happens, and how it comes in bursts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from btcframe.facts.definitions import Fact, Figure, Section
from btcframe.facts.statistics import (
    POSITIVE,
    Autocorrelation,
    Line,
    LogHistogram,
    Measured,
    Sums,
    Tail,
    lagged,
)
from btcframe.types import NS, EventArray, EventFlag, Floats, Ints, RowArray, duration_ns

WINDOWS = ("100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "30s", "60s", "300s")
LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
DAY_NS = 86_400 * NS
MIN_WINDOWS = 8
WAIT_FROM = 0.01
"""Of the mean: shorter waits are not drawn."""

_DAY = "a sample of a day or more"

SECTION = Section(
    "Activity",
    (
        Fact("events", "events", "1/s", "changed prices and prints, snapshots not counted"),
        Fact("messages", "messages", "1/s", "feed messages: book diffs and prints"),
        Fact("changes", "changes in ten levels", "1/s", "sizes that changed among the ten best levels"),
        Fact("orders", "market orders", "1/s", "see trades"),
        Fact("volume", "traded volume", "base/s", "of all prints"),
        *(Fact(f"fano_{h}", f"Fano factor, {h}", "1",
               "of market orders: variance over mean of the count in a window; 1 for a Poisson process") for h in ("1s", "10s", "60s")),
        Fact("order_acf_1", "order counts, ACF 1 s", "1", "autocorrelation of the market orders per second"),
        Fact("order_acf_60", "order counts, ACF 60 s", "1", "the same, 60 s apart"),
        Fact("wait_cv", "order waits, cv", "1",
             "time between market orders: standard deviation over mean; 1 for a Poisson process"),
    ),
    (
        Figure(("fano", "fano_messages"), "Bursts", "window, s", "Fano factor of counts",
               "solid: market orders; dotted: messages", "xy"),
        Figure(("order_acf",), "Clustering of market orders", "lag, s", "autocorrelation", "market orders per second", "x"),
        Figure(("wait",), "Time between market orders", "time / its mean", "share at least as long",
               "of market orders", "xy"),
        Figure(("day_messages",), "Messages by hour of the day", "hour, UTC", "1/s", "mean", needs=_DAY),
        Figure(("day_orders",), "Market orders by hour of the day", "hour, UTC", "1/s", "mean", needs=_DAY),
        Figure(("day_volatility",), "Volatility by hour of the day", "hour, UTC", "bps over 1 s",
               "√ mean r_1s²", needs=_DAY),
    ),
)  # fmt: skip

_SNAPSHOT = int(EventFlag.SNAPSHOT)


class ActivityFacts:
    """Counts of events, messages and market orders from a stream of evenly spaced rows.

    Parameters
    ----------
    period_ns : int     length of a row
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._events, self._span = 0, (0, 0)
        self._waiting = np.empty(0, np.int64)  # market orders in a row that has not closed
        self._last_order = 0
        self._waits = LogHistogram()
        self._rates = Sums(6)  # rows, rows with accumulators, messages, changes, market orders, volume
        self._rows_of = {h: duration_ns(h) // period_ns for h in WINDOWS if duration_ns(h) % period_ns == 0}
        self._tail = Tail(max(self._rows_of.values(), default=1), 3)
        self._running = np.zeros(2)  # market orders, messages
        self._windows = {h: Sums(5) for h in self._rows_of}  # n, Σc, Σc² of both
        self._per_second = Autocorrelation(LAGS)
        self._hours = np.zeros((5, 24))  # rows, messages, market orders, 1 s returns, their squares
        self._rows_ns = (0, 0)

    def add_events(self, events: EventArray, orders: Ints) -> None:
        """Count events, and keep the market orders' local_ts until their rows close."""
        if not len(events):
            return
        self._events += int((events["flags"] & _SNAPSHOT == 0).sum())
        self._span = self._span[0] or int(events["local_ts"][0]), int(events["local_ts"][-1])
        self._waiting = np.concatenate([self._waiting, orders])
        if len(orders):
            since = np.diff(orders, prepend=self._last_order or orders[0])
            self._waits.add(since[0 if self._last_order else 1 :] / NS)
            self._last_order = int(orders[-1])

    def add(self, rows: RowArray) -> None:
        """Add the rows of a chunk, after the events that they were made of."""
        ns = np.ascontiguousarray(rows["row_ns"])
        if not self._rows_ns[0]:  # orders before the first row belong to none
            self._waiting = self._waiting[self._waiting > ns[0] - self._period_ns]
        self._rows_ns = self._rows_ns[0] or int(ns[0]), int(ns[-1])
        at = np.searchsorted(ns, self._waiting)  # (edge before, edge]
        self._waiting = self._waiting[at == len(ns)]
        orders = np.bincount(at[at < len(ns)], minlength=len(ns)).astype(float)
        messages = rows["messages"].astype(float)
        known = np.isfinite(rows["changes"])
        changes = np.where(known, rows["changes"], 0.0)
        volume = np.where(known, rows["buy_volume"] + rows["sell_volume"], 0.0)
        self._rates.add(ns, [np.ones(len(ns)), known.astype(float), messages, changes, orders, volume])
        running = self._running + np.cumsum(np.column_stack((orders, messages)), axis=0)
        self._running = running[-1].copy()
        self._add_hours(ns, messages, orders)
        self._add_windows(ns, np.column_stack((running, np.log(rows["mid"]) * 1e4)))

    def _add_windows(self, ns: Ints, chunk: Floats) -> None:
        joined, kept = self._tail.join(chunk)
        for h, lag in self._rows_of.items():
            now, then = lagged(joined, kept, lag)
            change, at = now - then, ns[len(ns) - len(now) :]
            orders, messages = change[:, 0], change[:, 1]
            self._windows[h].add(at, [np.ones(len(at)), orders, orders**2, messages, messages**2])
            if h == "1s":
                whole = at % NS == 0
                self._per_second.add(at[whole], orders[whole])
                r = change[whole, 2]
                known = np.isfinite(r)
                for row, weight in ((3, np.ones(known.sum())), (4, r[known] ** 2)):
                    self._hours[row] += np.bincount(_hour(at[whole][known]), weight, minlength=24)

    def _add_hours(self, ns: Ints, messages: Floats, orders: Floats) -> None:
        for row, weight in enumerate((np.ones(len(ns)), messages, orders)):
            self._hours[row] += np.bincount(_hour(ns), weight, minlength=24)

    def facts(self) -> dict[str, Measured]:
        """The facts of `SECTION` by key."""
        seconds = max(self._span[1] - self._span[0], 1) / NS
        period = self._period_ns / NS
        rows = float(self._rates.total[0])
        found = {"events": Measured(self._events / seconds, n=float(self._events))}
        for key, column, of in (("messages", 2, 0), ("changes", 3, 1), ("orders", 4, 0), ("volume", 5, 1)):
            found[key] = self._rates.measured(_rate(column, of, period), rows, scale=POSITIVE)
        for h in ("1s", "10s", "60s"):
            n = self._count(h)
            known = n >= MIN_WINDOWS
            found[f"fano_{h}"] = (
                self._windows[h].measured(_fano(1), n, duration_ns(h), POSITIVE)
                if known
                else Measured(math.nan, n=n)
            )
        found["order_acf_1"], found["order_acf_60"] = self._per_second.at(1, NS), self._per_second.at(60, NS)
        found["wait_cv"] = Measured(self._waits.variation, n=self._waits.n)
        return found

    def lines(self) -> dict[str, Line]:
        """The curves of `SECTION` by key."""
        mean = self._waits.mean
        x, y = self._waits.tail(WAIT_FROM * mean) if self._waits.n else (np.empty(0), np.empty(0))
        found = {
            "fano": self._fano_line(1),
            "fano_messages": self._fano_line(3),
            "order_acf": self._per_second.line(1.0, NS),
            "wait": Line.of(x / mean, y, self._waits.n),
        }
        n = self._hours[0] * self._period_ns / NS
        whole = self._rows_ns[1] - self._rows_ns[0] >= DAY_NS
        with np.errstate(divide="ignore", invalid="ignore"):
            by_hour = self._hours[1] / n, self._hours[2] / n, np.sqrt(self._hours[4] / self._hours[3])
        for key, y in zip(("day_messages", "day_orders", "day_volatility"), by_hour, strict=True):
            found[key] = Line.of(np.arange(24.0), y, n) if whole else Line.of(np.empty(0), np.empty(0))
        return found

    def _count(self, h: str) -> float:
        """Windows that do not overlap."""
        return float(self._windows[h].total[0]) / self._rows_of[h] if h in self._rows_of else 0.0

    def _fano_line(self, column: int) -> Line:
        known = [h for h in WINDOWS if self._count(h) >= MIN_WINDOWS]
        found = [
            self._windows[h].measured(_fano(column), self._count(h), duration_ns(h), POSITIVE) for h in known
        ]
        return Line(np.array([duration_ns(h) / NS for h in known]), *np.array(found).reshape(-1, 4).T)


def _fano(column: int) -> Callable[[Floats], Floats]:
    def of(sums: Floats) -> Floats:
        n, c, cc = sums[:, 0], sums[:, column], sums[:, column + 1]
        result: Floats = (cc - c * c / n) / c
        return result

    return of


def _rate(column: int, of: int, seconds: float) -> Callable[[Floats], Floats]:
    return lambda sums: sums[:, column] / sums[:, of] / seconds


def _hour(ns: Ints) -> Ints:
    hour: Ints = ns // (3600 * NS) % 24
    return hour
