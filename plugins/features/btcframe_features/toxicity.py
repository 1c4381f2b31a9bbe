"""How one-sided the trading and how fleeting the quotes are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.windows import enough, ratio, slide_sums, sums
from btcframe.types import Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import LONGEST, check_lengths, distinct

CANCEL_BID, CANCEL_ASK, ORDERS, FLICKER, VPIN = range(5)
"""What a column is."""

PLAN = np.dtype(
    [
        ("what", "i8"),
        ("n", "i8"),  # rows, or buckets, of its window
        ("slot", "i8"),  # where its window stands
    ]
)
"""One column, as the kernel reads it."""

BOTH_KNOWN, REM_BID, REM_ASK, SELLS, BUYS, CHANGES, NUMBER, MOVES_KNOWN, MOVES, REVERSALS = range(10)
"""Sums of a window: rows whose book flow and trades are known, rem⁺, rem⁻, V⁻, V⁺, C, N; rows whose J is known, J, Jr."""

BUCKET = 10.0
"""Base coin: the bucket that has no size in its name."""

WINDOW = 60
"""Rows of the cancel rates that have no window in their name."""

MOST_LOTS = 4e18
"""What a row's volume is cut to, far beyond any: it must fit an integer."""

TRADED = ("buy_volume", "sell_volume")


@dataclass(frozen=True)
class Toxicity:
    """Order-flow toxicity: volume-synchronised imbalance, cancellations, messages per trade, reversals of the mid.

    With V⁺, V⁻ the row's buyer- and seller-initiated volume (base coin), V their sum, N the number of trades, rem⁺ and rem⁻ what
    was removed from bids and asks, C the changed prices, J the changes of m and Jr those that went back, and Σ over the
    last N rows::

        vpin_N               mean |V⁺ − V⁻|/bucket over the last N full buckets
        cancel_rate_bid      max(0, (Σrem⁺ − ΣV⁻)/Σrem⁺), 60 rows
        cancel_rate_ask      max(0, (Σrem⁻ − ΣV⁺)/Σrem⁻), 60 rows
        order_to_trade_N     ΣC/max(1, ΣN)
        quote_flicker_N      ΣJr/ΣJ

    A bucket is a volume, in whole lots. A row that ends one is cut at its edge, V⁺ and V⁻ in proportion; how many lots a
    bucket has is counted in integers, so its edges never drift. A row whose trades are not known adds nothing to the
    bucket at hand.

    Causal. Where nothing was removed, or m never changed, the ratio is 0. NaN in a row whose own inputs are not known
    (PARTIAL, GAP; for cancel rates and order_to_trade FLOW_CUT too), over windows with fewer than ⌈0.8 N⌉ known rows, and
    before row N counted from the first row with a mid; vpin before N full buckets.

    Parameters
    ----------
    vpin_buckets : tuple of int      N of each vpin, buckets
    bucket : float                   base coin, rounded to lots; other than 10 the columns are called vpin_N_X
    cancel_windows : tuple of int    rows of each pair of cancel rates; other than 60 they are called cancel_rate_bid_N
    order_windows : tuple of int     N of each order_to_trade
    flicker_windows : tuple of int   N of each quote_flicker

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 5 columns at the defaults, float64 (n,), unit 1. Range per column: `columns()`.
    Source: Easley, López de Prado & O'Hara 2012 (vpin; here the aggressor is known, not guessed from prices); the others
    are common practice.
    """

    vpin_buckets: tuple[int, ...] = (50,)
    bucket: float = BUCKET
    cancel_windows: tuple[int, ...] = (WINDOW,)
    order_windows: tuple[int, ...] = (60,)
    flicker_windows: tuple[int, ...] = (60,)

    def __post_init__(self) -> None:
        check_lengths("vpin_buckets", self.vpin_buckets, unit="buckets")
        for name in ("cancel_windows", "order_windows", "flicker_windows"):
            check_lengths(name, getattr(self, name))
        if not 1e-9 <= self.bucket <= 1e12:
            raise ValueError(f"bucket: {self.bucket} is not a volume from 1e-9 to 1e12")
        if not self.columns():
            raise ValueError("vpin_buckets: no columns; give a number of buckets, or a window")

    @cached_property
    def _windows(self) -> list[int]:
        return distinct(self.cancel_windows, self.order_windows, self.flicker_windows)

    @cached_property
    def _entries(self) -> tuple[tuple[int, int, Column], ...]:
        """What, rows or buckets of its window, and description of every column, in order."""
        entries = [(VPIN, n, _vpin(n, self.bucket)) for n in self.vpin_buckets]
        for n in self.cancel_windows:
            entries += [(CANCEL_BID, n, _cancel_rate("bid", n)), (CANCEL_ASK, n, _cancel_rate("ask", n))]
        entries += [(ORDERS, n, _order_to_trade(n)) for n in self.order_windows]
        entries += [(FLICKER, n, _flicker(n)) for n in self.flicker_windows]
        return tuple(entries)

    def columns(self) -> tuple[Column, ...]:
        return tuple(entry[2] for entry in self._entries)

    def state(self, instrument: Instrument) -> StateArray:
        num, den = instrument.lot_ratio
        lots = round(self.bucket * den / num)
        if not 1 <= lots <= MOST_LOTS:
            raise ValueError(
                f"bucket: {self.bucket} is {lots} lots of {instrument.lot}: it must be at least one, and fit an integer"
            )
        windows, buckets = self._windows or [0], self.vpin_buckets or (0,)
        memory = np.zeros(
            1,
            [
                # what it is set to; a length of 0 is no window at all
                ("plan", PLAN, (len(self._entries),)),
                ("lengths", "i8", (len(windows),)),  # rows
                ("bucket_lengths", "i8", (len(buckets),)),  # buckets
                ("bucket_lots", "i8"),
                ("lots_per_coin", "f8"),
                # what it remembers
                ("position", "i8"),  # rows since the first mid
                ("filled", "i8"),  # lots in the bucket at hand
                ("net", "f8"),  # its V⁺ − V⁻, lots
                ("full", "i8"),  # buckets so far
                ("sums", sums(max(*windows, 1), 10), (len(windows),)),
                ("buckets", sums(max(*buckets, 1), 1), (len(buckets),)),  # |V⁺ − V⁻|/bucket of each bucket
            ],
        )
        s = memory[0]
        s["lengths"], s["bucket_lengths"] = windows, buckets
        s["bucket_lots"], s["lots_per_coin"] = lots, den / num
        for j, (what, n, _) in enumerate(self._entries):
            s["plan"][j] = what, n, buckets.index(n) if what == VPIN else windows.index(n)
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        toxicity(rows, state, out)


def _vpin(n: int, bucket: float) -> Column:
    size = format(Decimal(repr(float(bucket))).normalize(), "f").replace(".", "p")
    return Column(
        f"vpin_{n}" if bucket == BUCKET else f"vpin_{n}_{size}", "1", 0.0, 1.0, warmup=1,
        inputs=TRADED, formula=f"mean |V⁺ − V⁻|/{bucket:g} over the last {n} full buckets of {bucket:g} base coin",
        source="Easley, López de Prado & O'Hara 2012", family="toxicity", awaits=f"{n} full buckets",
    )  # fmt: skip


def _cancel_rate(side: str, n: int) -> Column:
    sign, other, hit_by = ("⁺", "⁻", "sell") if side == "bid" else ("⁻", "⁺", "buy")
    return Column(
        f"cancel_rate_{side}" if n == WINDOW else f"cancel_rate_{side}_{n}", "1", 0.0, 1.0, n,
        inputs=(f"rem_{side}", f"{hit_by}_volume"), formula=f"max(0, (Σrem{sign} − ΣV{other})/Σrem{sign}), {n} rows",
        source="definition", family="toxicity",
    )  # fmt: skip


def _order_to_trade(n: int) -> Column:
    return Column(
        f"order_to_trade_{n}", "1", 0.0, warmup=n,
        inputs=("changes", "buy_count", "sell_count"), formula=f"ΣC/max(1, ΣN), {n} rows", source="definition",
        family="toxicity",
    )  # fmt: skip


def _flicker(n: int) -> Column:
    return Column(
        f"quote_flicker_{n}", "1", 0.0, 1.0, n,
        inputs=("mid_reversals", "mid_moves"), formula=f"ΣJr/ΣJ, {n} rows", source="definition", family="toxicity",
    )  # fmt: skip


@kernel
def toxicity(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Toxicity`: the bucket at hand, one pass over the windows, one over the plan."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        if s.position == 0 and not row.mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        volume = row.buy_volume + row.sell_volume
        traded = not np.isnan(volume)  # the fields of trades, J and Jr are known together
        both = not np.isnan(volume + row.rem_bid + row.rem_ask + row.changes)
        moved = not np.isnan(row.mid_moves + row.mid_reversals)
        for i in range(len(s.lengths)):
            if s.lengths[i] > 0:
                new = s.sums[i].new
                new[BOTH_KNOWN] = 1.0 if both else 0.0
                new[REM_BID] = row.rem_bid if both else 0.0
                new[REM_ASK] = row.rem_ask if both else 0.0
                new[SELLS] = row.sell_volume if both else 0.0
                new[BUYS] = row.buy_volume if both else 0.0
                new[CHANGES] = row.changes if both else 0.0
                new[NUMBER] = row.buy_count + row.sell_count if both else 0.0
                new[MOVES_KNOWN] = 1.0 if moved else 0.0
                new[MOVES] = row.mid_moves if moved else 0.0
                new[REVERSALS] = row.mid_reversals if moved else 0.0
                slide_sums(s.sums[i], s.lengths[i])
        if volume > 0.0:
            fill_buckets(s, row.buy_volume - row.sell_volume, volume)
        for j in range(len(s.plan)):
            what, n, slot = s.plan[j].what, s.plan[j].n, s.plan[j].slot
            value = np.nan
            if what == VPIN:
                if traded and s.position >= 1 and s.full >= n:
                    value = s.buckets[slot].total[0] / n
            elif s.position >= n:
                total = s.sums[slot].total
                if what == FLICKER:
                    if moved and enough(total[MOVES_KNOWN], n):
                        value = ratio(total[REVERSALS], total[MOVES])
                elif both and enough(total[BOTH_KNOWN], n):
                    if what == CANCEL_BID:
                        value = max(0.0, ratio(total[REM_BID] - total[SELLS], total[REM_BID]))
                    elif what == CANCEL_ASK:
                        value = max(0.0, ratio(total[REM_ASK] - total[BUYS], total[REM_ASK]))
                    else:
                        value = total[CHANGES] / max(1.0, total[NUMBER])
            out[t, j] = value
        s.position += 1


@kernel
def fill_buckets(s: Any, net: float, volume: float) -> None:
    """Put a row's volume into buckets, cut at their edges, net volume in proportion."""
    lots = int(min(volume * s.lots_per_coin, MOST_LOTS) + 0.5)
    share = net / volume
    room = s.bucket_lots - s.filled
    if lots < room:
        s.filled += lots
        s.net += share * lots
        return
    full_bucket(s, min(1.0, abs(s.net + share * room) / s.bucket_lots), 1)
    lots -= room
    full_bucket(s, abs(share), lots // s.bucket_lots)  # buckets that hold nothing but this row
    s.filled = lots % s.bucket_lots
    s.net = share * s.filled


@kernel
def full_bucket(s: Any, imbalance: float, times: int) -> None:
    """Slide a number of full buckets of one imbalance into the windows; more than a window holds leave no trace."""
    s.full = min(s.full + times, LONGEST)  # no window is longer
    for i in range(len(s.bucket_lengths)):
        if s.bucket_lengths[i] > 0:
            for _ in range(min(times, s.bucket_lengths[i])):
                s.buckets[i].new[0] = imbalance
                slide_sums(s.buckets[i], s.bucket_lengths[i])
