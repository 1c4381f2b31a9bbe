"""What orders did to the book during a row: order-flow imbalance, net flow, depletion of the best prices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.powers import begin, pairs, powers, slide_pairs, slide_powers, spread
from btcframe.kernels.rolling import FADED, decays, ewm, fade
from btcframe.kernels.windows import enough, ratio, slide_sums, sums
from btcframe.types import FLOW_LEVELS, Floats, Instrument, RowArray, StateArray
from btcframe_features.book import size
from btcframe_features.lengths import check_lengths

CONT_2014 = "Cont, Kukanov & Stoikov 2014"
CONT_2023 = "Cont, Cucuringu & Zhang 2023, equal weights"


@dataclass(frozen=True)
class Flow:
    """Order flow, from the row's accumulators.

    With e_k the order-flow imbalance of level k over the row (base coin), B_i, A_i the sizes of level i, add, rem what
    was added and removed at the ten best prices and rem1 what was removed at the best (+ bid, − ask)::

        ofi_1                e_1
        ofi_K                mean of e_1…e_K
        ofi_norm_K           mean of e_1…e_K / mean over N rows of (ΣB_K + ΣA_K)/2K
        net_flow_10          ewm_H(add⁺ − rem⁺ − add⁻ + rem⁻) / ewm_H(add⁺ + rem⁺ + add⁻ + rem⁻)
        ofi_z_N              (e_1 − its mean over N rows) / its std over N rows
        ofi_ewm_H            ewm_H e_1
        ofi_persistence_N    correlation of e_1 with e_1 of the row before, over N pairs of rows
        depletion_asymmetry  rem1⁻/(A_1 + rem1⁻) − rem1⁺/(B_1 + rem1⁺)

    A window holds the valid entries of its N rows; it is NaN where the row's own entry is, or where fewer than 0.8 N are
    valid. A pair is valid where both its rows are. ewm_H: num ← w·num + x, den ← w·den + 1, w = 0.5^(1/H), value
    num/den; a row without x decays both and is NaN. Nothing varied: z and persistence are 0. Nothing moved or removed:
    net flow and depletion are 0. Causal.

    e_k counts an absent level as size 0 by its own definition, so the ofi columns stay valid in a thin book; ofi_norm,
    which reads K levels of the book itself, does not. In a crossed row the flow is known and the book is not: ofi,
    net flow, z, ewm and persistence are valid there.

    Parameters
    ----------
    levels : tuple of int               K of each ofi_K
    norm_levels : tuple of int          K of each ofi_norm_K
    window : int                        N, rows, of ofi_norm, ofi_z and ofi_persistence; other than 60, ofi_norm_K_N
    net_half_lives : tuple of int       H of each net flow, rows; other than 5 is called net_flow_10_H
    z : bool                            write ofi_z_N
    half_lives : tuple of int           H of each ofi_ewm_H, rows
    persistence : bool                  write ofi_persistence_N
    depletion : bool                    write depletion_asymmetry

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 9 columns at the defaults, float64 (n,). Unit, range and warm-up per column: `columns()`.
    Source: Cont, Kukanov & Stoikov 2014; Xu, Gould & Howison 2018 (levels); Cont, Cucuringu & Zhang 2023 (depth).
    """

    levels: tuple[int, ...] = (1, 5)
    norm_levels: tuple[int, ...] = (10,)
    window: int = 60
    net_half_lives: tuple[int, ...] = (5,)
    z: bool = True
    half_lives: tuple[int, ...] = (5, 30)
    persistence: bool = True
    depletion: bool = True

    def __post_init__(self) -> None:
        for name in ("levels", "norm_levels"):
            check_lengths(name, getattr(self, name), unit="levels")
            if any(k > FLOW_LEVELS for k in getattr(self, name)):
                raise ValueError(f"{name}: {max(getattr(self, name))} levels: flow is known of {FLOW_LEVELS}")
        check_lengths("window", (self.window,), least=2)
        check_lengths("net_half_lives", self.net_half_lives)
        check_lengths("half_lives", self.half_lives)
        if not self.columns():
            raise ValueError("levels: no columns; give a level, or another column")

    def columns(self) -> tuple[Column, ...]:
        return (
            *(_ofi(k) for k in self.levels),
            *(_ofi_norm(k, self.window) for k in self.norm_levels),
            *(_net_flow(h) for h in self.net_half_lives),
            *((_z(self.window),) if self.z else ()),
            *(_ofi_ewm(h) for h in self.half_lives),
            *((_persistence(self.window),) if self.persistence else ()),
            *((DEPLETION,) if self.depletion else ()),
        )

    def state(self, instrument: Instrument) -> StateArray:
        nets, means, norms = len(self.net_half_lives), len(self.half_lives), len(self.norm_levels)
        memory = np.zeros(
            1,
            np.dtype(
                [
                    # what is asked for
                    ("window", "i8"),
                    ("levels", "i8", (len(self.levels),)),
                    ("norm_levels", "i8", (norms,)),
                    ("net_half_life", "i8", (nets,)),
                    ("net_decay", "f8", (nets,)),
                    ("z", "i8"),
                    ("half_life", "i8", (means,)),
                    ("decay", "f8", (means,)),
                    ("persistence", "i8"),
                    ("depletion", "i8"),
                    # what is remembered
                    ("position", "i8"),  # rows since the first mid
                    ("last", "f8"),  # e_1 of the row before
                    ("net", "f8", (nets,)),  # net flow as a share of what moved
                    ("moved", "f8", (nets,)),  # Σ w^age · (everything added and removed), base coin
                    ("mean", "f8", (means,)),
                    ("weight", "f8", (means,)),
                    (
                        "depth",
                        sums(self.window, 2 * norms),
                    ),  # of each K: Σ mean size of a level, rows that have it
                    ("values", powers(self.window if self.z else 1, 2)),  # of e_1
                    ("pairs", pairs(self.window if self.persistence else 1)),  # of e_1 and the one before
                ],
                align=True,
            ),
        )
        memory["last"] = np.nan
        begin(memory["values"], self.window if self.z else 1)
        begin(memory["pairs"], self.window if self.persistence else 1)
        memory["window"], memory["levels"], memory["norm_levels"] = self.window, self.levels, self.norm_levels
        memory["net_half_life"], memory["net_decay"] = self.net_half_lives, decays(self.net_half_lives)
        memory["half_life"], memory["decay"] = self.half_lives, decays(self.half_lives)
        memory["z"], memory["persistence"], memory["depletion"] = self.z, self.persistence, self.depletion
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        flow(rows, state, out)


def _ofi(k: int) -> Column:
    return Column(
        f"ofi_{k}", "base coin", warmup=1, inputs=("ofi",), formula="e_1" if k == 1 else f"mean of e_1…e_{k}",
        source=CONT_2014 if k == 1 else "Xu, Gould & Howison 2018", family="flow",
    )  # fmt: skip


def _ofi_norm(k: int, window: int) -> Column:
    return Column(
        f"ofi_norm_{k}" if window == 60 else f"ofi_norm_{k}_{window}", "1", warmup=max(window - 1, 1),
        inputs=("ofi", "bid_sz", "ask_sz"),
        formula=f"mean of e_1…e_{k} / roll_{window} mean of (ΣB_{k} + ΣA_{k})/{2 * k}", source=CONT_2023, family="flow",
    )  # fmt: skip


def _net_flow(h: int) -> Column:
    return Column(
        "net_flow_10" if h == 5 else f"net_flow_10_{h}", "1", -1.0, 1.0, warmup=h,
        inputs=("add_bid", "rem_bid", "add_ask", "rem_ask"),
        formula=f"ewm_{h}(add⁺ − rem⁺ − add⁻ + rem⁻) / ewm_{h}(add⁺ + rem⁺ + add⁻ + rem⁻)",
        source="after Cont, Kukanov & Stoikov 2014", family="flow",
    )  # fmt: skip


def _z(window: int) -> Column:
    # no value of n is further than (n − 1)/√n standard deviations from their mean
    reach = math.sqrt(window) + 1e-9
    return Column(
        f"ofi_z_{window}", "1", -reach, reach, warmup=window, inputs=("ofi",),
        formula=f"(e_1 − mean)/std over {window} rows", source=CONT_2014, family="flow",
    )  # fmt: skip


def _ofi_ewm(h: int) -> Column:
    return Column(
        f"ofi_ewm_{h}", "base coin", warmup=h, inputs=("ofi",), formula=f"ewm_{h} e_1", source=CONT_2014, family="flow",
    )  # fmt: skip


def _persistence(window: int) -> Column:
    return Column(
        f"ofi_persistence_{window}", "1", -1.0, 1.0, warmup=window + 1, inputs=("ofi",),
        formula=f"correlation of e_1(s), e_1(s−1) over {window} pairs", source="lag-1 autocorrelation", family="flow",
    )  # fmt: skip


DEPLETION = Column(
    "depletion_asymmetry", "1", -1.0, 1.0, warmup=1, inputs=("rem1_bid", "rem1_ask", "bid_sz", "ask_sz"),
    formula="rem1⁻/(A_1 + rem1⁻) − rem1⁺/(B_1 + rem1⁺)", source="definition", family="flow",
)  # fmt: skip


@kernel
def mean_flow(ofi: Floats, k: int) -> float:
    """Mean of e_1…e_k."""
    total = 0.0
    for i in range(k):
        total += ofi[i]
    return total / k


@kernel
def correlation(total: Floats) -> float:
    """Of the pairs of a window, from their count and sums; 0 where one of the two does not vary."""
    count, a, b = total[0], total[1], total[2]
    aa, bb = spread(count, a, total[3]), spread(count, b, total[4])
    if aa == 0.0 or bb == 0.0:
        return 0.0
    value: float = (total[5] - a * b / count) / (math.sqrt(aa) * math.sqrt(bb))
    return min(max(value, -1.0), 1.0)  # rounding may leave the range


@kernel
def flow(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Flow`."""
    s = state[0]
    n = s.window
    for t in range(len(rows)):
        row = rows[t]
        position = s.position
        if position == 0 and not row.mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        s.position = position + 1
        x = row.ofi[0]
        known = not math.isnan(x)
        j = 0

        for i in range(len(s.levels)):
            out[t, j] = mean_flow(row.ofi, s.levels[i]) if position >= 1 else np.nan
            j += 1

        if len(s.norm_levels) > 0:
            for i in range(len(s.norm_levels)):
                k = s.norm_levels[i]
                depth = (size(row.bid_sz, 1, k) + size(row.ask_sz, 1, k)) / (2.0 * k)
                whole = not math.isnan(depth)
                s.depth.new[2 * i] = depth if whole else 0.0
                s.depth.new[2 * i + 1] = 1.0 if whole else 0.0
            slide_sums(s.depth)
            for i in range(len(s.norm_levels)):
                total, count = s.depth.total[2 * i], s.depth.total[2 * i + 1]
                warm = position >= 1 and position >= n - 1
                good = warm and s.depth.new[2 * i + 1] > 0.0 and enough(count, n)
                out[t, j] = ratio(mean_flow(row.ofi, s.norm_levels[i]), total / count) if good else np.nan
                j += 1

        # the share is kept, not num and den: nothing moving for hours changes neither it nor its digits
        moved = row.add_bid + row.rem_bid + row.add_ask + row.rem_ask
        net = row.add_bid - row.rem_bid - row.add_ask + row.rem_ask
        for i in range(len(s.net)):
            old = fade(s.moved[i], s.net_decay[i])
            if math.isnan(moved):
                s.moved[i] = old
                out[t, j] = np.nan
            else:
                s.moved[i] = old + moved
                if moved > 0.0 and s.moved[i] > FADED:
                    s.net[i] = (old * s.net[i] + net) / s.moved[i]
                out[t, j] = s.net[i] if position >= s.net_half_life[i] else np.nan
            j += 1

        if s.z:
            slide_powers(s.values, x)
            count, first = s.values.total[0], s.values.total[1]  # Σ of distances from the window's centre
            value = np.nan
            if known and position >= n and enough(count, n):
                squares = spread(count, first, s.values.total[2])
                distance = x - s.values.centre - first / count
                value = 0.0 if squares == 0.0 else distance / math.sqrt(squares / (count - 1.0))
            out[t, j] = value
            j += 1

        for i in range(len(s.mean)):
            if known:
                s.mean[i], s.weight[i] = ewm(s.mean[i], s.weight[i], s.decay[i], x)
            else:
                s.weight[i] = fade(s.weight[i], s.decay[i])
            out[t, j] = s.mean[i] if known and position >= s.half_life[i] else np.nan
            j += 1

        if s.persistence:
            paired = known and not math.isnan(s.last)
            slide_pairs(s.pairs, x, s.last)
            good = paired and position > n and enough(s.pairs.total[0], n)
            out[t, j] = correlation(s.pairs.total) if good else np.nan
            j += 1
        s.last = x

        if s.depletion:
            asks = ratio(row.rem1_ask, row.ask_sz[0] + row.rem1_ask)
            bids = ratio(row.rem1_bid, row.bid_sz[0] + row.rem1_bid)
            out[t, j] = asks - bids if position >= 1 else np.nan
