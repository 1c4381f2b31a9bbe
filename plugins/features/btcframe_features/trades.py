"""What was traded: direction, pace, sizes, the price paid on average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.powers import begin, powers, slide_powers, spread
from btcframe.kernels.windows import enough, extremes, no_maxima, ratio, slide_maxima, slide_sums, sums
from btcframe.types import Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths, distinct

IMBALANCE, INTENSITY, SIZE, SHARE, VWAP_GAP, Z, RUN = range(7)
"""What a column is."""

PLAN = np.dtype(
    [
        ("what", "i8"),
        ("n", "i8"),  # rows of its window
        ("slot", "i8"),  # where its window stands among those of its kind: sums, for Z the powers
        ("most", "i8"),  # for SHARE: where its window stands among the maxima
    ]
)
"""One column, as the kernel reads it."""

COUNT, NET, VOLUME, NUMBER, NOTIONAL = range(5)
"""Sums of a window: known rows, SV, V, N, Q."""

VOLUMES = ("buy_volume", "sell_volume")
NUMBERS = ("buy_count", "sell_count")
NOTIONALS = ("buy_notional", "sell_notional")


@dataclass(frozen=True)
class Trades:
    """Trades of the last rows, by aggressor.

    With V⁺, V⁻ (base coin), N⁺, N⁻, Q⁺, Q⁻ (quote) the row's volume, number and notional of buyer- and seller-initiated
    trades, V = V⁺ + V⁻, N and Q likewise, SV = V⁺ − V⁻, Vmax the row's largest trade, bps(x) = 1e4·x/m and Σ, mean, max
    over the last N rows::

        trade_imbalance_N       ΣSV/ΣV
        trade_intensity_N       mean N
        mean_trade_size_N       ΣV/ΣN
        large_trade_share_N     max Vmax/ΣV
        trade_vwap_gap_N_bps    bps(m − ΣQ/ΣV)
        signed_volume_z_N       (SV − mean SV)/std SV, the row itself included, ddof 1
        trade_run_length        signed number of rows in a row with net volume of one sign

    Causal. Where nothing was traded a ratio, and the gap, is 0; where SV did not vary at all, z is 0. A row without net
    volume neither extends nor breaks a run, a row whose trades are not known ends it: the count begins again at 0.
    NaN in a row whose trades are not known (PARTIAL, GAP; for large_trade_share also BAR, which does not tell its largest
    trade), over windows with fewer than ⌈0.8 N⌉ known rows, before row N
    counted from the first row with a mid, and for the gap in a row without m.

    Parameters
    ----------
    imbalance_windows : tuple of int    N of each trade_imbalance, rows
    intensity_windows : tuple of int    N of each trade_intensity
    size_windows : tuple of int         N of each mean_trade_size
    share_windows : tuple of int        N of each large_trade_share
    vwap_windows : tuple of int         N of each trade_vwap_gap
    z_windows : tuple of int            N of each signed_volume_z, from 2 on
    run_length : bool                   write trade_run_length

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 10 columns at the defaults, float64 (n,). Unit and range per column: `columns()`.
    Source: common practice; the sign of a trade is its aggressor's, as the venue reports it.
    """

    imbalance_windows: tuple[int, ...] = (1, 10, 60)
    intensity_windows: tuple[int, ...] = (10, 60)
    size_windows: tuple[int, ...] = (60,)
    share_windows: tuple[int, ...] = (60,)
    vwap_windows: tuple[int, ...] = (60,)
    z_windows: tuple[int, ...] = (60,)
    run_length: bool = True

    def __post_init__(self) -> None:
        for name in ("imbalance", "intensity", "size", "share", "vwap"):
            check_lengths(f"{name}_windows", getattr(self, f"{name}_windows"))
        check_lengths("z_windows", self.z_windows, least=2)
        if not self.columns():
            raise ValueError("imbalance_windows: no columns; give a window, or run_length")

    @cached_property
    def _windows(self) -> list[int]:
        """Lengths of the windows of sums."""
        return distinct(
            self.imbalance_windows, self.intensity_windows, self.size_windows, self.share_windows, self.vwap_windows
        )  # fmt: skip

    @cached_property
    def _entries(self) -> tuple[tuple[int, int, Column], ...]:
        """What, rows of its window and description of every column, in order."""
        entries = [(IMBALANCE, n, _imbalance(n)) for n in self.imbalance_windows]
        entries += [(INTENSITY, n, _intensity(n)) for n in self.intensity_windows]
        entries += [(SIZE, n, _size(n)) for n in self.size_windows]
        entries += [(SHARE, n, _share(n)) for n in self.share_windows]
        entries += [(VWAP_GAP, n, _vwap_gap(n)) for n in self.vwap_windows]
        entries += [(Z, n, _z(n)) for n in self.z_windows]
        if self.run_length:
            entries.append((RUN, 1, RUN_COLUMN))
        return tuple(entries)

    def columns(self) -> tuple[Column, ...]:
        return tuple(entry[2] for entry in self._entries)

    def state(self, instrument: Instrument) -> StateArray:
        windows, shares = self._windows or [0], self.share_windows or (0,)
        memory = np.zeros(
            1,
            [
                ("plan", PLAN, (len(self._entries),)),
                ("lengths", "i8", (len(windows),)),  # rows of each window; 0 is none at all
                ("share_lengths", "i8", (len(shares),)),
                ("position", "i8"),  # rows since the first mid
                ("run", "f8"),  # rows in a row with net volume of one sign, signed
                ("sums", sums(max(*windows, 1), 5), (len(windows),)),
                ("largest", extremes(max(*shares, 1), 1), (len(shares),)),  # Vmax
                ("net", powers(max(self.z_windows, default=1), 2), (len(self.z_windows),)),  # SV
            ],
        )
        s = memory[0]
        s["lengths"], s["share_lengths"] = windows, shares
        for i, n in enumerate(self.z_windows):
            begin(s["net"][i], n)
        for j, (what, n, _) in enumerate(self._entries):
            slot = 0 if what == RUN else self.z_windows.index(n) if what == Z else windows.index(n)
            s["plan"][j] = what, n, slot, shares.index(n) if what == SHARE else 0
        no_maxima(memory["largest"])
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        trades(rows, state, out)


def _imbalance(n: int) -> Column:
    return Column(
        f"trade_imbalance_{n}", "1", -1.0, 1.0, n,
        inputs=VOLUMES, formula=f"ΣSV/ΣV, {n} row{'s' if n > 1 else ''}", source="definition", family="trades",
    )  # fmt: skip


def _intensity(n: int) -> Column:
    return Column(
        f"trade_intensity_{n}", "trades per row", 0.0, warmup=n,
        inputs=NUMBERS, formula=f"mean N, {n} rows", source="definition", family="trades",
    )  # fmt: skip


def _size(n: int) -> Column:
    return Column(
        f"mean_trade_size_{n}", "base coin", 0.0, warmup=n,
        inputs=(*VOLUMES, *NUMBERS), formula=f"ΣV/ΣN, {n} rows", source="definition", family="trades",
    )  # fmt: skip


def _share(n: int) -> Column:
    return Column(
        f"large_trade_share_{n}", "1", 0.0, 1.0, n,
        inputs=(*VOLUMES, "max_trade"), formula=f"max Vmax/ΣV, {n} rows", source="definition", family="trades",
    )  # fmt: skip


def _vwap_gap(n: int) -> Column:
    return Column(
        f"trade_vwap_gap_{n}_bps", "bps", high=1e4, warmup=n,
        inputs=(*NOTIONALS, *VOLUMES, "mid"), formula=f"bps(m − ΣQ/ΣV), {n} rows", source="definition",
        family="trades",
    )  # fmt: skip


def _z(n: int) -> Column:
    return Column(
        f"signed_volume_z_{n}", "1", -math.sqrt(n), math.sqrt(n), n,
        inputs=VOLUMES, formula=f"(SV − mean SV)/std SV, {n} rows", source="definition", family="trades",
    )  # fmt: skip


RUN_COLUMN = Column(
    "trade_run_length", "rows", warmup=1,
    inputs=VOLUMES, formula="signed count of rows in a row with SV of one sign", source="definition",
    family="trades",
)  # fmt: skip


@kernel
def trades(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Trades`: one pass over the windows, one over the plan."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        if s.position == 0 and not row.mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        volume, net = row.buy_volume + row.sell_volume, row.buy_volume - row.sell_volume
        known = not np.isnan(volume)  # the fields of trades are known together, but for the largest of a bar
        for i in range(len(s.lengths)):
            if s.lengths[i] > 0:
                w = s.sums[i]
                w.new[COUNT] = 1.0 if known else 0.0
                w.new[NET] = net if known else 0.0
                w.new[VOLUME] = volume if known else 0.0
                w.new[NUMBER] = row.buy_count + row.sell_count if known else 0.0
                w.new[NOTIONAL] = row.buy_notional + row.sell_notional if known else 0.0
                slide_sums(w, s.lengths[i])
        for i in range(len(s.share_lengths)):
            if s.share_lengths[i] > 0:
                s.largest[i].new[0] = -np.inf if np.isnan(row.max_trade) else row.max_trade
                slide_maxima(s.largest[i], s.share_lengths[i])
        for i in range(len(s.net)):
            slide_powers(s.net[i], net)
        if not known:
            s.run = 0.0
        elif net > 0.0:
            s.run = max(s.run, 0.0) + 1.0
        elif net < 0.0:
            s.run = min(s.run, 0.0) - 1.0
        for j in range(len(s.plan)):
            what, n, slot = s.plan[j].what, s.plan[j].n, s.plan[j].slot
            value = np.nan
            if not known or s.position < n:
                pass
            elif what == RUN:
                value = s.run
            elif what == Z:
                if enough(s.net[slot].total[0], n):
                    value = z_score(net, s.net[slot])
            elif enough(s.sums[slot].total[COUNT], n):
                total = s.sums[slot].total
                if what == IMBALANCE:
                    value = ratio(total[NET], total[VOLUME])
                elif what == INTENSITY:
                    value = total[NUMBER] / total[COUNT]
                elif what == SIZE:
                    value = ratio(total[VOLUME], total[NUMBER])
                elif what == SHARE:
                    if not np.isnan(row.max_trade):
                        value = ratio(s.largest[s.plan[j].most].total[0], total[VOLUME])
                elif total[VOLUME] > 0.0:
                    value = 1e4 * (row.mid - total[NOTIONAL] / total[VOLUME]) / row.mid
                else:
                    value = 0.0 * row.mid  # nothing traded: no gap, but NaN without a mid
            out[t, j] = value
        s.position += 1


@kernel
def z_score(x: float, w: Any) -> float:
    """Distance of x, the newest value, from its window's mean, in standard deviations; 0 where all values are equal."""
    count, first = w.total[0], w.total[1]
    squares = spread(count, first, w.total[2])
    return 0.0 if squares == 0.0 else (x - w.centre - first / count) / math.sqrt(squares / (count - 1.0))
