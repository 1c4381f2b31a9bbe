"""The features as one writes them in a notebook: NumPy over the levels, pandas over the rows, nothing row by row.

By the same rules: windows want four fifths of their rows, a row without a value of its own gives none. Where pandas'
running sums do not reach the tolerance (a std of what hardly moves), windows are taken as a view and summed anew. What is missing of the 90, and why, stands in `benchmarks.features`.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

SCALARS = (
    "mid", "mid_high", "mid_low", "buy_volume", "sell_volume", "buy_count", "sell_count", "buy_notional",
    "sell_notional", "max_trade", "signed_cost", "changes", "mid_moves", "mid_reversals", "add_bid", "add_ask",
    "rem_bid", "rem_ask", "rem1_bid", "rem1_ask",
)  # fmt: skip


class Rows:
    """The rows as pandas likes them, made before anything is timed: levels as matrices, the rest as a frame."""

    def __init__(self, rows, instrument):
        self.bid_px, self.bid_sz, self.ask_px, self.ask_sz, self.ofi = (
            np.ascontiguousarray(rows[name]) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz", "ofi")
        )
        self.one = pd.DataFrame({name: rows[name] for name in SCALARS})
        self.row_ns = rows["row_ns"].copy()
        self.tick, self.funding_ns = float(instrument.tick), instrument.funding_ns


def ratio(over, under):
    """over/under, 0 where the denominator is empty."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(under == 0, 0.0, over / under)


def least(n):
    """Rows that a window of n wants."""
    return -(-8 * n // 10)


def roll(x, n, what="mean", warm=None):
    """A statistic of the last n rows; none where the row itself has no value, and before row `warm`."""
    value = getattr(x.rolling(n, min_periods=least(n)), what)().where(x.notna())
    value.iloc[: n if warm is None else warm] = np.nan
    return value


def ewm(x, half_life, warm=None):
    value = x.ewm(halflife=half_life).mean().where(x.notna())
    value.iloc[: half_life if warm is None else warm] = np.nan
    return value


def anew(x, n, warm):
    """How far the newest row lies above the mean of the last n, and their std: every window summed anew."""
    full = np.concatenate((np.full(n - 1, np.nan), x.to_numpy()))
    windows = np.lib.stride_tricks.sliding_window_view(full, n)
    off = windows - windows[:, -1:]
    off[np.isnan(off)] = 0.0
    known = np.convolve(~np.isnan(full), np.ones(n), "valid")
    count = np.maximum(known, least(n))  # fewer are not enough
    first, second = off.sum(1), np.einsum("ij,ij->i", off, off)
    std = np.sqrt(np.maximum(0, second - first**2 / count) / (count - 1))
    std[(known < least(n)) | np.isnan(x.to_numpy())] = np.nan
    std[:warm] = np.nan
    return -first / count, std


def columns(rows):
    """All columns, by name."""
    r = rows.one
    mid = r["mid"].to_numpy()
    log = np.log(r["mid"])
    moves = log.diff()
    net, volume = r["buy_volume"] - r["sell_volume"], r["buy_volume"] + r["sell_volume"]
    out = book(rows, mid) | returns(r["mid"], log) | volatility(r, moves) | moments(log, moves)
    out |= calendar(rows) | trades(r, net, volume) | impact(rows, moves, net, volume) | flow(rows)
    out |= shape(rows, mid) | pressure(rows, mid) | toxicity(r)
    out |= urgency(rows, mid, moves, net, out["effective_spread_bps"])
    return pd.DataFrame(out, copy=False)


def book(rows, mid):
    bid_value, ask_value = rows.bid_px * rows.bid_sz, rows.ask_px * rows.ask_sz
    bid_size, ask_size = rows.bid_sz, rows.ask_sz
    out = {"spread_bps": 1e4 * (rows.ask_px[:, 0] - rows.bid_px[:, 0]) / mid}
    bids, asks = bid_size[:, :5].sum(1), ask_size[:, :5].sum(1)
    vwap_bid, vwap_ask = bid_value[:, :5].sum(1) / bids, ask_value[:, :5].sum(1) / asks
    out["microprice_5_gap_bps"] = 1e4 * ((vwap_ask * bids + vwap_bid * asks) / (bids + asks) - mid) / mid
    for name, low, high in (("1", 1, 1), ("2_3", 2, 3), ("4_5", 4, 5), ("6_10", 6, 10), ("11_20", 11, 20)):
        bids, asks = bid_size[:, low - 1 : high].sum(1), ask_size[:, low - 1 : high].sum(1)
        out[f"imbalance_{name}"] = (bids - asks) / (bids + asks)
    notional = {k: (bid_value[:, :k].sum(1), ask_value[:, :k].sum(1)) for k in (5, 20)}
    for k, (bids, asks) in notional.items():
        out[f"depth_bid_{k}"], out[f"depth_ask_{k}"] = np.log1p(bids), np.log1p(asks)
    out["depth_ratio_5_20"] = sum(notional[5]) / sum(notional[20])
    out["vwap_gap_bid_10_bps"] = 1e4 * (mid - bid_value[:, :10].sum(1) / bid_size[:, :10].sum(1)) / mid
    out["vwap_gap_ask_10_bps"] = 1e4 * (ask_value[:, :10].sum(1) / ask_size[:, :10].sum(1) - mid) / mid
    out["wall_imbalance"] = bid_size.max(1) / bid_size.sum(1) - ask_size.max(1) / ask_size.sum(1)
    return out


def returns(mid, log):
    out = {f"log_return_{n}": log.diff(n) for n in (1, 5, 10, 30, 60, 300)}
    fast, middle, slow = (ewm(mid, h, h - 1) for h in (10, 60, 600))
    return out | {"ema_gap_fast": np.log(fast / middle), "ema_gap_slow": np.log(middle / slow)}


def volatility(r, moves):
    squares = moves**2
    rv = {n: np.sqrt(n * roll(squares, n)) for n in (10, 30, 60, 300)}
    out = {f"rv_{n}": value for n, value in rv.items()}
    still = rv[300] == 0
    out["vol_ratio_30_300"] = np.where(still, 1, (rv[30] / math.sqrt(30)) / (rv[300] / math.sqrt(300)))
    reach = np.log(roll(r["mid_high"], 60, "max") / roll(r["mid_low"], 60, "min"))
    out["parkinson_60"] = reach / math.sqrt(4 * math.log(2))
    out["vol_of_vol_60"] = anew(rv[10], 60, 69)[1]
    return out


def zscore(x, n):
    std = roll(x, n, "std")
    return ratio(x - roll(x, n), std)


def correlation(x, n):
    """Of the pairs (x_s, x_{s−1}) of the last n rows."""
    before = x.shift()
    before, x = before.where(x.notna()), x.where(before.notna())
    value = x.rolling(n, min_periods=least(n)).corr(before)
    value = value.fillna(0.0).where(roll(x, n).notna())  # no variance: no correlation
    value.iloc[: n + 1] = np.nan
    return value


def moments(log, moves):
    n = 300
    skew, kurt = roll(moves, n, "skew"), roll(moves, n, "kurt")  # those of a sample: back to the population's
    k = roll(moves, n, "count")
    since = log - log.iloc[0]  # nearer 0, or the running sums lose the digits that move
    return {
        "zscore_60": ratio(*anew(log, 60, 59)),
        "zscore_300": ratio(since - roll(since, n, warm=n - 1), roll(since, n, "std", n - 1)),
        "skew_300": skew * ((k - 2) / np.sqrt(k * (k - 1))),
        "kurt_300": (kurt * ((k - 2) * (k - 3) / (k - 1)) - 6) / (k + 1),
        "autocorr_60": correlation(moves, 60),
    }


def calendar(rows):
    out = {}
    for name, period in (("hour", 86_400 * 10**9), ("funding", rows.funding_ns)):
        angle = 2 * math.pi * ((rows.row_ns % period) / period)
        out |= {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}
    return out


def trades(r, net, volume):
    number, notional = r["buy_count"] + r["sell_count"], r["buy_notional"] + r["sell_notional"]
    sums = {n: roll(volume, n, "sum") for n in (10, 60)}
    out = {"trade_imbalance_1": ratio(net, volume)}
    out |= {f"trade_imbalance_{n}": ratio(roll(net, n, "sum"), sums[n]) for n in (10, 60)}
    out |= {f"trade_intensity_{n}": roll(number, n) for n in (10, 60)}
    out["mean_trade_size_60"] = ratio(sums[60], roll(number, 60, "sum"))
    out["large_trade_share_60"] = ratio(roll(r["max_trade"], 60, "max"), sums[60])
    paid = roll(notional, 60, "sum") / sums[60]
    out["trade_vwap_gap_60_bps"] = np.where(sums[60] == 0, 0 * r["mid"], 1e4 * (r["mid"] - paid) / r["mid"])
    out["signed_volume_z_60"] = zscore(net, 60)
    stretch = net.isna().cumsum()  # a row that is not known ends a run
    sign = np.sign(net)
    way = sign.where(sign != 0).groupby(stretch).ffill()
    run = ((way != way.shift()) & way.notna()).cumsum()
    out["trade_run_length"] = way.fillna(0) * ((sign != 0) & way.notna()).groupby(run).cumsum() + 0 * net
    return out


def impact(rows, moves, net, volume):
    r, mid = rows.one, rows.one["mid"]
    notional, net_notional = r["buy_notional"] + r["sell_notional"], r["buy_notional"] - r["sell_notional"]
    bps, signed = 1e4 * moves.where(net.notna()), net.where(moves.notna())
    slope = signed.rolling(60, min_periods=least(60)).cov(bps).where(bps.notna())
    paid = net_notional.shift(10) - net.shift(10) * mid
    later = ratio(roll(paid, 60, "sum", 70), roll(volume.shift(10).where(paid.notna()), 60, "sum", 70))
    spread = (2e4 * r["signed_cost"] / (volume * mid)).where(volume > 0).ffill()
    return {
        "kyle_lambda_60": ratio(slope, roll(signed, 60, "var")),
        "amihud_60": 1e9
        * ratio(
            roll(moves.abs().where(notional.notna()), 60, "sum"),
            roll(notional.where(moves.notna()), 60, "sum"),
        ),
        "effective_spread_bps": spread.where((volume + r["signed_cost"] + mid).notna()),
        "realized_spread_10_bps": 2e4 * later / mid,
        "cost_to_buy_bps": cost(rows.ask_px, rows.ask_sz, mid.to_numpy(), 250_000),
        "cost_to_sell_bps": -cost(rows.bid_px, rows.bid_sz, mid.to_numpy(), 250_000),
    }


def cost(prices, sizes, mid, notional):
    value = prices * sizes
    taken = np.clip(notional - (np.cumsum(value, axis=1) - value), 0, value)
    rest = notional - taken.sum(1)
    filled = (taken / prices).sum(1) + rest / prices[:, -1]
    return 1e4 * (notional / filled - mid) / mid


def flow(rows):
    r, first = rows.one, pd.Series(rows.ofi[:, 0])
    depth = pd.Series(rows.bid_sz[:, :10].sum(1) + rows.ask_sz[:, :10].sum(1)) / 20
    bids, asks = r["add_bid"] - r["rem_bid"], r["add_ask"] - r["rem_ask"]
    moved = r["add_bid"] + r["rem_bid"] + r["add_ask"] + r["rem_ask"]
    shares = [ratio(r[f"rem1_{s}"], getattr(rows, f"{s}_sz")[:, 0] + r[f"rem1_{s}"]) for s in ("bid", "ask")]
    return {
        "ofi_1": first,
        "ofi_5": rows.ofi[:, :5].mean(1),
        "ofi_norm_10": rows.ofi.mean(1) / roll(depth, 60, warm=59),
        "net_flow_10": ratio(ewm(bids - asks, 5), ewm(moved, 5)),
        "ofi_z_60": zscore(first, 60),
        "ofi_ewm_5": ewm(first, 5),
        "ofi_ewm_30": ewm(first, 30),
        "ofi_persistence_60": correlation(first, 60),
        "depletion_asymmetry": shares[1] - shares[0],
    }


def shape(rows, mid):
    slopes = [
        slope(p, s, mid, rows.tick) for p, s in ((rows.bid_px, rows.bid_sz), (rows.ask_px, rows.ask_sz))
    ]
    sizes = np.concatenate((rows.bid_sz, rows.ask_sz), axis=1)
    shares = sizes / sizes.sum(1)[:, None]
    return {
        "slope_bid": slopes[0],
        "slope_ask": slopes[1],
        "slope_asymmetry": (slopes[0] - slopes[1]) / (slopes[0] + slopes[1]),
        "gap_bid": np.round((rows.bid_px[:, 0] - rows.bid_px[:, 1]) / rows.tick),
        "gap_ask": np.round((rows.ask_px[:, 1] - rows.ask_px[:, 0]) / rows.tick),
        "book_entropy": -(shares * np.log(shares)).sum(1) / math.log(40),
    }


def slope(prices, sizes, mid, tick):
    distance = np.abs(prices[:, :10] - mid[:, None]) / tick
    distance -= distance.mean(1)[:, None]
    return (distance * np.cumsum(sizes[:, :10], axis=1)).sum(1) / (distance**2).sum(1)


def pressure(rows, mid):
    out = {}
    for k in (5, 10):
        bids, asks = weighted(rows, mid, 1, k)
        out[f"price_pressure_2_{k}"] = (bids - asks) / (bids + asks)
    bid, ask = rows.bid_sz[:, 0], rows.ask_sz[:, 0]
    micro = ((rows.ask_px[:, 0] - mid) * bid + (rows.bid_px[:, 0] - mid) * ask) / (bid + ask)
    out["microprice_gap_change_bps"] = pd.Series(1e4 * micro / mid).diff()
    bids, asks = rows.bid_sz[:, :5].sum(1), rows.ask_sz[:, :5].sum(1)
    leaning = pd.Series((bids - asks) / (bids + asks))
    out["imbalance_velocity"] = leaning - ewm(leaning, 10, 9)
    for side in ("bid", "ask"):
        added, removed = (roll(rows.one[f"{way}_{side}"], 10, "sum") for way in ("add", "rem"))
        out[f"replenishment_{side}"] = ratio(added - removed, added + removed)
    return out


def weighted(rows, mid, first, last):
    """Σ w·size of levels first + 1…last of both sides, w = 1/(1 + ticks from m)."""
    for prices, sizes in ((rows.bid_px, rows.bid_sz), (rows.ask_px, rows.ask_sz)):
        distance = np.abs(prices[:, first:last] - mid[:, None]) / rows.tick
        yield (sizes[:, first:last] / (1 + distance)).sum(1)


def toxicity(r):
    sums = roll(
        r[["rem_bid", "rem_ask", "buy_volume", "sell_volume", "changes", "mid_moves", "mid_reversals"]],
        60,
        "sum",
    )
    number = roll(r["buy_count"] + r["sell_count"], 60, "sum")
    return {
        "cancel_rate_bid": np.maximum(0, ratio(sums["rem_bid"] - sums["sell_volume"], sums["rem_bid"])),
        "cancel_rate_ask": np.maximum(0, ratio(sums["rem_ask"] - sums["buy_volume"], sums["rem_ask"])),
        "order_to_trade_60": sums["changes"] / np.maximum(1, number),
        "quote_flicker_60": ratio(sums["mid_reversals"], sums["mid_moves"]),
    }


def urgency(rows, mid, moves, net, spread):
    r = rows.one
    out = {
        "fill_probability_bid": -np.expm1(-10 * ewm(r["sell_volume"], 30) / rows.bid_sz[:, 0]),
        "fill_probability_ask": -np.expm1(-10 * ewm(r["buy_volume"], 30) / rows.ask_sz[:, 0]),
    }
    signed = np.sign(net.shift(10))
    move = signed * 1e4 * r["mid"].diff(10) / r["mid"]
    followed = move.where(signed != 0).ewm(halflife=60).mean().where(move.notna())
    followed.iloc[:70] = np.nan
    out["adverse_selection_10_bps"] = followed
    known = r["mid"].ffill()
    age = known.groupby((known.diff() != 0).cumsum()).cumcount()
    out["mid_age"] = np.log1p(age).where(r["mid"].notna() & (age.index > 0))
    bids, asks = weighted(rows, mid, 0, 5)
    lean = np.abs((bids - asks) / (bids + asks))
    rv = np.sqrt(30 * roll(moves**2, 30))
    x = lean * 1e4 * rv * math.sqrt(10 / 30) + followed - spread / 2
    out["execution_urgency"] = 1 / (1 + np.exp(-x))
    return out
