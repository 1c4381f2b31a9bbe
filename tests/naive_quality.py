"""The quality of rows the obvious way, from docs/quality.md: every row looks at all rows before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from btcframe.types import RowFlag

MS = 1_000_000


def usual(values: Sequence[float]) -> tuple[float, float]:
    """Middle and deviation of 32 values or more."""
    first = sorted(map(float, values[:32]))
    m, s = first[16], 0.5 * (first[24] - first[8])
    for n, x in enumerate(values[32:], start=33):
        reach = 4 * max(s, 5.0 * MS)
        off = min(max(x - m, -reach), reach)
        m += off / min(n, 1024)
        s += (abs(off) - s) / min(n, 1024)
    return m, s


def held(x: float, values: Sequence[float], wide: float) -> float:
    """x held against the values before it."""
    if len(values) < 32:
        return 1.0
    m, s = usual(values)
    w = wide * max(s, 5.0 * MS)
    return w / (x - m) if x - m > w else 1.0


class NaiveQuality:
    """Feed it rows, dictionaries with ROW's fields (flags as a set); it says quality and the flags to add."""

    def __init__(self) -> None:
        self.book_stamps: list[int] = []  # of the last book message of each row that had one
        self.latencies: list[int] = []
        self.since_snapshot: int | None = None

    def feed(self, row: dict, flags: set[RowFlag]) -> tuple[float, set[RowFlag]]:
        if RowFlag.BAR in flags:
            traded = RowFlag.NO_EVENTS not in flags
            return (0.0 if math.isnan(row["mid"]) else 1.0 if traded else 0.5), set()
        spacings = [float(b - a) for a, b in zip(self.book_stamps, self.book_stamps[1:], strict=False)]
        fresh = held(float(row["age_ns"]), spacings, 16)
        stamp = row["row_ns"] - row["age_ns"]
        if not self.book_stamps or stamp > self.book_stamps[-1]:
            self.book_stamps.append(stamp)
        prompt = 1.0
        if row["last_exch_ts"]:
            prompt = held(float(row["latency_ns"]), self.latencies, 8)
            self.latencies.append(row["latency_ns"])
        if flags & {RowFlag.PARTIAL, RowFlag.RESNAPSHOT}:
            self.since_snapshot = 0
        k = self.since_snapshot
        calm = 1.0 if k is None or k > 5 else 1.0 - 0.5 ** (k + 1)
        if k is not None:
            self.since_snapshot = k + 1
        added = {f for f, factor in ((RowFlag.STALE, fresh), (RowFlag.LATE, prompt)) if factor < 1}
        if flags & {RowFlag.GAP, RowFlag.CROSSED, RowFlag.ONE_SIDED} or math.isnan(row["mid"]):
            return 0.0, added
        return calm * fresh * prompt, added
